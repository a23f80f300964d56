/* The reading loop of limits.h, once for all instruction sets. The including file defines VECTOR_BYTES. */
#include "kernels/compiler.h"
#include "kernels/limits.h"

#include <stddef.h>
#include <stdint.h>

typedef uint64_t read_vector __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

enum {
	READ_AHEAD = 2048, /* bytes; what the kernels use: the hardware's own prefetching stops at pages */
	READ_STREAMS = 4,  /* independent sums */
};
_Static_assert(TERN_READ_STEP % (READ_STREAMS * VECTOR_BYTES) == 0 && TERN_READ_STEP % 64 == 0, "whole steps");

static uint64_t read_bytes(const uint8_t *bytes, size_t n_bytes)
{
	read_vector all[READ_STREAMS] = {{0}};
	uint64_t result = 0;

	for (size_t i = 0; i < n_bytes; i += TERN_READ_STEP) {
		UNROLL
		for (size_t k = 0; k < TERN_READ_STEP; k += 64)
			__builtin_prefetch(bytes + i + k + READ_AHEAD);
		UNROLL
		for (size_t k = 0; k < TERN_READ_STEP; k += VECTOR_BYTES)
			all[k / VECTOR_BYTES % READ_STREAMS] |= *(const read_vector *)(const void *)(bytes + i + k);
	}
	for (size_t k = 0; k < READ_STREAMS; k++)
		for (size_t j = 0; j < VECTOR_BYTES / sizeof(uint64_t); j++)
			result |= all[k][j];
	return result;
}
