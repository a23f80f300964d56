/* A hash of bytes for tables whose keys come from files: SipHash-1-3 (Aumasson and Bernstein, 2012) under a random
 * key, so that nobody can prepare a file whose names all collide. */
#ifndef CONVERT_HASH_H
#define CONVERT_HASH_H

#include "base/bytes.h"
#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

/* A key that differs from run to run. It need not resist an attacker who watches, only one who wrote a file. */
static inline struct hash_key hash_new_key(const void *somewhere)
{
	uint64_t seed = tern_clock_ns() ^ (uint64_t)(uintptr_t)somewhere;
	return (struct hash_key){seed * 0x9e3779b97f4a7c15u,
	                         ((uint64_t)(uintptr_t)&seed ^ seed >> 7) * 0xbf58476d1ce4e5b9u};
}

static inline uint64_t hash_rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static inline void hash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = hash_rotate(v[1], 13) ^ v[0];
	v[3] = hash_rotate(v[3], 16) ^ v[2];
	v[0] = hash_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = hash_rotate(v[1], 17) ^ v[2];
	v[3] = hash_rotate(v[3], 21) ^ v[0];
	v[2] = hash_rotate(v[2], 32);
}

static inline uint64_t hash_bytes(struct hash_key key, const char *bytes, size_t n)
{
	uint64_t v[4] = {key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du, key.k0 ^ 0x6c7967656e657261u,
	                 key.k1 ^ 0x7465646279746573u};
	uint64_t word;
	size_t at = 0;

	for (; n - at >= 8; at += 8) {
		word = tern_load_u64(bytes + at);
		v[3] ^= word;
		hash_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)n << 56;
	for (int shift = 0; at < n; at++, shift += 8)
		word |= (uint64_t)(unsigned char)bytes[at] << shift;
	v[3] ^= word;
	hash_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		hash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
