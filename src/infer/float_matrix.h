/* Products with matrices of floats. */
#ifndef TERN_INFER_FLOAT_MATRIX_H
#define TERN_INFER_FLOAT_MATRIX_H

#include "infer/engine.h"

/* out [n_token, n_row] = rows of F32, F16 or BF16 times x [n_token, n_col]. */
void tern_multiply_floats(struct tern_engine *engine, const struct tern_matrix *matrix, const float *x, size_t n_token,
                          float *out);

/* The rows that a worker begins with, *n_bytes of them. */
const void *tern_float_matrix_start(const struct tern_engine *engine, const struct tern_matrix *matrix, int worker,
                                    size_t *n_bytes);

#endif
