#include "infer/engine_init.h"

#include "base/machine.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "infer/attention.h"
#include "infer/embedding.h"
#include "infer/experts.h"
#include "infer/head_q8p.h"
#include "infer/linear.h"
#include "infer/prefetch.h"

#include <stdio.h>
#include <string.h>

static size_t largest(size_t a, size_t b, size_t c) { return tern_larger(tern_larger(a, b), c); }

/* Values that attention or a delta net gives for a token. */
static size_t mixed_width(const struct tern_hparams *h)
{
	return tern_larger(h->n_head * h->head_dim, h->delta.n_value);
}

/* Columns of the widest projection. */
static size_t widest_input(const struct tern_hparams *h) { return largest(h->n_embd, mixed_width(h), h->n_ff); }

enum {
	N_SCRATCH = 18
};

/* [n_batch, width] floats. */
struct scratch {
	float **floats;
	size_t width; /* 0: not needed */
};

static void list_scratch(struct tern_engine *e, struct scratch list[N_SCRATCH])
{
	const struct tern_hparams *h = &e->transformer->hparams;
	size_t q_width = h->n_head * h->head_dim, kv_width = h->n_head_kv * h->head_dim;
	bool has_local = h->rope_freq_local;
	const struct scratch all[N_SCRATCH] = {
	        {&e->x, h->n_embd},
	        {&e->normed, h->n_embd},
	        {&e->q, q_width},
	        {&e->k, kv_width},
	        {&e->v, kv_width},
	        {&e->attended, mixed_width(h)},
	        {&e->gate, h->n_ff}, /* 0: only experts, see experts.c */
	        {&e->up, h->n_ff},
	        {&e->q_gate, h->gates_attention ? 2 * q_width : 0},
	        {&e->delta_raw, h->delta.n_convolved},
	        {&e->delta_qkv, h->delta.n_convolved},
	        {&e->delta_gate, h->delta.n_value},
	        {&e->delta_beta, h->delta.n_head},
	        {&e->delta_decay, h->delta.n_head},
	        {&e->rope_cos, h->n_rot / 2},
	        {&e->rope_sin, h->n_rot / 2},
	        {&e->rope_cos_local, has_local ? h->n_rot / 2 : 0},
	        {&e->rope_sin_local, has_local ? h->n_rot / 2 : 0},
	};

	memcpy(list, all, sizeof all);
}

/* Checks memory for batches of the largest size, though most of it stays untouched until one comes. */
static enum tern_status check_memory(struct tern_engine *e, struct tern_error *err)
{
	const struct tern_hparams *h = &e->transformer->hparams;
	size_t n_floats = 0, n_quantized = sizeof e->quantized / sizeof *e->quantized, n_bytes;
	struct scratch list[N_SCRATCH];
	char what[64];

	list_scratch(e, list);
	for (size_t i = 0; i < N_SCRATCH; i++)
		n_floats += list[i].width;
	n_bytes = n_floats * sizeof(float) + n_quantized * widest_input(h) + tern_experts_token_bytes(h);
	if (!tern_mul_size(n_bytes, e->n_batch, &n_bytes))
		n_bytes = SIZE_MAX;
	snprintf(what, sizeof what, "room for batches of %zu tokens", e->n_batch);
	return tern_check_memory(what, n_bytes, e->transformer->overcommits, err);
}

/* Pages stay untouched until a batch of that size comes. */
static bool alloc_batch(struct tern_engine *e)
{
	struct scratch list[N_SCRATCH];
	size_t n;

	list_scratch(e, list);
	for (size_t i = 0; i < N_SCRATCH; i++) {
		if (!list[i].width)
			continue;
		if (!tern_mul_size(e->n_batch, list[i].width, &n) ||
		    !(*list[i].floats = tern_alloc_filling(n, sizeof **list[i].floats)))
			return false;
	}
	for (size_t i = 0; i < sizeof e->quantized / sizeof *e->quantized; i++)
		if (!tern_quantized_alloc(e, &e->quantized[i], e->n_batch, widest_input(&e->transformer->hparams)))
			return false;
	return (e->tokens = tern_alloc_aligned(e->n_batch, sizeof *e->tokens));
}

void tern_engine_expect(struct tern_engine *engine, size_t n_token)
{
	struct scratch list[N_SCRATCH];

	if (n_token <= engine->n_expected)
		return;
	engine->n_expected = n_token;
	list_scratch(engine, list);
	for (size_t i = 0; i < N_SCRATCH; i++)
		tern_expect_use(*list[i].floats, n_token * list[i].width * sizeof **list[i].floats);
	for (size_t i = 0; i < sizeof engine->quantized / sizeof *engine->quantized; i++)
		tern_expect_use(engine->quantized[i].q, n_token * widest_input(&engine->transformer->hparams));
	tern_experts_expect(engine, n_token);
}

static bool alloc_worker_scratch(struct tern_engine *e)
{
	const struct tern_hparams *h = &e->transformer->hparams;
	size_t bytes = largest(tern_linear_scratch_bytes(), tern_attention_scratch_bytes(h), tern_q8p_scratch_bytes());

	bytes = largest(bytes, tern_embedding_scratch_bytes(h), widest_input(h) * sizeof(float));
	e->worker_scratch_bytes = tern_divide_up(bytes, TERN_CACHE_LINE) * TERN_CACHE_LINE;
	e->worker_scratch = tern_alloc_aligned((size_t)tern_pool_size(e->pool), e->worker_scratch_bytes);
	return e->worker_scratch;
}

/* Threads for the first tokens: one if the steps of a token are hardly worth sharing, as even the waiting threads slow
 * it down where two share a core. */
static int first_threads(const struct tern_transformer *t, int n_most)
{
	size_t n_step = 0, work = 0;

	for (size_t i = 0; i < t->n_read; i++) {
		for (size_t j = 0; j < t->reads[i].n_linear; j++)
			work += t->reads[i].linears[j]->n_row * t->reads[i].linears[j]->n_col;
		n_step += t->reads[i].n_linear > 0;
	}
	return work < n_step * 2 * TERN_MIN_PARALLEL_WORK ? 1 : n_most;
}

enum tern_status tern_engine_init(struct tern_engine *engine, const struct tern_transformer *transformer, int n_threads,
                                  size_t n_batch, struct tern_error *err)
{
	enum tern_status status;

	*engine = (struct tern_engine){.transformer = transformer, .n_batch = n_batch};
	if (!(engine->kernels = tern_kernels_select(err)))
		return TERN_ERR_USAGE;
	if ((status = tern_tuner_init(&engine->tuner, err)))
		return status;
	if ((status = check_memory(engine, err)) || (status = tern_pool_new(&engine->pool, n_threads, err)))
		return status;
	tern_thread_choice_init(&engine->thread_choice, tern_pool_size(engine->pool),
	                        first_threads(transformer, tern_pool_size(engine->pool)));
	if (tern_prefetch_init(engine) && alloc_batch(engine) && alloc_worker_scratch(engine) &&
	    tern_attention_init(engine) && tern_experts_init(engine) && tern_q8p_init(&engine->pruning, transformer))
		return TERN_OK;
	tern_engine_clear(engine);
	return tern_fail(err, TERN_ERR_FAILED, "out of memory for batches of %zu tokens", n_batch);
}

void tern_engine_clear(struct tern_engine *e)
{
	struct scratch list[N_SCRATCH];

	tern_pool_free(e->pool); /* first: its threads prefetch what the rest is about */
	tern_q8p_clear(&e->pruning);
	tern_experts_clear(e);
	list_scratch(e, list);
	for (size_t i = 0; i < N_SCRATCH; i++)
		tern_free(*list[i].floats);
	for (size_t i = 0; i < sizeof e->quantized / sizeof *e->quantized; i++)
		tern_quantized_free(&e->quantized[i]);
	tern_free(e->prefetch_ranges);
	tern_free(e->tokens);
	tern_free(e->attention_results);
	tern_free(e->attention_pending);
	tern_free(e->worker_scratch);
	*e = (struct tern_engine){0};
}
