#include "tune/gains.h"

#include <math.h>

static float rms(const float *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return (float)sqrt(sum / (double)n);
}

void gains_set_rms(struct network *network, const struct graph *plain, const struct batch *batch)
{
	for (size_t i = 0; i < network->n_layer; i++)
		for (int p = 0; p < TUNE_N_PROJECTIONS; p++) {
			const struct linear *linear = &network->layers[i].projections[p];
			bool is_inserted = plain->network->layers[i].projections[p].gain == NONE;
			if (linear->gain == NONE || !is_inserted)
				continue;
			float *gain = network_value(network, linear->gain);
			gain[0] = rms(plain->saved[i].inputs[p], batch->n_token * linear->n_col);
			for (size_t j = 1; j < linear->n_col; j++)
				gain[j] = gain[0];
		}
}
