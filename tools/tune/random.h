/* Random numbers of some distributions, from those of base/random.h. */
#ifndef TUNE_RANDOM_H
#define TUNE_RANDOM_H

#include "base/exactmath.h"
#include "base/random.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* A state to begin with: those of seeds that are close have nothing in common. */
static inline uint64_t random_state(uint64_t seed) { return tern_hash_mix(seed + 1); }

/* 0 .. n - 1. The bias is below n / 2^64. */
static inline size_t random_below(uint64_t *state, size_t n) { return (size_t)(tern_random_bits(state) % n); }

/* Normally distributed, deviation 1 (Box and Muller, 1958). */
static inline double random_normal(uint64_t *state)
{
	double u = ((double)(tern_random_bits(state) >> 11) + 1.0) * 0x1p-53; /* 0 < u <= 1 */
	double angle = tern_random_fraction(state) * 6.283185307179586, sine, cosine;

	tern_sincos_f64(angle, &sine, &cosine);
	return sqrt(-2.0 * tern_log_f64(u)) * cosine;
}

#endif
