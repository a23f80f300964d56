/* Template: products of panels and any number of tokens. One token reads tiles as they are stored, with code of the
 * instruction set. A few tokens do so too, several at a time, so that a tile's codes are separated once for all of
 * them. For many tokens a stretch of a few panels is unpacked into quads once, and then multiplied by all tokens.
 *
 * Parameters, besides the types of vectors_template.h:
 *
 *     TOKENS_AT_ONCE      tokens and panels whose sums are in registers at the same time (tested: 3 x 1, 5 x 1, 6 x 1
 *     PANELS_AT_ONCE      and 6 x 4). At most 6 tokens.
 *     TERNARY_STRETCH     columns of a panel that are unpacked at a time: a multiple of 16, PANELS_AT_ONCE panels of
 *     NIBBLE_STRETCH      which fit UNPACKED_BYTES; fewer where sums are 16 bits wide
 *     UNPACK_TERNARY      functions void (uint8_t *quads, const uint8_t *tile): unpack a tile into its 4, 2 or 8 quads,
 *     UNPACK_NIBBLE       in the order that multiply_unpacked() reads; bits become 0 and 2, as the same weights in
 *     UNPACK_BINARY       ternary panels
 *     HAS_STORED          1: several tokens can be multiplied by tiles as they are stored; 0: there is no
 *                         multiply_stored(), tiles are always unpacked for several tokens
 *
 * and functions, INLINE all:
 *
 *     sum_tiles(sum, panels, panel_stride, n_panel, x, n_col, prefetch, codes_per_byte)
 *
 * sum[p][v] = the products of one token and of n_panel panels, which are read side by side; n_panel, 1, 2 or 4, and
 * codes_per_byte, 4 (ternary), 2 (nibbles) or 8 (binary), are constants. Prefetches `prefetch` bytes ahead. Lane l of
 * vector v is row v * VECTOR_LANES + l.
 *
 *     multiply_unpacked(sum, stretch, x, x_stride, n_token, first)
 *
 * sum[t][p][v] = first[t], or 0 if first is NULL, + the products of panel p of the stretch and token t at
 * x + t * x_stride; n_token is a constant, at most TOKENS_AT_ONCE. Sums are those of PANELS_AT_ONCE panels: where
 * panels are missing, those of the last one again.
 *
 *     multiply_stored(sum, stretch, x, x_stride, n_token, first, codes_per_byte)
 *
 * If HAS_STORED: the same with stored tiles; codes_per_byte is a constant. Prefetches stretch->prefetch
 * bytes ahead.
 *
 * Slots: dot_ternary, dot_nibble, dot_binary. */
#if !defined(TOKENS_AT_ONCE) || !defined(PANELS_AT_ONCE) || !defined(TERNARY_STRETCH) || !defined(NIBBLE_STRETCH) || \
        !defined(UNPACK_TERNARY) || !defined(UNPACK_NIBBLE) || !defined(UNPACK_BINARY) || !defined(HAS_STORED)
#error "dot_panels_template.h: a parameter is not defined"
#endif

#include "base/cache.h"
#include "base/sizes.h"
#include "kernels/kernels.h"
#include "kernels/panels.h"

_Static_assert(TOKENS_AT_ONCE <= 6, "take_turns() has cases for the rest");
_Static_assert(PANELS_AT_ONCE *TERNARY_STRETCH *TERN_PANEL_ROWS <= UNPACKED_BYTES, "a stretch fits");
_Static_assert(PANELS_AT_ONCE *NIBBLE_STRETCH *TERN_PANEL_ROWS <= UNPACKED_BYTES, "a stretch fits");
_Static_assert(TERNARY_STRETCH % 16 == 0 && NIBBLE_STRETCH % 16 == 0, "a stretch has whole tiles");

/* Codes of 0 and 2 make sums no larger than ternary ones, so stretches are as long, but of whole tiles. */
#define BINARY_STRETCH (TERNARY_STRETCH / TERN_BINARY_TILE_COLS * TERN_BINARY_TILE_COLS)

/* ---- sums of one token ----------------------------------------------------------------------------------------- */

/* The sums of n_panel panels, 1, 2 or 4, a constant. */
INLINE void dot_side_by_side(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                             size_t n_col, size_t prefetch, size_t codes_per_byte)
{
	vint sum[TERN_MAX_STREAMS][VECTORS];

	sum_tiles(sum, panels, panel_stride, n_panel, x, n_col, prefetch, codes_per_byte);
	for (size_t p = 0; p < n_panel; p++)
		for (size_t v = 0; v < VECTORS; v++)
			store_ints(sums + p * TERN_PANEL_ROWS + v * VECTOR_LANES, sum[p][v]);
}

/* The same of any number of panels up to TERN_MAX_STREAMS. */
INLINE void dot_streams(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t n_col, size_t prefetch, size_t codes_per_byte)
{
	if (n_panel == 4)
		dot_side_by_side(sums, panels, panel_stride, 4, x, n_col, prefetch, codes_per_byte);
	else if (n_panel == 2)
		dot_side_by_side(sums, panels, panel_stride, 2, x, n_col, prefetch, codes_per_byte);
	else
		for (size_t p = 0; p < n_panel; p++)
			dot_side_by_side(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, panel_stride, 1, x,
			                 n_col, prefetch, codes_per_byte);
}

NOINLINE void token_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                            size_t n_col, size_t prefetch)
{
	dot_streams(sums, panels, panel_stride, n_panel, x, n_col, prefetch, 4);
}

NOINLINE void token_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                           size_t n_col, size_t prefetch)
{
	dot_streams(sums, panels, panel_stride, n_panel, x, n_col, prefetch, 2);
}

NOINLINE void token_binary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                           size_t n_col, size_t prefetch)
{
	dot_streams(sums, panels, panel_stride, n_panel, x, n_col, prefetch, 8);
}

/* ---- sums of some tokens --------------------------------------------------------------------------------------- */

/* sums[t * sums_stride + p * 16 + r] += the products of a stretch and x[t * x_stride ...], for n_token tokens. */
typedef void multiply_stretch(int32_t *sums, size_t sums_stride, const struct stretch *stretch, const int8_t *x,
                              size_t x_stride, size_t n_token);

/* What sets the kinds of tile apart. */
struct tile_format {
	size_t tile_cols, codes_per_byte;
	size_t stretch_cols;
	void (*unpack)(uint8_t *quads, const uint8_t *tile);
	void (*token)(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
	              size_t n_col, size_t prefetch);
	multiply_stretch *stored; /* of stored tiles; NULL unless HAS_STORED */
};

/* Adds the sums of the first n_panel panels. n_token is a constant. */
INLINE void add_sums(int32_t *sums, size_t sums_stride, vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS],
                     size_t n_panel, size_t n_token)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
			int32_t *to = sums + t * sums_stride + p * TERN_PANEL_ROWS;
			if (PANELS_AT_ONCE > 1 && p >= n_panel)
				continue;
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				store_ints(to + v * VECTOR_LANES, load_ints(to + v * VECTOR_LANES) + sum[t][p][v]);
		}
	}
}

/* A stretch of some panels times n_token tokens, as tiles or unpacked. */
struct multiplication {
	const struct stretch *stretch;
	const int8_t *x;
	size_t x_stride, n_token;
	int32_t *sums;
	size_t sums_stride;
};

/* sum = the products of n_token tokens from `token` on, + first[t] unless that is NULL. codes_per_byte is that of
 * stored tiles, or 1 for unpacked quads; n_token and codes_per_byte are constants. */
INLINE void multiply(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct multiplication *m, size_t token,
                     size_t n_token, const int32_t *first, size_t codes_per_byte)
{
	const int8_t *x = m->x + token * m->x_stride;

#if HAS_STORED
	if (codes_per_byte > 1) {
		multiply_stored(sum, m->stretch, x, m->x_stride, n_token, first, codes_per_byte);
		return;
	}
#endif
	(void)codes_per_byte;
	multiply_unpacked(sum, m->stretch, x, m->x_stride, n_token, first);
}

/* Prefetches the share of `work` of `all` the work, after what is `done`, in the tiles that are read next. The requests
 * are spread over all products: many at once would take all buffers for misses of the L1 cache, and the products would
 * wait for theirs. */
INLINE void prefetch_share(const struct tile_block *next, size_t done, size_t work, size_t all)
{
	size_t end = (done + work) * next->n_tile / all;

	for (size_t i = done * next->n_tile / all; i < end; i++) {
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			__builtin_prefetch(next->first + p * next->panel_stride + i * TERN_TILE_BYTES, 0,
			                   TERN_TO_SECOND_CACHE);
	}
}

/* A turn of n_token <= TOKENS_AT_ONCE tokens from `token` on; n_token and codes_per_byte are constants. */
typedef void turn(const void *task, size_t token, size_t n_token, size_t codes_per_byte);

INLINE void multiply_and_add(const void *task, size_t token, size_t n_token, size_t codes_per_byte)
{
	const struct multiplication *m = task;
	vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS];

	if (codes_per_byte == 1)
		prefetch_share(&m->stretch->next, token, n_token, m->n_token);
	multiply(sum, m, token, n_token, NULL, codes_per_byte);
	add_sums(m->sums + token * m->sums_stride, m->sums_stride, sum, m->stretch->n_panel, n_token);
}

/* Any number of tokens, shared evenly among as few turns as there must be: a turn of one or two tokens would cost
 * nearly as much as one of many. Where TOKENS_AT_ONCE is even, all turns but the last are, for instruction sets that
 * take two tokens at once. */
INLINE void take_turns(turn *take, const void *task, size_t n_token, size_t codes_per_byte)
{
#define TURN(n)                                                \
	case n:                                                \
		NO_MERGE take(task, token, n, codes_per_byte); \
		break;
	size_t token = 0;

	for (size_t n_turn = (n_token + TOKENS_AT_ONCE - 1) / TOKENS_AT_ONCE, n; n_turn > 0; n_turn--, token += n) {
		n = (n_token - token + n_turn - 1) / n_turn;
		n += n_turn > 1 && TOKENS_AT_ONCE % 2 == 0 ? n % 2 : 0;
		switch (n) {
			TURN(1)
			TURN(2)
			TURN(3)
#if TOKENS_AT_ONCE > 3
			TURN(4)
#endif
#if TOKENS_AT_ONCE > 4
			TURN(5)
#endif
#if TOKENS_AT_ONCE > 5
			TURN(6)
#endif
		}
	}
#undef TURN
}

INLINE void multiply_in_turn(int32_t *sums, size_t sums_stride, const struct stretch *stretch, const int8_t *x,
                             size_t x_stride, size_t n_token, size_t codes_per_byte)
{
	const struct multiplication task = {stretch, x, x_stride, n_token, sums, sums_stride};
	take_turns(multiply_and_add, &task, n_token, codes_per_byte);
}

NOINLINE void multiply_quads(int32_t *sums, size_t sums_stride, const struct stretch *stretch, const int8_t *x,
                             size_t x_stride, size_t n_token)
{
	multiply_in_turn(sums, sums_stride, stretch, x, x_stride, n_token, 1);
}

#if HAS_STORED
NOINLINE void multiply_ternary(int32_t *sums, size_t sums_stride, const struct stretch *stretch, const int8_t *x,
                               size_t x_stride, size_t n_token)
{
	multiply_in_turn(sums, sums_stride, stretch, x, x_stride, n_token, 4);
}

NOINLINE void multiply_bits(int32_t *sums, size_t sums_stride, const struct stretch *stretch, const int8_t *x,
                            size_t x_stride, size_t n_token)
{
	multiply_in_turn(sums, sums_stride, stretch, x, x_stride, n_token, 8);
}

NOINLINE void multiply_nibbles(int32_t *sums, size_t sums_stride, const struct stretch *stretch, const int8_t *x,
                               size_t x_stride, size_t n_token)
{
	multiply_in_turn(sums, sums_stride, stretch, x, x_stride, n_token, 2);
}
#endif

#if HAS_STORED
#define IF_STORED(function) function
#else
#define IF_STORED(function) NULL
#endif
static const struct tile_format ternary_format = {
        TERN_TERNARY_TILE_COLS, 4, TERNARY_STRETCH, UNPACK_TERNARY, token_ternary, IF_STORED(multiply_ternary)};
static const struct tile_format binary_format = {
        TERN_BINARY_TILE_COLS, 8, BINARY_STRETCH, UNPACK_BINARY, token_binary, IF_STORED(multiply_bits)};
static const struct tile_format nibble_format = {
        TERN_NIBBLE_TILE_COLS, 2, NIBBLE_STRETCH, UNPACK_NIBBLE, token_nibble, IF_STORED(multiply_nibbles)};

/* ---- panels and stretches -------------------------------------------------------------------------------------- */

/* Unpacks n_col columns of the first n_panel of PANELS_AT_ONCE panels. Where panels are missing, the last one is
 * unpacked in their place, so that multiply_unpacked() can process PANELS_AT_ONCE panels; the sums of the first n_panel
 * are stored. */
INLINE void unpack(uint8_t *quads, size_t quads_stride, const uint8_t *tiles, size_t panel_stride, size_t n_panel,
                   size_t n_col, const struct tile_format *format)
{
	for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
		const uint8_t *tile = tiles + (p < n_panel ? p : n_panel - 1) * panel_stride;
		uint8_t *to = quads + p * quads_stride;
		for (size_t c = 0; c < n_col; c += format->tile_cols, tile += TERN_TILE_BYTES)
			format->unpack(to + c * TERN_PANEL_ROWS, tile);
	}
}

/* Where a stretch is: PANELS_AT_ONCE panels from `panel` on and a stretch of columns from col on, of panels first ..
 * end - 1, which the same activations are multiplied by while they are in cache. */
struct place {
	size_t first, end, panel, col;
};

/* The place that follows; after the last one `first` is n_panel. */
INLINE struct place next_place(struct place at, size_t n_panel, size_t n_col, size_t stretch_cols)
{
	at.panel += PANELS_AT_ONCE;
	if (at.panel < at.end)
		return at;
	at.panel = at.first;
	at.col += stretch_cols;
	if (at.col < n_col)
		return at;
	at.first = at.panel = at.end;
	at.end = tern_smaller(n_panel, at.first + PANELS_PER_STRETCH);
	at.col = 0;
	return at;
}

/* Many tokens. */
INLINE void dot_unpacked(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                         size_t x_stride, size_t n_token, size_t n_col, const struct tile_format *format)
{
	_Alignas(QUAD_BYTES) uint8_t quads[UNPACKED_BYTES];
	const size_t stretch_cols = format->stretch_cols;
	struct stretch stretch = {.codes = quads, .panel_stride = stretch_cols * TERN_PANEL_ROWS};
	struct place at = {0, tern_smaller(n_panel, PANELS_PER_STRETCH), 0, 0}, next;
	const uint8_t *tiles = panels;

	memset(sums, 0, n_token * n_panel * TERN_PANEL_ROWS * sizeof *sums);
	for (; at.first < n_panel; at = next, tiles = stretch.next.first) {
		size_t n = tern_smaller(n_col - at.col, stretch_cols);
		next = next_place(at, n_panel, n_col, stretch_cols);
		stretch.n_quad = n / QUAD_COLS;
		stretch.n_panel = tern_smaller(at.end - at.panel, PANELS_AT_ONCE);
		stretch.next = (struct tile_block){panels + next.panel * panel_stride +
		                                           next.col / format->tile_cols * TERN_TILE_BYTES,
		                                   panel_stride, stretch_cols / format->tile_cols};
		unpack(quads, stretch.panel_stride, tiles, panel_stride, stretch.n_panel, n, format);
		multiply_quads(sums + at.panel * TERN_PANEL_ROWS, n_panel * TERN_PANEL_ROWS, &stretch, x + at.col,
		               x_stride, n_token);
	}
}

#if HAS_STORED
/* A few tokens. Fewer than PANELS_AT_ONCE panels at the end are multiplied one by one, with this panel in the place of
 * all. */
INLINE void dot_stored(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming,
                       const struct tile_format *format)
{
	const size_t n_stream = streaming.n_stream > PANELS_AT_ONCE ? streaming.n_stream : PANELS_AT_ONCE;
	const size_t n_tile = n_col / format->tile_cols, sums_stride = n_panel * TERN_PANEL_ROWS;
	struct stretch stretch;

	memset(sums, 0, n_token * sums_stride * sizeof *sums);
	for (size_t first = 0, end; first < n_panel; first = end) {
		end = n_panel - first < n_stream ? n_panel : first + n_stream;
		struct stream_end stop =
		        end_of_panels(panels, panel_stride, first, end, n_panel, n_tile, streaming.next);
		for (size_t i = 0, n; i < n_tile; i += n, stop.n_left -= n) {
			size_t n_before = tiles_before_end(stop, streaming.prefetch);
			n = n_before > 0 ? n_before : stop.n_left;
			n = n < STORED_TILES ? n : STORED_TILES;
			stretch.n_quad = n * format->codes_per_byte;
			stretch.prefetch = prefetch_distance(streaming.prefetch, stop);
			for (size_t p = first; p < end; p += stretch.n_panel) {
				stretch.n_panel = end - p < PANELS_AT_ONCE ? 1 : PANELS_AT_ONCE;
				stretch.panel_stride = end - p < PANELS_AT_ONCE ? 0 : panel_stride;
				stretch.codes = panels + p * panel_stride + i * TERN_TILE_BYTES;
				format->stored(sums + p * TERN_PANEL_ROWS, sums_stride, &stretch,
				               x + i * format->tile_cols, x_stride, n_token);
			}
		}
	}
}
#endif

/* The sums of one token and n_panel <= TERN_MAX_STREAMS panels; prefetches beyond the end of the streams. */
INLINE void dot_to_end(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t n_col, size_t prefetch, struct stream_end end, const struct tile_format *format)
{
	size_t n_tile = n_col / format->tile_cols, n_before = tiles_before_end(end, prefetch);
	int32_t more[TERN_MAX_STREAMS * TERN_PANEL_ROWS];

	if (end.jump == 0 || n_before >= n_tile) {
		format->token(sums, panels, panel_stride, n_panel, x, n_col, prefetch);
		return;
	}
	format->token(sums, panels, panel_stride, n_panel, x, n_before * format->tile_cols, prefetch);
	format->token(more, panels + n_before * TERN_TILE_BYTES, panel_stride, n_panel,
	              x + n_before * format->tile_cols, (n_tile - n_before) * format->tile_cols, prefetch + end.jump);
	for (size_t i = 0; i < n_panel * TERN_PANEL_ROWS; i++)
		sums[i] += more[i];
}

/* What is read after the panels of one token. */
INLINE const uint8_t *after_panels(const uint8_t *panels, size_t panel_stride, size_t n_panel,
                                   struct stream_parts parts, struct tern_streaming streaming)
{
	return streaming.next ? streaming.next
	                      : panels + (streaming.strip_stride ? parts.n_part : n_panel) * panel_stride;
}

/* One token. */
INLINE void dot_token(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                      size_t n_col, struct tern_streaming streaming, const struct tile_format *format)
{
	struct stream_parts parts = share_panels(n_panel, streaming);
	const uint8_t *next = after_panels(panels, panel_stride, n_panel, parts, streaming);
	struct stream_end end = {n_col / format->tile_cols, 0};
	int32_t some[TERN_MAX_STREAMS * TERN_PANEL_ROWS];

	for (size_t p = 0; p < parts.n_part; p++) {
		if (p + 1 == parts.n_part)
			end.jump = jump_from(panels + p * panel_stride, end.n_left, next);
		dot_to_end(some, panels + p * panel_stride, parts.strip_stride * panel_stride, parts.n_stream, x, n_col,
		           streaming.prefetch, end, format);
		for (size_t s = 0; s < parts.n_stream; s++)
			memcpy(sums + (s * parts.n_part + p) * TERN_PANEL_ROWS, some + s * TERN_PANEL_ROWS,
			       TERN_PANEL_ROWS * sizeof *sums);
	}
	for (size_t p = parts.n_part * parts.n_stream; p < n_panel; p++)
		format->token(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, panel_stride, 1, x, n_col,
		              streaming.prefetch);
}

/* A pointer to the format is a constant at every call. */
INLINE void dot_tiles(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                      size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming,
                      const struct tile_format *format)
{
	if (n_token == 1)
		dot_token(sums, panels, panel_stride, n_panel, x, n_col, streaming, format);
#if HAS_STORED
	else if (n_token <= TOKENS_AT_ONCE || n_token <= streaming.most_stored)
		dot_stored(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, streaming, format);
#endif
	else
		dot_unpacked(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, format);
}

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming)
{
	dot_tiles(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, streaming, &ternary_format);
}

static void dot_binary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming)
{
	dot_tiles(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, streaming, &binary_format);
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming)
{
	dot_tiles(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, streaming, &nibble_format);
}
