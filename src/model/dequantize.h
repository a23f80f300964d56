/* Rows of stock GGUF types as floats: floating-point types, ggml's block and K-quants, and the ternary types made of
 * blocks. Embeddings and heads of ternary models come in these. */
#ifndef TERN_MODEL_DEQUANTIZE_H
#define TERN_MODEL_DEQUANTIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* F32, F16 and BF16. */
bool tern_is_float_type(uint32_t type);

/* Whether rows of this type (enum gguf_tensor_type) can be read by tern_dequantize_row(). */
bool tern_can_dequantize(uint32_t type);

/* The values of a row of n_col numbers (a multiple of the type's block), one rounding per operation in the order the
 * format defines. row needs no alignment. */
void tern_dequantize_row(float *out, uint32_t type, const uint8_t *row, size_t n_col);

#endif
