/* infer/attention.h against plain softmax in double precision: head sizes that are no multiple of 16, shared key/value
 * heads, both RoPE pairings, rotation of a part of the head, QK-norm, sliding windows, several blocks of positions; and
 * the same bits with every instruction set, any number of threads and any split into batches. With both kinds of
 * cache. */
#include "base/bytes.h"
#include "base/sizes.h"
#include "infer/attention.h"
#include "infer/engine_init.h"
#include "infer/qkv.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum {
	N_CTX = 2 * TERN_ATTENTION_BLOCK + 40,
	/* Positions between these are only put into the cache. */
	N_EARLY = 20,
	N_LATE = N_CTX - 90,
	N_LAYER = 2,
	LAYER = 1,
	MAX_DIM = 256,
	MAX_WIDTH = 256
};

struct shape {
	size_t n_head, n_head_kv, head_dim, n_rot;
	bool interleaved, has_norm;
	size_t window;
};

static float q[N_CTX][MAX_WIDTH], k[N_CTX][MAX_WIDTH], v[N_CTX][MAX_WIDTH], norms[2][MAX_DIM];

/* Results of the first run, [N_CTX, n_head * head_dim], for those that follow; and what it put into the cache. */
static float first_run[N_CTX][MAX_WIDTH];
static double keys[N_CTX][MAX_WIDTH], values[N_CTX][MAX_WIDTH];

static float random_float(void) { return (float)((int64_t)(test_random() % 20001) - 10000) * 2e-4f; }

/* QK-norm and rotation of one head. */
static void prepare(double *out, const float *head, const float *norm, size_t position, const struct tern_hparams *h)
{
	double squares = 0;

	for (size_t d = 0; d < h->head_dim; d++)
		squares += (double)head[d] * (double)head[d];
	for (size_t d = 0; d < h->head_dim; d++)
		out[d] = norm ? (double)head[d] / sqrt(squares / (double)h->head_dim + (double)h->rms_eps) *
		                         (double)norm[d]
		              : (double)head[d];
	for (size_t i = 0; i < h->n_rot / 2; i++) {
		size_t a = h->rope_interleaved ? 2 * i : i, b = h->rope_interleaved ? 2 * i + 1 : i + h->n_rot / 2;
		double angle = (double)position * h->rope_freq[i], x = out[a], y = out[b];
		out[a] = h->rope_factor * (x * cos(angle) - y * sin(angle));
		out[b] = h->rope_factor * (y * cos(angle) + x * sin(angle));
	}
}

static double cached(const void *elements, size_t i, const float *scale)
{
	return scale ? (double)*scale * ((const int8_t *)elements)[i]
	             : (double)tern_f32_from_f16(((const uint16_t *)elements)[i]);
}

/* What is cached for a vector has to be as near to it as the cache's kind allows. */
static void check_cached(const double *got, const double *exact, size_t n, bool is_q8, const char *what)
{
	double largest = 0;

	for (size_t d = 0; d < n; d++)
		largest = fmax(largest, fabs(exact[d]));
	for (size_t d = 0; d < n; d++) {
		double step = is_q8 ? largest / 127 : fabs(exact[d]) / 1024 + 0x1p-24;
		CHECK(fabs(got[d] - exact[d]) <= 0.5 * step + 1e-6, "%s: %g was cached as %g", what, exact[d], got[d]);
	}
}

/* Reads the cache at a position, and checks it. */
static void read_cache(const struct tern_sequence *sequence, const struct tern_attention_weights *attention,
                       size_t position)
{
	const struct tern_hparams *h = &sequence->transformer->hparams;
	bool is_q8 = sequence->kv.type == TERN_KV_Q8;
	size_t dim = h->head_dim, lane = position % TERN_CACHE_PANEL;
	double exact[MAX_DIM];

	for (size_t head = 0; head < h->n_head_kv; head++) {
		struct tern_attention_block block;
		double *key = &keys[position][head * dim], *value = &values[position][head * dim];
		tern_kv_locate(&sequence->kv, LAYER, head, position - lane, &block);
		for (size_t d = 0; d < dim; d++) {
			key[d] = cached(block.k, d * TERN_CACHE_PANEL + lane, is_q8 ? &block.k_scales[lane] : NULL);
			value[d] = cached(block.v, tern_value_index(lane, d), is_q8 ? &block.v_scales[lane] : NULL);
		}
		prepare(exact, &k[position][head * dim], attention->k_norm, position, h);
		check_cached(key, exact, dim, is_q8, "key");
		for (size_t d = 0; d < dim; d++)
			exact[d] = (double)v[position][head * dim + d];
		check_cached(value, exact, dim, is_q8, "value");
	}
}

/* Checks the queries of a token, which have been rounded to 13 bits. */
static void check_query(const float *query, const struct tern_attention_weights *attention,
                        const struct tern_hparams *h, size_t position, size_t head)
{
	double exact[MAX_DIM];

	prepare(exact, &q[position][head * h->head_dim], attention->q_norm, position, h);
	for (size_t d = 0; d < h->head_dim; d++)
		CHECK(fabs((double)query[d] - exact[d]) <= fabs(exact[d]) * 0x1p-13 + 1e-6, "query: %g became %g",
		      exact[d], (double)query[d]);
}

/* One query head's result at a position, and how far off it may be: weights are rounded to 13 bits, with int8 values
 * once more when they have met the values' scales, which their sum knows nothing of. */
static void attend(double *out, double *tolerance, const float *query, const struct tern_attention_weights *attention,
                   const struct tern_sequence *sequence, size_t position, size_t head)
{
	const struct tern_hparams *h = &sequence->transformer->hparams;
	size_t dim = h->head_dim, kv_head = head / (h->n_head / h->n_head_kv);
	size_t first = attention->window && position >= attention->window ? position + 1 - attention->window : 0;
	bool is_q8 = sequence->kv.type == TERN_KV_Q8;
	double weights[N_CTX], sum = 0;

	for (size_t j = first; j <= position; j++) {
		double score = 0;
		for (size_t d = 0; d < dim; d++)
			score += (double)query[d] * keys[j][kv_head * dim + d];
		weights[j] = exp(score / sqrt((double)dim)); /* scores are small enough to do without a maximum */
		sum += weights[j];
	}
	memset(out, 0, dim * sizeof *out);
	for (size_t j = first; j <= position; j++)
		for (size_t d = 0; d < dim; d++)
			out[d] += weights[j] / sum * values[j][kv_head * dim + d];
	for (size_t d = 0; d < dim; d++) {
		tolerance[d] = 1e-5;
		for (size_t j = first; j <= position; j++) {
			double value = values[j][kv_head * dim + d];
			tolerance[d] +=
			        0x1p-13 * weights[j] / sum * (fabs(value - out[d]) + (is_q8 ? fabs(value) : 0.0));
		}
	}
}

/* Attention for the next n tokens. */
static void run_batch(struct tern_engine *engine, struct tern_sequence *sequence,
                      const struct tern_attention_weights *attention, size_t n)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	size_t dim = h->head_dim;

	for (size_t t = 0; t < n; t++) {
		size_t position = sequence->n_past + t;
		engine->tokens[t] = (struct tern_token){sequence, position, 0};
		memcpy(engine->q + t * h->n_head * dim, q[position], h->n_head * dim * sizeof(float));
		memcpy(engine->k + t * h->n_head_kv * dim, k[position], h->n_head_kv * dim * sizeof(float));
		memcpy(engine->v + t * h->n_head_kv * dim, v[position], h->n_head_kv * dim * sizeof(float));
	}
	engine->n_token = n;
	tern_rope_fill(engine);
	tern_qkv_prepare(engine, attention);
	if (sequence->n_past < N_EARLY || sequence->n_past >= N_LATE)
		tern_attention(engine, attention);
}

/* Compares some of the n tokens just computed with the definition. */
static void check_batch(const struct tern_engine *engine, const struct tern_sequence *sequence,
                        const struct tern_attention_weights *attention, size_t n)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	size_t dim = h->head_dim;
	double expected[MAX_DIM], tolerance[MAX_DIM], worst = 0;

	for (size_t t = 0; t < n; t++)
		read_cache(sequence, attention, sequence->n_past + t);
	if (sequence->n_past >= N_EARLY && sequence->n_past < N_LATE)
		return;
	for (size_t t = 0; t<n; t += n> 20 ? 13 : 1)
		for (size_t head = 0; head < h->n_head; head++) {
			const float *query = engine->q + (t * h->n_head + head) * dim;
			check_query(query, attention, h, sequence->n_past + t, head);
			attend(expected, tolerance, query, attention, sequence, sequence->n_past + t, head);
			for (size_t d = 0; d < dim; d++) {
				double difference =
				        (double)engine->attended[(t * h->n_head + head) * dim + d] - expected[d];
				worst = fmax(worst, fabs(difference) / tolerance[d]); /* fmax drops a NaN */
				CHECK(!isnan(difference), "position %zu, head %zu: not a number", sequence->n_past + t,
				      head);
			}
		}
	CHECK(worst <= 1, "%zu/%zu heads of %zu, %zu rotate, positions %zu to %zu: off by %g of what is allowed",
	      h->n_head, h->n_head_kv, dim, h->n_rot, sequence->n_past, sequence->n_past + n, worst);
}

/* One way to compute the same: the context in batches of n_batch, its last n_single tokens one by one. */
struct way {
	enum tern_kv_type kv;
	const char *isa;
	int n_threads;
	size_t n_batch, n_single;
};

/* Runs the whole context. The first run is compared with the definition, the others with the first. */
static void run_way(const struct tern_transformer *t, const struct tern_attention_weights *attention,
                    const struct way *way, bool is_first)
{
	size_t width = t->hparams.n_head * t->hparams.head_dim;
	struct tern_engine engine;
	struct tern_sequence sequence;
	struct tern_error err;

	setenv("TERN_ISA", way->isa, 1);
	if (tern_engine_init(&engine, t, way->n_threads, N_CTX, &err) ||
	    tern_sequence_init(&sequence, t, N_CTX, way->kv, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	for (size_t n; sequence.n_past < N_CTX; sequence.n_past += n) {
		size_t past = sequence.n_past, n_batched = N_CTX - way->n_single;
		size_t end = past < N_EARLY     ? N_EARLY
		             : past < N_LATE    ? N_LATE
		             : past < n_batched ? n_batched
		                                : past + 1;
		n = tern_smaller(end - past, way->n_batch);
		run_batch(&engine, &sequence, attention, n);
		if (is_first)
			check_batch(&engine, &sequence, attention, n);
		for (size_t i = 0; i < n && (past < N_EARLY || past >= N_LATE); i++) {
			const float *got = engine.attended + i * width;
			if (is_first)
				memcpy(first_run[past + i], got, width * sizeof *got);
			CHECK(!memcmp(first_run[past + i], got, width * sizeof *got),
			      "%zu/%zu heads of %zu, kv %d, %s, %d threads, batches of %zu: other bits at position %zu",
			      t->hparams.n_head, t->hparams.n_head_kv, t->hparams.head_dim, (int)way->kv, way->isa,
			      way->n_threads, n, past + i);
		}
	}
	tern_sequence_clear(&sequence);
	tern_engine_clear(&engine);
}

/* Every way, and for small shapes every instruction set. */
static void run_ways(const struct tern_transformer *t, const struct tern_attention_weights *attention,
                     enum tern_kv_type kv, const char *best)
{
	const struct way ways[] = {{kv, best, 2, N_CTX, 3}, {kv, best, 1, 33, 0}, {kv, best, 3, 9, 12}};

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		run_way(t, attention, &ways[i], i == 0);
	for (const struct tern_kernels *const *built = tern_kernels_built(); *built; built++)
		if (tern_kernels_usable(*built) && t->hparams.n_head * t->hparams.head_dim <= 40)
			run_way(t, attention, &(struct way){kv, (*built)->name, 2, 300, 2}, false);
}

static void check_shape(const struct shape *s, const char *best)
{
	double freq[MAX_DIM / 2];
	struct tern_attention_weights attention = {.q_norm = s->has_norm ? norms[0] : NULL,
	                                           .k_norm = s->has_norm ? norms[1] : NULL,
	                                           .window = s->window,
	                                           .cache_index = LAYER};
	struct tern_transformer t = {.hparams = {.n_layer = N_LAYER,
	                                         .n_layer_kv = N_LAYER,
	                                         .n_embd = 16,
	                                         .n_head = s->n_head,
	                                         .n_head_kv = s->n_head_kv,
	                                         .head_dim = s->head_dim,
	                                         .n_ff = 16,
	                                         .n_vocab = 16,
	                                         .n_rot = s->n_rot,
	                                         .rope_interleaved = s->interleaved,
	                                         .rope_freq = freq,
	                                         .rope_factor = 1.1,
	                                         .rms_eps = 1e-5f}};

	for (size_t i = 0; i < s->n_rot / 2; i++)
		freq[i] = pow(100, -2.0 * (double)i / (double)s->n_rot);
	for (size_t i = 0; i < N_CTX; i++)
		for (size_t j = 0; j < s->n_head * s->head_dim; j++) {
			q[i][j] = random_float();
			k[i][j] = random_float();
			v[i][j] = random_float();
		}
	run_ways(&t, &attention, TERN_KV_F16, best);
	run_ways(&t, &attention, TERN_KV_Q8, best);
}

int main(void)
{
	/* The last has enough work for several threads to take part in small batches. */
	static const struct shape shapes[] = {
	        {2, 1, 8, 8, true, false, 0},       {3, 3, 20, 20, false, true, 0},
	        {3, 1, 40, 40, false, false, 300},  {6, 2, 12, 8, false, false, 0},
	        {5, 1, 8, 4, true, true, 17},       {2, 2, 2, 2, false, false, TERN_ATTENTION_BLOCK},
	        {1, 1, 100, 50, true, true, 0},     {2, 1, 80, 80, false, false, 40},
	        {1, 1, 256, 256, true, false, 500}, {2, 1, 64, 64, true, false, 0},
	};
	const char *best = tern_kernels_select(&(struct tern_error){0})->name;

	for (size_t i = 0; i < MAX_DIM; i++) {
		norms[0][i] = random_float();
		norms[1][i] = random_float();
	}
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		check_shape(&shapes[i], best);
	return test_summary();
}
