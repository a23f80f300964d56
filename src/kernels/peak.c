#include "kernels/peak.h"

#include "base/clock.h"

#include <stdatomic.h>

enum {
	SLICE = 1 << 20,    /* bytes a thread reads at a time, of large regions */
	MIN_RUN = 16 << 20, /* bytes of one run of the pool at least, which make the cost of starting it negligible */
	ROUNDS_PER_CHUNK = 500, /* some tens of microseconds, as short a chunk as the engine hands out */
	CHUNKS_PER_THREAD = 32,
};

struct measurement {
	const struct tern_peak *peak;
	const uint8_t *bytes;
	size_t n_slice, slice_bytes, n_stream, prefetch;
	atomic_uint_fast64_t sink; /* every result goes here, so that compilers compute all of them */
};

static void read_slice(void *context, size_t chunk, int worker)
{
	struct measurement *m = context;
	const uint8_t *slice = m->bytes + chunk % m->n_slice * m->slice_bytes;
	uint64_t result = m->peak->read(slice, m->slice_bytes, m->n_stream, m->prefetch);

	(void)worker;
	atomic_fetch_or_explicit(&m->sink, result, memory_order_relaxed);
}

static void multiply_chunk(void *context, size_t chunk, int worker)
{
	struct measurement *m = context;

	(void)chunk;
	(void)worker;
	atomic_fetch_or_explicit(&m->sink, m->peak->multiply(ROUNDS_PER_CHUNK), memory_order_relaxed);
}

/* Runs the task over and over; returns chunks per second. */
static double measure(struct tern_pool *pool, tern_task task, struct measurement *m, size_t n_chunk, uint64_t min_ns)
{
	uint64_t start = tern_clock_ns(), elapsed;
	double n_done = 0;

	do {
		tern_pool_run(pool, task, m, n_chunk);
		n_done += (double)n_chunk;
		elapsed = tern_clock_ns() - start;
	} while (elapsed < min_ns || elapsed == 0);
	return n_done / ((double)elapsed * 1e-9);
}

/* Numbers of streams, and how far ahead is prefetched: each has been the fastest on some machine, or on the same one
 * while its neighbors were busy. */
static const size_t ways[][2] = {{1, 0}, {1, 4096}, {2, 4096}, {4, 2048}, {8, 2048}};
enum {
	N_WAY = sizeof ways / sizeof *ways
};

double tern_measure_read(struct tern_pool *pool, const struct tern_peak *peak, const uint8_t *bytes, size_t n_bytes,
                         uint64_t min_ns)
{
	struct measurement m = {.peak = peak, .bytes = bytes, .slice_bytes = SLICE};
	size_t fair_share = n_bytes / (size_t)tern_pool_size(pool) / 4, n_pass;
	double rate, best = 0;

	if (fair_share < m.slice_bytes)
		m.slice_bytes = fair_share / TERN_READ_STEP * TERN_READ_STEP;
	if (m.slice_bytes == 0)
		m.slice_bytes = TERN_READ_STEP;
	m.n_slice = n_bytes / m.slice_bytes;
	n_pass = (MIN_RUN - 1) / (m.n_slice * m.slice_bytes) + 1;
	for (size_t i = 0; i < N_WAY; i++) {
		m.n_stream = ways[i][0];
		m.prefetch = ways[i][1];
		rate = measure(pool, read_slice, &m, n_pass * m.n_slice, min_ns / N_WAY) * (double)m.slice_bytes;
		best = rate > best ? rate : best;
	}
	return best;
}

double tern_measure_multiply(struct tern_pool *pool, const struct tern_peak *peak, uint64_t min_ns)
{
	struct measurement m = {.peak = peak};
	size_t n_chunk = CHUNKS_PER_THREAD * (size_t)tern_pool_size(pool);

	return measure(pool, multiply_chunk, &m, n_chunk, min_ns) * ROUNDS_PER_CHUNK * (double)peak->macs_per_round;
}
