/* Template: attention over a block of positions, and the float kernels that go with it.
 *
 * Parameters, besides the types of vectors_template.h:
 *
 *     ATTENTION_SUMS  16-lane sums (of VECTORS registers each) kept in registers, so that enough registers remain for
 *                     keys or values: 4 or 16 (tested: 4 with VECTOR_LANES 4 and 8, 16 with 16). Queries are taken 8
 *                     at a time with 16, else 4.
 *     FMA(a, b, c)    a * b + c of vfloat, fused
 *     LOAD_F16(h)     VECTOR_LANES half floats from const uint16_t *h, any alignment, as vfloat
 *     LOAD_I8(q)      the same of int8 from const int8_t *q
 *
 * Slots: narrow, attention_block, attention_block_q8, combine. */
#if !defined(ATTENTION_SUMS) || !defined(FMA) || !defined(LOAD_F16) || !defined(LOAD_I8)
#error "attention_template.h: a parameter is not defined"
#endif

#include "base/cache.h"
#include "base/sizes.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>

/* ---- products that are exact ----------------------------------------------------------------------------------- */

/* narrow() of what is neither too small nor too large. */
INLINE vfloat round_to_13_bits(vfloat x)
{
	vfloat c = x * 2049.0f;
	return c - (c - x);
}

INLINE vfloat narrowed(vfloat x)
{
	vfloat magnitude = (vfloat)((vint)x & 0x7fffffff);
	vfloat rounded = select(magnitude < splat(0x1p112f), round_to_13_bits(x), x * INFINITY); /* a NaN stays */
	return (vfloat)((vint)rounded & ~(magnitude < splat(0x1p-112f)));
}

static void narrow(float *x, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(x + i, narrowed(load(x + i)));
	if (i < n)
		store_first(x + i, narrowed(load_first(x + i, n - i)), n - i);
}

/* ---- a block ----------------------------------------------------------------------------------------------------- */

enum {
	MAX_QUERIES = ATTENTION_SUMS >= 16 ? 8 : 4, /* at a time */
	SMALL_PAGE = 4096,
};

/* Some of the queries of a block. q, out, max, sum and scores are those of the first of them. */
struct attention {
	const float *q;
	float *out, *max, *sum, *scores;
	const struct tern_attention_block *block;
	size_t value_stride;
	const void *next; /* what is read after the block */
	struct tern_positions seen[MAX_QUERIES];
	/* What some of the queries see is bounds[0] .. bounds[3] - 1, what all see bounds[1] .. bounds[2] - 1. */
	size_t bounds[4];
};

/* Steps of 16 elements in a cache line. */
#define STEPS_PER_LINE(is_q8) ((size_t)TERN_CACHE_LINE / LANES / ((is_q8) ? sizeof(int8_t) : sizeof(uint16_t)))

/* The address of element i, and a register of the elements from there on; is_q8 is a constant. */
INLINE const void *element_at(const void *elements, size_t i, bool is_q8)
{
	return is_q8 ? (const void *)((const int8_t *)elements + i) : (const void *)((const uint16_t *)elements + i);
}

INLINE vfloat load_elements(const void *elements, size_t i, bool is_q8)
{
	return is_q8 ? LOAD_I8((const int8_t *)elements + i) : LOAD_F16((const uint16_t *)elements + i);
}

/* Some panels: of 16 positions, whose rows are dimensions (keys), or of 16 dimensions, whose rows are positions
 * (values). */
struct cache_panels {
	const void *rows;
	size_t panel_stride; /* elements from a panel to the next */
};

INLINE struct cache_panels key_panels(const struct attention *a, size_t panel, bool is_q8)
{
	size_t panel_stride = a->block->head_dim * LANES;
	return (struct cache_panels){element_at(a->block->k, panel * panel_stride, is_q8), panel_stride};
}

INLINE struct cache_panels value_panels(const struct attention *a, size_t panel, bool is_q8)
{
	size_t panel_stride = TERN_ATTENTION_BLOCK * LANES;
	return (struct cache_panels){element_at(a->block->v, panel * panel_stride, is_q8), panel_stride};
}

/* Prefetches a row of n_panel panels if a cache line begins there. Memory delivers several streams faster than one. */
INLINE void prefetch_row(struct cache_panels panels, size_t row, size_t n_panel, bool is_q8)
{
	if (row % STEPS_PER_LINE(is_q8) != 0)
		return;
	UNROLL
	for (size_t p = 0; p < n_panel; p++)
		__builtin_prefetch(element_at(panels.rows, p * panels.panel_stride + row * LANES, is_q8));
}

/* Adds the rows in `span` of n_panel panels, weighted for n_query queries: weights[i * stride + row] is that of query i
 * for a row. With `all`, a constant, all queries see the rows; else those in a->seen. Both numbers are constants,
 * n_query * n_panel <= ATTENTION_SUMS. Prefetches the same rows of the panels that are read next. */
INLINE void add_rows(vfloat sum[ATTENTION_SUMS][VECTORS], const struct attention *a, struct cache_panels panels,
                     struct cache_panels next, struct tern_positions span, bool all, const float *weights,
                     size_t stride, size_t n_query, size_t n_panel, bool is_q8)
{
	for (size_t row = span.first; row < span.end; row++) {
		prefetch_row(next, row, n_panel, is_q8);
		UNROLL
		for (size_t p = 0; p < n_panel; p++) {
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				size_t at = p * panels.panel_stride + row * LANES + v * VECTOR_LANES;
				vfloat elements = load_elements(panels.rows, at, is_q8);
				UNROLL
				for (size_t i = 0; i < n_query; i++)
					if (all || (row >= a->seen[i].first && row < a->seen[i].end))
						sum[p * n_query + i][v] =
						        FMA(elements, splat(weights[i * stride + row]),
						            sum[p * n_query + i][v]);
			}
		}
	}
}

/* The scores of n_query queries at n_panel panels of 16 positions. */
INLINE void score_panels(const struct attention *a, size_t panel, size_t n_query, size_t n_panel, bool is_q8)
{
	vfloat sum[ATTENTION_SUMS][VECTORS] = {{{0}}};
	const struct tern_attention_block *b = a->block;
	size_t end = panel + n_panel;
	struct cache_panels next = end * LANES < a->bounds[3] ? key_panels(a, end, is_q8) : value_panels(a, 0, is_q8);

	add_rows(sum, a, key_panels(a, panel, is_q8), next, (struct tern_positions){0, b->head_dim}, true, a->q,
	         b->head_dim, n_query, n_panel, is_q8);
	for (size_t p = 0; p < n_panel; p++)
		for (size_t i = 0; i < n_query; i++)
			for (size_t l = 0; l < VECTORS; l++) {
				size_t j = (panel + p) * LANES + l * VECTOR_LANES;
				vfloat score = sum[p * n_query + i][l];
				score = is_q8 ? score * load(b->k_scales + j) : score;
				store(a->scores + i * TERN_ATTENTION_BLOCK + j, score * b->scale);
			}
}

/* Sets a query's maximum, that of its scores of the positions it sees; the scores of the other positions in their
 * panels become -inf. */
INLINE void find_max(const struct attention *a, size_t query)
{
	float *scores = a->scores + query * TERN_ATTENTION_BLOCK, max;
	struct tern_positions seen = a->seen[query];
	size_t j = seen.first / LANES * LANES, end = (seen.end + LANES - 1) / LANES * LANES;
	vfloat largest[4]; /* a NaN in the first score stays */

	for (size_t i = j; i < seen.first; i++)
		scores[i] = -INFINITY;
	for (size_t i = seen.end; i < end; i++)
		scores[i] = -INFINITY;
	for (size_t i = 0; i < 4; i++)
		largest[i] = splat(scores[seen.first]);
	for (; j + 4 * VECTOR_LANES <= end; j += 4 * VECTOR_LANES) {
		UNROLL
		for (size_t i = 0; i < 4; i++)
			largest[i] = larger(load(scores + j + i * VECTOR_LANES), largest[i]);
	}
	for (; j < end; j += VECTOR_LANES)
		largest[0] = larger(load(scores + j), largest[0]);
	max = largest_lane(larger(larger(largest[0], largest[1]), larger(largest[2], largest[3])));
	if (max == 0.0f) { /* the sign of the first zero counts */
		size_t first = seen.first;
		while (scores[first] != 0.0f)
			first++;
		max = scores[first];
	}
	a->max[query] = max;
}

/* Turns a query's scores into weights exp(score - max) in place. Prefetches, of the first n_panel panels of values,
 * rows behind those that scoring has prefetched. */
INLINE void softmax_weights(const struct attention *a, size_t query, size_t n_panel, bool is_q8)
{
	float *scores = a->scores + query * TERN_ATTENTION_BLOCK, max = a->max[query];
	struct tern_positions seen = a->seen[query];
	size_t end_panel = (seen.end + LANES - 1) / LANES;
	vfloat weights[VECTORS] = {0};

	for (size_t p = seen.first / LANES; p < end_panel; p++) {
		size_t row = a->block->head_dim + (query * end_panel + p) * STEPS_PER_LINE(is_q8);
		if (row < a->block->n_pos)
			prefetch_row(value_panels(a, 0, is_q8), row, n_panel, is_q8);
		for (size_t v = 0; v < VECTORS; v++) {
			float *at = scores + p * LANES + v * VECTOR_LANES;
			vfloat weight = round_to_13_bits(exp_lanes(load(at) - max));
			store(at, weight);
			weights[v] += weight;
		}
	}
	a->sum[query] = tree_sum(weights);
}

/* The values of n_panel panels of 16 dimensions, weighted for n_query queries. */
INLINE void weigh_values(const struct attention *a, size_t panel, size_t n_query, size_t n_panel, bool is_q8)
{
	vfloat sum[ATTENTION_SUMS][VECTORS] = {{{0}}};
	struct cache_panels panels = value_panels(a, panel, is_q8), next = value_panels(a, panel + n_panel, is_q8);
	float *out = a->out + panel * LANES;

	if ((panel + n_panel) * LANES >= a->value_stride)
		next.rows = a->next;
	for (size_t i = 0; i < 3; i++) {
		struct tern_positions span = {a->bounds[i], a->bounds[i + 1]};
		if (i == 1)
			add_rows(sum, a, panels, next, span, true, a->scores, TERN_ATTENTION_BLOCK, n_query, n_panel,
			         is_q8);
		else
			add_rows(sum, a, panels, next, span, false, a->scores, TERN_ATTENTION_BLOCK, n_query, n_panel,
			         is_q8);
	}
	for (size_t p = 0; p < n_panel; p++)
		for (size_t i = 0; i < n_query; i++)
			for (size_t v = 0; v < VECTORS; v++)
				store(out + i * a->value_stride + p * LANES + v * VECTOR_LANES,
				      sum[p * n_query + i][v]);
}

INLINE void scale_weights(float *weights, const float *scales, struct tern_positions seen)
{
	for (size_t j = seen.first / LANES * LANES; j < seen.end; j += VECTOR_LANES)
		store(weights + j, narrowed(load(weights + j) * load(scales + j)));
}

/* Attention of n_query queries, a constant: each key and value is loaded and widened once for all of them. */
INLINE void attend(const struct attention *a, size_t n_query, bool is_q8)
{
	/* Panels at a time: few, so that they and those that come next fit the first-level cache. */
	const size_t step = tern_smaller(ATTENTION_SUMS / n_query, STEPS_PER_LINE(is_q8));
	const struct tern_attention_block *b = a->block;
	size_t end_panel = (a->bounds[3] + LANES - 1) / LANES, n_value_panel = a->value_stride / LANES, p;

	for (p = a->bounds[0] / LANES; p + step <= end_panel; p += step)
		score_panels(a, p, n_query, step, is_q8);
	for (; p < end_panel; p++)
		score_panels(a, p, n_query, 1, is_q8);
	for (size_t i = 0; i < n_query; i++)
		find_max(a, i);
	for (size_t i = 0; i < n_query; i++) {
		softmax_weights(a, i, tern_smaller(2 * step, n_value_panel), is_q8);
		if (is_q8)
			scale_weights(a->scores + i * TERN_ATTENTION_BLOCK, b->v_scales, a->seen[i]);
	}
	for (p = 0; p + step <= n_value_panel; p += step)
		weigh_values(a, p, n_query, step, is_q8);
	for (; p < n_value_panel; p++)
		weigh_values(a, p, n_query, 1, is_q8);
	for (size_t i = 0; i < n_query; i++)
		memset(a->out + i * a->value_stride + b->head_dim, 0, (a->value_stride - b->head_dim) * sizeof *a->out);
}

/* Sets what the n queries from query `first` of the block on see. */
INLINE void note_seen(struct attention *a, size_t first, size_t n)
{
	size_t *bounds = a->bounds;

	for (size_t i = 0; i < n; i++) {
		struct tern_positions seen = a->seen[i] = a->block->seen[(first + i) / a->block->n_query];
		bounds[0] = i > 0 && bounds[0] < seen.first ? bounds[0] : seen.first;
		bounds[1] = i > 0 && bounds[1] > seen.first ? bounds[1] : seen.first;
		bounds[2] = i > 0 && bounds[2] < seen.end ? bounds[2] : seen.end;
		bounds[3] = i > 0 && bounds[3] > seen.end ? bounds[3] : seen.end;
	}
	bounds[2] = bounds[2] > bounds[1] ? bounds[2] : bounds[1];
}

/* Prefetches a line of each page of n elements. Where pages are small, the CPU so looks up several addresses at once;
 * later each look-up would stop the computing. */
INLINE void prefetch_pages(const void *elements, size_t n, bool is_q8)
{
	for (size_t i = 0; i < n; i += STEPS_PER_LINE(is_q8) * LANES * (SMALL_PAGE / TERN_CACHE_LINE))
		__builtin_prefetch(element_at(elements, i, is_q8));
}

INLINE void attend_all(const struct tern_attention_block *block, bool is_q8)
{
	size_t value_stride = (block->head_dim + LANES - 1) / LANES * LANES;
	const void *next = block->next ? block->next : block->k;

	if (block->n_pos == TERN_ATTENTION_BLOCK) {
		prefetch_pages(block->v, TERN_ATTENTION_BLOCK * value_stride, is_q8);
		prefetch_pages(next, TERN_ATTENTION_BLOCK * block->head_dim, is_q8);
	}
	for (size_t i = 0, n, n_left = block->n_token * block->n_query; n_left > 0; i += n, n_left -= n) {
		struct attention a = {.q = block->q + i * block->head_dim,
		                      .out = block->out + i * value_stride,
		                      .max = block->max + i,
		                      .sum = block->sum + i,
		                      .scores = block->scores + i * TERN_ATTENTION_BLOCK,
		                      .block = block,
		                      .value_stride = value_stride,
		                      .next = next};
		n = n_left < 4 ? n_left : n_left < MAX_QUERIES ? 4 : MAX_QUERIES;
		note_seen(&a, i, n);
		switch (n) {
#if ATTENTION_SUMS >= 16
		case 8:
			attend(&a, 8, is_q8);
			break;
#endif
		case 4:
			attend(&a, 4, is_q8);
			break;
		case 3:
			attend(&a, 3, is_q8);
			break;
		case 2:
			attend(&a, 2, is_q8);
			break;
		default:
			attend(&a, 1, is_q8);
			break;
		}
	}
}

static void attention_block(const struct tern_attention_block *block) { attend_all(block, false); }
static void attention_block_q8(const struct tern_attention_block *block) { attend_all(block, true); }

static void combine(float *out, float keep, const float *more, float add, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(out + i, load(out + i) * keep + load(more + i) * add);
	if (i < n)
		store_first(out + i, load_first(out + i, n - i) * keep + load_first(more + i, n - i) * add, n - i);
}
