/* The largest logits of Q8P heads (infer/head_q8p.h) are those of the whole head, bit for bit, with every number of
 * threads and kernel set: random heads of odd sizes, heads and inputs made to be hard, the shipped model over a text,
 * and what the sampler makes of them. And what happens where a row is further from its estimate than it is taken to be.
 */
#include "api/sampler.h"
#include "api/session.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "infer/engine_init.h"
#include "infer/head.h"
#include "infer/head_q8p.h"
#include "model/layout.h"
#include "test.h"

#include <math.h>
#include <string.h>

struct head {
	size_t n_row, n_col;
	int8_t *q; /* [n_row, n_col] */
	float *row_scales;
	float *x; /* [n_col] what it is multiplied by */
	uint8_t *data;
	struct tern_transformer transformer;
};

static int random_int(int from, int to) { return from + (int)(test_random() % (uint64_t)(to - from + 1)); }

/* Zero rows with scale 1, and a random input of whole numbers up to 127, which is quantized as it is. */
static struct head new_head(size_t n_row, size_t n_col)
{
	struct head head = {.n_row = n_row, .n_col = n_col};

	head.q = tern_alloc(n_row * n_col, 1);
	head.row_scales = tern_alloc(n_row, sizeof *head.row_scales);
	head.x = tern_alloc(n_col, sizeof *head.x);
	head.data = tern_alloc_aligned(2 * tern_panel_count(n_row), tern_q8p_panel_bytes(n_col));
	for (size_t r = 0; r < n_row; r++)
		head.row_scales[r] = 1;
	for (size_t c = 0; c < n_col; c++)
		head.x[c] = (float)random_int(-126, 126);
	head.x[random_int(0, (int)n_col - 1)] = 127;
	head.transformer.hparams = (struct tern_hparams){.n_layer = 1,
	                                                 .logit_divisor = 1.0f,
	                                                 .n_embd = n_col,
	                                                 .n_head = 1,
	                                                 .n_head_kv = 1,
	                                                 .head_dim = 16,
	                                                 .n_ff = 16,
	                                                 .n_vocab = n_row,
	                                                 .n_rot = 16,
	                                                 .rms_eps = 1e-5f};
	return head;
}

static void free_head(struct head *head)
{
	tern_free(head->q);
	tern_free(head->row_scales);
	tern_free(head->x);
	tern_free(head->data);
}

static void pack(struct head *head)
{
	size_t panel_bytes = tern_q8p_panel_bytes(head->n_col), n_panel = tern_panel_count(head->n_row);
	int8_t *rows = tern_alloc(TERN_PANEL_ROWS, head->n_col);

	for (size_t p = 0; p < n_panel; p++) {
		size_t n = head->n_row - p * TERN_PANEL_ROWS;
		memset(rows, 0, TERN_PANEL_ROWS * head->n_col);
		memcpy(rows, head->q + p * TERN_PANEL_ROWS * head->n_col,
		       tern_smaller(n, TERN_PANEL_ROWS) * head->n_col);
		tern_q8p_pack_panel(head->data + p * panel_bytes, head->data + (n_panel + p) * panel_bytes, rows,
		                    head->n_col);
	}
	tern_free(rows);
	head->transformer.head = head->transformer.embedding =
	        (struct tern_matrix){GGUF_TENSOR_Q8P, head->n_row, head->n_col, head->data, head->row_scales};
}

static bool open_engine(struct tern_engine *engine, const struct head *head, int n_threads)
{
	struct tern_error err;
	bool good = tern_engine_init(engine, &head->transformer, n_threads, 4, &err) == TERN_OK;

	CHECK(good, "%s", err.message);
	return good;
}

static int descending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x < y) - (x > y);
}

static float nth_largest(const float *values, size_t n_value, size_t n)
{
	float *sorted = tern_alloc(n_value, sizeof *sorted);

	memcpy(sorted, values, n_value * sizeof *sorted);
	qsort(sorted, n_value, sizeof *sorted, descending);
	float value = sorted[n - 1];
	tern_free(sorted);
	return value;
}

/* What tern_q8p_top_logits() promises. */
static void check_top(const float *top, const float *full, size_t n_row, size_t n_top, const char *name)
{
	float least = nth_largest(full, n_row, n_top);
	size_t n_wrong = 0, n_high = 0;

	for (size_t r = 0; r < n_row; r++) {
		n_wrong += full[r] >= least && memcmp(&full[r], &top[r], sizeof *top) != 0;
		n_high += full[r] < least && !(top[r] < least);
	}
	CHECK(n_wrong == 0 && n_high == 0, "%s: %zu x, top %zu: %zu logits wrong, %zu too high", name, n_row, n_top,
	      n_wrong, n_high);
}

/* Both ways of an engine whose engine->normed is set. Returns how many of the panels were read as a whole. */
static uint64_t compare(struct tern_engine *engine, size_t n_top, float *top, float *full, const char *name)
{
	uint64_t before = engine->n_low_panel;

	tern_q8p_top_logits(engine, 1, &n_top, top);
	tern_q8p_logits(engine, 1, full);
	check_top(top, full, engine->transformer->head.n_row, n_top, name);
	return engine->n_low_panel - before;
}

/* Whether this engine finds the same bits, those of the estimates too, also beside another vector. */
static void check_same(struct tern_engine *engine, size_t n_top, const float *expected, const char *name)
{
	size_t n_row = engine->transformer->head.n_row, n_col = engine->transformer->head.n_col;
	float *top = tern_alloc(3 * n_row, sizeof *top), *x = engine->normed;

	tern_q8p_top_logits(engine, 1, &n_top, top);
	CHECK(!memcmp(top, expected, n_row * sizeof *top), "%s: %s, %d threads differ", name, engine->kernels->name,
	      tern_engine_n_threads(engine));
	for (size_t c = 0; c < n_col; c++) {
		x[n_col + c] = -2 * x[c];
		x[2 * n_col + c] = x[c];
	}
	tern_q8p_top_logits(engine, 3, (size_t[]){n_top, 1, n_top}, top);
	CHECK(!memcmp(top, expected, n_row * sizeof *top) && !memcmp(top + 2 * n_row, expected, n_row * sizeof *top),
	      "%s: %s, %d threads, three vectors differ", name, engine->kernels->name, tern_engine_n_threads(engine));
	tern_free(top);
}

/* The head with its input: the promise, and the same bits by one thread with all kernels and by several threads.
 * is_within: no row is further from its estimate than it is taken to be. Returns the share of panels that were read as
 * a whole. */
static double check_head(struct head *head, size_t n_top, bool is_within, const char *name)
{
	const struct tern_kernels *const *built = tern_kernels_built();
	float *top = tern_alloc(head->n_row, sizeof *top), *full = tern_alloc(head->n_row, sizeof *full);
	uint64_t n_low = 0;

	pack(head);
	for (int n_threads = 1; n_threads <= 3; n_threads++) {
		struct tern_engine engine;
		if (!open_engine(&engine, head, n_threads))
			break;
		memcpy(engine.normed, head->x, head->n_col * sizeof *head->x);
		if (n_threads > 1)
			check_same(&engine, n_top, top, name);
		else if (is_within)
			n_low = compare(&engine, n_top, top, full, name);
		else
			tern_q8p_top_logits(&engine, 1, &n_top, top);
		for (size_t i = 0; n_threads == 1 && built[i]; i++)
			if (tern_kernels_usable(built[i])) {
				engine.kernels = built[i];
				check_same(&engine, n_top, top, name);
			}
		tern_engine_clear(&engine);
	}
	tern_free(top);
	tern_free(full);
	return (double)n_low / (double)tern_panel_count(head->n_row);
}

/* n_top of 1, a few, and as many as there are panels. */
static void check_tops(struct head *head, const char *name)
{
	size_t n_panel = tern_panel_count(head->n_row);

	check_head(head, 1, true, name);
	check_head(head, tern_smaller(n_panel, 5), true, name);
	check_head(head, n_panel, true, name);
}

/* ---- random heads -------------------------------------------------------------------------------------------- */

/* Rows as the converter makes them: floats that are about normal (sums of eight), some rows longer than others. */
static void fill_normal(struct head *head)
{
	float *row = tern_alloc(head->n_col, sizeof *row);

	for (size_t r = 0; r < head->n_row; r++) {
		float amplitude = (float)random_int(5, 15) * 1e-4f;
		for (size_t c = 0; c < head->n_col; c++) {
			int sum = 0;
			for (int i = 0; i < 8; i++)
				sum += random_int(-100, 100);
			row[c] = amplitude * (float)sum;
		}
		tern_q8p_quantize_row(head->q + r * head->n_col, &head->row_scales[r], row, head->n_col);
	}
	tern_free(row);
}

static void fill_uniform(struct head *head)
{
	for (size_t i = 0; i < head->n_row * head->n_col; i++)
		head->q[i] = (int8_t)random_int(-128, 127);
}

static void check_random_heads(void)
{
	static const size_t sizes[][2] = {{1, 16}, {15, 48}, {16, 16}, {17, 32}, {301, 48}, {1000, 272}, {2055, 128}};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct head head = new_head(sizes[i][0], sizes[i][1]);
		fill_normal(&head);
		check_tops(&head, "normal");
		fill_uniform(&head);
		check_tops(&head, "uniform");
		free_head(&head);
	}
}

/* That something is left out at all, where rows are many. */
static void check_share(void)
{
	struct head head = new_head(6000, 128);

	fill_normal(&head);
	double one = check_head(&head, 1, true, "share"), ten = check_head(&head, 10, true, "share");
	CHECK(one < 0.05 && ten < 0.4, "%.3f of the panels read for the largest logit, %.3f for ten", one, ten);
	free_head(&head);
}

/* ---- rows that are hard to tell apart -------------------------------------------------------------------------- */

static void check_near_rows(void)
{
	struct head head = new_head(777, 64);
	size_t n = head.n_col;

	for (size_t r = 0; r < head.n_row; r++)
		for (size_t c = 0; c < n; c++)
			head.q[r * n + c] = (int8_t)((int)(c * 37 % 256) - 128);
	CHECK(check_head(&head, 1, true, "equal rows") == 1, "equal rows were left out");
	check_tops(&head, "equal rows");
	for (size_t c = 0; c < n; c++) /* the other sign, so that it is the largest or the smallest */
		head.q[700 * n + c] = (int8_t)(127 - (int)(c * 37 % 256));
	check_tops(&head, "equal rows but one");
	for (size_t r = 0; r < head.n_row; r++)
		for (size_t c = 0; c < n; c++)
			head.q[r * n + c] = (int8_t)(((int)(c * 7 % 16) << 4) + random_int(0, 15) - 128);
	check_tops(&head, "rows equal but for low nibbles");
	for (size_t r = 0; r < head.n_row; r++)
		head.row_scales[r] = -1;
	check_tops(&head, "rows equal but for low nibbles, negative scales");
	for (size_t r = 0; r < head.n_row; r++)
		for (size_t c = 0; c < n; c++)
			head.q[r * n + c] = (int8_t)((int)(c * 7 % 16) - 64 + (c == r % n));
	check_tops(&head, "rows that differ in one step");
	free_head(&head);
}

/* With few columns the bound is what low nibbles can do at most, and rows that do it are found: two of them, all of
 * whose low nibbles are 15 or 0, among rows of the same estimate. */
static void check_extreme_rows(void)
{
	struct head head = new_head(700, 16);

	for (size_t r = 0; r < head.n_row; r++)
		for (size_t c = 0; c < head.n_col; c++)
			head.q[r * head.n_col + c] = (int8_t)(r == 600 ? 15 : r == 500 ? 0 : random_int(0, 15));
	for (int sign = -1; sign <= 1; sign += 2) {
		for (size_t c = 0; c < head.n_col; c++)
			head.x[c] = (float)sign;
		check_tops(&head, "extreme rows, constant input");
		for (size_t c = 1; c < head.n_col; c++)
			head.x[c] = 0;
		check_tops(&head, "extreme rows, one column");
	}
	free_head(&head);
}

/* Ten different rows, each in many places: whatever n_top is, its border lies between equals in several panels. */
static void check_ties(void)
{
	struct head head = new_head(1500, 48);

	fill_uniform(&head);
	for (size_t r = 10; r < head.n_row; r++)
		memcpy(head.q + r * head.n_col, head.q + (size_t)random_int(0, 9) * head.n_col, head.n_col);
	check_tops(&head, "ties");
	check_head(&head, 40, true, "ties");
	free_head(&head);
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

static void check_inputs(void)
{
	struct head head = new_head(555, 96);
	size_t n = head.n_col;

	fill_normal(&head);
	for (size_t c = 0; c < n; c++)
		head.x[c] = (float)random_int(-1, 1) * 127;
	check_tops(&head, "-127, 0, 127");
	for (size_t c = 0; c < n; c++)
		head.x[c] = 1;
	check_tops(&head, "constant");
	for (size_t c = 0; c < n; c++)
		head.x[c] = (float)(c == 17) * -3;
	check_tops(&head, "one column");
	memset(head.x, 0, n * sizeof *head.x);
	check_tops(&head, "zeros");
	head.x[5] = NAN;
	pack(&head);
	struct tern_engine engine;
	float logits[555];
	if (open_engine(&engine, &head, 2)) {
		memcpy(engine.normed, head.x, n * sizeof *head.x);
		tern_q8p_top_logits(&engine, 1, &(size_t){3}, logits);
		for (size_t r = 0; r < head.n_row; r++)
			CHECK(isnan(logits[r]), "row %zu: %g from NaN", r, (double)logits[r]);
		tern_engine_clear(&engine);
	}
	free_head(&head);
}

/* All numbers are legal scales: negative, zero, too small for a product, and so large that logits are infinite, which
 * the sampler then has to be told. */
static void check_scales(void)
{
	static const float scales[] = {1e-3f, -1e-3f, 0, 1e-42f, -1e30f, 1e30f, 2e-3f};
	struct head head = new_head(433, 64);
	struct tern_engine engine;
	size_t n_infinite = 0;
	float logits[433];

	fill_uniform(&head);
	for (size_t r = 0; r < head.n_row; r++)
		head.row_scales[r] = scales[random_int(0, 6)];
	check_tops(&head, "scales");
	for (size_t r = 0; r < head.n_row; r++)
		head.row_scales[r] = -1 - (float)r;
	check_tops(&head, "negative scales");
	for (size_t r = 0; r < 16; r++)
		head.row_scales[r] = 3e38f;
	pack(&head);
	if (open_engine(&engine, &head, 1)) {
		memcpy(engine.normed, head.x, head.n_col * sizeof *head.x);
		tern_q8p_top_logits(&engine, 1, &(size_t){1}, logits);
		for (size_t r = 0; r < head.n_row; r++)
			n_infinite += isinf(logits[r]) != 0;
		CHECK(n_infinite > 0 && n_infinite <= 16, "%zu infinite logits of 16", n_infinite);
		tern_engine_clear(&engine);
	}
	free_head(&head);
}

/* ---- the bound ------------------------------------------------------------------------------------------------- */

/* With an input of n columns of +-127, the bound is 5 * 7.5 * 127 sqrt(n). A row whose estimate is the same as that of
 * all others, but whose low nibbles follow the input's signs in n_aligned columns, is 7.5 * 127 * n_aligned from it;
 * a rival's logit, known from high nibbles, is a little lower. As long as the bound holds, the row is found. Beyond,
 * the rival is the answer: the largest of all other rows, with its exact logit, and on every machine. */
static void check_aligned(size_t n_aligned, bool is_within)
{
	enum {
		N_COL = 1024,
		N_ROW = 400,
		RIVAL = 50,
		ALIGNED = 390
	};
	struct head head = new_head(N_ROW, N_COL);
	struct tern_engine engine;
	float top[N_ROW], full[N_ROW];
	size_t n_rival = n_aligned * 15 / 32 - 1; /* columns of 16 * 127 each; 7.5 * 127 of the other row's */

	for (size_t c = 0; c < N_COL; c++) {
		int middle = 32 + (c / 2 % 2 ? 7 : 8); /* what cancels out, of each sign as often */
		head.x[c] = c % 2 ? -127 : 127;
		for (size_t r = 0; r < N_ROW; r++)
			head.q[r * N_COL + c] = (int8_t)middle;
		head.q[ALIGNED * N_COL + c] = (int8_t)(c >= n_aligned ? middle : c % 2 ? 32 : 47);
		head.q[RIVAL * N_COL + c] = (int8_t)(middle + 16 * (c % 2 == 0 && c < 2 * n_rival));
	}
	check_head(&head, 1, is_within, is_within ? "within the bound" : "beyond the bound");
	if (open_engine(&engine, &head, 2)) {
		memcpy(engine.normed, head.x, N_COL * sizeof *head.x);
		tern_q8p_logits(&engine, 1, full);
		tern_q8p_top_logits(&engine, 1, &(size_t){1}, top);
		CHECK(full[ALIGNED] == nth_largest(full, N_ROW, 1) && full[RIVAL] == nth_largest(full, N_ROW, 2) &&
		              full[RIVAL] < full[ALIGNED],
		      "the rows are not as meant: %g, %g", (double)full[ALIGNED], (double)full[RIVAL]);
		CHECK(nth_largest(top, N_ROW, 1) == full[is_within ? ALIGNED : RIVAL] && top[RIVAL] == full[RIVAL],
		      "%zu aligned columns: the largest is %g", n_aligned, (double)nth_largest(top, N_ROW, 1));
		tern_engine_clear(&engine);
	}
	free_head(&head);
}

/* A row whose scale is that of a few large weights, by which it has the largest logit. Its others, of a few steps, go
 * against the input: their high nibbles, of -16 .. -1 or 0 .. 15, make much more of that than it is. */
static void check_narrow_row(void)
{
	enum {
		N_COL = 1024,
		N_ROW = 500,
		NARROW = 333,
		N_LARGE = 40
	};
	struct head head = new_head(N_ROW, N_COL);

	fill_normal(&head);
	for (size_t r = 0; r < N_ROW; r++)
		head.row_scales[r] = 1;
	for (size_t c = 0; c < N_COL; c++) {
		head.x[c] = c < N_LARGE ? 127 : head.x[c];
		head.q[NARROW * N_COL + c] = (int8_t)(c < N_LARGE ? 127 : -(int)head.x[c] / 40);
	}
	check_tops(&head, "a narrow row");
	free_head(&head);
}

/* ---- from a sequence to a token --------------------------------------------------------------------------------- */

/* Samplers that get no more logits than they say they need pick what those that get all of them do. */
static void check_sampler(struct tern_engine *engine, struct tern_sequence *sequence, struct head *head,
                          struct tern_sampler_options options)
{
	struct tern_sampler *a, *b;
	size_t n_pruned = 0;

	CHECK(!tern_sampler_create(&a, head->n_row, &options, NULL), "sampler");
	CHECK(!tern_sampler_create(&b, head->n_row, &options, NULL), "sampler");
	for (int i = 0; i < 12; i++) {
		int32_t picked = -1, expected = -1;
		for (size_t c = 0; c < head->n_col; c++)
			sequence->last[c] = (float)random_int(-100, 100) + (float)(i / 4); /* some alike */
		sequence->n_top_logits = 0;
		tern_sampler_pick(a, tern_top_logits(engine, sequence, tern_sampler_n_top(a, NULL, 0)), &picked, NULL);
		n_pruned += sequence->n_top_logits < head->n_row;
		tern_sampler_pick(b, tern_top_logits(engine, sequence, 0), &expected, NULL);
		CHECK(sequence->n_top_logits == head->n_row, "not all logits were computed");
		CHECK(picked == expected && picked >= 0, "temperature %g, top %d, penalty %g: %d, not %d",
		      (double)options.temperature, options.top_k, (double)options.repeat_penalty, picked, expected);
		tern_sampler_accept(a, picked);
		tern_sampler_accept(b, expected);
	}
	CHECK((n_pruned > 0) == (tern_sampler_n_top(a, NULL, 0) > 0), "%zu times not all logits were computed",
	      n_pruned);
	tern_sampler_free(a);
	tern_sampler_free(b);
}

static void check_samplers(void)
{
	const struct tern_sampler_options greedy = {.top_p = 1.0f, .repeat_penalty = 1.0f, .repeat_last_n = 8};
	struct tern_sampler_options options = tern_sampler_defaults();
	struct head head = new_head(32768, 48);
	struct tern_engine engine;
	struct tern_sequence sequence;
	float *norm = tern_alloc(head.n_col, sizeof *norm);

	for (size_t c = 0; c < head.n_col; c++)
		norm[c] = 1;
	head.transformer.output_norm = norm;
	fill_normal(&head);
	pack(&head);
	if (open_engine(&engine, &head, 2) &&
	    !tern_sequence_init(&sequence, &head.transformer, 16, TERN_KV_F16, NULL)) {
		CHECK(tern_top_logits(&engine, &sequence, 0)[77] == 0, "no zeros before the first token");
		check_sampler(&engine, &sequence, &head, greedy);
		check_sampler(&engine, &sequence, &head, options);
		options = greedy, options.repeat_penalty = 1.5f;
		check_sampler(&engine, &sequence, &head, options);
		options.temperature = 1.0f, options.top_k = 50;
		check_sampler(&engine, &sequence, &head, options);
		options.repeat_penalty = 0.8f;
		check_sampler(&engine, &sequence, &head, options);
		options.repeat_penalty = 1.0f, options.top_k = 0, options.min_p = 0.01f;
		check_sampler(&engine, &sequence, &head, options);
		tern_sequence_clear(&sequence);
		tern_engine_clear(&engine);
	}
	tern_free(norm);
	free_head(&head);
}

/* ---- the shipped model ----------------------------------------------------------------------------------------- */

/* Every position of a text that it writes itself. */
static void check_shipped_model(void)
{
	static const size_t tops[] = {1, 10, 40};
	struct tern_message question = {.role = "user", .content = "Tell me a story about a fox."};
	struct tern_model *model = NULL;
	struct tern_session *session = NULL;
	struct tern_sampler *sampler = NULL;
	struct tern_error err = {.message = ""};
	int32_t *ids = NULL, id;
	size_t n_ids;
	const char *path = getenv("MODEL");

	if (!path || tern_model_open(&model, path, NULL, &err) || tern_session_new(&session, model, NULL, &err) ||
	    tern_sampler_new(&sampler, model, NULL, &err) ||
	    tern_chat_tokenize(model, &question, 1, TERN_CHAT_GENERATE, &ids, &n_ids, &err) ||
	    tern_session_feed(session, ids, n_ids, NULL, &err)) {
		CHECK(false, "MODEL: %s", path ? err.message : "not set");
		exit(test_summary());
	}
	size_t n_vocab = session->engine.transformer->hparams.n_vocab, n_position = 0;
	float *top = tern_alloc(n_vocab, sizeof *top), *full = tern_alloc(n_vocab, sizeof *full);
	do {
		tern_sampler_pick(sampler, tern_session_logits(session), &id, &err);
		/* that left engine.normed behind */
		for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
			compare(&session->engine, tops[i], top, full, "shipped model");
		CHECK(!memcmp(full, tern_session_logits(session), n_vocab * sizeof *full), "not the session's logits");
	} while (!tern_is_end(model, id) && ++n_position < 100 && !tern_session_feed(session, &id, 1, NULL, &err));
	CHECK(n_position > 20, "a story of %zu tokens", n_position);
	tern_free(top);
	tern_free(full);
	tern_free(ids);
	tern_sampler_free(sampler);
	tern_session_free(session);
	tern_model_close(model);
}

int main(void)
{
	check_random_heads();
	check_share();
	check_near_rows();
	check_extreme_rows();
	check_ties();
	check_inputs();
	check_scales();
	check_narrow_row();
	check_aligned(150, true);
	check_aligned(180, false);
	check_samplers();
	check_shipped_model();
	return test_summary();
}
