/* RMSNorm. */
#ifndef TERN_INFER_NORM_H
#define TERN_INFER_NORM_H

#include "infer/engine.h"

/* 1 / sqrt(mean(x^2) + eps). */
float tern_inv_rms(const struct tern_kernels *kernels, const float *x, size_t n, float eps);

/* out = x * inv_rms(x) * gain for each row of [n_token, n], with the model's rms_eps; out may be x. */
void tern_rms_norm(struct tern_engine *engine, float *out, const float *x, const float *gain, size_t n, size_t n_token);

#endif
