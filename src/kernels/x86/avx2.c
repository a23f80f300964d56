/* The kernels for x86-64 with AVX2 and F16C (Intel from 2013, AMD from 2015). Floats: lanes.h. The integer kernels:
 *
 * A register holds half a tile, 8 rows x 4 bytes. maddubs multiplies its unsigned codes by the 4 activations of
 * their columns, the same for all rows, and adds pairs of products into 16 bits, which saturate; so sums must
 * be widened to 32 bits before they could. One maddubs of codes up to m gives -256 m .. 254 m:
 *
 *     ternary codes, m = 3:              768   42 fit 32768
 *     the same in bits 2 and 3, m = 12:  3072  10 fit
 *     nibbles, m = 15:                   3840   8 fit
 */
#if defined(__x86_64__)

#include "base/bytes.h"
#include "kernels/compiler.h"
#include "kernels/kernels.h"
#include "kernels/panels.h"

#include <immintrin.h>

/* Four activations, x[0..3], in each 32-bit lane. */
static inline __m256i broadcast4(const int8_t *x) { return _mm256_set1_epi32((int32_t)tern_load_u32(x)); }

static inline __m256i load_half(const uint8_t *tile) { return _mm256_loadu_si256((const __m256i *)tile); }

/* sum + products of codes and x, 16 bits wide. The empty asm pins the sum down here: compilers that add up in another
 * order or later keep more products waiting than there are registers. */
static inline __m256i add_products(__m256i sum, __m256i codes, __m256i x)
{
	sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, x));
	__asm__("" : "+x"(sum));
	return sum;
}

/* ---- one token: the sums stay in registers for a whole panel ------------------------------------------------ */

enum {
	TERNARY_STEP = 5, /* tiles between widenings: 2 products a tile with m = 12, 10 fit */
	NIBBLE_STEP = 4,  /* 2 products a tile with m = 15, 8 fit */
	PREFETCH = 2048,  /* bytes ahead: the hardware's own prefetching stops at pages */
};

/* Adds n <= TERNARY_STEP tiles, a constant. The codes in bits 2, 3 and 6, 7 are multiplied where they are, as 4 x
 * code, which the last step undoes for both halves of a pair at once. */
INLINE void ternary_tiles(__m256i sum[2], const uint8_t *tile, const int8_t *x, size_t n)
{
	const __m256i low = _mm256_set1_epi8(0x03), high = _mm256_set1_epi8(0x0c);
	__m256i ones[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	__m256i fours[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	for (size_t i = 0; i < n; i++, tile += TERN_TILE_BYTES, x += TERN_TERNARY_TILE_COLS) {
		_mm_prefetch((const char *)tile + PREFETCH, _MM_HINT_T0);
		for (size_t h = 0; h < 2; h++) {
			__m256i codes = load_half(tile + 32 * h), shifted = _mm256_srli_epi16(codes, 4);
			ones[h] = add_products(ones[h], _mm256_and_si256(codes, low), broadcast4(x));
			fours[h] = add_products(fours[h], _mm256_and_si256(codes, high), broadcast4(x + 4));
			ones[h] = add_products(ones[h], _mm256_and_si256(shifted, low), broadcast4(x + 8));
			fours[h] = add_products(fours[h], _mm256_and_si256(shifted, high), broadcast4(x + 12));
		}
	}
	for (size_t h = 0; h < 2; h++) {
		sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(ones[h], _mm256_set1_epi16(4)));
		sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(fours[h], _mm256_set1_epi16(1)));
	}
}

/* Four times the sums of one panel would reach 4 * 3 * 128 * 2^16 < 2^27. */
static void ternary_panel(int32_t *sums, const uint8_t *tile, const int8_t *x, size_t n_col)
{
	__m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	size_t n_tile = n_col / TERN_TERNARY_TILE_COLS;

	for (; n_tile >= TERNARY_STEP; n_tile -= TERNARY_STEP) {
		ternary_tiles(sum, tile, x, TERNARY_STEP);
		tile += TERNARY_STEP * TERN_TILE_BYTES;
		x += TERNARY_STEP * TERN_TERNARY_TILE_COLS;
	}
	for (; n_tile > 0; n_tile--, tile += TERN_TILE_BYTES, x += TERN_TERNARY_TILE_COLS)
		ternary_tiles(sum, tile, x, 1);
	_mm256_storeu_si256((__m256i *)sums, _mm256_srai_epi32(sum[0], 2));
	_mm256_storeu_si256((__m256i *)(sums + 8), _mm256_srai_epi32(sum[1], 2));
}

INLINE void nibble_tiles(__m256i sum[2], const uint8_t *tile, const int8_t *x, size_t n)
{
	const __m256i low = _mm256_set1_epi8(0x0f);
	__m256i words[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	for (size_t i = 0; i < n; i++, tile += TERN_TILE_BYTES, x += TERN_NIBBLE_TILE_COLS) {
		_mm_prefetch((const char *)tile + PREFETCH, _MM_HINT_T0);
		for (size_t h = 0; h < 2; h++) {
			__m256i codes = load_half(tile + 32 * h), shifted = _mm256_srli_epi16(codes, 4);
			words[h] = add_products(words[h], _mm256_and_si256(codes, low), broadcast4(x));
			words[h] = add_products(words[h], _mm256_and_si256(shifted, low), broadcast4(x + 4));
		}
	}
	for (size_t h = 0; h < 2; h++)
		sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(words[h], _mm256_set1_epi16(1)));
}

static void nibble_panel(int32_t *sums, const uint8_t *tile, const int8_t *x, size_t n_col)
{
	__m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	size_t n_tile = n_col / TERN_NIBBLE_TILE_COLS;

	for (; n_tile >= NIBBLE_STEP; n_tile -= NIBBLE_STEP) {
		nibble_tiles(sum, tile, x, NIBBLE_STEP);
		tile += NIBBLE_STEP * TERN_TILE_BYTES;
		x += NIBBLE_STEP * TERN_NIBBLE_TILE_COLS;
	}
	for (; n_tile > 0; n_tile--, tile += TERN_TILE_BYTES, x += TERN_NIBBLE_TILE_COLS)
		nibble_tiles(sum, tile, x, 1);
	_mm256_storeu_si256((__m256i *)sums, sum[0]);
	_mm256_storeu_si256((__m256i *)(sums + 8), sum[1]);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

enum {
	TOKEN_TILE = 6, /* tokens at a time: 12 registers of sums, 2 of codes, 1 of activations, 1 of products */
};

static inline void unpack_ternary(uint8_t *groups, const uint8_t *tile)
{
	for (size_t h = 0; h < 2; h++) {
		__m256i codes = load_half(tile + 32 * h);
		for (size_t s = 0; s < 4; s++, codes = _mm256_srli_epi16(codes, 2))
			_mm256_store_si256((__m256i *)(groups + s * GROUP_BYTES + 32 * h),
			                   _mm256_and_si256(codes, _mm256_set1_epi8(0x03)));
	}
}

static inline void unpack_nibble(uint8_t *groups, const uint8_t *tile)
{
	for (size_t h = 0; h < 2; h++) {
		__m256i codes = load_half(tile + 32 * h);
		for (size_t s = 0; s < 2; s++, codes = _mm256_srli_epi16(codes, 4))
			_mm256_store_si256((__m256i *)(groups + s * GROUP_BYTES + 32 * h),
			                   _mm256_and_si256(codes, _mm256_set1_epi8(0x0f)));
	}
}

/* n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_tile(int32_t *sums, size_t sums_stride, const uint8_t *groups, size_t n_group, const int8_t *x,
                          size_t x_stride, size_t n_token)
{
	__m256i words[TOKEN_TILE][2];

	for (size_t t = 0; t < n_token; t++)
		words[t][0] = words[t][1] = _mm256_setzero_si256();
	for (size_t g = 0; g < n_group; g += 2) {
		UNROLL
		for (size_t i = g; i < g + 2; i++) {
			__m256i first = load_half(groups + i * GROUP_BYTES);
			__m256i second = load_half(groups + i * GROUP_BYTES + 32);
			UNROLL
			for (size_t t = 0; t < n_token; t++) {
				__m256i activations = broadcast4(x + t * x_stride + i * GROUP_COLS);
				words[t][0] = add_products(words[t][0], first, activations);
				words[t][1] = add_products(words[t][1], second, activations);
			}
		}
	}
	for (size_t t = 0; t < n_token; t++)
		for (size_t h = 0; h < 2; h++) {
			__m256i *sum = (__m256i *)(sums + t * sums_stride + 8 * h);
			__m256i wide = _mm256_madd_epi16(words[t][h], _mm256_set1_epi16(1));
			_mm256_storeu_si256(sum, _mm256_add_epi32(_mm256_loadu_si256(sum), wide));
		}
}

static void multiply_tokens(int32_t *sums, size_t sums_stride, const uint8_t *groups, size_t n_group, const int8_t *x,
                            size_t x_stride, size_t n_token)
{
	for (; n_token >= TOKEN_TILE; n_token -= TOKEN_TILE) {
		multiply_tile(sums, sums_stride, groups, n_group, x, x_stride, TOKEN_TILE);
		sums += TOKEN_TILE * sums_stride;
		x += TOKEN_TILE * x_stride;
	}
	switch (n_token) {
	case 5:
		multiply_tile(sums, sums_stride, groups, n_group, x, x_stride, 5);
		break;
	case 4:
		multiply_tile(sums, sums_stride, groups, n_group, x, x_stride, 4);
		break;
	case 3:
		multiply_tile(sums, sums_stride, groups, n_group, x, x_stride, 3);
		break;
	case 2:
		multiply_tile(sums, sums_stride, groups, n_group, x, x_stride, 2);
		break;
	case 1:
		multiply_tile(sums, sums_stride, groups, n_group, x, x_stride, 1);
		break;
	default:
		break;
	}
}

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col)
{
	/* 4 products a tile with m = 3: 40 of 42 */
	static const struct tile_format ternary = {TERN_TERNARY_TILE_COLS, 10, unpack_ternary};

	if (n_token == 1)
		for (size_t p = 0; p < n_panel; p++)
			ternary_panel(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, x, n_col);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &ternary, multiply_tokens);
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col)
{
	/* 2 products a tile with m = 15: 8 of 8 */
	static const struct tile_format nibble = {TERN_NIBBLE_TILE_COLS, 4, unpack_nibble};

	if (n_token == 1)
		for (size_t p = 0; p < n_panel; p++)
			nibble_panel(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, x, n_col);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &nibble, multiply_tokens);
}

/* ---- floats -------------------------------------------------------------------------------------------------- */

#define VECTOR_LANES   8
#define LANE_GROUPS    4
#define LOAD_F16(h)    ((vfloat)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(h))))
#define LOAD_BF16(h)   ((vfloat)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(h))), 16))
#define STORE_I8(q, i) store_i8(q, (__m256i)(i))

static inline void store_i8(int8_t *q, __m256i integers)
{
	__m128i words = _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
	_mm_storel_epi64((__m128i *)q, _mm_packs_epi16(words, words));
}

#include "kernels/lanes.h"

const struct tern_kernels tern_kernels_avx2 = {
        .name = "avx2",
        .dot_ternary = dot_ternary,
        .dot_nibble = dot_nibble,
        .sum_squares = sum_squares,
        .rms_scale = rms_scale,
        .norm_quantize = norm_quantize,
        .dot_f32 = dot_f32,
        .dot_f16 = dot_f16,
        .dot_bf16 = dot_bf16,
        .silu_mul = silu_mul,
        .relu2_mul = relu2_mul,
        .gelu_mul = gelu_mul,
        .attention_block = attention_block,
};

#endif
