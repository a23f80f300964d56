/* From tern's own tensor types to those of other engines: what --to writes. */
#ifndef CONVERT_GGUF_EXPORT_ROWS_H
#define CONVERT_GGUF_EXPORT_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum {
	TQ2_0_BLOCK = 256,
	TQ2_0_BLOCK_BYTES = 66,
	I2_S_BLOCK = 128,
	I2_S_BLOCK_BYTES = 32,
	I2_S_TAIL_BYTES = 32, /* after the codes of the whole tensor: an f32 scale, then padding */
	Q8_0_BLOCK = 32,
	Q8_0_BLOCK_BYTES = 34,
};

/* One row of weights (-1, 0, +1); n_col is a multiple of the block. out: n_col / block * block bytes. */

/* scales: f16, one a block. */
void encode_tq2_0_row(uint8_t *out, const int8_t *weights, const uint16_t *scales, size_t n_col);
/* The layout that x86 builds of bitnet.cpp write. */
void encode_i2_s_row(uint8_t *out, const int8_t *weights, size_t n_col);
/* What follows the rows: I2_S_TAIL_BYTES. */
void encode_i2_s_tail(uint8_t *out, float scale);

/* One row of int8 values that share a scale. */
void encode_q8_0_row(uint8_t *out, const int8_t *q, uint16_t scale, size_t n_col);

#endif
