/* Tensor data as single-precision floats, whatever floating-point type the checkpoint has. */
#ifndef CONVERT_CHECKPOINT_FLOATS_H
#define CONVERT_CHECKPOINT_FLOATS_H

#include "convert/checkpoint/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True for F64, F32, F16 and BF16. */
bool dtype_is_float(enum dtype dtype);

/* Converts n values of such a type; raw needs no alignment and may not overlap out. F64 is rounded. */
void floats_convert(float *out, const void *raw, size_t n, enum dtype dtype);

/* n if all are finite, else the position of the first that is not. */
size_t floats_find_nonfinite(const float *values, size_t n);

/* Reads n values of a tensor of such a type, from value `first` on. Fails for values that are not finite. */
enum tern_status floats_read_part(const struct checkpoint *ckpt, const struct tensor *tensor, uint64_t first, size_t n,
                                  float *out, struct tern_error *err);

/* Reads a whole small tensor (a norm, a bias, a scale) of any shape with n values. Fails for another number of values,
 * for other types and for values that are not finite. */
enum tern_status floats_read(const struct checkpoint *ckpt, const struct tensor *tensor, size_t n, float *out,
                             struct tern_error *err);

#endif
