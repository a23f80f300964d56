#include "infer/attention.h"

#include "base/memory.h"
#include "infer/attention_items.h"
#include "infer/prefetch.h"

#include <math.h>
#include <string.h>

/* The attention of one segment. */
struct attention_task {
	struct tern_engine *engine;
	const struct tern_attention_weights *weights;
	struct tern_segment segment;
	struct tern_attention_schedule schedule;
};

/* Partial softmaxes of consecutive queries. */
struct partial {
	float *out;       /* [n, value_stride] */
	float *max, *sum; /* [n] */
};

/* The queries of an item, in its scratch. */
struct queries {
	const float *q; /* [n_token * n_query, head_dim] */
	float *scores;  /* [n_token * n_query, TERN_ATTENTION_BLOCK] */
};

/* ---- scratch ---- */

size_t tern_attention_scratch_bytes(const struct tern_hparams *h)
{
	size_t n_query = h->n_head / h->n_head_kv;
	/* The query; two outputs (running and of the block), two maxima and sums; the scores. */
	size_t n_float = h->head_dim + 2 * (tern_value_stride(h) + 2) + TERN_ATTENTION_BLOCK;
	return tern_attention_max_tokens(n_query) * n_query * n_float * sizeof(float);
}

bool tern_attention_init(struct tern_engine *engine)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	size_t n_float, n_counter, result_floats = tern_value_stride(h) + 2;

	if (!tern_mul_size(h->n_head * result_floats, TERN_KEPT_RESULTS, &n_float) ||
	    !tern_mul_size(h->n_head_kv, TERN_KEPT_RESULTS, &n_counter))
		return false;
	engine->attention_results = tern_alloc_aligned(n_float, sizeof *engine->attention_results);
	engine->attention_pending = tern_alloc_aligned(n_counter, sizeof *engine->attention_pending);
	return engine->attention_results && engine->attention_pending;
}

static float *carve(float **scratch, size_t n)
{
	float *part = *scratch;
	*scratch += n;
	return part;
}

static struct partial carve_partial(float **scratch, size_t n, size_t stride)
{
	float *out = carve(scratch, n * stride), *max = carve(scratch, n);
	return (struct partial){out, max, carve(scratch, n)};
}

/* Kept results of an item's queries: slot 0 for the passes before, slot 1 + b for block b of this pass. */
static struct partial kept(const struct attention_task *task, const struct tern_attention_item *item, size_t slot)
{
	const struct tern_hparams *h = &task->engine->transformer->hparams;
	const struct tern_attention_schedule *s = &task->schedule;
	float *results = task->engine->attention_results,
	      *max = results + TERN_KEPT_RESULTS * h->n_head * tern_value_stride(h);
	size_t at = slot * s->n_token * h->n_head + (item->head_kv * s->n_token + item->token) * s->n_query;

	return (struct partial){results + at * tern_value_stride(h), max + at,
	                        max + TERN_KEPT_RESULTS * h->n_head + at};
}

/* ---- computing ---- */

/* Adds a block's partial softmax to that of the blocks before it: both are brought to the common maximum. */
static void combine(const struct tern_kernels *kernels, const struct partial *total, const struct partial *part,
                    size_t query, size_t stride)
{
	float *max = &total->max[query], *sum = &total->sum[query], more = part->max[query];
	float keep = more > *max ? tern_exp(*max - more) : 1.0f;
	float add = more > *max ? 1.0f : tern_exp(more - *max);

	*max = more > *max ? more : *max;
	*sum = *sum * keep + part->sum[query] * add;
	kernels->combine(total->out + query * stride, keep, part->out + query * stride, add, stride);
}

/* Adds a block's results to those of the blocks before it, for the tokens that see some of the block. */
static void merge(const struct attention_task *task, const struct tern_attention_item *item, size_t block,
                  const struct partial *total, const struct partial *part)
{
	const struct tern_attention_schedule *s = &task->schedule;
	size_t stride = task->segment.sequence->kv.value_stride;

	for (size_t i = 0; i < item->n_token * s->n_query; i++) {
		size_t token = item->token + i / s->n_query, first = tern_attention_first_block(s, token);
		if (block < first || block >= tern_attention_end_block(s, token))
			continue;
		if (block > first) {
			combine(task->engine->kernels, total, part, i, stride);
			continue;
		}
		memcpy(total->out + i * stride, part->out + i * stride, stride * sizeof *total->out);
		total->max[i] = part->max[i];
		total->sum[i] = part->sum[i];
	}
}

/* What the tokens of an item that see some of a block see of it. */
struct seen {
	size_t token, n_token;                         /* of the item */
	size_t start, end;                             /* start: a multiple of TERN_CACHE_PANEL */
	struct tern_positions spans[TERN_MAX_QUERIES]; /* of each token, from start on */
};

static struct seen seen_of_block(const struct tern_attention_schedule *s, const struct tern_attention_item *item,
                                 size_t block)
{
	struct seen seen = {.n_token = 0};

	for (size_t t = 0; t < item->n_token; t++) {
		struct tern_positions span = tern_attention_visible(s, item->token + t, block);
		if (!span.end)
			continue;
		if (seen.n_token == 0) { /* later tokens start and end later */
			seen.token = t;
			seen.start = span.first / TERN_CACHE_PANEL * TERN_CACHE_PANEL;
		}
		seen.end = span.end;
		seen.spans[seen.n_token++] = (struct tern_positions){span.first - seen.start, span.end - seen.start};
	}
	return seen;
}

/* The results of a block for all tokens of the item that see some of it. next: what is read after the block, to
 * prefetch. */
static void attend_block(const struct attention_task *task, const struct tern_attention_item *item,
                         const struct queries *queries, size_t block, const void *next, const struct partial *part)
{
	const struct tern_kernels *kernels = task->engine->kernels;
	const struct tern_kv *kv = &task->segment.sequence->kv;
	struct seen seen = seen_of_block(&task->schedule, item, block);
	size_t query = seen.token * task->schedule.n_query;
	struct tern_attention_block call = {
	        .n_token = seen.n_token,
	        .n_query = task->schedule.n_query,
	        .head_dim = kv->head_dim,
	        .n_pos = seen.end - seen.start,
	        .seen = seen.spans,
	        .scale = 1.0f / sqrtf((float)kv->head_dim),
	        .q = queries->q + query * kv->head_dim,
	        .next = next,
	        .out = part->out + query * kv->value_stride,
	        .max = part->max + query,
	        .sum = part->sum + query,
	        .scores = queries->scores + query * TERN_ATTENTION_BLOCK,
	};

	if (seen.n_token == 0)
		return;
	tern_kv_locate(kv, task->weights->cache_index, item->head_kv, seen.start, &call);
	if (kv->type == TERN_KV_Q8)
		kernels->attention_block_q8(&call);
	else
		kernels->attention_block(&call);
}

/* Divides by the sums and writes the outputs to engine->attended. */
static void finish(const struct attention_task *task, const struct tern_attention_item *item,
                   const struct partial *total)
{
	const struct tern_hparams *h = &task->engine->transformer->hparams;
	size_t stride = task->segment.sequence->kv.value_stride, n_query = task->schedule.n_query;

	for (size_t i = 0; i < item->n_token * n_query; i++) {
		size_t token = task->segment.first + item->token + i / n_query;
		size_t head = item->head_kv * n_query + i % n_query;
		float *attended = task->engine->attended + (token * h->n_head + head) * h->head_dim;
		for (size_t d = 0; d < h->head_dim; d++)
			attended[d] = total->out[i * stride + d] / total->sum[i];
	}
}

/* ---- items ---- */

static const void *block_keys(const struct attention_task *task, struct tern_attention_item item, size_t block)
{
	item.first_block = block;
	return tern_item_keys(task->weights, task->segment.sequence, &item);
}

/* What a thread reads after an item: the keys of the next one, or what follows attention. */
static const void *next_of(const struct attention_task *task, size_t index, int worker)
{
	const struct tern_attention_schedule *s = &task->schedule;

	if (index + 1 == tern_pool_first_chunk(task->engine->pool, worker + 1, s->n_item))
		return tern_prefetch_start(task->engine, worker);
	if (index + 1 == s->n_item)
		return NULL;
	struct tern_attention_item item = tern_attention_item(s, index + 1);
	return tern_item_keys(task->weights, task->segment.sequence, &item);
}

/* An item of one block. */
static void attend_split(const struct attention_task *task, const struct tern_attention_item *item,
                         const struct queries *queries, const void *next)
{
	const struct tern_attention_schedule *s = &task->schedule;
	struct partial total = kept(task, item, 0), part = kept(task, item, 1 + item->first_block - s->first_block);

	attend_block(task, item, queries, item->first_block, next, &part);
	if (atomic_fetch_sub_explicit(&task->engine->attention_pending[item->range].n_item, 1, memory_order_acq_rel) >
	    1)
		return;
	for (size_t block = s->first_block; block < s->end_block; block++) {
		part = kept(task, item, 1 + block - s->first_block);
		merge(task, item, block, &total, &part);
	}
	if (s->end_block == tern_attention_end_block(s, s->n_token - 1))
		finish(task, item, &total);
}

/* The queries of an item, one after the other: those of one token are so already. */
static const float *gather_queries(const struct attention_task *task, const struct tern_attention_item *item, float *to)
{
	const struct tern_hparams *h = &task->engine->transformer->hparams;
	size_t n = task->schedule.n_query * h->head_dim, stride = h->n_head * h->head_dim;
	const float *q = task->engine->q + (task->segment.first + item->token) * stride + item->head_kv * n;

	if (item->n_token == 1)
		return q;
	for (size_t t = 0; t < item->n_token; t++)
		memcpy(to + t * n, q + t * stride, n * sizeof *to);
	return to;
}

static void attend(void *context, size_t index, int worker)
{
	const struct attention_task *task = context;
	const struct tern_kv *kv = &task->segment.sequence->kv;
	const struct tern_attention_item item = tern_attention_item(&task->schedule, index);
	float *scratch = tern_worker_scratch(task->engine, worker);
	size_t n = item.n_token * task->schedule.n_query;
	const void *next = next_of(task, index, worker);
	struct queries queries = {.q = gather_queries(task, &item, carve(&scratch, n * kv->head_dim)),
	                          .scores = carve(&scratch, n * TERN_ATTENTION_BLOCK)};
	struct partial total, part;

	if (task->schedule.is_split) {
		attend_split(task, &item, &queries, next);
		return;
	}
	total = carve_partial(&scratch, n, kv->value_stride);
	part = carve_partial(&scratch, n, kv->value_stride);
	for (size_t block = item.first_block; block < item.end_block; block++) {
		attend_block(task, &item, &queries, block,
		             block + 1 < item.end_block ? block_keys(task, item, block + 1) : next, &part);
		merge(task, &item, block, &total, &part);
	}
	finish(task, &item, &total);
}

/* ---- the whole ---- */

static void run_pass(struct attention_task *task)
{
	const struct tern_attention_schedule *s = &task->schedule;
	struct tern_engine *engine = task->engine;
	size_t n_pos = (s->end_block - s->first_block) * TERN_ATTENTION_BLOCK;

	for (size_t i = 0; s->is_split && i < s->n_head_kv * s->n_range; i++)
		atomic_store_explicit(&engine->attention_pending[i].n_item, s->end_block - s->first_block,
		                      memory_order_relaxed);
	tern_engine_run(engine, attend, task, s->n_item,
	                s->n_token * s->n_query * s->n_head_kv * task->segment.sequence->kv.head_dim * n_pos * 2);
}

void tern_attention(struct tern_engine *engine, const struct tern_attention_weights *attention)
{
	struct attention_task task = {.engine = engine, .weights = attention};

	if (engine->is_stopped)
		return;
	tern_prefetch_read(engine, attention->next_read);
	while (tern_next_segment(engine->tokens, engine->n_token, &task.segment)) {
		task.schedule = tern_schedule_attention(engine, attention, &task.segment);
		while (tern_attention_next_pass(&task.schedule))
			run_pass(&task);
	}
}
