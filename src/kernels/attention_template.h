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
 * A slice is 16 consecutive dimensions of the values: what one 16-lane sum adds up.
 *
 * Slots: narrow, attention_block, attention_block_q8, combine. */
#if !defined(ATTENTION_SUMS) || !defined(FMA) || !defined(LOAD_F16) || !defined(LOAD_I8)
#error "attention_template.h: a parameter is not defined"
#endif

#include "base/cache.h"
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
};

/* Some of the queries of a block. q, out, max, sum and scores are those of the first of them. */
struct attention {
	const float *q;
	float *out, *max, *sum, *scores;
	const struct tern_attention_block *block;
	size_t value_stride;
	const void *next; /* prefetched while values are read */
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

/* The scores of n_query queries at n_panel panels of 16 positions; both are constants, n_query * n_panel <=
 * ATTENTION_SUMS. Prefetches the values of these positions, which will be read slice by slice; the keys were prefetched
 * while the values of the block before were read. Both go to the second-level cache: the first has no room for a block
 * of both, and pending misses there would delay the loads in progress. */
INLINE void score_panels(const struct attention *a, size_t panel, size_t n_query, size_t n_panel, bool is_q8)
{
	vfloat sum[ATTENTION_SUMS][VECTORS] = {{{0}}};
	const struct tern_attention_block *b = a->block;
	size_t head_dim = b->head_dim, panel_size = head_dim * LANES;
	const void *k = element_at(b->k, panel * panel_size, is_q8), *v = element_at(b->v, panel * panel_size, is_q8);

	for (size_t d = 0; d < head_dim; d++) {
		UNROLL
		for (size_t p = 0; p < n_panel; p++) {
			size_t at = p * panel_size + d * LANES;
			if (d % STEPS_PER_LINE(is_q8) == 0)
				__builtin_prefetch(element_at(v, at, is_q8), 0, TERN_TO_SECOND_CACHE);
			UNROLL
			for (size_t l = 0; l < VECTORS; l++) {
				vfloat key = load_elements(k, at + l * VECTOR_LANES, is_q8);
				UNROLL
				for (size_t i = 0; i < n_query; i++)
					sum[p * n_query + i][l] =
					        FMA(key, splat(a->q[i * head_dim + d]), sum[p * n_query + i][l]);
			}
		}
	}
	for (size_t p = 0; p < n_panel; p++)
		for (size_t i = 0; i < n_query; i++)
			for (size_t l = 0; l < VECTORS; l++) {
				size_t j = (panel + p) * LANES + l * VECTOR_LANES;
				vfloat score = sum[p * n_query + i][l];
				score = is_q8 ? score * load(b->k_scales + j) : score;
				store(a->scores + i * TERN_ATTENTION_BLOCK + j, score * b->scale);
			}
}

/* Prefetches the elements of one position in n_stream slices, from slice `first` on, of the block that comes next.
 * Memory delivers several streams faster than one. */
INLINE void prefetch_next(const struct attention *a, size_t first, size_t n_stream, size_t position, bool is_q8)
{
	for (size_t s = 0; s < n_stream; s++)
		__builtin_prefetch(element_at(a->next, ((first + s) * a->block->n_pos + position) * LANES, is_q8), 0,
		                   TERN_TO_SECOND_CACHE);
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

/* Turns a query's scores into weights exp(score - max) in place. Starts prefetching the block that comes next. */
INLINE void softmax_weights(const struct attention *a, size_t query, size_t n_stream, bool is_q8)
{
	float *scores = a->scores + query * TERN_ATTENTION_BLOCK, max = a->max[query];
	struct tern_positions seen = a->seen[query];
	size_t end_panel = (seen.end + LANES - 1) / LANES;
	vfloat weights[VECTORS] = {0};

	for (size_t p = seen.first / LANES; p < end_panel; p++) {
		prefetch_next(a, 0, n_stream, (query * end_panel + p) * STEPS_PER_LINE(is_q8), is_q8);
		for (size_t v = 0; v < VECTORS; v++) {
			float *at = scores + p * LANES + v * VECTOR_LANES;
			vfloat weight = round_to_13_bits(exp_lanes(load(at) - max));
			store(at, weight);
			weights[v] += weight;
		}
	}
	a->sum[query] = tree_sum(weights);
}

/* Adds the values of the positions in `span`, weighted, for n_query queries and n_slice slices from slice `first` on;
 * with `all`, a constant, all queries see them. */
INLINE void add_values(vfloat sum[ATTENTION_SUMS][VECTORS], const struct attention *a, struct tern_positions span,
                       bool all, size_t first, size_t n_query, size_t n_slice, bool is_q8)
{
	for (size_t j = span.first; j < span.end; j++) {
		const void *values = element_at(a->block->v, j * a->value_stride + first * LANES, is_q8);
		if (j % STEPS_PER_LINE(is_q8) == 0)
			prefetch_next(a, first, n_slice, j, is_q8);
		UNROLL
		for (size_t s = 0; s < n_slice; s++) {
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				vfloat value = load_elements(values, s * LANES + v * VECTOR_LANES, is_q8);
				UNROLL
				for (size_t i = 0; i < n_query; i++)
					if (all || (j >= a->seen[i].first && j < a->seen[i].end))
						sum[s * n_query + i][v] =
						        FMA(value, splat(a->scores[i * TERN_ATTENTION_BLOCK + j]),
						            sum[s * n_query + i][v]);
			}
		}
	}
}

/* The values of n_slice slices from slice `first` on, weighted for n_query queries; both are constants, n_query *
 * n_slice <= ATTENTION_SUMS. Prefetches as much of the block that comes next. */
INLINE void weigh_values(const struct attention *a, size_t first, size_t n_query, size_t n_slice, bool is_q8)
{
	vfloat sum[ATTENTION_SUMS][VECTORS] = {{{0}}};
	float *out = a->out + first * LANES;

	for (size_t i = 0; i < 3; i++) {
		struct tern_positions span = {a->bounds[i], a->bounds[i + 1]};
		if (i == 1)
			add_values(sum, a, span, true, first, n_query, n_slice, is_q8);
		else
			add_values(sum, a, span, false, first, n_query, n_slice, is_q8);
	}
	for (size_t s = 0; s < n_slice; s++)
		for (size_t i = 0; i < n_query; i++)
			for (size_t v = 0; v < VECTORS; v++)
				store(out + i * a->value_stride + s * LANES + v * VECTOR_LANES,
				      sum[s * n_query + i][v]);
}

INLINE void scale_weights(float *weights, const float *scales, struct tern_positions seen)
{
	for (size_t j = seen.first / LANES * LANES; j < seen.end; j += VECTOR_LANES)
		store(weights + j, narrowed(load(weights + j) * load(scales + j)));
}

/* Attention of n_query queries, a constant: each key and value is loaded and widened once for all of them. */
INLINE void attend(const struct attention *a, size_t n_query, bool is_q8)
{
	const size_t step =
	        ATTENTION_SUMS / n_query < 8 ? ATTENTION_SUMS / n_query : 8; /* panels or slices at a time */
	const size_t small_step = step < 2 ? step : 2;
	const struct tern_attention_block *b = a->block;
	size_t p = a->bounds[0] / LANES, end_panel = (a->bounds[3] + LANES - 1) / LANES;
	size_t n_slice = a->value_stride / LANES, s = 0;

	for (; p + step <= end_panel; p += step)
		score_panels(a, p, n_query, step, is_q8);
	for (; p + small_step <= end_panel; p += small_step)
		score_panels(a, p, n_query, small_step, is_q8);
	for (; p < end_panel; p++)
		score_panels(a, p, n_query, 1, is_q8);
	for (size_t i = 0; i < n_query; i++)
		find_max(a, i);
	for (size_t i = 0; i < n_query; i++) {
		softmax_weights(a, i, step < n_slice ? step : n_slice, is_q8);
		if (is_q8)
			scale_weights(a->scores + i * TERN_ATTENTION_BLOCK, b->v_scales, a->seen[i]);
	}
	for (; s + step <= n_slice; s += step)
		weigh_values(a, s, n_query, step, is_q8);
	for (; s + small_step <= n_slice; s += small_step)
		weigh_values(a, s, n_query, small_step, is_q8);
	for (; s < n_slice; s++)
		weigh_values(a, s, n_query, 1, is_q8);
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

INLINE void attend_all(const struct tern_attention_block *block, bool is_q8)
{
	size_t value_stride = (block->head_dim + LANES - 1) / LANES * LANES;

	for (size_t i = 0, n, n_left = block->n_token * block->n_query; n_left > 0; i += n, n_left -= n) {
		struct attention a = {.q = block->q + i * block->head_dim,
		                      .out = block->out + i * value_stride,
		                      .max = block->max + i,
		                      .sum = block->sum + i,
		                      .scores = block->scores + i * TERN_ATTENTION_BLOCK,
		                      .block = block,
		                      .value_stride = value_stride,
		                      .next = block->next ? block->next : block->k};
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
