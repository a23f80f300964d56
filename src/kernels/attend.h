/* Attention over a block of positions, and what goes with it, for every instruction set with vectors: floats as lanes.h
 * has them. The file of an instruction set defines, before it includes this one,
 *
 *     LANE_GROUPS     groups of 16 lanes (of 16 / VECTOR_LANES registers each) that are kept as sums: as many
 *                     as leave room in the register file for a group of operands; 4 or a multiple; with 16 it takes
 *                     8 queries at a time, else 4
 *     FMA(a, b, c)    a * b + c of vfloat, fused
 *
 * and gets the members of struct tern_kernels in ATTEND_SLOTS as static functions of the same names. */
#ifndef TERN_KERNELS_ATTEND_H
#define TERN_KERNELS_ATTEND_H

#include "base/cache.h"
#include "kernels/lanes.h"

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

/* Some queries of a block, and what they share. */
struct attention {
	const float *q;
	float *out, *max, *sum, *scores;
	const struct tern_attention_block *block;
	size_t value_stride;
	const void *next; /* asked for while values are read */
};

/* Positions, or dimensions, of 16 elements that lie in a cache line. */
#define STEPS_PER_LINE(is_q8) ((size_t)TERN_CACHE_LINE / LANES / ((is_q8) ? sizeof(int8_t) : sizeof(uint16_t)))

/* Where element i is, and the register of elements from there on; is_q8 is a constant. */
INLINE const void *element_at(const void *elements, size_t i, bool is_q8)
{
	return is_q8 ? (const void *)((const int8_t *)elements + i) : (const void *)((const uint16_t *)elements + i);
}

INLINE vfloat load_elements(const void *elements, size_t i, bool is_q8)
{
	return is_q8 ? LOAD_I8((const int8_t *)elements + i) : LOAD_F16((const uint16_t *)elements + i);
}

/* The scores of n_query queries at n_panel panels of 16 positions; n_query * n_panel <= LANE_GROUPS, constants. Asks
 * memory for the values of these positions, which will be read in columns; the keys were asked for while the values
 * before them were read. Either is for the second-level cache: a block of both is more than the first has room for, and
 * what waits for memory there stands in the way of what is read. */
INLINE void score_panels(const struct attention *a, size_t panel, size_t n_query, size_t n_panel, bool is_q8)
{
	vfloat sum[LANE_GROUPS][VECTORS] = {{{0}}};
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

/* Asks memory for what lies at a position in each of n_stream parts, from part `first` on, of what comes next: as many
 * parts as a position has groups of values, since memory delivers several streams faster than one. */
INLINE void ask_for_next(const struct attention *a, size_t first, size_t n_stream, size_t position, bool is_q8)
{
	for (size_t s = 0; s < n_stream; s++)
		__builtin_prefetch(element_at(a->next, ((first + s) * a->block->n_pos + position) * LANES, is_q8), 0,
		                   TERN_TO_SECOND_CACHE);
}

/* Turns a query's scores of positions n_skip .. n_pos - 1 into weights exp(score - max) in place; those of the other
 * positions of their groups become 0. Meanwhile memory begins with what comes next. */
INLINE void softmax_weights(const struct attention *a, size_t query, size_t n_stream, bool is_q8)
{
	float *scores = a->scores + query * TERN_ATTENTION_BLOCK, *max = &a->max[query];
	size_t n_skip = a->block->n_skip, n_pos = a->block->n_pos, n_panel = (n_pos + LANES - 1) / LANES;
	vfloat largest = splat(scores[n_skip]), weights[VECTORS] = {0}; /* a NaN there has to win */

	for (size_t j = 0; j < n_skip; j++)
		scores[j] = -INFINITY;
	for (size_t j = n_pos; j < n_panel * LANES; j++)
		scores[j] = -INFINITY;
	for (size_t j = 0; j < n_panel * LANES; j += VECTOR_LANES) {
		vfloat score = load(scores + j);
		largest = select(score > largest, score, largest);
	}
	*max = largest_lane(largest);
	if (*max == 0.0f) { /* of zeros the first one counts, which is to say its sign */
		size_t first = n_skip;
		while (scores[first] != 0.0f)
			first++;
		*max = scores[first];
	}
	for (size_t p = 0; p < n_panel; p++) {
		ask_for_next(a, 0, n_stream, (query * n_panel + p) * STEPS_PER_LINE(is_q8), is_q8);
		for (size_t v = 0; v < VECTORS; v++) {
			float *at = scores + p * LANES + v * VECTOR_LANES;
			vfloat weight = round_to_13_bits(exp_lanes(load(at) - *max));
			store(at, weight);
			weights[v] += weight;
		}
	}
	a->sum[query] = tree_sum(weights);
}

/* n_group groups of 16 values from group `first` on, weighted for n_query queries; n_query * n_group <= LANE_GROUPS,
 * constants. Asks memory for as much of what comes next. */
INLINE void weigh_values(const struct attention *a, size_t first, size_t n_query, size_t n_group, bool is_q8)
{
	vfloat sum[LANE_GROUPS][VECTORS] = {{{0}}};
	size_t value_stride = a->value_stride, n_pos = a->block->n_pos;
	float *out = a->out + first * LANES;

	for (size_t j = a->block->n_skip; j < n_pos; j++) {
		const void *values = element_at(a->block->v, j * value_stride + first * LANES, is_q8);
		if (j % STEPS_PER_LINE(is_q8) == 0)
			ask_for_next(a, first, n_group, j, is_q8);
		UNROLL
		for (size_t g = 0; g < n_group; g++) {
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				vfloat value = load_elements(values, g * LANES + v * VECTOR_LANES, is_q8);
				UNROLL
				for (size_t i = 0; i < n_query; i++)
					sum[g * n_query + i][v] =
					        FMA(value, splat(a->scores[i * TERN_ATTENTION_BLOCK + j]),
					            sum[g * n_query + i][v]);
			}
		}
	}
	for (size_t g = 0; g < n_group; g++)
		for (size_t i = 0; i < n_query; i++)
			for (size_t v = 0; v < VECTORS; v++)
				store(out + i * value_stride + g * LANES + v * VECTOR_LANES, sum[g * n_query + i][v]);
}

INLINE void scale_weights(float *weights, const float *scales, size_t n_padded)
{
	for (size_t j = 0; j < n_padded; j += VECTOR_LANES)
		store(weights + j, narrowed(load(weights + j) * load(scales + j)));
}

/* Attention of n_query queries, a constant: keys and values are loaded and widened once for all. */
INLINE void attend(const struct attention *a, size_t n_query, bool is_q8)
{
	const size_t step = LANE_GROUPS / n_query < 8 ? LANE_GROUPS / n_query : 8; /* panels, groups of values */
	const size_t small_step = step < 2 ? step : 2;
	const struct tern_attention_block *b = a->block;
	size_t n_panel = (b->n_pos + LANES - 1) / LANES, n_group = a->value_stride / LANES, p = 0, g = 0;

	for (; p + step <= n_panel; p += step)
		score_panels(a, p, n_query, step, is_q8);
	for (; p + small_step <= n_panel; p += small_step)
		score_panels(a, p, n_query, small_step, is_q8);
	for (; p < n_panel; p++)
		score_panels(a, p, n_query, 1, is_q8);
	for (size_t i = 0; i < n_query; i++) {
		softmax_weights(a, i, step < n_group ? step : n_group, is_q8);
		if (is_q8)
			scale_weights(a->scores + i * TERN_ATTENTION_BLOCK, b->v_scales, n_panel * LANES);
	}
	for (; g + step <= n_group; g += step)
		weigh_values(a, g, n_query, step, is_q8);
	for (; g + small_step <= n_group; g += small_step)
		weigh_values(a, g, n_query, small_step, is_q8);
	for (; g < n_group; g++)
		weigh_values(a, g, n_query, 1, is_q8);
	for (size_t i = 0; i < n_query; i++)
		memset(a->out + i * a->value_stride + b->head_dim, 0, (a->value_stride - b->head_dim) * sizeof *a->out);
}

INLINE void attend_all(const struct tern_attention_block *block, bool is_q8)
{
	size_t value_stride = (block->head_dim + LANES - 1) / LANES * LANES;

	for (size_t i = 0, n; i < block->n_query; i += n) {
		size_t n_left = block->n_query - i;
		struct attention a = {block->q + i * block->head_dim,
		                      block->out + i * value_stride,
		                      block->max + i,
		                      block->sum + i,
		                      block->scores + i * TERN_ATTENTION_BLOCK,
		                      block,
		                      value_stride,
		                      block->next ? block->next : block->k};
#if LANE_GROUPS >= 16
		if (n_left >= 8) {
			n = 8;
			attend(&a, 8, is_q8);
			continue;
		}
#endif
		n = n_left < 4 ? n_left : 4;
		if (n == 4)
			attend(&a, 4, is_q8);
		else if (n == 3)
			attend(&a, 3, is_q8);
		else if (n == 2)
			attend(&a, 2, is_q8);
		else
			attend(&a, 1, is_q8);
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

/* The slots that these functions fill, for a table's initializer. */
#define ATTEND_SLOTS                                                                                    \
	.narrow = narrow, .attention_block = attention_block, .attention_block_q8 = attention_block_q8, \
	.combine = combine

#endif
