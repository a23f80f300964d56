/* The two peak rates that bound inference, measured: how fast this machine reads memory, and how fast an instruction
 * set multiplies and adds small integers. */
#ifndef TERN_KERNELS_PEAK_H
#define TERN_KERNELS_PEAK_H

#include "base/threads.h"

#include <stddef.h>
#include <stdint.h>

/* The loops of one instruction set. Their results mean nothing; they keep compilers from removing the loops. */
struct tern_peak {
	const char *instruction; /* that multiplies and adds, for people */

	/* Reads n_bytes, a multiple of TERN_READ_STEP, with vector loads, in n_stream equal parts at the same time: a
	 * power of two, at most TERN_READ_STREAMS. Prefetches `prefetch` bytes ahead. */
	uint64_t (*read)(const uint8_t *bytes, size_t n_bytes, size_t n_stream, size_t prefetch);

	/* n_round rounds of macs_per_round exact products of ternary codes and int8, added up in registers; nothing is
	 * loaded, unpacked or stored. */
	uint32_t (*multiply)(size_t n_round);
	size_t macs_per_round;
};

enum {
	TERN_READ_STEP = 4096,
	TERN_READ_STREAMS = 8,
};

/* Bytes per second that all threads of the pool read together, going over the n_bytes (at least TERN_READ_STEP) at
 * `bytes` again and again for at least min_ns, in several ways in turn: of the fastest. For the speed of memory, the
 * bytes must be many more than caches hold. */
double tern_measure_read(struct tern_pool *pool, const struct tern_peak *peak, const uint8_t *bytes, size_t n_bytes,
                         uint64_t min_ns);

/* Multiply-adds per second of all threads of the pool together, for at least min_ns. */
double tern_measure_multiply(struct tern_pool *pool, const struct tern_peak *peak, uint64_t min_ns);

#endif
