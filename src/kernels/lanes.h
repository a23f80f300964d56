/* The order of sums that are defined in 16 lanes: element i goes to lane i mod 16, then the lanes add up as a tree. */
#ifndef TERN_KERNELS_LANES_H
#define TERN_KERNELS_LANES_H

#include <stddef.h>

enum {
	LANES = 16
};

static inline float sum_of_lanes(float lanes[LANES]) /* changes lanes */
{
	for (size_t step = LANES / 2; step > 0; step /= 2)
		for (size_t i = 0; i < step; i++)
			lanes[i] += lanes[i + step];
	return lanes[0];
}

#endif
