/* The floating-point kernels for every instruction set with vectors: the 16 lanes of the definition (portable.c) in
 * 16 / VECTOR_LANES registers. Each step is one operation on whole registers that rounds each lane alone, in
 * portable.c's order, so the bits are the same whatever the width.
 *
 * The file of an instruction set defines, before it includes this one:
 *
 *     VECTOR_LANES    floats in a register: 4, 8 or 16
 *     LANE_GROUPS     groups of 16 lanes (of 16 / VECTOR_LANES registers each) that attention keeps as sums: as many
 *                     as leave room in the register file for a group of operands; 4 or a multiple; with 16 it takes
 *                     8 queries at a time, else 4
 *     LOAD_F16(h)     VECTOR_LANES half floats from const uint16_t *h, any alignment, as vfloat
 *     LOAD_BF16(h)    the same of bfloat16
 *     STORE_F16(h, v) VECTOR_LANES floats, rounded to even, to uint16_t *h
 *     FMA(a, b, c)    a * b + c of vfloat, fused
 *     LOAD_I8(q)      VECTOR_LANES int8 from const int8_t *q, any alignment, as vfloat
 *     STORE_I8(q, i)  VECTOR_LANES integers of -128..127 in vuint i to int8_t *q
 *
 * and gets the float members of struct tern_kernels as static functions of the same names. */
#ifndef TERN_KERNELS_LANES_H
#define TERN_KERNELS_LANES_H

#include "base/bytes.h"
#include "base/cache.h"
#include "kernels/compiler.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
	LANES = 16,
	VECTORS = LANES / VECTOR_LANES,
};

typedef float vfloat __attribute__((vector_size(4 * VECTOR_LANES)));
typedef float vfloat4 __attribute__((vector_size(16)));                /* the least that every CPU has */
typedef int32_t vint __attribute__((vector_size(4 * VECTOR_LANES)));   /* what comparing gives: 0 or -1 */
typedef uint32_t vuint __attribute__((vector_size(4 * VECTOR_LANES))); /* bits, and integers that may wrap */

/* ---- whole registers --------------------------------------------------------------------------------------- */

INLINE vfloat splat(float x) { return x - (vfloat){0}; } /* not + {0}, which would lose the sign of -0 */

INLINE vfloat load(const float *x)
{
	vfloat v;
	memcpy(&v, x, sizeof v);
	return v;
}

INLINE void store(float *out, vfloat v) { memcpy(out, &v, sizeof v); }

/* The first n < VECTOR_LANES floats; the rest is 0. */
INLINE vfloat load_first(const float *x, size_t n)
{
	vfloat v = {0};
	memcpy(&v, x, n * sizeof *x);
	return v;
}

INLINE void store_first(float *out, vfloat v, size_t n) { memcpy(out, &v, n * sizeof *out); }

/* where ? a : b */
INLINE vfloat select(vint where, vfloat a, vfloat b) { return (vfloat)((where & (vint)a) | (~where & (vint)b)); }

/* portable.c's tern_exp(). 1.5 * 2^23 + n has the integer n in its low bits, which makes the exponent. Lanes that
 * end as 0 or NaN go through it with an n that means nothing. */
INLINE vfloat exp_lanes(vfloat x)
{
	const float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f, magic = 12582912.0f;

	vint vanishes = x < splat(-77.0f);
	x = select(x > splat(88.0f), splat(88.0f), x);
	vfloat shifted = x * log2_e + magic;
	vfloat n = shifted - magic;
	vfloat r = (x - n * ln2_high) - n * ln2_low;
	vfloat p = splat(1.0f / 5040);
	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	vuint power = ((vuint)shifted - tern_bits_from_f32(magic) + 127) << 23;
	return (vfloat)((vint)(p * (vfloat)power) & ~vanishes);
}

/* What dot_groups() scales the sums of a step and some tokens with, and adds them to. */
struct scaled {
	float *y; /* of the first token and panel */
	size_t y_stride;
	const float *inverses;            /* [n_token] */
	const int32_t *corrections;       /* [n_token] what the codes' +1 adds */
	const vfloat (*weights)[VECTORS]; /* [n_panel] */
};

/* ---- sums in 16 lanes -------------------------------------------------------------------------------------- */

/* Adds up 16 lanes as the fixed tree: lane i + lane i+8, then +4, +2, +1. */
INLINE float tree_sum(const vfloat sum[VECTORS])
{
	vfloat4 quarters[LANES / 4];

	memcpy(quarters, sum, sizeof quarters);
	quarters[0] += quarters[2];
	quarters[1] += quarters[3];
	quarters[0] += quarters[1];
	return (quarters[0][0] + quarters[0][2]) + (quarters[0][1] + quarters[0][3]);
}

/* The largest of all lanes; if one is a NaN, all have to be. */
INLINE float largest_lane(vfloat v)
{
	float lanes[VECTOR_LANES];

	store(lanes, v);
	for (size_t step = VECTOR_LANES / 2; step > 0; step /= 2)
		for (size_t i = 0; i < step; i++)
			lanes[i] = lanes[i + step] > lanes[i] ? lanes[i + step] : lanes[i];
	return lanes[0];
}

/* ---- the head's estimates -------------------------------------------------------------------------------------- */

INLINE vint load_ints(const int32_t *x)
{
	vint v;
	memcpy(&v, x, sizeof v);
	return v;
}

static void estimate(float *estimates, float *uppers, const int32_t *high, const float *row_scales, size_t n_panel,
                     float inverse, int32_t offset, int32_t bound)
{
	for (size_t p = 0; p < n_panel; p++) {
		vfloat upper = splat(-INFINITY);
		for (size_t row = p * LANES; row < (p + 1) * LANES; row += VECTOR_LANES) {
			vint middle = load_ints(high + row) * 16 + offset;
			vfloat factor = load(row_scales + row) * inverse;
			vfloat above = __builtin_convertvector(middle + bound, vfloat) * factor;
			vfloat below = __builtin_convertvector(middle - bound, vfloat) * factor;
			above = select(above > below, above, below);
			upper = select(above > upper, above, upper);
			store(estimates + row, __builtin_convertvector(middle, vfloat) * factor);
		}
		uppers[p] = largest_lane(upper);
	}
}

enum element {
	ELEMENT_F32,
	ELEMENT_F16,
	ELEMENT_BF16,
};

INLINE vfloat load_element(const void *a, size_t i, enum element type)
{
	switch (type) {
	case ELEMENT_F16:
		return LOAD_F16((const uint16_t *)a + i);
	case ELEMENT_BF16:
		return LOAD_BF16((const uint16_t *)a + i);
	default:
		return load((const float *)a + i);
	}
}

/* Lanes that the last group lacks get +0 * +0 added, which changes no sum: none is ever -0. */
INLINE float dot(const void *a, const float *x, size_t n, enum element type)
{
	vfloat sum[VECTORS] = {0};
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t v = 0; v < VECTORS; v++)
			sum[v] += load_element(a, i + v * VECTOR_LANES, type) * load(x + i + v * VECTOR_LANES);
	if (i < n) {
		size_t size = type == ELEMENT_F32 ? sizeof(float) : sizeof(uint16_t);
		union {
			float f32[LANES];
			uint16_t b16[LANES];
		} rest_a = {{0}};
		float rest_x[LANES] = {0};
		memcpy(&rest_a, (const char *)a + i * size, (n - i) * size);
		memcpy(rest_x, x + i, (n - i) * sizeof *x);
		for (size_t v = 0; v < VECTORS; v++)
			sum[v] += load_element(&rest_a, v * VECTOR_LANES, type) * load(rest_x + v * VECTOR_LANES);
	}
	return tree_sum(sum);
}

static float dot_f32(const float *a, const float *x, size_t n) { return dot(a, x, n, ELEMENT_F32); }
static float dot_f16(const uint16_t *a, const float *x, size_t n) { return dot(a, x, n, ELEMENT_F16); }
static float dot_bf16(const uint16_t *a, const float *x, size_t n) { return dot(a, x, n, ELEMENT_BF16); }
static float sum_squares(const float *x, size_t n) { return dot(x, x, n, ELEMENT_F32); }

/* ---- half floats ---------------------------------------------------------------------------------------------- */

static void to_f16(uint16_t *out, const float *x, size_t n)
{
	uint16_t rest[VECTOR_LANES];
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		STORE_F16(out + i, load(x + i));
	if (i < n) {
		STORE_F16(rest, load_first(x + i, n - i));
		memcpy(out + i, rest, (n - i) * sizeof *out);
	}
}

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

/* ---- normalising and quantising ---------------------------------------------------------------------------- */

/* (x * inv_rms) * gain from index i on, and of the last n < VECTOR_LANES, with zeros behind. */
INLINE vfloat scaled(const float *x, const float *gain, float inv_rms, size_t i)
{
	vfloat y = load(x + i) * inv_rms;
	return gain ? y * load(gain + i) : y;
}

INLINE vfloat scaled_rest(const float *x, const float *gain, float inv_rms, size_t i, size_t n)
{
	vfloat y = load_first(x + i, n) * inv_rms;
	return gain ? y * load_first(gain + i, n) : y;
}

static void rms_scale(float *out, const float *x, const float *gain, float inv_rms, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(out + i, scaled(x, gain, inv_rms, i));
	if (i < n)
		store_first(out + i, scaled_rest(x, gain, inv_rms, i, n - i), n - i);
}

/* The larger magnitudes, as bits: without sign, floats order as integers do, infinities and NaNs last. */
INLINE vint larger_magnitude(vint bits, vfloat y)
{
	vint others = (vint)y & 0x7fffffff;
	vint more = others > bits;
	return (more & others) | (~more & bits);
}

INLINE uint32_t max_magnitude(const float *x, const float *gain, float inv_rms, size_t n)
{
	vint lanes[2] = {{0}};
	int32_t max = 0;
	size_t i = 0;

	for (; i + 2 * VECTOR_LANES <= n; i += 2 * VECTOR_LANES) {
		lanes[0] = larger_magnitude(lanes[0], scaled(x, gain, inv_rms, i));
		lanes[1] = larger_magnitude(lanes[1], scaled(x, gain, inv_rms, i + VECTOR_LANES));
	}
	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		lanes[0] = larger_magnitude(lanes[0], scaled(x, gain, inv_rms, i));
	if (i < n)
		lanes[1] = larger_magnitude(lanes[1], scaled_rest(x, gain, inv_rms, i, n - i));
	lanes[0] = larger_magnitude(lanes[0], (vfloat)lanes[1]);
	for (size_t l = 0; l < VECTOR_LANES; l++)
		max = lanes[0][l] > max ? lanes[0][l] : max;
	return (uint32_t)max;
}

/* y * scale rounded to integers: 1.5 * 2^23 + y * scale has them in its low bits. */
INLINE vuint quantized(vfloat y, float scale)
{
	const float magic = 12582912.0f;
	return (vuint)(y * scale + magic) - tern_bits_from_f32(magic);
}

static struct tern_activation norm_quantize(int8_t *q, const float *x, const float *gain, float inv_rms, size_t n)
{
	struct tern_activation activation = {0};
	uint32_t max_bits = max_magnitude(x, gain, inv_rms, n);
	float max = tern_f32_from_bits(max_bits);
	vuint sum = {0};
	size_t i = 0;

	if (max_bits >= 0x7f800000) {
		memset(q, 0, n);
		activation.scale = NAN;
		return activation;
	}
	activation.scale = 127.0f / (max > 1e-5f ? max : 1e-5f);
	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES) {
		vuint integers = quantized(scaled(x, gain, inv_rms, i), activation.scale);
		STORE_I8(q + i, integers);
		sum += integers;
	}
	if (i < n) {
		int8_t rest[VECTOR_LANES];
		vuint integers = quantized(scaled_rest(x, gain, inv_rms, i, n - i), activation.scale);
		STORE_I8(rest, integers);
		memcpy(q + i, rest, n - i);
		sum += integers; /* 0 in lanes past the end */
	}
	for (size_t l = 0; l < VECTOR_LANES; l++)
		activation.sum += (int32_t)sum[l];
	return activation;
}

/* ---- gates ------------------------------------------------------------------------------------------------- */

INLINE vfloat silu(vfloat x) { return x / (exp_lanes(-x) + 1.0f); }

INLINE vfloat relu2(vfloat x)
{
	x = select(x < splat(0.0f), splat(0.0f), x); /* a NaN stays */
	return x * x;
}

INLINE vfloat gelu(vfloat x)
{
	vfloat u = (x + ((x * x) * x) * 0.044715f) * 0.79788456f;
	return x / (exp_lanes(u * -2.0f) + 1.0f);
}

INLINE void gate_mul(float *gate, const float *up, size_t n, vfloat (*function)(vfloat))
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(gate + i, function(load(gate + i)) * load(up + i));
	if (i < n)
		store_first(gate + i, function(load_first(gate + i, n - i)) * load_first(up + i, n - i), n - i);
}

static void silu_mul(float *gate, const float *up, size_t n) { gate_mul(gate, up, n, silu); }
static void relu2_mul(float *gate, const float *up, size_t n) { gate_mul(gate, up, n, relu2); }
static void gelu_mul(float *gate, const float *up, size_t n) { gate_mul(gate, up, n, gelu); }

/* ---- attention --------------------------------------------------------------------------------------------- */

/* Some queries of a block, and what they share. */
struct attention {
	const float *q;
	float *out, *max, *sum, *scores;
	const struct tern_attention_block *block;
	size_t value_stride;
	const void *next; /* asked for while values are read */
};

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
	const size_t steps_per_line = is_q8 ? 4 : 2; /* of 16 elements */
	vfloat sum[LANE_GROUPS][VECTORS] = {{{0}}};
	const struct tern_attention_block *b = a->block;
	size_t head_dim = b->head_dim, panel_size = head_dim * LANES;
	const void *k = element_at(b->k, panel * panel_size, is_q8), *v = element_at(b->v, panel * panel_size, is_q8);

	for (size_t d = 0; d < head_dim; d++) {
		UNROLL
		for (size_t p = 0; p < n_panel; p++) {
			size_t at = p * panel_size + d * LANES;
			if (d % steps_per_line == 0)
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

/* Turns the scores of positions n_skip .. n_pos - 1 into weights exp(score - max) in place; those of the other
 * positions of their groups become 0. */
INLINE void softmax_weights(float *scores, size_t n_skip, size_t n_pos, float *max, float *sum)
{
	vfloat largest = splat(scores[n_skip]), weights[VECTORS] = {0}; /* a NaN there has to win */
	size_t n_padded = (n_pos + LANES - 1) / LANES * LANES;

	for (size_t j = 0; j < n_skip; j++)
		scores[j] = -INFINITY;
	for (size_t j = n_pos; j < n_padded; j++)
		scores[j] = -INFINITY;
	for (size_t j = 0; j < n_padded; j += VECTOR_LANES) {
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
	for (size_t j = 0; j < n_padded; j += LANES)
		for (size_t v = 0; v < VECTORS; v++) {
			vfloat weight = round_to_13_bits(exp_lanes(load(scores + j + v * VECTOR_LANES) - *max));
			store(scores + j + v * VECTOR_LANES, weight);
			weights[v] += weight;
		}
	*sum = tree_sum(weights);
}

/* n_group groups of 16 values from group `first` on, weighted for n_query queries; n_query * n_group <= LANE_GROUPS,
 * constants. Asks memory for as many of the keys that come next. */
INLINE void weigh_values(const struct attention *a, size_t first, size_t n_query, size_t n_group, bool is_q8)
{
	vfloat sum[LANE_GROUPS][VECTORS] = {{{0}}};
	size_t value_stride = a->value_stride, n_pos = a->block->n_pos;
	const void *next = element_at(a->next, first * LANES * n_pos, is_q8);
	float *out = a->out + first * LANES;

	for (size_t j = a->block->n_skip; j < n_pos; j++) {
		const void *values = element_at(a->block->v, j * value_stride + first * LANES, is_q8);
		UNROLL
		for (size_t g = 0; g < n_group; g++) {
			if (g % 2 == 0)
				__builtin_prefetch(element_at(next, (g * n_pos + j * 2) * LANES, is_q8), 0,
				                   TERN_TO_SECOND_CACHE);
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				vfloat value = load_elements(values, g * LANES + v * VECTOR_LANES, is_q8);
				UNROLL
				for (size_t i = 0; i < n_query; i++)
					sum[g * n_query + i][v] = FMA(value, splat(a->scores[i * TERN_ATTENTION_BLOCK + j]),
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
		float *scores = a->scores + i * TERN_ATTENTION_BLOCK;
		softmax_weights(scores, b->n_skip, b->n_pos, &a->max[i], &a->sum[i]);
		if (is_q8)
			scale_weights(scores, b->v_scales, n_panel * LANES);
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
#define LANES_SLOTS                                                                                               \
	.estimate = estimate, .sum_squares = sum_squares, .rms_scale = rms_scale, .norm_quantize = norm_quantize, .dot_f32 = dot_f32,   \
	.dot_f16 = dot_f16, .dot_bf16 = dot_bf16, .to_f16 = to_f16, .narrow = narrow, .silu_mul = silu_mul, .relu2_mul = relu2_mul, \
	.gelu_mul = gelu_mul, .attention_block = attention_block, .attention_block_q8 = attention_block_q8,                    \
	.combine = combine

#endif
