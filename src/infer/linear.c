#include "infer/linear.h"

#include "infer/norm.h"
#include "infer/prefetch.h"
#include "infer/row_chunks.h"
#include "model/layout.h"

#include <math.h>
#include <string.h>

enum {
	TOKENS_PER_CALL = 128, /* tokens of a kernel call, for which it unpacks weights once */
	STORE_AHEAD = 2,       /* tokens whose place in the output is prefetched before its turn */
};
_Static_assert(TERN_FEW_TOKENS *TERN_MAX_CHUNK_PANELS <= TERN_MANY_TOKENS_PANELS * TOKENS_PER_CALL,
               "the scratch holds the sums of a long chunk for few tokens");
_Static_assert(sizeof(int32_t) == sizeof(float), "the scratch takes sums or results");

size_t tern_linear_scratch_bytes(void)
{
	return TOKENS_PER_CALL * TERN_MANY_TOKENS_PANELS * TERN_PANEL_ROWS * sizeof(int32_t);
}

static size_t activation_group(const struct tern_engine *engine, size_t n_col)
{
	size_t group = engine->transformer->hparams.activation_group;
	return group ? group : n_col;
}

static size_t group_count(size_t n_col, size_t group) { return (n_col + group - 1) / group; }

/* ---- input ---- */

struct quantize_task {
	struct tern_engine *engine;
	struct tern_quantized *out;
	const struct tern_linear *linear;
	const float *input;
};

static void quantize_token(void *context, size_t token, int worker)
{
	const struct quantize_task *task = context;
	const struct tern_kernels *kernels = task->engine->kernels;
	const struct tern_linear *linear = task->linear;
	size_t n_col = linear->n_col, group = activation_group(task->engine, n_col);
	const float *x = task->input + token * n_col;
	int8_t *q = task->out->q + token * n_col;
	size_t n_group = group_count(n_col, group);
	struct tern_activation *activations = task->out->activations + token * n_group;
	if (linear->hadamard_block) {
		float *rotated = tern_worker_scratch(task->engine, worker);
		kernels->hadamard(rotated, x, linear->signs, n_col, linear->hadamard_block);
		x = rotated;
	}
	float inv_rms = linear->has_norm ? tern_inv_rms(kernels, x, n_col, linear->norm_eps) : 1.0f;

	for (size_t c = 0; c < n_col; c += group) {
		size_t n = n_col - c < group ? n_col - c : group;
		*activations++ = kernels->norm_quantize(q + c, x + c, linear->norm_gain ? linear->norm_gain + c : NULL,
		                                        inv_rms, n);
	}
	for (size_t g = 0; (n_group > 1 || linear->scale_group) && g < n_group; g++)
		task->out->inverses[token * n_group + g] = 1.0f / task->out->activations[token * n_group + g].scale;
}

void tern_quantize_input(struct tern_engine *engine, struct tern_quantized *out, const struct tern_linear *linear,
                         const float *input, size_t n_token)
{
	struct quantize_task task = {engine, out, linear, input};
	tern_engine_run(engine, quantize_token, &task, n_token, n_token * linear->n_col * 16);
}

/* ---- multiplication ---- */

struct project_task {
	const struct tern_engine *engine;
	const struct tern_projection *projections;
	size_t n_token;
	struct tern_row_chunks chunks;
};

/* The part of the output that a kernel call computes. */
struct part {
	size_t first_row, n_row; /* rows of the matrix */
	size_t n_panel;          /* ceil(n_row / 16) */
	size_t first_token, n_token;
};

/* Stores the products of a token and a part's rows; y is scratch afterwards. */
static void store(const struct tern_projection *projection, const struct part *part, size_t token, float *restrict y)
{
	const struct tern_linear *linear = projection->linear;
	float *restrict out = &projection->out[token * linear->n_row + part->first_row];

	for (size_t r = 0; linear->bias && r < part->n_row; r++)
		y[r] += linear->bias[part->first_row + r];
	if (projection->add)
		for (size_t r = 0; r < part->n_row; r++)
			out[r] += y[r];
	else
		memcpy(out, y, part->n_row * sizeof *out);
}

/* Prefetches the cache lines that store() will write for a token. */
static void prefetch_output(const struct tern_projection *projection, const struct part *part, size_t token)
{
	const float *out = &projection->out[token * projection->linear->n_row + part->first_row];

	for (size_t r = 0; r < part->n_row; r += 16)
		__builtin_prefetch(out + r, 1);
}

/* One scale for the matrix and one for each token's vector: y = (sums - sum of q) * (scale / activation scale). */
static void project_whole(const struct tern_engine *engine, const struct tern_projection *projection,
                          const struct part *part, int32_t *sums)
{
	const struct tern_linear *linear = projection->linear;
	size_t n_col = linear->n_col, panel_bytes = tern_linear_panel_bytes(linear);
	tern_dot_panels *dot = linear->is_binary ? engine->kernels->dot_binary : engine->kernels->dot_ternary;
	const uint8_t *panels = linear->panels + part->first_row / TERN_PANEL_ROWS * panel_bytes;
	float y[TERN_MAX_CHUNK_PANELS * TERN_PANEL_ROWS];

	dot(sums, panels, panel_bytes, part->n_panel, projection->input->q + part->first_token * n_col, n_col,
	    part->n_token, n_col);
	for (size_t t = 0; t < part->n_token; t++, sums += part->n_panel * TERN_PANEL_ROWS) {
		struct tern_activation activation = projection->input->activations[part->first_token + t];
		float factor = linear->scale / activation.scale;
		if (t + STORE_AHEAD < part->n_token)
			prefetch_output(projection, part, part->first_token + t + STORE_AHEAD);
		for (size_t r = 0; r < part->n_row; r++)
			y[r] = (float)(sums[r] - activation.sum) * factor;
		store(projection, part, part->first_token + t, y);
	}
}

/* Scales per group of columns, of the matrix, of the activations, or of both: the smaller groups are the steps in which
 * columns are added up. y: scratch. */
static void project_groups(const struct tern_engine *engine, const struct tern_projection *projection,
                           const struct part *part, float *y)
{
	const struct tern_linear *linear = projection->linear;
	size_t n_col = linear->n_col, x_group = activation_group(engine, n_col),
	       n_x_group = group_count(n_col, x_group);
	size_t w_group = linear->scale_group ? linear->scale_group : n_col,
	       step = w_group < x_group ? w_group : x_group;
	size_t panel = part->first_row / TERN_PANEL_ROWS, panel_bytes = tern_linear_panel_bytes(linear);
	size_t width = part->n_panel * TERN_PANEL_ROWS, scales_stride = n_col / w_group * TERN_PANEL_ROWS;
	const struct tern_quantized *input = projection->input;
	const struct tern_groups groups = {
	        .n_col = step,
	        .scales = linear->scale_group ? linear->group_scales + panel * scales_stride : NULL,
	        .scales_stride = scales_stride,
	        .steps_per_scale = group_count(w_group, step),
	        .whole = linear->scale,
	        .x = input->activations + part->first_token * n_x_group,
	        .x_inverse = input->inverses + part->first_token * n_x_group,
	        .x_stride = n_x_group,
	        .steps_per_x = group_count(x_group, step),
	};

	(linear->is_binary ? engine->kernels->dot_groups_binary : engine->kernels->dot_groups)(
	        y, linear->panels + panel * panel_bytes, panel_bytes, part->n_panel,
	        input->q + part->first_token * n_col, n_col, part->n_token, n_col, &groups);
	for (size_t t = 0; t < part->n_token; t++) {
		if (t + STORE_AHEAD < part->n_token)
			prefetch_output(projection, part, part->first_token + t + STORE_AHEAD);
		store(projection, part, part->first_token + t, y + t * width);
	}
}

static void project_chunk(void *context, size_t chunk, int worker)
{
	const struct project_task *task = context;
	struct part part = {0};
	const struct tern_projection *projection =
	        &task->projections[tern_row_chunk(&task->chunks, chunk, &part.first_row)];
	const struct tern_linear *linear = projection->linear;
	bool in_groups = linear->scale_group || activation_group(task->engine, linear->n_col) < linear->n_col;
	void *scratch = tern_worker_scratch(task->engine, worker);

	part.n_row = linear->n_row - part.first_row;
	part.n_row = part.n_row < task->chunks.n_row ? part.n_row : task->chunks.n_row;
	part.n_panel = tern_panel_count(part.n_row);
	for (part.first_token = 0; part.first_token < task->n_token; part.first_token += part.n_token) {
		part.n_token = task->n_token - part.first_token;
		part.n_token = part.n_token < TOKENS_PER_CALL ? part.n_token : TOKENS_PER_CALL;
		if (in_groups)
			project_groups(task->engine, projection, &part, scratch);
		else
			project_whole(task->engine, projection, &part, scratch);
	}
}

void tern_project(struct tern_engine *engine, const struct tern_projection *projections, size_t n_projection,
                  size_t n_token)
{
	struct project_task task = {engine, projections, n_token, {0}};
	const struct tern_linear *linears[TERN_MAX_READ_LINEARS];
	size_t work = 0;

	if (!tern_engine_may_go_on(engine))
		return;
	for (size_t i = 0; i < n_projection; i++) {
		linears[i] = projections[i].linear;
		work += linears[i]->n_row * linears[i]->n_col * n_token;
	}
	tern_divide_rows(&task.chunks, linears, n_projection, n_token, tern_pool_size(engine->pool));
	tern_prefetch_read(engine, linears[0]->next_read);
	tern_engine_run(engine, project_chunk, &task, tern_row_chunk_count(&task.chunks), work);
}
