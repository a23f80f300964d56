/* Template: vectors of floats and 32-bit integers as GCC and Clang define them, as wide as a register. One operation on
 * a vector rounds each lane separately, so results have the same bits at every width.
 *
 *     VECTOR_LANES    parameter: floats in a register: 4, 8 or 16 (tested: all three)
 *
 * The file of an instruction set includes it first, in x86 and arm through the header that related sets share. */
#ifndef VECTOR_LANES
#error "vectors_template.h: VECTOR_LANES is not defined"
#endif

#include "base/bytes.h"
#include "kernels/compiler.h"
#include "kernels/lanes.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	VECTOR_BYTES = 4 * VECTOR_LANES,
	VECTORS = LANES / VECTOR_LANES, /* that hold 16 lanes */
};

typedef float vfloat __attribute__((vector_size(4 * VECTOR_LANES)));
typedef float vfloat4 __attribute__((vector_size(16)));                /* every CPU has at least these */
typedef int32_t vint __attribute__((vector_size(4 * VECTOR_LANES)));   /* also the result of comparing: 0 or -1 */
typedef uint32_t vuint __attribute__((vector_size(4 * VECTOR_LANES))); /* bits, and integers that may wrap */

/* ---- loading, storing, selecting ----------------------------------------------------------------------------- */

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

/* a > b ? a : b */
INLINE vfloat larger(vfloat a, vfloat b) { return select(a > b, a, b); }

INLINE vint load_ints(const int32_t *x)
{
	vint v;
	memcpy(&v, x, sizeof v);
	return v;
}

INLINE vint lane_numbers(void)
{
	static const int32_t numbers[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	return load_ints(numbers);
}

INLINE void store_ints(int32_t *out, vint v) { memcpy(out, &v, sizeof v); }

/* Lane i of the result is lane i xor `distance`, a power of two below VECTOR_LANES. */
INLINE vfloat exchange(vfloat v, int distance)
{
#if defined(__clang__)
	vfloat exchanged = v;
	UNROLL
	for (int i = 0; i < VECTOR_LANES; i++)
		exchanged[i] = v[i ^ distance];
	return exchanged;
#else
	return __builtin_shuffle(v, lane_numbers() ^ distance);
#endif
}

/* ---- across lanes ---------------------------------------------------------------------------------------------- */

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

/* The largest of all lanes; if one is a NaN, all must be. */
INLINE float largest_lane(vfloat v)
{
	float lanes[VECTOR_LANES];

	store(lanes, v);
	for (size_t step = VECTOR_LANES / 2; step > 0; step /= 2)
		for (size_t i = 0; i < step; i++)
			lanes[i] = lanes[i + step] > lanes[i] ? lanes[i + step] : lanes[i];
	return lanes[0];
}

/* ---- exp ------------------------------------------------------------------------------------------------------- */

/* portable.c's tern_exp(). 1.5 * 2^23 + n has the integer n in its low bits, from which the exponent is made. Lanes
 * whose result is 0 or a NaN go through this too, with a meaningless n. */
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
