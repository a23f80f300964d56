#include "infer/linear.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "infer/norm.h"
#include "infer/prefetch.h"
#include "model/layout.h"

#include <string.h>

enum {
	TOKENS_PER_CALL = 256, /* tokens of a kernel call, for which it unpacks weights once */
	STORE_AHEAD = 2,       /* tokens whose place in the output is prefetched before its turn */
};
_Static_assert(TERN_READING_TOKENS *TERN_MAX_CHUNK_PANELS <= TERN_MANY_TOKENS_PANELS * TOKENS_PER_CALL,
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

/* ---- memory ---- */

bool tern_quantized_alloc(const struct tern_engine *engine, struct tern_quantized *quantized, size_t n_vector,
                          size_t n_col)
{
	size_t group = engine->transformer->hparams.activation_group, n_group = group ? n_col / group + 1 : 1, n;

	if (!tern_mul_size(n_vector, n_group, &n))
		return false;
	quantized->activations = tern_alloc_aligned(n, sizeof *quantized->activations);
	quantized->inverses = tern_alloc_aligned(n, sizeof *quantized->inverses);
	quantized->q = tern_mul_size(n_vector, n_col, &n) ? tern_alloc_filling(n, 1) : NULL;
	return quantized->activations && quantized->inverses && quantized->q;
}

void tern_quantized_free(struct tern_quantized *quantized)
{
	tern_free(quantized->q);
	tern_free(quantized->activations);
	tern_free(quantized->inverses);
}

/* ---- input ---- */

struct quantize_task {
	struct tern_engine *engine;
	struct tern_quantized *out;
	const struct tern_linear *linear;
	const float *input, *gain;
};

void tern_quantize_vector(const struct tern_engine *engine, struct tern_quantized *out, size_t index,
                          const struct tern_linear *linear, const float *x, const float *gain, int worker)
{
	float eps = engine->transformer->hparams.rms_eps;
	const struct tern_kernels *kernels = engine->kernels;
	size_t n_col = linear->n_col, group = activation_group(engine, n_col), n_group = tern_divide_up(n_col, group);
	int8_t *q = out->q + index * n_col;
	struct tern_activation *activations = out->activations + index * n_group;
	float *scratch = tern_worker_scratch(engine, worker), inv_rms = 1.0f;

	if (gain && (linear->hadamard_block || linear->has_norm)) {
		kernels->rms_scale(scratch, x, gain, tern_inv_rms(kernels, x, n_col, eps), n_col);
		x = scratch;
		gain = NULL;
	}
	if (linear->hadamard_block) {
		kernels->hadamard(scratch, x, linear->signs, n_col, linear->hadamard_block);
		x = scratch;
	}
	if (gain)
		inv_rms = tern_inv_rms(kernels, x, n_col, eps);
	if (linear->has_norm) {
		inv_rms = tern_inv_rms(kernels, x, n_col, linear->norm_eps);
		gain = linear->norm_gain;
	}
	for (size_t c = 0; c < n_col; c += group) {
		size_t n = tern_smaller(n_col - c, group);
		*activations++ = kernels->norm_quantize(q + c, x + c, gain ? gain + c : NULL, inv_rms, n);
	}
	for (size_t g = 0; g < n_group; g++)
		out->inverses[index * n_group + g] = 1.0f / out->activations[index * n_group + g].scale;
}

void tern_quantized_copy(const struct tern_engine *engine, struct tern_quantized *quantized, size_t to, size_t from,
                         size_t n_col)
{
	size_t n_group = tern_divide_up(n_col, activation_group(engine, n_col));

	memcpy(quantized->q + to * n_col, quantized->q + from * n_col, n_col);
	memcpy(quantized->activations + to * n_group, quantized->activations + from * n_group,
	       n_group * sizeof *quantized->activations);
	memcpy(quantized->inverses + to * n_group, quantized->inverses + from * n_group,
	       n_group * sizeof *quantized->inverses);
}

static void quantize_token(void *context, size_t token, int worker)
{
	const struct quantize_task *task = context;

	tern_quantize_vector(task->engine, task->out, token, task->linear, task->input + token * task->linear->n_col,
	                     task->gain, worker);
}

void tern_quantize_input(struct tern_engine *engine, struct tern_quantized *out, const struct tern_linear *linear,
                         const float *input, const float *gain, size_t n_token)
{
	struct quantize_task task = {engine, out, linear, input, gain};
	tern_engine_run(engine, quantize_token, &task, n_token, n_token * linear->n_col * TERN_WORK_QUANTIZE);
}

/* ---- multiplication ---- */

struct project_task {
	const struct tern_engine *engine;
	const struct tern_projection *projections;
	size_t n_token;
	struct tern_row_chunks chunks;
};

/* What a call of a kernel computes: the products of some panels and tokens. */
struct call {
	struct tern_panel_range panels;
	size_t first_token, n_token;
};

static float *output_of(const struct tern_projection *projection, const struct call *call, size_t panel, size_t token)
{
	size_t row = projection->tokens ? projection->tokens[token] : token;
	return &projection
	                ->out[row * projection->linear->n_row + tern_panel_at(&call->panels, panel) * TERN_PANEL_ROWS];
}

static size_t panel_count(const struct call *call) { return call->panels.n * call->panels.n_strip; }

/* Panels from one of a kernel call to the next: they follow each other, or are one of each strip. */
static size_t panel_step(const struct call *call)
{
	return call->panels.n == 1 && call->panels.n_strip > 1 ? call->panels.strip_stride : 1;
}

/* Rows of n_panel panels that follow each other; the last panel of a matrix may have fewer than 16. */
static size_t rows_of(const struct tern_projection *projection, const struct call *call, size_t panel, size_t n_panel)
{
	size_t n_left = projection->linear->n_row - tern_panel_at(&call->panels, panel) * TERN_PANEL_ROWS;
	return tern_smaller(n_left, n_panel * TERN_PANEL_ROWS);
}

/* Stores the products of a token and n_row rows from a panel on; y is scratch afterwards. */
static void store(const struct tern_engine *engine, const struct tern_projection *projection, const struct call *call,
                  size_t panel, size_t n_row, size_t token, float *y)
{
	float *out = output_of(projection, call, panel, token);
	const float *bias = projection->linear->bias;

	if (bias)
		bias += tern_panel_at(&call->panels, panel) * TERN_PANEL_ROWS;
	for (size_t r = 0; bias && r < n_row; r++)
		y[r] += bias[r];
	if (projection->weights || projection->add)
		engine->kernels->combine(out, 1.0f, y, projection->weights ? projection->weights[token] : 1.0f, n_row);
	else
		memcpy(out, y, n_row * sizeof *out);
}

/* Prefetches the cache lines that store() will write for a token. */
static void prefetch_output(const struct tern_projection *projection, const struct call *call, size_t token)
{
	size_t n_together = call->panels.n;

	for (size_t p = 0; p < panel_count(call); p += n_together) {
		const float *out = output_of(projection, call, p, token);
		for (size_t i = 0; i < n_together; i++)
			__builtin_prefetch(out + i * TERN_PANEL_ROWS, 1);
	}
}

/* The same of the tokens whose turn comes first, before their sums are computed: another thread may have the lines. */
static void prefetch_first_outputs(const struct tern_projection *projection, const struct call *call)
{
	for (size_t t = 0; t < call->n_token && t < STORE_AHEAD; t++)
		prefetch_output(projection, call, call->first_token + t);
}

/* One scale for the matrix and one for each token's vector: y = (sums - sum of q) * (scale / activation scale). */
static void project_one_scale(const struct tern_engine *engine, const struct tern_projection *projection,
                              const struct call *call, struct tern_streaming streaming, int32_t *sums)
{
	const struct tern_linear *linear = projection->linear;
	size_t n_col = linear->n_col, panel_bytes = tern_linear_panel_bytes(linear), n_panel = panel_count(call);
	size_t n_together = call->panels.n; /* whose rows follow each other in the output */
	bool is_plain = !linear->bias && !projection->weights && !projection->add;
	float y[TERN_MAX_CHUNK_PANELS * TERN_PANEL_ROWS];

	prefetch_first_outputs(projection, call);
	tern_linear_dot(engine, linear)(
	        sums, linear->panels + call->panels.first * panel_bytes, panel_step(call) * panel_bytes, n_panel,
	        projection->input->q + call->first_token * n_col, n_col, call->n_token, n_col, streaming);
	for (size_t t = 0; t < call->n_token; t++) {
		struct tern_activation activation = projection->input->activations[call->first_token + t];
		float factor = linear->scale / activation.scale;
		if (t + STORE_AHEAD < call->n_token)
			prefetch_output(projection, call, call->first_token + t + STORE_AHEAD);
		for (size_t p = 0; p < n_panel; p += n_together, sums += n_together * TERN_PANEL_ROWS) {
			size_t n_row = rows_of(projection, call, p, n_together);
			float *to = is_plain ? output_of(projection, call, p, call->first_token + t) : y;
			engine->kernels->dequantize_sums(to, sums, activation.sum, factor, n_row);
			if (!is_plain)
				store(engine, projection, call, p, n_row, call->first_token + t, y);
		}
	}
}

/* Scales per group of columns, of the matrix, of the activations, or of both: the smaller groups are the steps in which
 * columns are added up. y: scratch. */
static void project_group_scales(const struct tern_engine *engine, const struct tern_projection *projection,
                                 const struct call *call, struct tern_streaming streaming, float *y)
{
	const struct tern_linear *linear = projection->linear;
	size_t n_col = linear->n_col, x_group = activation_group(engine, n_col),
	       n_x_group = tern_divide_up(n_col, x_group);
	size_t w_group = linear->scale_group ? linear->scale_group : n_col, step = tern_smaller(w_group, x_group);
	size_t first = call->panels.first, panel_bytes = tern_linear_panel_bytes(linear);
	size_t scales_per_panel = n_col / w_group * TERN_PANEL_ROWS;
	size_t n_together = call->panels.n;
	const struct tern_quantized *input = projection->input;
	const struct tern_groups groups = {
	        .n_col = step,
	        .scales = linear->scale_group ? linear->group_scales + first * scales_per_panel : NULL,
	        .scales_stride = panel_step(call) * scales_per_panel,
	        .steps_per_scale = tern_divide_up(w_group, step),
	        .matrix_scale = linear->scale,
	        .x = input->activations + call->first_token * n_x_group,
	        .x_inverse = input->inverses + call->first_token * n_x_group,
	        .x_stride = n_x_group,
	        .steps_per_x = tern_divide_up(x_group, step),
	        .streaming = streaming,
	};

	prefetch_first_outputs(projection, call);
	(linear->is_binary ? engine->kernels->dot_groups_binary : engine->kernels->dot_groups)(
	        y, linear->panels + first * panel_bytes, panel_step(call) * panel_bytes, panel_count(call),
	        input->q + call->first_token * n_col, n_col, call->n_token, n_col, &groups);
	for (size_t t = 0; t < call->n_token; t++) {
		if (t + STORE_AHEAD < call->n_token)
			prefetch_output(projection, call, call->first_token + t + STORE_AHEAD);
		for (size_t p = 0; p < panel_count(call); p += n_together, y += n_together * TERN_PANEL_ROWS)
			store(engine, projection, call, p, rows_of(projection, call, p, n_together),
			      call->first_token + t, y);
	}
}

/* Panels that fit a kernel call and the scratch, at most TERN_MAX_CHUNK_PANELS. next: see tern_project_panels(). */
static void project_calls(const struct tern_engine *engine, const struct tern_projection *projection,
                          struct tern_panel_range panels, size_t first_token, size_t n_token, const uint8_t *next,
                          int worker)
{
	const struct tern_linear *linear = projection->linear;
	bool in_groups = linear->scale_group || activation_group(engine, linear->n_col) < linear->n_col;
	struct call call = {.panels = panels};
	size_t end = first_token + n_token, most = TOKENS_PER_CALL * TERN_MANY_TOKENS_PANELS / panel_count(&call);
	struct tern_streaming streaming = engine->streaming;
	void *scratch = tern_worker_scratch(engine, worker);

	streaming.next = next;
	streaming.strip_stride = panels.n > 1 && panels.n_strip > 1 ? panels.strip_stride : 0;
	most = tern_smaller(most, TOKENS_PER_CALL);
	for (call.first_token = first_token; call.first_token < end; call.first_token += call.n_token) {
		call.n_token = tern_smaller(end - call.first_token, most);
		if (in_groups)
			project_group_scales(engine, projection, &call, streaming, scratch);
		else
			project_one_scale(engine, projection, &call, streaming, scratch);
	}
}

/* For several tokens a kernel call takes one panel of each strip. */
void tern_project_panels(const struct tern_engine *engine, const struct tern_projection *projection,
                         struct tern_panel_range panels, size_t first_token, size_t n_token, const uint8_t *next,
                         int worker)
{
	size_t panel_bytes = tern_linear_panel_bytes(projection->linear), end = panels.first + panels.n;
	size_t most = panels.n_strip > 1 && n_token > 1 ? 1 : TERN_MAX_CHUNK_PANELS / panels.n_strip;

	for (; panels.first < end; panels.first += panels.n) {
		size_t n_left = end - panels.first;
		panels.n = tern_smaller(n_left, most);
		project_calls(engine, projection, panels, first_token, n_token,
		              n_left > most ? projection->linear->panels + (panels.first + panels.n) * panel_bytes
		                            : next,
		              worker);
	}
}

/* Each strip of a chunk is a stream that goes on in the next chunk. */
static void project_chunk(void *context, size_t chunk, int worker)
{
	const struct project_task *task = context;
	struct tern_row_span span = tern_row_chunk_at(&task->chunks, chunk);
	struct tern_rows rows;

	while (tern_next_rows(&task->chunks, &span, &rows)) {
		const struct tern_projection *projection = &task->projections[rows.linear];
		size_t end = rows.strips.first + rows.strips.n;
		const uint8_t *after = projection->linear->panels + end * tern_linear_panel_bytes(projection->linear);
		tern_project_panels(task->engine, projection, rows.strips, 0, task->n_token,
		                    rows.strips.n_strip > 1 ? after : NULL, worker);
		tern_project_panels(task->engine, projection, rows.behind, 0, task->n_token, NULL, worker);
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
	tern_prefetch_read(engine, linears[0]->next_read);
	tern_engine_start_read(engine, tern_read_extent_of(linears, n_projection), n_token,
	                       tern_linear_dot(engine, linears[0]), true);
	tern_divide_rows(&task.chunks, linears, n_projection, n_token, tern_pool_n_used(engine->pool),
	                 engine->streaming.n_stream);
	tern_engine_run(engine, project_chunk, &task, tern_row_chunk_count(&task.chunks), work);
	tern_tuner_stop(&engine->tuner);
}
