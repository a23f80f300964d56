/* Random numbers that are the same on every machine: SplitMix64 (Steele, Lea and Flood, 2014). */
#ifndef TERN_BASE_RANDOM_H
#define TERN_BASE_RANDOM_H

#include "base/hash.h"

#include <stdint.h>

/* 64 random bits. */
static inline uint64_t tern_random_bits(uint64_t *state) { return tern_hash_mix(*state += 0x9e3779b97f4a7c15u); }

/* A number in [0, 1) with 53 random bits. */
static inline double tern_random_fraction(uint64_t *state) { return (double)(tern_random_bits(state) >> 11) * 0x1p-53; }

#endif
