#include "tune/curve.h"

#include <stdbool.h>

void curve_add(struct curve *curve, uint64_t step, uint64_t n_steps, double loss)
{
	uint64_t n_column = n_steps < CURVE_COLUMNS ? n_steps : CURVE_COLUMNS, column = (step - 1) * n_column / n_steps;

	curve->sums[column] += loss;
	curve->counts[column]++;
}

void curve_print(const struct curve *curve, FILE *to)
{
	double low = 1e300, high = -1e300, means[CURVE_COLUMNS];
	size_t n = 0;

	for (size_t i = 0; i < CURVE_COLUMNS; i++) {
		if (!curve->counts[i])
			continue;
		means[i] = curve->sums[i] / (double)curve->counts[i];
		low = means[i] < low ? means[i] : low;
		high = means[i] > high ? means[i] : high;
		n++;
	}
	if (n < 2 || !(high > low))
		return;
	for (int row = CURVE_ROWS - 1; row >= 0; row--) {
		double at = low + (high - low) * row / (CURVE_ROWS - 1), half = (high - low) / (CURVE_ROWS - 1) / 2;
		fprintf(to, "  %8.3f |", at);
		for (size_t i = 0; i < CURVE_COLUMNS; i++) {
			bool here = curve->counts[i] && means[i] > at - half && means[i] <= at + half;
			fputc(here ? '*' : ' ', to);
		}
		fputc('\n', to);
	}
}
