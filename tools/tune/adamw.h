/* AdamW (Loshchilov and Hutter, arXiv 1711.05101) with clipping of the gradient's norm. */
#ifndef TUNE_ADAMW_H
#define TUNE_ADAMW_H

#include "tune/network.h"

struct adamw {
	float *first, *second; /* [n_floats] moments */
	uint64_t n_steps;
	double beta1, beta2, eps;
	double weight_decay; /* of matrices */
	double clip;         /* largest norm of all gradients together; 0: no limit */
};

/* betas 0.9 and 0.95, eps 1e-8. Moments are zero. Free in either case. */
enum tern_status adamw_init(struct adamw *adamw, const struct network *network, double weight_decay, double clip,
                            struct tern_error *err);
void adamw_free(struct adamw *adamw);

/* The norm of all gradients together. */
double adamw_norm(struct tern_pool *pool, const struct network *network, const float *gradients);

/* One step; returns the norm of the gradients before clipping. A norm that is not finite changes nothing. */
double adamw_step(struct adamw *adamw, struct network *network, const float *gradients, double rate,
                  struct tern_pool *pool);

#endif
