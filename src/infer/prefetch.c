#include "infer/prefetch.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "infer/attention_items.h"
#include "infer/float_matrix.h"
#include "infer/row_chunks.h"

enum {
	STEP = 8 * TERN_CACHE_LINE, /* bytes prefetched in one step of waiting */
	WEIGHT_BYTES = 256 * 1024,  /* of weights: half of a small second-level cache */
};

/* What one worker prefetches. The calling thread writes the four atomics, without an order between them: a worker that
 * sees old and new values together prefetches the wrong lines for a moment, which does no harm. n_strip is never 0. */
struct tern_prefetch_range {
	_Alignas(TERN_CACHE_LINE) _Atomic(const char *) bytes;
	atomic_size_t n_bytes, n_strip, strip_stride;
	/* The worker's own: the range it is in, and how much of it is done. */
	_Alignas(TERN_CACHE_LINE) const char *current;
	size_t n_done;
};

static bool prefetch_step(void *context, int worker)
{
	struct tern_prefetch_range *range = (struct tern_prefetch_range *)context + worker;
	const char *bytes = atomic_load_explicit(&range->bytes, memory_order_relaxed);

	if (bytes != range->current) {
		range->current = bytes;
		range->n_done = 0;
	}
	if (!bytes || range->n_done >= atomic_load_explicit(&range->n_bytes, memory_order_relaxed))
		return false;
	size_t n_strip = atomic_load_explicit(&range->n_strip, memory_order_relaxed);
	size_t strip_stride = atomic_load_explicit(&range->strip_stride, memory_order_relaxed);
	size_t strip = range->n_done / STEP % n_strip;
	for (size_t i = 0; i < STEP; i += TERN_CACHE_LINE)
		__builtin_prefetch(bytes + strip * strip_stride + range->n_done / n_strip / STEP * STEP + i, 0,
		                   TERN_TO_SECOND_CACHE);
	range->n_done += STEP;
	return true;
}

bool tern_prefetch_init(struct tern_engine *engine)
{
	size_t n_thread = (size_t)tern_pool_size(engine->pool);

	engine->prefetch_ranges = tern_alloc_aligned(n_thread, sizeof *engine->prefetch_ranges);
	if (!engine->prefetch_ranges)
		return false;
	for (size_t i = 0; i < n_thread; i++) {
		struct tern_prefetch_range *range = &engine->prefetch_ranges[i];
		atomic_init(&range->bytes, NULL);
		atomic_init(&range->n_bytes, 0);
		atomic_init(&range->n_strip, 1);
		atomic_init(&range->strip_stride, 0);
		range->current = NULL;
		range->n_done = 0;
	}
	tern_pool_on_idle(engine->pool, prefetch_step, engine->prefetch_ranges);
	return true;
}

/* n_bytes in all, as much of each of n_strip strips, which begin strip_stride bytes from each other. */
static void prefetch_strips(struct tern_engine *engine, int worker, const void *bytes, size_t n_bytes, size_t n_strip,
                            size_t strip_stride)
{
	struct tern_prefetch_range *range = &engine->prefetch_ranges[worker];

	atomic_store_explicit(&range->bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&range->n_bytes, n_bytes, memory_order_relaxed);
	atomic_store_explicit(&range->n_strip, n_strip, memory_order_relaxed);
	atomic_store_explicit(&range->strip_stride, strip_stride, memory_order_relaxed);
}

void tern_prefetch_range(struct tern_engine *engine, int worker, const void *bytes, size_t n_bytes)
{
	prefetch_strips(engine, worker, bytes, n_bytes, 1, 0);
}

const void *tern_prefetch_start(const struct tern_engine *engine, int worker)
{
	return atomic_load_explicit(&engine->prefetch_ranges[worker].bytes, memory_order_relaxed);
}

static void prefetch_weights(struct tern_engine *engine, const struct tern_read *read)
{
	struct tern_row_chunks chunks;
	int n_thread = tern_pool_n_used(engine->pool);
	struct tern_streaming streaming =
	        tern_tuner_choice(&engine->tuner, tern_read_extent_of(read->linears, read->n_linear), engine->n_token);

	tern_divide_rows(&chunks, read->linears, read->n_linear, engine->n_token, n_thread, streaming.n_stream);
	for (int w = 0; w < n_thread; w++) {
		struct tern_row_span span = tern_row_chunk_at(
		        &chunks, tern_pool_first_chunk(engine->pool, w, tern_row_chunk_count(&chunks)));
		struct tern_rows rows;

		if (!tern_next_rows(&chunks, &span, &rows)) {
			tern_prefetch_range(engine, w, NULL, 0);
			continue;
		}
		const struct tern_linear *linear = read->linears[rows.linear];
		const struct tern_panel_range *p = &rows.strips;
		size_t panel_bytes = tern_linear_panel_bytes(linear);
		size_t n_panel = p->n_strip * (p->n_strip > 1 ? p->strip_stride - p->first : p->n);
		size_t n_bytes = n_panel * panel_bytes;
		prefetch_strips(engine, w, linear->panels + p->first * panel_bytes, tern_smaller(n_bytes, WEIGHT_BYTES),
		                p->n_strip, p->strip_stride * panel_bytes);
	}
}

/* The first keys of each thread, for one token. */
static void prefetch_keys(struct tern_engine *engine, const struct tern_attention_weights *attention)
{
	struct tern_segment segment = {0};

	if (engine->n_token != 1)
		return;
	tern_next_segment(engine->tokens, 1, &segment);
	struct tern_attention_schedule schedule = tern_schedule_attention(engine, attention, &segment);
	tern_attention_next_pass(&schedule);
	for (int w = 0; w < tern_pool_n_used(engine->pool); w++) {
		size_t index = tern_pool_first_chunk(engine->pool, w, schedule.n_item);
		struct tern_attention_item item = tern_attention_item(&schedule, index);
		size_t left = segment.position - item.first_block * TERN_ATTENTION_BLOCK;
		left = tern_smaller(left, TERN_ATTENTION_BLOCK) / TERN_CACHE_PANEL * TERN_CACHE_PANEL;
		tern_prefetch_range(engine, w, tern_item_keys(attention, segment.sequence, &item),
		                    tern_kv_key_bytes(&segment.sequence->kv, left));
	}
}

static void prefetch_router(struct tern_engine *engine, const struct tern_matrix *router)
{
	for (int w = 0; w < tern_pool_n_used(engine->pool); w++) {
		size_t n_bytes;
		const void *rows = tern_float_matrix_start(engine, router, w, &n_bytes);
		tern_prefetch_range(engine, w, rows, n_bytes);
	}
}

/* One thread waits for no other, and many tokens compute for longer than they read. What was set before is forgotten:
 * it may be memory that is no longer there. */
static void prefetch_nothing(struct tern_engine *engine)
{
	for (int w = 0; w < tern_pool_n_used(engine->pool); w++)
		tern_prefetch_range(engine, w, NULL, 0);
}

void tern_prefetch_read(struct tern_engine *engine, size_t next_read)
{
	const struct tern_transformer *t = engine->transformer;

	if (next_read == 0 || next_read >= t->n_read)
		return;
	if (engine->n_token > TERN_READING_TOKENS || tern_pool_n_used(engine->pool) == 1)
		prefetch_nothing(engine);
	else if (t->reads[next_read].attention)
		prefetch_keys(engine, t->reads[next_read].attention);
	else if (t->reads[next_read].router)
		prefetch_router(engine, t->reads[next_read].router);
	else
		prefetch_weights(engine, &t->reads[next_read]);
}
