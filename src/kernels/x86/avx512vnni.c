/* The kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and its VNNI (Intel from Ice Lake, AMD from Zen 4). Floats:
 * lanes.h. The integer kernels:
 *
 * A register holds a tile, 16 rows x 4 bytes. dpbusd multiplies its unsigned codes by the 4 activations of their
 * columns, the same for all rows, and adds the products to 32-bit sums. Codes can be multiplied where they lie in their
 * byte, times 4^s or 16^s, if each place s has sums of its own, which are shifted to their value at the end. A row of
 * 2^16 columns, of which each place has a part, keeps them below 2^31:
 *
 *     ternary codes: 64 * 3 * 128 * 2^14 = 0.75 * 2^29
 *     nibbles:       16 * 15 * 128 * 2^15 = 0.94 * 2^30 */
#if defined(__x86_64__)

#include "base/bytes.h"
#include "kernels/compiler.h"
#include "kernels/kernels.h"
#include "kernels/panels.h"

#include <immintrin.h>

/* Four activations, x[0..3], in each 32-bit lane. */
static inline __m512i broadcast4(const int8_t *x) { return _mm512_set1_epi32((int32_t)tern_load_u32(x)); }

/* sum + products of codes and x. The empty asm pins the sum down here: compilers that add up elsewhere copy it there
 * and back. */
static inline __m512i add_products(__m512i sum, __m512i codes, __m512i x)
{
	sum = _mm512_dpbusd_epi32(sum, codes, x);
	__asm__("" : "+v"(sum));
	return sum;
}

static inline __m512i load_tile(const uint8_t *tile) { return _mm512_loadu_si512(tile); }

/* ---- one token: the sums stay in registers for whole panels -------------------------------------------------- */

enum {
	PANELS_AT_ONCE = PANELS_IN_TURN,
	MAX_PLACES = 4,
};

/* Adds n_tile tiles of n_panel panels to the sums of their n_place places, and asks memory for what lies ahead bytes
 * further on. n_panel and n_place are constants. */
INLINE void add_tiles(__m512i sum[PANELS_AT_ONCE][MAX_PLACES], const uint8_t *tile, size_t panel_stride,
                      const int8_t *x, size_t n_tile, size_t ahead, size_t n_panel, size_t n_place)
{
	const size_t bits = 8 / n_place;

	for (; n_tile > 0; n_tile--, tile += TERN_TILE_BYTES, x += n_place * GROUP_COLS) {
		__m512i codes[PANELS_AT_ONCE];
		UNROLL
		for (size_t p = 0; p < n_panel; p++) {
			codes[p] = load_tile(tile + p * panel_stride);
			_mm_prefetch((const char *)tile + p * panel_stride + ahead, _MM_HINT_T0);
		}
		UNROLL
		for (size_t s = 0; s < n_place; s++) {
			__m512i activations = broadcast4(x + s * GROUP_COLS);
			__m512i place = _mm512_set1_epi8((char)(((1u << bits) - 1) << s * bits));
			UNROLL
			for (size_t p = 0; p < n_panel; p++)
				sum[p][s] = add_products(sum[p][s], _mm512_and_si512(codes[p], place), activations);
		}
	}
}

/* Stores the sums of all places, each shifted to its value. */
INLINE void store_places(int32_t *sums, __m512i sum[PANELS_AT_ONCE][MAX_PLACES], size_t n_panel, size_t n_place)
{
	const size_t bits = 8 / n_place;

	for (size_t p = 0; p < n_panel; p++) {
		for (size_t s = 1; s < n_place; s++)
			sum[p][0] = _mm512_add_epi32(sum[p][0],
			                             _mm512_sra_epi32(sum[p][s], _mm_cvtsi32_si128((int)(s * bits))));
		_mm512_storeu_si512(sums + p * TERN_PANEL_ROWS, sum[p][0]);
	}
}

INLINE void dot_panels(int32_t *sums, const uint8_t *tile, size_t panel_stride, const int8_t *x, size_t n_col,
                       size_t n_panel, size_t n_place)
{
	__m512i sum[PANELS_AT_ONCE][MAX_PLACES];
	size_t n_tile = n_col / (n_place * GROUP_COLS), n_last = PREFETCH / TERN_TILE_BYTES;

	for (size_t p = 0; p < n_panel; p++)
		for (size_t s = 0; s < n_place; s++)
			sum[p][s] = _mm512_setzero_si512();
	n_last = n_tile < n_last ? n_tile : n_last;
	add_tiles(sum, tile, panel_stride, x, n_tile - n_last, PREFETCH, n_panel, n_place);
	tile += (n_tile - n_last) * TERN_TILE_BYTES;
	x += (n_tile - n_last) * n_place * GROUP_COLS;
	add_tiles(sum, tile, panel_stride, x, n_last, PREFETCH + (n_panel - 1) * panel_stride, n_panel, n_place);
	store_places(sums, sum, n_panel, n_place);
}

/* The sums of a few tiles, of a constant number of panels. */
INLINE void token_sums_of(int32_t *sums, const uint8_t *tile, size_t panel_stride, const int8_t *x, size_t n_col,
                          size_t ahead, size_t n_panel)
{
	__m512i sum[PANELS_AT_ONCE][MAX_PLACES];

	for (size_t p = 0; p < n_panel; p++)
		for (size_t s = 0; s < MAX_PLACES; s++)
			sum[p][s] = _mm512_setzero_si512();
	add_tiles(sum, tile, panel_stride, x, n_col / TERN_TERNARY_TILE_COLS, ahead, n_panel, MAX_PLACES);
	store_places(sums, sum, n_panel, MAX_PLACES);
}

INLINE void dot_token(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                      size_t n_col, size_t n_place)
{
	size_t p = 0;

	for (; p + PANELS_AT_ONCE <= n_panel; p += PANELS_AT_ONCE)
		dot_panels(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, panel_stride, x, n_col,
		           PANELS_AT_ONCE, n_place);
	for (; p < n_panel; p++)
		dot_panels(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, panel_stride, x, n_col, 1, n_place);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

enum {
	PANEL_TILE = 4, /* panels and tokens at a time: 24 registers of sums, 4 of codes, 1 of activations */
	TOKEN_TILE = 6,
	FEW_TOKENS = 12,     /* up to which taking tiles apart in registers, twice, beats unpacking them */
	PREFETCH_TOKENS = 8, /* a power of two: each is asked for in every line of 16 groups */
	STRETCH_COLS = UNPACKED_BYTES / PANEL_TILE / TERN_PANEL_ROWS,
};

static inline void unpack_ternary(uint8_t *groups, const uint8_t *tile)
{
	__m512i codes = load_tile(tile);

	for (size_t s = 0; s < 4; s++, codes = _mm512_srli_epi16(codes, 2))
		_mm512_store_si512(groups + s * GROUP_BYTES, _mm512_and_si512(codes, _mm512_set1_epi8(0x03)));
}

static inline void unpack_nibble(uint8_t *groups, const uint8_t *tile)
{
	__m512i codes = load_tile(tile);

	_mm512_store_si512(groups, _mm512_and_si512(codes, _mm512_set1_epi8(0x0f)));
	_mm512_store_si512(groups + GROUP_BYTES, _mm512_and_si512(_mm512_srli_epi16(codes, 4), _mm512_set1_epi8(0x0f)));
}

/* Adds what multiplying has made, of the first n_panel panels. n_token is a constant. */
INLINE void add_sums(int32_t *sums, size_t sums_stride, __m512i sum[TOKEN_TILE][PANEL_TILE], size_t n_panel,
                     size_t n_token)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t p = 0; p < PANEL_TILE; p++) {
			int32_t *to = sums + t * sums_stride + p * TERN_PANEL_ROWS;
			if (p < n_panel)
				_mm512_storeu_si512(to, _mm512_add_epi32(_mm512_loadu_si512(to), sum[t][p]));
		}
	}
}

/* Adds the products of unpacked codes to sums in registers. n_token is a constant, at most TOKEN_TILE. */
INLINE void add_unpacked(__m512i sum[TOKEN_TILE][PANEL_TILE], const struct stretch *panels, const int8_t *x,
                         size_t x_stride, size_t n_token)
{
	const uint8_t *groups = panels->codes;

	for (size_t g = 0; g < panels->n_group; g++, groups += GROUP_BYTES, x += GROUP_COLS) {
		__m512i codes[PANEL_TILE];
		/* The next tokens' activations, one token after the other: they may come from far away. */
		__builtin_prefetch(x + (n_token + g % PREFETCH_TOKENS) * x_stride);
		UNROLL
		for (size_t p = 0; p < PANEL_TILE; p++)
			codes[p] = load_tile(groups + p * (STRETCH_COLS * TERN_PANEL_ROWS));
		UNROLL
		for (size_t t = 0; t < n_token; t++) {
			__m512i activations = broadcast4(x + t * x_stride);
			UNROLL
			for (size_t p = 0; p < PANEL_TILE; p++)
				sum[t][p] = add_products(sum[t][p], codes[p], activations);
		}
	}
}

/* n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_unpacked(int32_t *sums, size_t sums_stride, const struct stretch *panels, const int8_t *x,
                              size_t x_stride, size_t n_token)
{
	__m512i sum[TOKEN_TILE][PANEL_TILE];

	for (size_t t = 0; t < n_token; t++)
		for (size_t p = 0; p < PANEL_TILE; p++)
			sum[t][p] = _mm512_setzero_si512();
	add_unpacked(sum, panels, x, x_stride, n_token);
	add_sums(sums, sums_stride, sum, panels->n_panel, n_token);
}

/* The codes of place s of a tile of n_place, lowest, with others above them. */
INLINE __m512i place_of(__m512i tile, size_t s, size_t n_place)
{
	return s == 0         ? tile
	       : n_place == 2 ? _mm512_srli_epi16(tile, 4)
	       : s == 1       ? _mm512_srli_epi16(tile, 2)
	       : s == 2       ? _mm512_srli_epi16(tile, 4)
	                      : _mm512_srli_epi16(tile, 6);
}

/* The same with tiles that are taken apart in registers; n_place is a constant too. A tile is loaded anew for each
 * place of its codes, which leaves more registers for sums. */
INLINE void multiply_stored(int32_t *sums, size_t sums_stride, const struct stretch *panels, const int8_t *x,
                            size_t x_stride, size_t n_token, size_t n_place)
{
	const __m512i mask = _mm512_set1_epi8(n_place == 4 ? 0x03 : 0x0f);
	const uint8_t *tile = panels->codes;
	__m512i sum[TOKEN_TILE][PANEL_TILE];

	for (size_t t = 0; t < n_token; t++)
		for (size_t p = 0; p < PANEL_TILE; p++)
			sum[t][p] = _mm512_setzero_si512();
	for (size_t g = 0; g < panels->n_group; g += n_place, tile += TERN_TILE_BYTES) {
		UNROLL
		for (size_t p = 0; p < PANEL_TILE; p++)
			_mm_prefetch((const char *)tile + p * panels->panel_stride + panels->ahead, _MM_HINT_T0);
		UNROLL
		for (size_t s = 0; s < n_place; s++, x += GROUP_COLS) {
			__m512i codes[PANEL_TILE];
			UNROLL
			for (size_t p = 0; p < PANEL_TILE; p++)
				codes[p] = _mm512_and_si512(
				        place_of(load_tile(tile + p * panels->panel_stride), s, n_place), mask);
			UNROLL
			for (size_t t = 0; t < n_token; t++) {
				__m512i activations = broadcast4(x + t * x_stride);
				UNROLL
				for (size_t p = 0; p < PANEL_TILE; p++)
					sum[t][p] = add_products(sum[t][p], codes[p], activations);
			}
		}
	}
	add_sums(sums, sums_stride, sum, panels->n_panel, n_token);
}

INLINE void multiply_tile(int32_t *sums, size_t sums_stride, const struct stretch *panels, const int8_t *x,
                          size_t x_stride, size_t n_token)
{
	switch (panels->n_place) {
	case 4:
		multiply_stored(sums, sums_stride, panels, x, x_stride, n_token, 4);
		break;
	case 2:
		multiply_stored(sums, sums_stride, panels, x, x_stride, n_token, 2);
		break;
	default:
		multiply_unpacked(sums, sums_stride, panels, x, x_stride, n_token);
		break;
	}
}

static void multiply(int32_t *sums, size_t sums_stride, const struct stretch *panels, const int8_t *x, size_t x_stride,
                     size_t n_token)
{
	multiply_in_tiles(sums, sums_stride, panels, x, x_stride, n_token, TOKEN_TILE, multiply_tile);
}

static const struct tile_format ternary_format = {TERN_TERNARY_TILE_COLS, STRETCH_COLS / TERN_TERNARY_TILE_COLS,
                                                  unpack_ternary};

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col)
{
	if (n_token == 1)
		dot_token(sums, panels, panel_stride, n_panel, x, n_col, 4);
	else if (n_token <= FEW_TOKENS)
		dot_few_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, 4, PANEL_TILE,
		               multiply);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &ternary_format,
		           PANEL_TILE, multiply);
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col)
{
	static const struct tile_format nibble = {TERN_NIBBLE_TILE_COLS, STRETCH_COLS / TERN_NIBBLE_TILE_COLS,
	                                          unpack_nibble};

	if (n_token == 1)
		dot_token(sums, panels, panel_stride, n_panel, x, n_col, 2);
	else if (n_token <= FEW_TOKENS)
		dot_few_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, 2, PANEL_TILE,
		               multiply);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &nibble, PANEL_TILE,
		           multiply);
}

/* ---- floats -------------------------------------------------------------------------------------------------- */

#define VECTOR_LANES 16
#define LANE_GROUPS  16
#define LOAD_F16(h)  ((vfloat)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(h))))
#define LOAD_BF16(h) ((vfloat)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(h))), 16))
#define FMA(a, b, c) ((vfloat)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define STORE_F16(h, v) \
	_mm256_storeu_si256((__m256i *)(h), _mm512_cvtps_ph((__m512)(v), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
#define LOAD_I8(q)     ((vfloat)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(q)))))
#define STORE_I8(q, i) _mm_storeu_si128((__m128i *)(q), _mm512_cvtepi32_epi8((__m512i)(i)))

#include "kernels/attend.h"
#include "kernels/lanes.h"

#define PANELS_MULTIPLIED PANEL_TILE
#define MULTIPLY_SCALED
#define TOKEN_SUMS

static void token_sums(int32_t *sums, const uint8_t *tile, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t n_col, size_t ahead)
{
	if (n_panel == PANELS_AT_ONCE)
		token_sums_of(sums, tile, panel_stride, x, n_col, ahead, PANELS_AT_ONCE);
	else
		for (size_t p = 0; p < n_panel; p++)
			token_sums_of(sums + p * TERN_PANEL_ROWS, tile + p * panel_stride, panel_stride, x, n_col,
			              ahead, 1);
}

/* One step of n_token tokens, a constant, whose sums become floats without leaving the registers. */
INLINE void multiply_scaled_tile(const struct scaled *s, const struct stretch *panels, const int8_t *x, size_t x_stride,
                                 size_t token, size_t n_token)
{
	__m512i sum[TOKEN_TILE][PANEL_TILE];

	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		__m512i first = _mm512_set1_epi32(-s->corrections[token + t]);
		UNROLL
		for (size_t p = 0; p < PANEL_TILE; p++)
			sum[t][p] = first;
	}
	add_unpacked(sum, panels, x + token * x_stride, x_stride, n_token);
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		vfloat inverse = splat(s->inverses[token + t]);
		float *y = s->y + (token + t) * s->y_stride;
		UNROLL
		for (size_t p = 0; p < PANEL_TILE; p++)
			if (p < panels->n_panel)
				store(y + p * LANES,
				      load(y + p * LANES) + __builtin_convertvector((vint)sum[t][p], vfloat) *
				                                    (s->weights[p][0] * inverse));
	}
}

#include "kernels/groups.h"

const struct tern_kernels tern_kernels_avx512vnni = {
        .name = "avx512vnni",
        .dot_ternary = dot_ternary,
        .dot_nibble = dot_nibble,
        .dot_groups = dot_groups,
        LANES_SLOTS,
        ATTEND_SLOTS,
};

#endif
