/* The bytes of tern's own tensor types, T2R16 (ternary), T1R16 (ternary without zeros) and Q8P (int8): packing and
 * unpacking. The tiles are drawn in kernels/kernels.h; here is how they make a tensor.
 *
 * T2R16: rows are padded with zero weights to a multiple of 16; 16 rows make a panel of n_col / 16 tiles; panels
 *        follow each other. n_col is a multiple of 16.
 * T1R16: the same with a bit a weight, 1 for +1 and 0 for -1, in panels of n_col / 32 tiles; rows are padded with zero
 *        bits. n_col, the columns of a group and those of tern.activation_group are multiples of 32. It is for matrices
 *        without zero weights: a zero would need a scale that is 0.
 * Q8P:   value = q * scale of its row, q = 16 h + l - 128 with h, l = 0..15. The high nibbles h of all panels come
 *        first, then the low nibbles l of all panels, each as panels with 64 bytes for 8 columns. Rows are padded with
 *        q = 0. n_col is a multiple of 16. The scales are a tensor of their own, F32 [n_row]. */
#ifndef TERN_MODEL_LAYOUT_H
#define TERN_MODEL_LAYOUT_H

#include "base/sizes.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t tern_panel_count(size_t n_row) { return tern_divide_up(n_row, TERN_PANEL_ROWS); }

/* Bytes of one panel of T2R16, of T1R16, and of one Q8P plane. */
static inline size_t tern_t2r16_panel_bytes(size_t n_col) { return n_col / TERN_TERNARY_TILE_COLS * TERN_TILE_BYTES; }
static inline size_t tern_t1r16_panel_bytes(size_t n_col) { return n_col / TERN_BINARY_TILE_COLS * TERN_TILE_BYTES; }
static inline size_t tern_q8p_panel_bytes(size_t n_col) { return n_col / TERN_NIBBLE_TILE_COLS * TERN_TILE_BYTES; }

/* The scales of a T2R16 or T1R16 matrix are a tensor of their own: F32 [1] for the matrix, or F16 [16, n_col / group,
 * n_panel] for groups of columns. Sets the dimensions and returns their number, 1 or 3. */
static inline int tern_t2r16_scale_dims(size_t n_row, size_t n_col, size_t group, uint64_t dims[3])
{
	dims[0] = group ? TERN_PANEL_ROWS : 1;
	dims[1] = group ? n_col / group : 1;
	dims[2] = group ? tern_panel_count(n_row) : 1;
	return group ? 3 : 1;
}

/* weights: [16, n_col] of -1, 0, +1. */
void tern_t2r16_pack_panel(uint8_t *panel, const int8_t *weights, size_t n_col);
/* One row, 0..15, of a panel, from codes [n_col] of weight + 1. False if a code is 3; none may be larger. */
bool tern_t2r16_pack_row(uint8_t *panel, size_t row, const uint8_t *codes, size_t n_col);
/* The other way; a damaged code 3 comes out as +2. */
void tern_t2r16_unpack_panel(int8_t *weights, const uint8_t *panel, size_t n_col);
void tern_t2r16_unpack_row(int8_t *weights, const uint8_t *panel, size_t row, size_t n_col);

/* The same for T1R16. Packing a row gives false if it has a code other than 0 and 2. */
void tern_t1r16_pack_panel(uint8_t *panel, const int8_t *weights, size_t n_col);
bool tern_t1r16_pack_row(uint8_t *panel, size_t row, const uint8_t *codes, size_t n_col);
void tern_t1r16_unpack_row(int8_t *weights, const uint8_t *panel, size_t row, size_t n_col);

/* Whether a matrix whose weights have no zeros can be in T1R16. group, activation_group: 0 for all columns. */
static inline bool tern_t1r16_fits(size_t n_col, size_t group, size_t activation_group)
{
	return (n_col | group | activation_group) % TERN_BINARY_TILE_COLS == 0;
}

/* Whether a T2R16 matrix has no zeros, nor codes that are no weights. */
bool tern_t2r16_is_binary(const uint8_t *panels, size_t n_row, size_t n_col);

/* For callers that have both kinds of panel: of T1R16 if is_binary, else of T2R16. */
static inline size_t tern_ternary_panel_bytes(size_t n_col, bool is_binary)
{
	return is_binary ? tern_t1r16_panel_bytes(n_col) : tern_t2r16_panel_bytes(n_col);
}
static inline void tern_ternary_panel_row(int8_t *weights, const uint8_t *panel, size_t row, size_t n_col,
                                          bool is_binary)
{
	(is_binary ? tern_t1r16_unpack_row : tern_t2r16_unpack_row)(weights, panel, row, n_col);
}

/* Quantizes a row of floats: scale = max|x| / 127, q = round(x / scale), ties to even. A row of zeros has scale 0. */
void tern_q8p_quantize_row(int8_t *q, float *scale, const float *row, size_t n_col);
/* q: [16, n_col]; high and low: one panel of each plane. */
void tern_q8p_pack_panel(uint8_t *high, uint8_t *low, const int8_t *q, size_t n_col);
/* One row of a whole Q8P tensor of n_row rows. */
void tern_q8p_unpack_row(int8_t *q, const uint8_t *tensor, size_t n_row, size_t n_col, size_t row);

#endif
