/* The kernels for x86-64 with AVX2, FMA, F16C and AVX-VNNI (Intel from Alder Lake, AMD from Zen 5). Floats: lanes.h.
 * The integer kernels:
 *
 * A register holds half a tile, 8 rows x 4 bytes. dpbusd multiplies its unsigned codes by the 4 activations of their
 * columns, the same for all rows, and adds the products to 32-bit sums. For one token, codes are multiplied where they
 * lie in their byte, times 4^s or 16^s; each place s has sums of its own, which are shifted to their value before they
 * are added up. Of a row of at most 2^16 columns these are below 2^31 by far. */
#if defined(__x86_64__)

#include "kernels/x86/halves.h"

/* sum + products of codes and x. The empty asm pins the sum down here: compilers that add up elsewhere copy it there
 * and back. */
static inline __m256i add_products(__m256i sum, __m256i codes, __m256i x)
{
	sum = _mm256_dpbusd_avx_epi32(sum, codes, x);
	__asm__("" : "+x"(sum));
	return sum;
}

/* Adds the sums of the halves of a panel, for n_token tokens, to where they belong. */
INLINE void add_sums(int32_t *sums, size_t sums_stride, __m256i sum[][HALVES], size_t n_token)
{
	for (size_t t = 0; t < n_token; t++)
		for (size_t h = 0; h < HALVES; h++) {
			__m256i *to = (__m256i *)(sums + t * sums_stride + 8 * h);
			_mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), sum[t][h]));
		}
}

/* ---- one token ----------------------------------------------------------------------------------------------- */

enum {
	MAX_PLACES = 4,
	STEP_TILES = 8, /* tiles of a panel before it is the next one's turn */
};

/* n_place is a constant. */
INLINE void add_tiles_of(__m256i sum[HALVES], const uint8_t *tile, const int8_t *x, size_t n, size_t ahead,
                         size_t n_place)
{
	const unsigned bits = 8 / (unsigned)n_place;
	__m256i places[MAX_PLACES][HALVES];

	for (size_t s = 0; s < n_place; s++)
		places[s][0] = places[s][1] = _mm256_setzero_si256();
	for (; n > 0; n--, tile += TERN_TILE_BYTES, x += n_place * GROUP_COLS) {
		__m256i first = load_half(tile), second = load_half(tile + HALF_BYTES);
		_mm_prefetch((const char *)tile + ahead, _MM_HINT_T0);
		UNROLL
		for (size_t s = 0; s < n_place; s++) {
			const __m256i mask = _mm256_set1_epi8((char)(((1u << bits) - 1) << s * bits));
			__m256i activations = broadcast4(x + s * GROUP_COLS);
			places[s][0] = add_products(places[s][0], _mm256_and_si256(first, mask), activations);
			places[s][1] = add_products(places[s][1], _mm256_and_si256(second, mask), activations);
		}
	}
	for (size_t s = 0; s < n_place; s++)
		for (size_t h = 0; h < HALVES; h++)
			sum[h] = _mm256_add_epi32(sum[h], _mm256_srai_epi32(places[s][h], (int)(s * bits)));
}

static void add_ternary(__m256i sum[HALVES], const uint8_t *tile, const int8_t *x, size_t n, size_t ahead)
{
	add_tiles_of(sum, tile, x, n, ahead, 4);
}

static void add_nibble(__m256i sum[HALVES], const uint8_t *tile, const int8_t *x, size_t n, size_t ahead)
{
	add_tiles_of(sum, tile, x, n, ahead, 2);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

enum {
	TOKEN_TILE = 6, /* tokens at a time: 12 registers of sums, 2 of codes, 1 of activations */
	FEW_TOKENS = 6, /* up to which taking tiles apart in registers beats unpacking them */
	STRETCH_COLS = 512,
};

/* n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_unpacked(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x,
                              size_t x_stride, size_t n_token)
{
	__m256i sum[TOKEN_TILE][HALVES];
	const uint8_t *groups = panel->codes;

	for (size_t t = 0; t < n_token; t++)
		sum[t][0] = sum[t][1] = _mm256_setzero_si256();
	for (size_t g = 0; g < panel->n_group; g++, groups += GROUP_BYTES, x += GROUP_COLS) {
		__m256i first = load_half(groups), second = load_half(groups + HALF_BYTES);
		UNROLL
		for (size_t t = 0; t < n_token; t++) {
			__m256i activations = broadcast4(x + t * x_stride);
			sum[t][0] = add_products(sum[t][0], first, activations);
			sum[t][1] = add_products(sum[t][1], second, activations);
		}
	}
	add_sums(sums, sums_stride, sum, n_token);
}

/* The same with tiles that are taken apart in registers; n_place is a constant too. */
INLINE void multiply_stored(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x,
                            size_t x_stride, size_t n_token, size_t n_place)
{
	const int bits = 8 / (int)n_place;
	const __m256i mask = _mm256_set1_epi8(n_place == 4 ? 0x03 : 0x0f);
	const uint8_t *tile = panel->codes;
	__m256i sum[TOKEN_TILE][HALVES];

	for (size_t t = 0; t < n_token; t++)
		sum[t][0] = sum[t][1] = _mm256_setzero_si256();
	for (size_t g = 0; g < panel->n_group; g += n_place, tile += TERN_TILE_BYTES) {
		_mm_prefetch((const char *)tile + panel->ahead, _MM_HINT_T0);
		UNROLL
		for (size_t s = 0; s < n_place; s++, x += GROUP_COLS) {
			__m256i first = _mm256_and_si256(_mm256_srli_epi16(load_half(tile), (int)s * bits), mask);
			__m256i second =
			        _mm256_and_si256(_mm256_srli_epi16(load_half(tile + HALF_BYTES), (int)s * bits), mask);
			UNROLL
			for (size_t t = 0; t < n_token; t++) {
				__m256i activations = broadcast4(x + t * x_stride);
				sum[t][0] = add_products(sum[t][0], first, activations);
				sum[t][1] = add_products(sum[t][1], second, activations);
			}
		}
	}
	add_sums(sums, sums_stride, sum, n_token);
}

INLINE void multiply_tile(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x,
                          size_t x_stride, size_t n_token)
{
	switch (panel->n_place) {
	case 4:
		multiply_stored(sums, sums_stride, panel, x, x_stride, n_token, 4);
		break;
	case 2:
		multiply_stored(sums, sums_stride, panel, x, x_stride, n_token, 2);
		break;
	default:
		multiply_unpacked(sums, sums_stride, panel, x, x_stride, n_token);
		break;
	}
}

static void multiply(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x, size_t x_stride,
                     size_t n_token)
{
	multiply_in_tiles(sums, sums_stride, panel, x, x_stride, n_token, TOKEN_TILE, multiply_tile);
}

static const struct tile_format ternary_format = {TERN_TERNARY_TILE_COLS, STRETCH_COLS / TERN_TERNARY_TILE_COLS,
                                                  unpack_ternary};

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col)
{
	if (n_token == 1)
		dot_token(sums, panels, panel_stride, n_panel, x, n_col, TERN_TERNARY_TILE_COLS, STEP_TILES,
		          add_ternary, 0);
	else if (n_token <= FEW_TOKENS)
		dot_few_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, 4, 1, multiply);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &ternary_format, 1,
		           multiply);
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col)
{
	static const struct tile_format nibble = {TERN_NIBBLE_TILE_COLS, STRETCH_COLS / TERN_NIBBLE_TILE_COLS,
	                                          unpack_nibble};

	if (n_token == 1)
		dot_token(sums, panels, panel_stride, n_panel, x, n_col, TERN_NIBBLE_TILE_COLS, STEP_TILES, add_nibble,
		          0);
	else if (n_token <= FEW_TOKENS)
		dot_few_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, 2, 1, multiply);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &nibble, 1, multiply);
}

#include "kernels/attend.h"
#include "kernels/lanes.h"

#define PANELS_MULTIPLIED 1
#define TOKEN_SUMS

static void token_sums(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t n_col, size_t ahead)
{
	token_sums_of(sums, panels, panel_stride, n_panel, x, n_col / TERN_TERNARY_TILE_COLS, TERN_TERNARY_TILE_COLS,
	              STEP_TILES, add_ternary, 0, ahead);
}

#include "kernels/groups.h"

const struct tern_kernels tern_kernels_avxvnni = {
        .name = "avxvnni",
        .dot_ternary = dot_ternary,
        .dot_nibble = dot_nibble,
        .dot_groups = dot_groups,
        LANES_SLOTS,
        ATTEND_SLOTS,
};

#endif
