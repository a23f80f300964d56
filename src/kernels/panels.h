/* Panels times several tokens. Stretches of a few panels are unpacked once to a code a byte and then met by all tokens,
 * a few at a time, with the sums in registers. An unpacked group is 16 rows x 4 columns, 64 bytes: byte 4r + j is row
 * r, column j, unless an instruction set wants them otherwise. For a few tokens that does not pay: they meet tiles as
 * they are stored, which are taken apart in registers. */
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
	PANELS_IN_TURN = 4,     /* memory delivers several streams faster than one */
	PREFETCH = 2048,        /* bytes ahead: the hardware's own prefetching stops at pages */
	FEW_STEP = 32,          /* tiles of a panel that a few tokens meet while the L1 cache has them: 2 KB */
};

/* How one kind of tile is unpacked. */
struct tile_format {
	size_t n_col;                                         /* columns in a tile */
	size_t n_tile;                                        /* tiles of a panel in a stretch */
	void (*unpack)(uint8_t *groups, const uint8_t *tile); /* one tile */
};

/* A stretch of n_panel panels: n_group groups of panel p from codes + p * panel_stride on. */
struct stretch {
	const uint8_t *codes;
	size_t panel_stride, n_panel, n_group;
	size_t n_place; /* codes in a byte: 1 when unpacked, 4 or 2 in tiles as they are stored */
	size_t ahead;   /* of stored tiles: what memory should be asked for lies so many bytes further on */
};

/* sums[t * sums_stride + p * 16 + r] += the products of the panels and x[t * x_stride ...], for n_token tokens. */
typedef void multiply_panels(int32_t *sums, size_t sums_stride, const struct stretch *panels, const int8_t *x,
                             size_t x_stride, size_t n_token);

/* A multiply_panels for any number of tokens made of one for a constant number, at most token_tile, 6 or less. */
INLINE void multiply_in_tiles(int32_t *sums, size_t sums_stride, const struct stretch *panels, const int8_t *x,
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
	struct stretch unpacked = {.codes = groups, .panel_stride = stretch_cols * TERN_PANEL_ROWS, .n_place = 1};

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

/* A tern_dot_panels for a few tokens, with a multiply() that takes tiles as they are stored too, of panel_tile panels.
 * Where there are not that many it is given one in the place of all. */
INLINE void dot_few_tokens(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                           size_t x_stride, size_t n_token, size_t n_col, size_t n_place, size_t panel_tile,
                           multiply_panels *multiply)
{
	size_t tile_cols = n_place * GROUP_COLS, n_tile = n_col / tile_cols, sums_stride = n_panel * TERN_PANEL_ROWS;
	struct stretch tiles = {.n_place = n_place};

	memset(sums, 0, n_token * sums_stride * sizeof *sums);
	for (size_t first = 0, end; first < n_panel; first = end) {
		end = n_panel - first < PANELS_IN_TURN ? n_panel : first + PANELS_IN_TURN;
		for (size_t i = 0; i < n_tile; i += FEW_STEP) {
			tiles.n_group = (n_tile - i < FEW_STEP ? n_tile - i : FEW_STEP) * n_place;
			tiles.ahead = (n_tile - i) * TERN_TILE_BYTES > PREFETCH
			                      ? PREFETCH
			                      : PREFETCH + (end - first - 1) * panel_stride;
			for (size_t p = first; p < end; p += tiles.n_panel) {
				tiles.n_panel = end - p < panel_tile ? 1 : panel_tile;
				tiles.panel_stride = end - p < panel_tile ? 0 : panel_stride;
				tiles.codes = panels + p * panel_stride + i * TERN_TILE_BYTES;
				multiply(sums + p * TERN_PANEL_ROWS, sums_stride, &tiles, x + i * tile_cols, x_stride,
				         n_token);
			}
		}
	}
}

#endif
