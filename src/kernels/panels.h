/* How the kernels of all instruction sets walk through panels of ternary and nibble codes. */
#ifndef TERN_KERNELS_PANELS_H
#define TERN_KERNELS_PANELS_H

#include "base/sizes.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A quad is 16 rows x 4 columns of codes, a byte each: the 4 columns are what one 32-bit lane of a dot product adds up.
 * Byte 4r + j is row r, column j, unless an instruction set orders them otherwise. */
enum {
	QUAD_COLS = 4,
	QUAD_BYTES = 64,
};

enum {
	STORED_TILES = 32,      /* tiles of a panel that few tokens multiply while the L1 cache holds them: 2 KB */
	UNPACKED_BYTES = 32768, /* codes unpacked at a time, at most: these mostly stay in a 32 KB L1 cache */
	PANELS_PER_STRETCH = 8, /* panels multiplied by one stretch of activations while it is in cache */
};

/* How panels are shared among streams: each reads n_part of them, from its first to its last, as memory delivers
 * several streams faster than one, and long ones faster than short ones. What is left over is read as one stream. */
struct stream_parts {
	size_t n_stream, n_part;
	size_t strip_stride; /* panels from the first of a stream to that of the next */
};

static inline struct stream_parts share_panels(size_t n_panel, struct tern_streaming streaming)
{
	size_t n_stream = n_panel < streaming.n_stream ? 1 : streaming.n_stream, n_part = n_panel / n_stream;
	return (struct stream_parts){n_stream, n_part, streaming.strip_stride ? streaming.strip_stride : n_part};
}

/* The panel whose results come at `index`. */
static inline size_t panel_at(const struct stream_parts *parts, size_t index)
{
	bool is_shared = index < parts->n_stream * parts->n_part;
	return is_shared ? index / parts->n_part * parts->strip_stride + index % parts->n_part : index;
}

/* Whether all steps of a row share a scale. */
static inline bool has_row_scales(const struct tern_groups *groups, size_t n_col)
{
	return !groups->scales || groups->steps_per_scale >= tern_divide_up(n_col, groups->n_col);
}

/* Where a stream goes on: after n_left more tiles it leaves the panels that it is in, and the tile that is read then
 * lies `jump` bytes beyond the one that follows in memory; 0: it is that one. */
struct stream_end {
	size_t n_left, jump;
};

/* From the end of a panel of n_tile tiles to what is read after it. */
static inline size_t jump_from(const uint8_t *panel, size_t n_tile, const uint8_t *next)
{
	return (size_t)((uintptr_t)next - (uintptr_t)panel) - n_tile * TERN_TILE_BYTES;
}

/* The end of panels first .. end - 1 of n_panel, which are read side by side. next: what is read after the last of all
 * panels; NULL: what follows in memory. */
static inline struct stream_end end_of_panels(const uint8_t *panels, size_t panel_stride, size_t first, size_t end,
                                              size_t n_panel, size_t n_tile, const uint8_t *next)
{
	const uint8_t *after = end == n_panel && next ? next : panels + end * panel_stride;
	return (struct stream_end){n_tile, jump_from(panels + first * panel_stride, n_tile, after)};
}

/* How many of the n_left tiles can be read before what they prefetch, `prefetch` bytes ahead, passes the end of the
 * stream: all, or an even number, so that both parts have a multiple of 16 columns, of nibbles too. */
static inline size_t tiles_before_end(struct stream_end end, size_t prefetch)
{
	if (prefetch == 0)
		return end.n_left;
	size_t n_ahead = prefetch / TERN_TILE_BYTES, n_before = end.n_left > n_ahead ? end.n_left - n_ahead : 0;
	return n_before - n_before % 2;
}

/* How far ahead to prefetch in a run of tiles that ends where tiles_before_end() says, or begins there: beyond the end
 * the distance includes the jump. */
static inline size_t prefetch_distance(size_t prefetch, struct stream_end end)
{
	return end.n_left * TERN_TILE_BYTES > prefetch ? prefetch : prefetch + end.jump;
}

/* The address `distance` bytes after a tile, or before it if the sum wraps around; only to prefetch it. */
static inline const char *far_tile(const uint8_t *tile, size_t distance)
{
	return (const char *)((uintptr_t)tile + distance);
}

/* n_tile tiles of some panels. */
struct tile_block {
	const uint8_t *first;
	size_t panel_stride, n_tile;
};

/* Some columns of n_panel panels: n_quad quads of panel p from codes + p * panel_stride on. */
struct stretch {
	const uint8_t *codes;
	size_t panel_stride, n_panel, n_quad;
	size_t prefetch;        /* stored tiles: distance in bytes */
	struct tile_block next; /* what is read after these, prefetched a share at a time */
};

#endif
