/* I2_S, the ternary type of microsoft/BitNet: 2-bit codes 0, 1, 2 (weight + 1) of the whole matrix in a row, n / 4
 * bytes, then one f32 scale and 28 bytes of padding. How codes stand in their bytes depends on the machine the file
 * was made on, and no field says so:
 *
 *     128    blocks of 128 codes in 32 bytes: byte p holds codes p, p+32, p+64, p+96 from the highest bits down
 *     64     blocks of 64 codes in 16 bytes: codes p, p+16, p+32, p+48 (made on ARM)
 *     rows4  byte (g, c) holds column c of rows 4g .. 4g+3 from the highest bits down
 *
 * All published files are of the first kind. */
#ifndef TERN_MODEL_I2S_H
#define TERN_MODEL_I2S_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

enum {
	TERN_I2S_MARGIN = 256 /* bytes that unpacking a row may need beyond its n_col, since blocks cross row ends */
};

/* Whether a matrix of this shape can be in this layout: blocks have to come out even. */
bool tern_i2s_fits(enum tern_i2s_layout layout, size_t n_row, size_t n_col);

/* The codes [n_col] of a row, somewhere in scratch [n_col + TERN_I2S_MARGIN]. */
const uint8_t *tern_i2s_unpack_row(uint8_t *scratch, enum tern_i2s_layout layout, const uint8_t *tensor, size_t n_col,
                                   size_t row);

#endif
