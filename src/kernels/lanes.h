/* The floating-point kernels for every instruction set with vectors: the 16 lanes of the definition (portable.c) in
 * 16 / VECTOR_LANES registers. Each step is one operation on whole registers that rounds each lane alone, in
 * portable.c's order, so the bits are the same whatever the width.
 *
 * The file of an instruction set defines, before it includes this one:
 *
 *     VECTOR_LANES    floats in a register: 4, 8 or 16
 *     LOAD_F16(h)     VECTOR_LANES half floats from const uint16_t *h, any alignment, as vfloat
 *     LOAD_BF16(h)    the same of bfloat16
 *     STORE_F16(h, v) VECTOR_LANES floats, rounded to even, to uint16_t *h
 *     LOAD_I8(q)      VECTOR_LANES int8 from const int8_t *q, any alignment, as vfloat
 *     STORE_I8(q, i)  VECTOR_LANES integers of -128..127 in vuint i to int8_t *q
 *
 * and gets the float members of struct tern_kernels as static functions of the same names. */
#ifndef TERN_KERNELS_LANES_H
#define TERN_KERNELS_LANES_H

#include "base/bytes.h"
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

/* The slots that these functions fill, for a table's initializer. */
#define LANES_SLOTS                                                                                               \
	.estimate = estimate, .sum_squares = sum_squares, .rms_scale = rms_scale, .norm_quantize = norm_quantize, \
	.dot_f32 = dot_f32, .dot_f16 = dot_f16, .dot_bf16 = dot_bf16, .to_f16 = to_f16, .silu_mul = silu_mul,     \
	.relu2_mul = relu2_mul, .gelu_mul = gelu_mul

#endif
