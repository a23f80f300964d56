/* Panels times several tokens. Stretches of a few panels are unpacked once to a code a byte and then met by all tokens,
 * a few at a time, with the sums in registers. An unpacked group is 16 rows x 4 columns, 64 bytes: byte 4r + j is row
 * r, column j, unless an instruction set wants them otherwise. */
#ifndef TERN_KERNELS_PANELS_H
#define TERN_KERNELS_PANELS_H

#include "kernels/compiler.h"
#include "kernels/kernels.h"

#include <string.h>

enum {
	GROUP_COLS = 4,
	GROUP_BYTES = 64,
	UNPACKED_BYTES = 32768, /* codes unpacked at a time, at most: what any L1 cache holds most of */
	PANELS_PER_STRETCH = 8, /* panels that meet a stretch of the activations while the caches have it */
};

/* How one kind of tile is unpacked. */
struct tile_format {
	size_t n_col;                                         /* columns in a tile */
	size_t n_tile;                                        /* tiles of a panel in a stretch */
	void (*unpack)(uint8_t *groups, const uint8_t *tile); /* one tile */
};

/* A stretch of n_panel panels, unpacked: n_group groups of panel p from groups + p * panel_stride on. */
struct unpacked {
	const uint8_t *groups;
	size_t panel_stride, n_panel, n_group;
};

/* sums[t * sums_stride + p * 16 + r] += the products of the panels and x[t * x_stride ...], for n_token tokens. */
typedef void multiply_panels(int32_t *sums, size_t sums_stride, const struct unpacked *panels, const int8_t *x,
                             size_t x_stride, size_t n_token);

/* A multiply_panels for any number of tokens made of one for a constant number, at most token_tile, 6 or less. */
INLINE void multiply_in_tiles(int32_t *sums, size_t sums_stride, const struct unpacked *panels, const int8_t *x,
                              size_t x_stride, size_t n_token, size_t token_tile, multiply_panels *multiply_tile)
{
	for (; n_token >= token_tile; n_token -= token_tile) {
		multiply_tile(sums, sums_stride, panels, x, x_stride, token_tile);
		sums += token_tile * sums_stride;
		x += token_tile * x_stride;
	}
	switch (n_token) {
	case 5:
		multiply_tile(sums, sums_stride, panels, x, x_stride, 5);
		break;
	case 4:
		multiply_tile(sums, sums_stride, panels, x, x_stride, 4);
		break;
	case 3:
		multiply_tile(sums, sums_stride, panels, x, x_stride, 3);
		break;
	case 2:
		multiply_tile(sums, sums_stride, panels, x, x_stride, 2);
		break;
	case 1:
		multiply_tile(sums, sums_stride, panels, x, x_stride, 1);
		break;
	default:
		break;
	}
}

/* Unpacks n_col columns of a panel. */
INLINE void unpack_stretch(uint8_t *groups, const uint8_t *tile, size_t n_col, const struct tile_format *format)
{
	for (size_t c = 0; c < n_col; c += format->n_col, tile += TERN_TILE_BYTES) {
		__builtin_prefetch(tile + format->n_tile * TERN_TILE_BYTES); /* the next stretch */
		format->unpack(groups + c * TERN_PANEL_ROWS, tile);
	}
}

/* A tern_dot_panels for the format, with a multiply() that takes panel_tile panels at once; both are constants. Where
 * there are not that many, the last one stands in for the others, so that multiply() finds panel_tile panels of
 * something, of which it adds n_panel to the sums. */
INLINE void dot_tokens(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, const struct tile_format *format,
                       size_t panel_tile, multiply_panels *multiply)
{
	_Alignas(GROUP_BYTES) uint8_t groups[UNPACKED_BYTES];
	size_t stretch_cols = format->n_tile * format->n_col;
	struct unpacked unpacked = {groups, stretch_cols * TERN_PANEL_ROWS, 0, 0};

	memset(sums, 0, n_token * n_panel * TERN_PANEL_ROWS * sizeof *sums);
	for (size_t first = 0; first < n_panel; first += PANELS_PER_STRETCH)
		for (size_t c = 0; c < n_col; c += stretch_cols) {
			size_t end = n_panel - first < PANELS_PER_STRETCH ? n_panel : first + PANELS_PER_STRETCH;
			size_t n = n_col - c < stretch_cols ? n_col - c : stretch_cols;
			unpacked.n_group = n / GROUP_COLS;
			for (size_t p = first; p < end; p += panel_tile) {
				const uint8_t *tile = panels + p * panel_stride + c / format->n_col * TERN_TILE_BYTES;
				unpacked.n_panel = end - p < panel_tile ? end - p : panel_tile;
				for (size_t i = 0; i < panel_tile; i++)
					unpack_stretch(groups + i * unpacked.panel_stride,
					               tile + (i < unpacked.n_panel ? i : unpacked.n_panel - 1) *
					                               panel_stride,
					               n, format);
				multiply(sums + p * TERN_PANEL_ROWS, n_panel * TERN_PANEL_ROWS, &unpacked, x + c,
				         x_stride, n_token);
			}
		}
}

#endif
