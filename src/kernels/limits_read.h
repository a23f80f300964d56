/* The reading loop of limits.h, once for all instruction sets. The including file defines VECTOR_BYTES. */
#include "kernels/compiler.h"
#include "kernels/limits.h"

#include <stddef.h>
#include <stdint.h>

typedef uint64_t read_vector __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

enum {
	READ_AHEAD = 2048, /* bytes; what the kernels use: the hardware's own prefetching stops at pages */
	READ_BLOCK = 256,  /* bytes of one stream, then the next one's turn */
	READ_SUMS = 4,     /* independent of each other */
};
_Static_assert(READ_BLOCK % (READ_SUMS * VECTOR_BYTES) == 0 && READ_BLOCK % 64 == 0, "whole blocks");
_Static_assert(TERN_READ_STEP % (READ_BLOCK * TERN_READ_STREAMS) == 0, "whole blocks of all streams");

static uint64_t read_bytes(const uint8_t *bytes, size_t n_bytes, size_t n_stream)
{
	read_vector all[READ_SUMS] = {{0}};
	uint64_t result = 0;
	size_t distance = n_bytes / n_stream;

	for (size_t i = 0; i < distance; i += READ_BLOCK)
		for (const uint8_t *at = bytes + i; at < bytes + n_bytes; at += distance) {
			UNROLL
			for (size_t k = 0; k < READ_BLOCK; k += 64)
				__builtin_prefetch(at + k + READ_AHEAD);
			UNROLL
			for (size_t k = 0; k < READ_BLOCK; k += VECTOR_BYTES)
				all[k / VECTOR_BYTES % READ_SUMS] |= *(const read_vector *)(const void *)(at + k);
		}
	for (size_t k = 0; k < READ_SUMS; k++)
		for (size_t j = 0; j < VECTOR_BYTES / sizeof(uint64_t); j++)
			result |= all[k][j];
	return result;
}
