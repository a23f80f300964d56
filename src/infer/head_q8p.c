/* A logit is a row's sum over q x, with the int8 input x, times the row's scale and 1 / the input's. With the nibbles
 * of q that sum is 16 (sum over h x) + (sum over l x) - 128 (sum over x): all in integers, and below 2^31 with at most
 * 65,536 columns.
 *
 * Decoding wants the largest logits only. The high nibbles alone place a row's sum around
 *
 *     middle = 16 (sum over h x) + 7.5 (sum over x) - 128 (sum over x)
 *
 * from which it is (sum over (l - 7.5) x) away. The most that this can be is 7.5 |x|_1, but a bound as wide as that
 * would rule out no row at all: with n columns it is some 0.8 sqrt(n) times 7.5 |x|_2, forty times with 2,560, and
 * logits do not lie that far apart. It would take a row whose low nibbles follow the signs of the input in every
 * column. Low nibbles are rounding residue: they know nothing of the input. Where each of 0 .. 15 is as likely as the
 * others, the bits of l - 7.5 are fair coins of +-0.5, 1, 2 and 4, the sum has mean 0 and standard deviation s = 4.61
 * |x|_2, and it exceeds t with a probability of at most exp(-t^2 / 2 s^2) (Hoeffding). So rows are held to
 *
 *     bound = BOUND_NORMS * 7.5 |x|_2      (or 7.5 |x|_1, where that is less: with few columns or a sparse input)
 *
 * which is 8.1 s: one row in 10^14 passes it, and matters only if it would be among the n_top largest. (Were the
 * nibbles always 0 or 15, s would be 7.5 |x|_2, and one row in 10^5 would.) All this assumes
 * weights of many steps. In a narrow row, whose scale is that of a few outliers and nearly all of whose q are -16 ..
 * 15, the low nibble of q tells its size, so a row like the input is much further away than s: such rows, which are
 * rare, are read whole, always. Of normally distributed q with a standard deviation of 10.4 seven eighths are in that
 * range, and the correlation of l - 7.5 with q is below 0.01; with 8 it is 0.03, with 5 0.29.
 *
 * A row that does pass the bound keeps its estimate, and the sampler chooses among the others, whose logits are exact:
 * the same ones on every machine and with any number of threads, since nothing here depends on either. Scaling by a
 * constant keeps the order of floats, so that a row within the bound in integers is within it as a logit, whatever the
 * rounding.
 *
 * It is read in panels of 16 rows:
 *
 *     1. the high plane of all panels; a panel's upper = the largest logit that the bound allows its rows
 *     2. the low plane of the panels with the largest upper; T = the n_top-th largest of their logits
 *     3. the low plane of all other panels whose upper reaches T, or that have a narrow row
 *
 * Where the input or a row's scale is not finite, neither are the row's estimate and its logit. */
#include "infer/head_q8p.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "model/layout.h"

#include <math.h>
#include <string.h>

enum {
	PANELS_PER_CHUNK = 16,
	ROWS_PER_CHUNK = PANELS_PER_CHUNK * TERN_PANEL_ROWS,
	TOKENS_PER_TILE = 16,

	BOUND_NORMS = 5,
	PANELS_PER_TOP = 3, /* panels read in step 2 for each of the n_top: the more, the nearer T is to the n_top-th */
	MIN_PANELS = 4,
	PANELS_PER_RUN = 4,  /* of the listed panels, that a worker takes at once */
	LOW_PREFETCH = 4096, /* bytes ahead, on into the next listed panel */

	/* Of a panel, in which small weights are counted: 1,016 columns, a share of which says enough, and two nibbles
	 * of each byte, which a byte can count. */
	NARROW_TILES = 127,

	/* Smaller heads lie in a cache, and where the n_top are many of few panels, most are in question: one pass over
	 * everything is quicker then. */
	MIN_WEIGHTS = 1 << 20,
	MIN_PANELS_PER_TOP = 32,
};

size_t tern_q8p_scratch_bytes(void) { return 2 * TOKENS_PER_TILE * ROWS_PER_CHUNK * sizeof(int32_t); /* both planes */ }

/* ---- all logits ----------------------------------------------------------------------------------------------- */

struct logits_task {
	struct tern_engine *engine;
	size_t n_token;
	float *logits;
};

/* Logits of n_row <= 16 rows. high and low: sums over the nibbles. */
static void logits_of_rows(float *logits, const int32_t *high, const int32_t *low, const float *row_scales,
                           size_t n_row, const struct tern_activation *x)
{
	float inverse = 1.0f / x->scale;

	for (size_t r = 0; r < n_row; r++) {
		int32_t sum = 16 * high[r] + low[r] - 128 * x->sum;
		logits[r] = (float)sum * (row_scales[r] * inverse);
	}
}

static void logits_tile(const struct logits_task *task, size_t chunk, size_t first_token, size_t n_token, int worker)
{
	const struct tern_engine *engine = task->engine;
	const struct tern_matrix *m = &engine->transformer->head;
	const struct tern_activation *activations = engine->quantized[0].activations + first_token;
	const int8_t *x = engine->quantized[0].q + first_token * m->n_col;
	size_t first_row = chunk * ROWS_PER_CHUNK, n_row = tern_smaller(m->n_row - first_row, ROWS_PER_CHUNK);
	size_t n_panel = tern_panel_count(n_row), panel_bytes = tern_q8p_panel_bytes(m->n_col);
	const uint8_t *high_plane = m->data + chunk * PANELS_PER_CHUNK * panel_bytes;
	const uint8_t *low_plane = high_plane + tern_panel_count(m->n_row) * panel_bytes;
	int32_t *high = tern_worker_scratch(engine, worker), *low = high + TOKENS_PER_TILE * ROWS_PER_CHUNK;

	engine->kernels->dot_nibble(high, high_plane, panel_bytes, n_panel, x, m->n_col, n_token, m->n_col,
	                            engine->streaming);
	engine->kernels->dot_nibble(low, low_plane, panel_bytes, n_panel, x, m->n_col, n_token, m->n_col,
	                            engine->streaming);
	for (size_t t = 0; t < n_token; t++) {
		size_t at = t * n_panel * TERN_PANEL_ROWS;
		logits_of_rows(task->logits + (first_token + t) * m->n_row + first_row, high + at, low + at,
		               m->row_scales + first_row, n_row, &activations[t]);
	}
}

static void logits_chunk(void *context, size_t chunk, int worker)
{
	const struct logits_task *task = context;

	for (size_t t = 0; t < task->n_token; t += TOKENS_PER_TILE)
		logits_tile(task, chunk, t, tern_smaller(task->n_token - t, TOKENS_PER_TILE), worker);
}

static void quantize(struct tern_engine *engine, size_t n_token)
{
	size_t n_embd = engine->transformer->hparams.n_embd;

	for (size_t i = 0; i < n_token; i++)
		engine->quantized[0].activations[i] = engine->kernels->norm_quantize(
		        engine->quantized[0].q + i * n_embd, engine->normed + i * n_embd, NULL, 1.0f, n_embd);
}

void tern_q8p_logits(struct tern_engine *engine, size_t n_token, float *logits)
{
	const struct tern_matrix *m = &engine->transformer->head;
	size_t n_panel = tern_panel_count(m->n_row), panel_bytes = tern_q8p_panel_bytes(m->n_col);
	struct logits_task task = {engine, n_token, logits};

	quantize(engine, n_token);
	tern_engine_start_read(engine, (struct tern_read_extent){m->data, panel_bytes, 2 * n_panel * panel_bytes},
	                       n_token, engine->kernels->dot_nibble, true);
	tern_engine_run(engine, logits_chunk, &task, tern_divide_up(m->n_row, ROWS_PER_CHUNK),
	                n_token * m->n_row * m->n_col);
	tern_tuner_stop(&engine->tuner);
}

/* ---- narrow rows ---------------------------------------------------------------------------------------------- */

/* Sets counts[r] to how many weights of row r of a panel's first n_tile <= NARROW_TILES tiles are -16 .. 15: those
 * whose high nibble is 7 or 8. */
static void count_small(unsigned counts[TERN_PANEL_ROWS], const uint8_t *tile, size_t n_tile)
{
	uint8_t n[TERN_TILE_BYTES] = {0};

	for (; n_tile > 0; n_tile--, tile += TERN_TILE_BYTES)
		for (size_t i = 0; i < TERN_TILE_BYTES; i++)
			n[i] = (uint8_t)(n[i] + ((uint8_t)((tile[i] & 15) - 7) < 2) +
			                 ((uint8_t)((tile[i] >> 4) - 7) < 2));
	memset(counts, 0, TERN_PANEL_ROWS * sizeof *counts);
	for (size_t i = 0; i < TERN_TILE_BYTES; i++)
		counts[i / (TERN_TILE_BYTES / TERN_PANEL_ROWS)] += n[i];
}

static void find_narrow_rows(void *context, size_t panel, int worker)
{
	struct tern_engine *engine = context;
	const struct tern_matrix *m = &engine->transformer->head;
	size_t n_tile = tern_smaller(m->n_col / TERN_NIBBLE_TILE_COLS, NARROW_TILES), first = panel * TERN_PANEL_ROWS;
	size_t n_row = tern_smaller(m->n_row - first, TERN_PANEL_ROWS);
	unsigned counts[TERN_PANEL_ROWS];
	bool is_narrow = false;

	(void)worker;
	count_small(counts, m->data + panel * tern_q8p_panel_bytes(m->n_col), n_tile);
	for (size_t r = 0; r < n_row; r++) /* a row with a scale of 0 is one of zeros */
		is_narrow |= counts[r] > n_tile * (TERN_NIBBLE_TILE_COLS / 8 * 7) && m->row_scales[first + r] != 0.0f;
	engine->pruning.is_narrow[panel] = is_narrow;
}

/* Once for an engine, when logits are first wanted. */
static void find_narrow_panels(struct tern_engine *engine)
{
	const struct tern_matrix *m = &engine->transformer->head;

	if (engine->pruning.knows_narrow)
		return;
	tern_engine_run(engine, find_narrow_rows, engine, tern_panel_count(m->n_row),
	                m->n_row * NARROW_TILES * TERN_NIBBLE_TILE_COLS);
	engine->pruning.knows_narrow = true;
}

/* ---- the largest ---------------------------------------------------------------------------------------------- */

/* A vector whose largest logits are wanted. */
struct top_vector {
	const int8_t *q;
	struct tern_activation x;
	float inverse;  /* 1 / x.scale */
	int32_t offset; /* middle = 16 (sum over h x) + offset */
	int32_t bound;  /* of the distance between a row's sum and its middle */
	float *upper, *logits;
};

struct top_task {
	struct tern_engine *engine;
	size_t n_vector;
	struct top_vector vectors[TERN_KEPT_OUTPUTS];
	/* For read_low_planes(): of which vector, and how many of pruning->panels. */
	size_t vector, n_panel;
};

/* A vector's sums over the high nibbles of a panel's rows. Those of a chunk's panels lie together, vector after vector,
 * as dot_nibble() gives them. */
static int32_t *high_sums(const struct top_task *task, size_t vector, size_t panel)
{
	size_t in_chunk = panel % PANELS_PER_CHUNK, first = panel - in_chunk;
	size_t n = tern_smaller(tern_panel_count(task->engine->transformer->head.n_row) - first, PANELS_PER_CHUNK);

	return task->engine->pruning.high + (first * task->n_vector + vector * n + in_chunk) * TERN_PANEL_ROWS;
}

/* The last panel's rows, where they are not 16: with copies of the last one, which have the same upper limit. */
static void estimate_last(const struct top_task *task, size_t vector, size_t panel, size_t n_row)
{
	const struct top_vector *v = &task->vectors[vector];
	const struct tern_matrix *m = &task->engine->transformer->head;
	const int32_t *sums = high_sums(task, vector, panel);
	size_t first = panel * TERN_PANEL_ROWS;
	float estimates[TERN_PANEL_ROWS], row_scales[TERN_PANEL_ROWS];
	int32_t high[TERN_PANEL_ROWS];

	for (size_t r = 0; r < TERN_PANEL_ROWS; r++) {
		high[r] = sums[tern_smaller(r, n_row - 1)];
		row_scales[r] = m->row_scales[first + tern_smaller(r, n_row - 1)];
	}
	task->engine->kernels->estimate(estimates, &v->upper[panel], high, row_scales, 1, v->inverse, v->offset,
	                                v->bound);
	memcpy(v->logits + first, estimates, n_row * sizeof *estimates);
}

/* A token's weights drive these out of the caches: they come while the plane is read. */
static void prefetch_chunk(const struct top_task *task, size_t first, size_t n_panel)
{
	const struct tern_matrix *m = &task->engine->transformer->head;

	for (size_t panel = first; panel < first + n_panel; panel++) {
		__builtin_prefetch(m->row_scales + panel * TERN_PANEL_ROWS);
		for (size_t i = 0; i < task->n_vector; i++) {
			__builtin_prefetch(task->vectors[i].logits + panel * TERN_PANEL_ROWS, 1);
			__builtin_prefetch(high_sums(task, i, panel), 1);
		}
	}
}

/* Step 1: estimates as logits. */
static void estimate_chunk(void *context, size_t chunk, int worker)
{
	const struct top_task *task = context;
	const struct tern_engine *engine = task->engine;
	const struct tern_matrix *m = &engine->transformer->head;
	size_t panel_bytes = tern_q8p_panel_bytes(m->n_col), first = chunk * PANELS_PER_CHUNK;
	size_t n_panel = tern_smaller(tern_panel_count(m->n_row) - first, PANELS_PER_CHUNK);
	size_t n_whole = tern_smaller(n_panel, m->n_row / TERN_PANEL_ROWS - first);

	(void)worker;
	prefetch_chunk(task, first, n_panel);
	engine->kernels->dot_nibble(high_sums(task, 0, first), m->data + first * panel_bytes, panel_bytes, n_panel,
	                            task->vectors[0].q, m->n_col, task->n_vector, m->n_col, engine->streaming);
	for (size_t i = 0; i < task->n_vector; i++) {
		const struct top_vector *v = &task->vectors[i];
		engine->kernels->estimate(v->logits + first * TERN_PANEL_ROWS, v->upper + first,
		                          high_sums(task, i, first), m->row_scales + first * TERN_PANEL_ROWS, n_whole,
		                          v->inverse, v->offset, v->bound);
		if (n_whole < n_panel)
			estimate_last(task, i, first + n_whole, m->n_row % TERN_PANEL_ROWS);
	}
}

/* Exact logits for the rows of some listed panels. */
static void read_low_chunk(void *context, size_t chunk, int worker)
{
	const struct top_task *task = context;
	const struct top_vector *v = &task->vectors[task->vector];
	const struct tern_engine *engine = task->engine;
	const struct tern_matrix *m = &engine->transformer->head;
	size_t panel_bytes = tern_q8p_panel_bytes(m->n_col), begin = chunk * PANELS_PER_RUN;
	size_t end = tern_smaller(task->n_panel, begin + PANELS_PER_RUN);
	const uint8_t *low_plane = m->data + tern_panel_count(m->n_row) * panel_bytes;
	struct tern_streaming streaming = {.n_stream = 1, .prefetch = LOW_PREFETCH};
	int32_t low[TERN_PANEL_ROWS];

	(void)worker;
	for (size_t i = begin; i < end; i++) {
		size_t panel = engine->pruning.panels[i], row = panel * TERN_PANEL_ROWS;
		streaming.next = i + 1 < task->n_panel ? low_plane + engine->pruning.panels[i + 1] * panel_bytes : NULL;
		engine->kernels->dot_nibble(low, low_plane + panel * panel_bytes, panel_bytes, 1, v->q, m->n_col, 1,
		                            m->n_col, streaming);
		logits_of_rows(v->logits + row, high_sums(task, task->vector, panel), low, m->row_scales + row,
		               tern_smaller(m->n_row - row, TERN_PANEL_ROWS), &v->x);
		v->upper[panel] = -INFINITY; /* it has been read */
	}
}

static void read_low_planes(struct top_task *task)
{
	struct tern_engine *engine = task->engine;
	size_t n_col = engine->transformer->head.n_col, n = task->n_panel;

	tern_engine_run(engine, read_low_chunk, task, tern_divide_up(n, PANELS_PER_RUN), n * TERN_PANEL_ROWS * n_col);
	engine->n_low_panel += n;
}

/* How far a row's sum is taken to be from its middle, rounded up; the 1 is for the half by which middle may be rounded.
 * The norms' squares and sums are exact, so this is the same number everywhere. */
static int32_t bound_of(const int8_t *x, size_t n)
{
	int64_t squares = 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		squares += x[i] * x[i];
		sum += x[i] < 0 ? -x[i] : x[i];
	}
	double likely = BOUND_NORMS * 7.5 * sqrt((double)squares), most = 7.5 * (double)sum;
	return (int32_t)ceil(likely < most ? likely : most) + 1;
}

/* Step 2. Returns T. */
static float read_best_panels(struct top_task *task, size_t n_top)
{
	struct tern_engine *engine = task->engine;
	struct tern_pruning *pruning = &engine->pruning;
	const struct top_vector *v = &task->vectors[task->vector];
	size_t n_row = engine->transformer->head.n_row, n_panel = tern_panel_count(n_row);
	struct tern_top panels = {.heap = pruning->best,
	                          .k = tern_smaller(PANELS_PER_TOP * n_top + MIN_PANELS, n_panel)};
	struct tern_top rows = {.heap = pruning->best, .k = n_top};

	for (size_t p = 0; p < n_panel; p++)
		tern_top_offer(&panels, v->upper[p], (int32_t)p);
	task->n_panel = panels.n;
	for (size_t i = 0; i < panels.n; i++)
		pruning->panels[i] = (uint32_t)panels.heap[i].id;
	read_low_planes(task);
	for (size_t i = 0; i < task->n_panel; i++) {
		size_t first = (size_t)pruning->panels[i] * TERN_PANEL_ROWS;
		for (size_t row = first; row < tern_smaller(first + TERN_PANEL_ROWS, n_row); row++)
			tern_top_offer(&rows, v->logits[row], (int32_t)row);
	}
	return rows.n == n_top ? rows.heap[0].value : -INFINITY;
}

/* Step 3. */
static void read_other_panels(struct top_task *task, float threshold)
{
	struct tern_pruning *pruning = &task->engine->pruning;
	const struct top_vector *v = &task->vectors[task->vector];
	size_t n_panel = tern_panel_count(task->engine->transformer->head.n_row);

	task->n_panel = 0;
	for (size_t p = 0; p < n_panel; p++) {
		bool is_estimate = v->upper[p] != -INFINITY;                              /* or it has been read */
		if (!(v->upper[p] < threshold) || (pruning->is_narrow[p] && is_estimate)) /* so also if T is a NaN */
			pruning->panels[task->n_panel++] = (uint32_t)p;
	}
	read_low_planes(task);
}

void tern_q8p_top_logits(struct tern_engine *engine, size_t n_token, const size_t *n_top, float *logits)
{
	const struct tern_matrix *m = &engine->transformer->head;
	const struct tern_quantized *quantized = &engine->quantized[0];
	size_t n_panel = tern_panel_count(m->n_row), panel_bytes = tern_q8p_panel_bytes(m->n_col);
	struct top_task task = {.engine = engine, .n_vector = n_token};

	find_narrow_panels(engine);
	quantize(engine, n_token);
	for (size_t i = 0; i < n_token; i++) {
		struct tern_activation x = quantized->activations[i];
		const int8_t *q = quantized->q + i * m->n_col;
		task.vectors[i] = (struct top_vector){.q = q,
		                                      .x = x,
		                                      .inverse = 1.0f / x.scale,
		                                      .offset = 15 * x.sum / 2 - 128 * x.sum,
		                                      .bound = bound_of(q, m->n_col),
		                                      .upper = engine->pruning.upper + i * n_panel,
		                                      .logits = logits + i * m->n_row};
	}
	tern_engine_start_read(engine, (struct tern_read_extent){m->data, panel_bytes, n_panel * panel_bytes}, n_token,
	                       engine->kernels->dot_nibble, true);
	tern_engine_run(engine, estimate_chunk, &task, tern_divide_up(n_panel, PANELS_PER_CHUNK),
	                n_token * m->n_row * m->n_col);
	tern_tuner_stop(&engine->tuner);
	for (task.vector = 0; task.vector < n_token; task.vector++)
		read_other_panels(&task, read_best_panels(&task, n_top[task.vector]));
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

static bool is_q8p(const struct tern_transformer *t) { return !t->head_is_ternary && t->head.type == GGUF_TENSOR_Q8P; }

size_t tern_q8p_max_top(const struct tern_transformer *t)
{
	const struct tern_matrix *m = &t->head;

	if (!is_q8p(t) || m->n_row * m->n_col < MIN_WEIGHTS)
		return 0;
	return tern_panel_count(m->n_row) / MIN_PANELS_PER_TOP;
}

bool tern_q8p_init(struct tern_pruning *pruning, const struct tern_transformer *transformer)
{
	size_t n_panel = tern_panel_count(transformer->head.n_row);

	if (!is_q8p(transformer))
		return true;
	pruning->high = tern_alloc(TERN_KEPT_OUTPUTS * n_panel * TERN_PANEL_ROWS, sizeof *pruning->high);
	pruning->upper = tern_alloc(TERN_KEPT_OUTPUTS * n_panel, sizeof *pruning->upper);
	pruning->panels = tern_alloc(n_panel, sizeof *pruning->panels);
	pruning->best = tern_alloc(n_panel, sizeof *pruning->best);
	pruning->is_narrow = tern_alloc(n_panel, sizeof *pruning->is_narrow);
	return pruning->high && pruning->upper && pruning->panels && pruning->best && pruning->is_narrow;
}

void tern_q8p_clear(struct tern_pruning *pruning)
{
	tern_free(pruning->high);
	tern_free(pruning->upper);
	tern_free(pruning->panels);
	tern_free(pruning->best);
	tern_free(pruning->is_narrow);
}
