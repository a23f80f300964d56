/* Ternary tensor types of other engines that store a row as blocks, each with a half-precision scale d of its own:
 * weight = (code - 1) * d. Blocks run along the row; all numbers are little-endian.
 *
 *     Q1_0    128 weights: d, 16 bytes of bits, no zeros          (ggml)
 *     TQ1_0   256 weights: 48 + 4 bytes of base-3 digits, d       (ggml)
 *     TQ2_0   256 weights: 64 bytes of codes, d                   (ggml)
 *     Q2_0     64 weights: d, 16 bytes of codes                   (ggml)
 *     PQ2_0   128 weights: d, 32 bytes of codes                   (PrismML)
 *     PTQ1_0  128 weights: 24 + 2 bytes of base-3 digits, d       (PrismML)
 *
 * I2_S, which has one scale for the whole tensor, is in i2s.h. */
#ifndef TERN_MODEL_TERNARY_BLOCKS_H
#define TERN_MODEL_TERNARY_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* Weights per block; 0 if the type (enum gguf_tensor_type) is none of these. */
size_t tern_ternary_block(uint32_t type);

/* One row of n_col weights, a multiple of the block: codes [n_col] of 0, 1 or 2 (or 3, where a file has it), and the
 * scales' bits [n_col / block]. */
void tern_ternary_unpack_row(uint8_t *codes, uint16_t *scales, uint32_t type, const uint8_t *row, size_t n_col);

#endif
