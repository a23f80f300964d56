#include "infer/attention.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum {
	/* Queries of a task, if no token has more: their scratch and a block of keys and values stay in a core's cache.
	 */
	MAX_QUERIES = 32,
	/* So that the last to end are waited for a small part of the time only. More groups share the reading of keys
	 * and values with fewer tokens, so they are few; runs of blocks cost nothing but their start. */
	GROUPS_PER_THREAD = 8,
	RUNS_PER_THREAD = 64,
	/* Tokens times blocks whose results are kept at a time; more blocks are run in turns. */
	KEPT_RESULTS = 128,
};

/* How the work is shared out. The cache is cut into blocks of positions, the same for every token; the partial
 * softmaxes of a token are combined in the order of the blocks, so nobody can tell who computed which. A task is a
 * group of tokens for one key/value head: it reads each block once for all their queries. Where that makes too few
 * tasks for the threads, each is split into runs of blocks, and whoever ends last in a group combines their results. */
struct attention_task {
	struct tern_session *session;
	size_t layer_index, window;
	size_t n_token, n_query;    /* n_query: heads of a token that share one key/value head */
	size_t group_size, n_group; /* in tokens */
	bool is_split;
	size_t first_block, end_block; /* of this turn */
	size_t run_size, n_run;        /* in blocks */
	size_t n_task;                 /* of this turn */
};

/* Partial softmaxes of consecutive queries. */
struct partial {
	float *out;       /* [n, value_stride] */
	float *max, *sum; /* [n] */
};

/* A group of tokens and a key/value head. */
struct group {
	size_t token, n_token, head_kv;
	const float *q; /* [n_token * n_query, head_dim] */
	float *scores;  /* [n_token * n_query, TERN_ATTENTION_BLOCK] */
};

/* ---- who sees what ---- */

/* The first position that a token sees. */
static size_t first_position(const struct attention_task *task, size_t token)
{
	size_t position = task->session->n_past + token;
	return task->window && position >= task->window ? position - task->window + 1 : 0;
}

static size_t first_block(const struct attention_task *task, size_t token)
{
	return first_position(task, token) / TERN_ATTENTION_BLOCK;
}

static size_t end_block(const struct attention_task *task, size_t token)
{
	return (task->session->n_past + token) / TERN_ATTENTION_BLOCK + 1;
}

/* Positions first .. end - 1; end is 0 if there are none. */
struct span {
	size_t first, end;
};

/* What a token sees of a block. */
static struct span visible(const struct attention_task *task, size_t token, size_t block)
{
	size_t first = block * TERN_ATTENTION_BLOCK, end = first + TERN_ATTENTION_BLOCK;
	size_t own_first = first_position(task, token), own_end = task->session->n_past + token + 1;

	first = first > own_first ? first : own_first;
	end = end < own_end ? end : own_end;
	return first < end ? (struct span){first, end} : (struct span){0};
}

/* ---- scratch ---- */

static size_t heads_per_group(const struct tern_hparams *h) { return h->n_head / h->n_head_kv; }

static size_t max_group_size(const struct tern_hparams *h)
{
	size_t n_query = heads_per_group(h);
	return n_query < MAX_QUERIES ? MAX_QUERIES / n_query : 1;
}

size_t tern_attention_scratch_bytes(const struct tern_hparams *h)
{
	/* The query; two outputs (running and of the block), two maxima and sums; the scores. */
	size_t n_float = h->head_dim + 2 * (tern_value_stride(h) + 2) + TERN_ATTENTION_BLOCK;
	return max_group_size(h) * heads_per_group(h) * n_float * sizeof(float);
}

/* The result of one query. */
static size_t floats_per_result(const struct tern_hparams *h) { return tern_value_stride(h) + 2; }

bool tern_attention_init(struct tern_session *session)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	size_t n_float, n_counter;

	if (!tern_mul_size(h->n_head * floats_per_result(h), KEPT_RESULTS, &n_float) ||
	    !tern_mul_size(h->n_head_kv, KEPT_RESULTS, &n_counter))
		return false;
	session->attention_results = tern_alloc_aligned(n_float, sizeof *session->attention_results);
	session->attention_pending = tern_alloc_aligned(n_counter, sizeof *session->attention_pending);
	return session->attention_results && session->attention_pending;
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

/* Kept results of a group: slot 0 for all blocks so far, slot 1 + b for block b of this turn. */
static struct partial kept(const struct attention_task *task, const struct group *group, size_t slot)
{
	const struct tern_hparams *h = &task->session->transformer->hparams;
	float *results = task->session->attention_results,
	      *max = results + KEPT_RESULTS * h->n_head * tern_value_stride(h);
	size_t at = slot * task->n_token * h->n_head + (group->head_kv * task->n_token + group->token) * task->n_query;

	return (struct partial){results + at * tern_value_stride(h), max + at, max + KEPT_RESULTS * h->n_head + at};
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

/* Puts a block's results, where there are some, to those of the blocks before it. */
static void merge(const struct attention_task *task, const struct group *group, size_t block,
                  const struct partial *total, const struct partial *part)
{
	size_t stride = task->session->kv.value_stride;

	for (size_t i = 0; i < group->n_token * task->n_query; i++) {
		size_t token = group->token + i / task->n_query;
		if (block < first_block(task, token) || block >= end_block(task, token))
			continue;
		if (block > first_block(task, token)) {
			combine(task->session->kernels, total, part, i, stride);
			continue;
		}
		memcpy(total->out + i * stride, part->out + i * stride, stride * sizeof *total->out);
		total->max[i] = part->max[i];
		total->sum[i] = part->sum[i];
	}
}

/* The results of a block for all tokens of the group that see some of it; tokens that see the same are computed
 * together. next: what will be read after the block. */
static void attend_block(const struct attention_task *task, const struct group *group, size_t block, const void *next,
                         const struct partial *part)
{
	const struct tern_session *session = task->session;
	const struct tern_kv *kv = &session->kv;

	for (size_t t = 0, n; t < group->n_token; t += n) {
		struct span span = visible(task, group->token + t, block), other;
		size_t start = span.first / TERN_KEY_PANEL * TERN_KEY_PANEL, query = t * task->n_query;
		for (n = 1; t + n < group->n_token; n++) {
			other = visible(task, group->token + t + n, block);
			if (other.first != span.first || other.end != span.end)
				break;
		}
		if (!span.end)
			continue;
		struct tern_attention_block call = {
		        .n_query = n * task->n_query,
		        .head_dim = kv->head_dim,
		        .n_skip = span.first - start,
		        .n_pos = span.end - start,
		        .scale = 1.0f / sqrtf((float)kv->head_dim),
		        .q = group->q + query * kv->head_dim,
		        .next = t + n == group->n_token ? next : NULL,
		        .out = part->out + query * kv->value_stride,
		        .max = part->max + query,
		        .sum = part->sum + query,
		        .scores = group->scores + query * TERN_ATTENTION_BLOCK,
		};
		tern_kv_locate(kv, task->layer_index, group->head_kv, start, &call);
		if (kv->type == TERN_KV_Q8)
			session->kernels->attention_block_q8(&call);
		else
			session->kernels->attention_block(&call);
	}
}

/* Divides by the sums and puts the outputs where they belong. */
static void finish(const struct attention_task *task, const struct group *group, const struct partial *total)
{
	const struct tern_hparams *h = &task->session->transformer->hparams;
	size_t stride = task->session->kv.value_stride;

	for (size_t i = 0; i < group->n_token * task->n_query; i++) {
		size_t token = group->token + i / task->n_query;
		size_t head = group->head_kv * task->n_query + i % task->n_query;
		float *attended = task->session->attended + (token * h->n_head + head) * h->head_dim;
		for (size_t d = 0; d < h->head_dim; d++)
			attended[d] = total->out[i * stride + d] / total->sum[i];
	}
}

/* ---- tasks ---- */

/* The group of a task. Later tokens see more and come first. */
static struct group group_of(const struct attention_task *task, size_t chunk)
{
	size_t pair = chunk / task->n_run, first = (task->n_group - 1 - pair % task->n_group) * task->group_size;
	size_t n_token = task->n_token - first < task->group_size ? task->n_token - first : task->group_size;

	return (struct group){.token = first, .n_token = n_token, .head_kv = pair / task->n_group};
}

/* The block that a task begins with. */
static size_t begin_block(const struct attention_task *task, const struct group *group, size_t chunk)
{
	return task->is_split ? task->first_block + chunk % task->n_run * task->run_size
	                      : first_block(task, group->token);
}

static const void *block_keys(const struct attention_task *task, const struct group *group, size_t block)
{
	struct tern_attention_block at;

	tern_kv_locate(&task->session->kv, task->layer_index, group->head_kv, block * TERN_ATTENTION_BLOCK, &at);
	return at.k;
}

/* What a thread reads after a task: the keys of the next one, or what follows attention. */
static const void *next_of(const struct attention_task *task, size_t chunk, int worker)
{
	const struct tern_pool *pool = task->session->pool;

	if (chunk + 1 == tern_pool_first_chunk(pool, worker + 1, task->n_task))
		return tern_pool_ahead(pool, worker);
	if (chunk + 1 == task->n_task)
		return NULL;
	struct group group = group_of(task, chunk + 1);
	return block_keys(task, &group, begin_block(task, &group, chunk + 1));
}

static void attend_run(const struct attention_task *task, const struct group *group, size_t chunk, const void *next)
{
	struct tern_session *session = task->session;
	size_t begin = begin_block(task, group, chunk), end = begin + task->run_size;
	struct partial total = kept(task, group, 0), part;
	struct tern_pending *pending =
	        &session->attention_pending[group->head_kv * task->n_group + group->token / task->group_size];

	end = end < task->end_block ? end : task->end_block;
	for (size_t block = begin; block < end; block++) {
		part = kept(task, group, 1 + block - task->first_block);
		attend_block(task, group, block, block + 1 < end ? block_keys(task, group, block + 1) : next, &part);
	}
	if (atomic_fetch_sub_explicit(&pending->n_task, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t block = task->first_block; block < task->end_block; block++) {
		part = kept(task, group, 1 + block - task->first_block);
		merge(task, group, block, &total, &part);
	}
	if (task->end_block == end_block(task, task->n_token - 1))
		finish(task, group, &total);
}

/* The queries of a group, one after the other: as they lie if it is one token. */
static const float *gather_queries(const struct attention_task *task, const struct group *group, float *to)
{
	const struct tern_hparams *h = &task->session->transformer->hparams;
	size_t n = task->n_query * h->head_dim, stride = h->n_head * h->head_dim;
	const float *q = task->session->q + group->token * stride + group->head_kv * n;

	for (size_t t = 0; t < group->n_token && group->n_token > 1; t++)
		memcpy(to + t * n, q + t * stride, n * sizeof *to);
	return group->n_token > 1 ? to : q;
}

static void attend(void *context, size_t chunk, int worker)
{
	const struct attention_task *task = context;
	const struct tern_kv *kv = &task->session->kv;
	float *scratch = tern_worker_scratch(task->session, worker);
	struct group group = group_of(task, chunk);
	size_t n = group.n_token * task->n_query, end = end_block(task, group.token + group.n_token - 1);
	const void *next = next_of(task, chunk, worker);
	struct partial total, part;

	group.q = gather_queries(task, &group, carve(&scratch, n * kv->head_dim));
	group.scores = carve(&scratch, n * TERN_ATTENTION_BLOCK);
	if (task->is_split) {
		attend_run(task, &group, chunk, next);
		return;
	}
	total = carve_partial(&scratch, n, kv->value_stride);
	part = carve_partial(&scratch, n, kv->value_stride);
	for (size_t block = first_block(task, group.token); block < end; block++) {
		attend_block(task, &group, block, block + 1 < end ? block_keys(task, &group, block + 1) : next, &part);
		merge(task, &group, block, &total, &part);
	}
	finish(task, &group, &total);
}

/* ---- sharing out ---- */

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

/* Groups as large as there may be, if necessary split; smaller ones where that cannot be. */
static void plan(struct attention_task *task)
{
	const struct tern_session *session = task->session;
	size_t n_thread = (size_t)tern_pool_size(session->pool), n_head_kv = session->kv.n_head_kv;
	size_t n_group_wanted = n_thread > 1 ? n_thread * GROUPS_PER_THREAD : 1;
	size_t n_run_wanted = n_thread > 1 ? n_thread * RUNS_PER_THREAD : 1;
	size_t n_block = end_block(task, task->n_token - 1) - first_block(task, 0);
	size_t largest = max_group_size(&session->transformer->hparams);

	task->group_size = task->n_token < largest ? task->n_token : largest;
	task->is_split = n_head_kv * divide_up(task->n_token, task->group_size) < n_run_wanted && n_block > 1 &&
	                 task->n_token <= KEPT_RESULTS / 4;
	while (!task->is_split && task->group_size > 1 &&
	       n_head_kv * divide_up(task->n_token, task->group_size) < n_group_wanted)
		task->group_size = divide_up(task->group_size, 2);
	task->n_group = divide_up(task->n_token, task->group_size);
	task->n_run = 1;
}

/* Cuts the blocks of a turn, n_block of them, into runs. */
static void cut(struct attention_task *task, size_t n_block)
{
	size_t n_pair = task->session->kv.n_head_kv * task->n_group;

	if (task->is_split) {
		size_t n_wanted = (size_t)tern_pool_size(task->session->pool) * RUNS_PER_THREAD;
		task->n_run = divide_up(n_wanted, n_pair) < n_block ? divide_up(n_wanted, n_pair) : n_block;
		task->run_size = divide_up(n_block, task->n_run);
		task->n_run = divide_up(n_block, task->run_size);
	}
	task->n_task = n_pair * task->n_run;
}

/* One turn over the blocks from first_block to end_block. */
static void run(struct attention_task *task, size_t n_block)
{
	struct tern_session *session = task->session;
	const struct tern_kv *kv = &session->kv;

	cut(task, n_block);
	for (size_t i = 0; task->is_split && i < kv->n_head_kv * task->n_group; i++)
		atomic_store_explicit(&session->attention_pending[i].n_task, task->n_run, memory_order_relaxed);
	tern_session_run(session, attend, task, task->n_task,
	                 task->n_token * task->n_query * kv->n_head_kv * kv->head_dim * n_block * TERN_ATTENTION_BLOCK *
	                         2);
}

static struct attention_task task_of(struct tern_session *session, const struct tern_layer *layer, size_t layer_index,
                                     size_t n_token)
{
	struct attention_task task = {.session = session,
	                              .layer_index = layer_index,
	                              .window = layer->window,
	                              .n_token = n_token,
	                              .n_query = heads_per_group(&session->transformer->hparams)};
	plan(&task);
	return task;
}

void tern_attention(struct tern_session *session, const struct tern_layer *layer, size_t layer_index, size_t n_token)
{
	struct attention_task task = task_of(session, layer, layer_index, n_token);
	size_t end = end_block(&task, n_token - 1), n_turn;

	n_turn = task.is_split ? KEPT_RESULTS / n_token - 1 : SIZE_MAX;
	for (task.end_block = first_block(&task, 0); task.end_block < end;) {
		task.first_block = task.end_block;
		task.end_block = end - task.first_block < n_turn ? end : task.first_block + n_turn;
		run(&task, task.end_block - task.first_block);
	}
}

void tern_attention_ahead(struct tern_session *session, const struct tern_layer *layer, size_t layer_index,
                          size_t n_token)
{
	int n_thread = tern_pool_size(session->pool);

	if (n_token > 1 || n_thread == 1)
		return;
	struct attention_task task = task_of(session, layer, layer_index, n_token);
	task.first_block = first_block(&task, 0);
	cut(&task, end_block(&task, 0) - task.first_block);
	for (int w = 0; w < n_thread; w++) {
		size_t chunk = tern_pool_first_chunk(session->pool, w, task.n_task);
		struct group group = group_of(&task, chunk);
		size_t block = begin_block(&task, &group, chunk);
		size_t position = block * TERN_ATTENTION_BLOCK, left = session->n_past - position;
		left = left < TERN_ATTENTION_BLOCK ? left / TERN_KEY_PANEL * TERN_KEY_PANEL : TERN_ATTENTION_BLOCK;
		tern_pool_look_ahead(session->pool, w, block_keys(&task, &group, block),
		                     tern_kv_key_bytes(&session->kv, left));
	}
}
