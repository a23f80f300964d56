#include "infer/linear.h"

#include "base/bytes.h"
#include "model/layout.h"

#include <math.h>
#include <string.h>

enum {
	TOKENS_PER_TILE = 128, /* tokens per kernel call, for which it unpacks weights once */
	PANELS_PER_TILE = 8,   /* panels per kernel call with that many tokens: 64 KB of sums */
	FEW_TOKENS = 32,       /* up to so many, a thread takes longer stretches of the weights at a time */
	MOST_PANELS = PANELS_PER_TILE * TOKENS_PER_TILE / FEW_TOKENS,
	CHUNKS_PER_THREAD = 10,
	STORE_AHEAD = 2, /* tokens whose place in the output is asked for before its turn */
	MAX_PROJECTIONS = 3,
	AHEAD_BYTES = 1 << 18, /* half of the second-level cache of a core that has little of it */
};
_Static_assert(sizeof(int32_t) == sizeof(float), "the scratch takes sums or results");

size_t tern_linear_scratch_bytes(void) { return TOKENS_PER_TILE * PANELS_PER_TILE * TERN_PANEL_ROWS * sizeof(int32_t); }

static size_t activation_group(const struct tern_session *session, size_t n_col)
{
	size_t group = session->transformer->hparams.activation_group;
	return group ? group : n_col;
}

static size_t group_count(size_t n_col, size_t group) { return (n_col + group - 1) / group; }

/* ---- input ---- */

struct quantize_task {
	struct tern_session *session;
	struct tern_quantized *out;
	const struct tern_linear *linear;
	const float *input;
};

static void quantize_token(void *context, size_t token, int worker)
{
	const struct quantize_task *task = context;
	const struct tern_kernels *kernels = task->session->kernels;
	const struct tern_linear *linear = task->linear;
	size_t n_col = linear->n_col, group = activation_group(task->session, n_col);
	const float *x = task->input + token * n_col;
	int8_t *q = task->out->q + token * n_col;
	size_t n_group = group_count(n_col, group);
	struct tern_activation *activations = task->out->activations + token * n_group;
	float inv_rms = linear->has_norm ? tern_inv_rms(kernels, x, n_col, linear->norm_eps) : 1.0f;

	(void)worker;
	for (size_t c = 0; c < n_col; c += group) {
		size_t n = n_col - c < group ? n_col - c : group;
		*activations++ = kernels->norm_quantize(q + c, x + c, linear->norm_gain ? linear->norm_gain + c : NULL,
		                                        inv_rms, n);
	}
	for (size_t g = 0; (n_group > 1 || linear->scale_group) && g < n_group; g++)
		task->out->inverses[token * n_group + g] = 1.0f / task->out->activations[token * n_group + g].scale;
}

void tern_quantize_input(struct tern_session *session, struct tern_quantized *out, const struct tern_linear *linear,
                         const float *input, size_t n_token)
{
	struct quantize_task task = {session, out, linear, input};
	tern_session_run(session, quantize_token, &task, n_token, n_token * linear->n_col * 16);
}

/* ---- multiplication ---- */

struct project_task {
	const struct tern_session *session;
	const struct tern_projection *projections;
	size_t n_token;
	size_t chunk_rows;                       /* what a thread takes at a time */
	size_t first_chunk[MAX_PROJECTIONS + 1]; /* chunks of projection i: first_chunk[i] .. first_chunk[i+1]-1 */
};

/* The rows a kernel call covers. */
struct tile {
	size_t first_row, n_row; /* rows of the matrix */
	size_t n_panel;          /* ceil(n_row / 16) */
	size_t first_token, n_token;
};

/* Puts the products of a token and a tile's rows in their place; y is scratch afterwards. */
static void store(const struct tern_projection *projection, const struct tile *tile, size_t token, float *restrict y)
{
	const struct tern_linear *linear = projection->linear;
	float *restrict out = &projection->out[token * linear->n_row + tile->first_row];

	for (size_t r = 0; linear->bias && r < tile->n_row; r++)
		y[r] += linear->bias[tile->first_row + r];
	if (projection->add)
		for (size_t r = 0; r < tile->n_row; r++)
			out[r] += y[r];
	else
		memcpy(out, y, tile->n_row * sizeof *out);
}

/* Asks for the cache lines that store() will write a tile's rows of a token to. */
static void prefetch_output(const struct tern_projection *projection, const struct tile *tile, size_t token)
{
	const float *out = &projection->out[token * projection->linear->n_row + tile->first_row];

	for (size_t r = 0; r < tile->n_row; r += 16)
		__builtin_prefetch(out + r, 1);
}

/* One scale for the matrix and one for each token's vector: y = (sums - sum of q) * (scale / activation scale). */
static void project_whole(const struct tern_session *session, const struct tern_projection *projection,
                          const struct tile *tile, int32_t *sums)
{
	const struct tern_linear *linear = projection->linear;
	size_t n_col = linear->n_col, panel_bytes = tern_t2r16_panel_bytes(n_col);
	const uint8_t *panels = linear->panels + tile->first_row / TERN_PANEL_ROWS * panel_bytes;
	float y[MOST_PANELS * TERN_PANEL_ROWS];

	session->kernels->dot_ternary(sums, panels, panel_bytes, tile->n_panel,
	                              projection->input->q + tile->first_token * n_col, n_col, tile->n_token, n_col);
	for (size_t t = 0; t < tile->n_token; t++, sums += tile->n_panel * TERN_PANEL_ROWS) {
		struct tern_activation activation = projection->input->activations[tile->first_token + t];
		float factor = linear->scale / activation.scale;
		if (t + STORE_AHEAD < tile->n_token)
			prefetch_output(projection, tile, tile->first_token + t + STORE_AHEAD);
		for (size_t r = 0; r < tile->n_row; r++)
			y[r] = (float)(sums[r] - activation.sum) * factor;
		store(projection, tile, tile->first_token + t, y);
	}
}

/* Scales per group of columns, of the matrix, of the activations, or of both: the smaller groups are the steps in which
 * columns are added up. y: scratch. */
static void project_groups(const struct tern_session *session, const struct tern_projection *projection,
                           const struct tile *tile, float *y)
{
	const struct tern_linear *linear = projection->linear;
	size_t n_col = linear->n_col, x_group = activation_group(session, n_col),
	       n_x_group = group_count(n_col, x_group);
	size_t w_group = linear->scale_group ? linear->scale_group : n_col,
	       step = w_group < x_group ? w_group : x_group;
	size_t panel = tile->first_row / TERN_PANEL_ROWS, panel_bytes = tern_t2r16_panel_bytes(n_col);
	size_t width = tile->n_panel * TERN_PANEL_ROWS, scales_stride = n_col / w_group * TERN_PANEL_ROWS;
	const struct tern_quantized *input = projection->input;
	const struct tern_groups groups = {
	        .n_col = step,
	        .scales = linear->scale_group ? linear->group_scales + panel * scales_stride : NULL,
	        .scales_stride = scales_stride,
	        .steps_per_scale = group_count(w_group, step),
	        .whole = linear->scale,
	        .x = input->activations + tile->first_token * n_x_group,
	        .x_inverse = input->inverses + tile->first_token * n_x_group,
	        .x_stride = n_x_group,
	        .steps_per_x = group_count(x_group, step),
	};

	session->kernels->dot_groups(y, linear->panels + panel * panel_bytes, panel_bytes, tile->n_panel,
	                             input->q + tile->first_token * n_col, n_col, tile->n_token, n_col, &groups);
	for (size_t t = 0; t < tile->n_token; t++) {
		if (t + STORE_AHEAD < tile->n_token)
			prefetch_output(projection, tile, tile->first_token + t + STORE_AHEAD);
		store(projection, tile, tile->first_token + t, y + t * width);
	}
}

/* Which of the matrices a chunk belongs to. */
static size_t matrix_of(const struct project_task *task, size_t chunk)
{
	size_t i = 0;

	while (chunk >= task->first_chunk[i + 1])
		i++;
	return i;
}

static void project_chunk(void *context, size_t chunk, int worker)
{
	const struct project_task *task = context;
	size_t i = matrix_of(task, chunk);
	const struct tern_projection *projection = &task->projections[i];
	const struct tern_linear *linear = projection->linear;
	bool in_groups = linear->scale_group || activation_group(task->session, linear->n_col) < linear->n_col;
	struct tile tile = {.first_row = (chunk - task->first_chunk[i]) * task->chunk_rows};
	void *scratch = tern_worker_scratch(task->session, worker);

	tile.n_row = linear->n_row - tile.first_row;
	tile.n_row = tile.n_row < task->chunk_rows ? tile.n_row : task->chunk_rows;
	tile.n_panel = tern_panel_count(tile.n_row);
	for (tile.first_token = 0; tile.first_token < task->n_token; tile.first_token += tile.n_token) {
		tile.n_token = task->n_token - tile.first_token;
		tile.n_token = tile.n_token < TOKENS_PER_TILE ? tile.n_token : TOKENS_PER_TILE;
		if (in_groups)
			project_groups(task->session, projection, &tile, scratch);
		else
			project_whole(task->session, projection, &tile, scratch);
	}
}

/* Few tokens: reading the weights is the work, and memory is fastest in long stretches, each of which costs the start
 * of its streams; but there have to be several for each of many threads, since they are not equally fast. Many tokens:
 * what the scratch holds. */
static size_t chunk_panels(const struct tern_session *session, size_t n_panel, size_t n_token)
{
	size_t n_thread = (size_t)tern_pool_size(session->pool);
	size_t share = n_thread > 1 ? n_panel / (n_thread * CHUNKS_PER_THREAD) / 4 * 4 : MOST_PANELS;

	if (n_token > FEW_TOKENS)
		return PANELS_PER_TILE;
	return share < 4 ? 4 : share > MOST_PANELS ? MOST_PANELS : share;
}

/* Fills in how the rows of some matrices are cut into chunks. */
static void cut(struct project_task *task, const struct tern_linear *const *linears, size_t n_linear)
{
	size_t n_panel = 0;

	for (size_t i = 0; i < n_linear; i++)
		n_panel += tern_panel_count(linears[i]->n_row);
	task->chunk_rows = chunk_panels(task->session, n_panel, task->n_token) * TERN_PANEL_ROWS;
	for (size_t i = 0; i < n_linear; i++)
		task->first_chunk[i + 1] =
		        task->first_chunk[i] + (linears[i]->n_row + task->chunk_rows - 1) / task->chunk_rows;
}

void tern_project(struct tern_session *session, const struct tern_projection *projections, size_t n_projection,
                  size_t n_token)
{
	struct project_task task = {session, projections, n_token, 0, {0}};
	const struct tern_linear *linears[MAX_PROJECTIONS];
	size_t work = 0;

	for (size_t i = 0; i < n_projection; i++) {
		linears[i] = projections[i].linear;
		work += linears[i]->n_row * linears[i]->n_col * n_token;
	}
	cut(&task, linears, n_projection);
	tern_session_run(session, project_chunk, &task, task.first_chunk[n_projection], work);
}

void tern_project_ahead(struct tern_session *session, const struct tern_linear *const *linears, size_t n_linear,
                        size_t n_token)
{
	struct project_task task = {session, NULL, n_token, 0, {0}};

	if (n_token > FEW_TOKENS || tern_pool_size(session->pool) == 1)
		return;
	cut(&task, linears, n_linear);
	for (int w = 0; w < tern_pool_size(session->pool); w++) {
		size_t chunk = tern_pool_first_chunk(session->pool, w, task.first_chunk[n_linear]);
		size_t i = matrix_of(&task, chunk);
		size_t panel_bytes = tern_t2r16_panel_bytes(linears[i]->n_col);
		size_t first = (chunk - task.first_chunk[i]) * task.chunk_rows / TERN_PANEL_ROWS * panel_bytes;
		size_t n_bytes = tern_panel_count(linears[i]->n_row) * panel_bytes - first;
		tern_pool_look_ahead(session->pool, w, linears[i]->panels + first,
		                     n_bytes < AHEAD_BYTES ? n_bytes : AHEAD_BYTES);
	}
}
