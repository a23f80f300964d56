/* Template: the reading loop of struct tern_peak, peak_read().
 *
 *     PEAK_READ_BYTES    parameter: bytes of a vector load: 16, 32 or 64 (tested: all three) */
#ifndef PEAK_READ_BYTES
#error "peak_read_template.h: PEAK_READ_BYTES is not defined"
#endif

#include "kernels/compiler.h"
#include "kernels/peak.h"

#include <stddef.h>
#include <stdint.h>

typedef uint64_t read_vector __attribute__((vector_size(PEAK_READ_BYTES), aligned(1), may_alias));

enum {
	READ_PART = 256, /* bytes read from one stream before the next */
	READ_SUMS = 4,   /* independent of each other */
};
_Static_assert(READ_PART % (READ_SUMS * PEAK_READ_BYTES) == 0 && READ_PART % 64 == 0, "whole parts");
_Static_assert(TERN_READ_STEP % (READ_PART * TERN_READ_STREAMS) == 0, "whole parts of all streams");

static uint64_t peak_read(const uint8_t *bytes, size_t n_bytes, size_t n_stream, size_t prefetch)
{
	read_vector all[READ_SUMS] = {{0}};
	uint64_t result = 0;
	size_t distance = n_bytes / n_stream;

	for (size_t i = 0; i < distance; i += READ_PART)
		for (const uint8_t *at = bytes + i; at < bytes + n_bytes; at += distance) {
			UNROLL
			for (size_t k = 0; k < READ_PART; k += 64)
				__builtin_prefetch(at + k + prefetch);
			UNROLL
			for (size_t k = 0; k < READ_PART; k += PEAK_READ_BYTES)
				all[k / PEAK_READ_BYTES % READ_SUMS] |= *(const read_vector *)(const void *)(at + k);
		}
	for (size_t k = 0; k < READ_SUMS; k++)
		for (size_t j = 0; j < PEAK_READ_BYTES / sizeof(uint64_t); j++)
			result |= all[k][j];
	return result;
}
