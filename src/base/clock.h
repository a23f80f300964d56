/* Time for measurements. */
#ifndef TERN_BASE_CLOCK_H
#define TERN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of one of the system's clocks; 0 if there is no such clock. */
static inline uint64_t tern_clock_ns_of(clockid_t clock)
{
	struct timespec now = {0};
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Nanoseconds of a clock that never goes back. */
static inline uint64_t tern_clock_ns(void) { return tern_clock_ns_of(CLOCK_MONOTONIC); }

#endif
