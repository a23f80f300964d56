/* Random numbers of some distributions, from those of base/random.h. */
#ifndef TUNE_RANDOM_H
#define TUNE_RANDOM_H

#include "base/exactmath.h"
#include "base/random.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline struct random random_new(uint64_t seed) { return (struct random){tern_hash_mix(seed + 1)}; }

static inline uint64_t random_bits(struct random *random) { return tern_random_bits(&random->state); }

/* 0 .. n - 1. The bias is below n / 2^64. */
static inline size_t random_below(struct random *random, size_t n) { return (size_t)(random_bits(random) % n); }

/* Normally distributed, deviation 1 (Box and Muller, 1958). */
static inline double random_normal(struct random *random)
{
	double u = ((double)(random_bits(random) >> 11) + 1.0) * 0x1p-53; /* 0 < u <= 1 */
	double angle = tern_random_fraction(&random->state) * 6.283185307179586, sine, cosine;

	tern_sincos_f64(angle, &sine, &cosine);
	return sqrt(-2.0 * tern_log_f64(u)) * cosine;
}

#endif
