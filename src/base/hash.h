/* Hashes for tables whose keys come from files. They depend on a random key, so that nobody can write a file whose
 * names all collide. Bytes: SipHash-1-3 (Aumasson and Bernstein, 2012). Numbers: multiply-shift (Dietzfelbinger et al.,
 * 1997). */
#ifndef TERN_BASE_HASH_H
#define TERN_BASE_HASH_H

#include "base/bytes.h"
#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>

struct tern_hash_key {
	uint64_t k0, k1;
};

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t tern_hash_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* A key that differs from run to run. It protects against the author of a file, not against one who can observe us. */
static inline struct tern_hash_key tern_hash_new_key(const void *somewhere)
{
	uint64_t seed = tern_clock_ns() ^ (uint64_t)(uintptr_t)somewhere << 16;
	return (struct tern_hash_key){tern_hash_mix(seed), tern_hash_mix(seed + (uint64_t)(uintptr_t)&seed)};
}

static inline uint64_t tern_hash_rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static inline void tern_hash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = tern_hash_rotate(v[1], 13) ^ v[0];
	v[3] = tern_hash_rotate(v[3], 16) ^ v[2];
	v[0] = tern_hash_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = tern_hash_rotate(v[1], 17) ^ v[2];
	v[3] = tern_hash_rotate(v[3], 21) ^ v[0];
	v[2] = tern_hash_rotate(v[2], 32);
}

/* Hashes n bytes to 64 bits. */
static inline uint64_t tern_hash_bytes(struct tern_hash_key key, const char *bytes, size_t n)
{
	uint64_t v[4] = {key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du, key.k0 ^ 0x6c7967656e657261u,
	                 key.k1 ^ 0x7465646279746573u};
	uint64_t word;
	size_t at = 0;

	for (; n - at >= 8; at += 8) {
		word = tern_load_u64(bytes + at);
		v[3] ^= word;
		tern_hash_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)n << 56;
	for (int shift = 0; at < n; at++, shift += 8)
		word |= (uint64_t)(unsigned char)bytes[at] << shift;
	v[3] ^= word;
	tern_hash_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		tern_hash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The exponent of the smallest power of two that holds n entries at two thirds full: the size of a hash table. */
static inline int tern_hash_table_bits(size_t n)
{
	int bits = 4;

	while (((size_t)1 << bits) / 3 < n / 2 + 1)
		bits++;
	return bits;
}

/* Hashes a number to `bits` (1 to 63) bits. Two numbers collide with a probability of at most 2 in 2^bits. */
static inline size_t tern_hash_u64(struct tern_hash_key key, uint64_t x, int bits)
{
	return (size_t)(x * (key.k0 | 1) >> (64 - bits));
}

#endif
