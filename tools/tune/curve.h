/* The loss of a run as a curve for terminals. */
#ifndef TUNE_CURVE_H
#define TUNE_CURVE_H

#include <stdint.h>
#include <stdio.h>

enum {
	CURVE_COLUMNS = 64,
	CURVE_ROWS = 10
};

/* Sums of the losses of equal shares of the steps. */
struct curve {
	double sums[CURVE_COLUMNS];
	uint64_t counts[CURVE_COLUMNS];
};

void curve_add(struct curve *curve, uint64_t step, uint64_t n_steps, double loss);
/* Draws it; nothing for less than two columns. */
void curve_print(const struct curve *curve, FILE *to);

#endif
