/* Panels times several tokens, for instruction sets whose bytes multiply into 16 bits. Stretches of a panel are
 * unpacked once to a code a byte and then met by all tokens, a few at a time, with 16-bit sums in registers that
 * are widened once a stretch. An unpacked group is 16 rows x 4 columns, 64 bytes: byte 4r + j is row r, column j. */
#ifndef TERN_KERNELS_PANELS_H
#define TERN_KERNELS_PANELS_H

#include "kernels/compiler.h"
#include "kernels/kernels.h"

#include <string.h>

enum {
	GROUP_COLS = 4,
	GROUP_BYTES = 64,
	STRETCH_GROUPS = 84,    /* at most; as many as anybody needs */
	PANELS_PER_STRETCH = 8, /* panels that meet a stretch of the activations while the L1 cache has it */
};

/* How one kind of tile is unpacked, and how many fit a stretch before 16-bit sums could overflow. */
struct tile_format {
	size_t n_col;                                         /* columns in a tile */
	size_t n_tile;                                        /* tiles in a stretch */
	void (*unpack)(uint8_t *groups, const uint8_t *tile); /* one tile */
};

/* sums[t * sums_stride + r] += the products of n_group groups and x[t * x_stride ...], for n_token tokens. */
typedef void multiply_groups(int32_t *sums, size_t sums_stride, const uint8_t *groups, size_t n_group, const int8_t *x,
                             size_t x_stride, size_t n_token);

/* A tern_dot_panels for the format, a constant. */
INLINE void dot_tokens(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, const struct tile_format *format,
                       multiply_groups *multiply)
{
	_Alignas(GROUP_BYTES) uint8_t groups[STRETCH_GROUPS * GROUP_BYTES];
	size_t n_stretch_col = format->n_tile * format->n_col;

	memset(sums, 0, n_token * n_panel * TERN_PANEL_ROWS * sizeof *sums);
	for (size_t first = 0; first < n_panel; first += PANELS_PER_STRETCH)
		for (size_t c = 0; c < n_col; c += n_stretch_col) {
			size_t n = n_col - c < n_stretch_col ? n_col - c : n_stretch_col;
			for (size_t p = first; p < n_panel && p < first + PANELS_PER_STRETCH; p++) {
				const uint8_t *tile = panels + p * panel_stride + c / format->n_col * TERN_TILE_BYTES;
				for (size_t at = 0; at < n; at += format->n_col, tile += TERN_TILE_BYTES)
					format->unpack(groups + at / GROUP_COLS * GROUP_BYTES, tile);
				multiply(sums + p * TERN_PANEL_ROWS, n_panel * TERN_PANEL_ROWS, groups, n / GROUP_COLS,
				         x + c, x_stride, n_token);
			}
		}
}

#endif
