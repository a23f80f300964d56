/* The kernels for x86-64 with AVX2, FMA and F16C (Intel from 2013, AMD from 2015). Floats: lanes.h. The integer
 * kernels:
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

#include "kernels/x86/halves.h"

/* sum + products of codes and x, 16 bits wide. The empty asm pins the sum down here: compilers that add up in another
 * order or later keep more products waiting than there are registers. */
static inline __m256i add_products(__m256i sum, __m256i codes, __m256i x)
{
	sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, x));
	__asm__("" : "+x"(sum));
	return sum;
}

/* ---- one token ----------------------------------------------------------------------------------------------- */

enum {
	TERNARY_STEP = 5, /* tiles between widenings: 2 products a tile with m = 12, 10 fit */
	NIBBLE_STEP = 4,  /* 2 products a tile with m = 15, 8 fit */
};

/* Adds n <= TERNARY_STEP tiles. The codes in bits 2, 3 and 6, 7 are multiplied where they are, as 4 x code, which the
 * last step undoes for both halves of a pair at once: the sums are four times what they stand for, which in a row of
 * 2^16 columns stays below 4 * 3 * 128 * 2^16 < 2^27. */
INLINE void ternary_tiles(__m256i sum[HALVES], const uint8_t *tile, const int8_t *x, size_t n, size_t ahead)
{
	const __m256i low = _mm256_set1_epi8(0x03), high = _mm256_set1_epi8(0x0c);
	__m256i ones[HALVES] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	__m256i fours[HALVES] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	for (size_t i = 0; i < n; i++, tile += TERN_TILE_BYTES, x += TERN_TERNARY_TILE_COLS) {
		_mm_prefetch((const char *)tile + ahead, _MM_HINT_T0);
		for (size_t h = 0; h < HALVES; h++) {
			__m256i codes = load_half(tile + HALF_BYTES * h), shifted = _mm256_srli_epi16(codes, 4);
			ones[h] = add_products(ones[h], _mm256_and_si256(codes, low), broadcast4(x));
			fours[h] = add_products(fours[h], _mm256_and_si256(codes, high), broadcast4(x + 4));
			ones[h] = add_products(ones[h], _mm256_and_si256(shifted, low), broadcast4(x + 8));
			fours[h] = add_products(fours[h], _mm256_and_si256(shifted, high), broadcast4(x + 12));
		}
	}
	for (size_t h = 0; h < HALVES; h++) {
		sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(ones[h], _mm256_set1_epi16(4)));
		sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(fours[h], _mm256_set1_epi16(1)));
	}
}

INLINE void nibble_tiles(__m256i sum[HALVES], const uint8_t *tile, const int8_t *x, size_t n, size_t ahead)
{
	const __m256i low = _mm256_set1_epi8(0x0f);
	__m256i words[HALVES] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	for (size_t i = 0; i < n; i++, tile += TERN_TILE_BYTES, x += TERN_NIBBLE_TILE_COLS) {
		_mm_prefetch((const char *)tile + ahead, _MM_HINT_T0);
		for (size_t h = 0; h < HALVES; h++) {
			__m256i codes = load_half(tile + HALF_BYTES * h), shifted = _mm256_srli_epi16(codes, 4);
			words[h] = add_products(words[h], _mm256_and_si256(codes, low), broadcast4(x));
			words[h] = add_products(words[h], _mm256_and_si256(shifted, low), broadcast4(x + 4));
		}
	}
	for (size_t h = 0; h < HALVES; h++)
		sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(words[h], _mm256_set1_epi16(1)));
}

static void add_ternary(__m256i sum[HALVES], const uint8_t *tile, const int8_t *x, size_t n, size_t ahead)
{
	if (n == TERNARY_STEP)
		ternary_tiles(sum, tile, x, TERNARY_STEP, ahead);
	else
		ternary_tiles(sum, tile, x, n, ahead);
}

static void add_nibble(__m256i sum[HALVES], const uint8_t *tile, const int8_t *x, size_t n, size_t ahead)
{
	if (n == NIBBLE_STEP)
		nibble_tiles(sum, tile, x, NIBBLE_STEP, ahead);
	else
		nibble_tiles(sum, tile, x, n, ahead);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

enum {
	TOKEN_TILE = 6, /* tokens at a time: 12 registers of sums, 2 of codes, 1 of activations, 1 of products */
};

/* The products of unpacked codes, 16 bits wide. n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_words(__m256i words[TOKEN_TILE][HALVES], const struct stretch *panel, const int8_t *x,
                           size_t x_stride, size_t n_token)
{
	const uint8_t *groups = panel->codes;

	for (size_t t = 0; t < n_token; t++)
		words[t][0] = words[t][1] = _mm256_setzero_si256();
	for (size_t g = 0; g < panel->n_group; g += 2, groups += 2 * GROUP_BYTES, x += 2 * GROUP_COLS) {
		UNROLL
		for (size_t i = 0; i < 2; i++) {
			__m256i first = load_half(groups + i * GROUP_BYTES);
			__m256i second = load_half(groups + i * GROUP_BYTES + HALF_BYTES);
			UNROLL
			for (size_t t = 0; t < n_token; t++) {
				__m256i activations = broadcast4(x + t * x_stride + i * GROUP_COLS);
				words[t][0] = add_products(words[t][0], first, activations);
				words[t][1] = add_products(words[t][1], second, activations);
			}
		}
	}
}

/* n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_tile(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x,
                          size_t x_stride, size_t n_token)
{
	__m256i words[TOKEN_TILE][HALVES];

	multiply_words(words, panel, x, x_stride, n_token);
	for (size_t t = 0; t < n_token; t++)
		for (size_t h = 0; h < HALVES; h++) {
			__m256i *sum = (__m256i *)(sums + t * sums_stride + 8 * h);
			__m256i wide = _mm256_madd_epi16(words[t][h], _mm256_set1_epi16(1));
			_mm256_storeu_si256(sum, _mm256_add_epi32(_mm256_loadu_si256(sum), wide));
		}
}

static void multiply(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x, size_t x_stride,
                     size_t n_token)
{
	multiply_in_tiles(sums, sums_stride, panel, x, x_stride, n_token, TOKEN_TILE, multiply_tile);
}

/* 4 products a tile with m = 3: 40 of 42 */
static const struct tile_format ternary_format = {TERN_TERNARY_TILE_COLS, 10, unpack_ternary};

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col)
{
	if (n_token == 1)
		dot_token(sums, panels, panel_stride, n_panel, x, n_col, TERN_TERNARY_TILE_COLS, TERNARY_STEP,
		          add_ternary, 2);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &ternary_format, 1,
		           multiply);
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col)
{
	/* 2 products a tile with m = 15: 8 of 8 */
	static const struct tile_format nibble = {TERN_NIBBLE_TILE_COLS, 4, unpack_nibble};

	if (n_token == 1)
		dot_token(sums, panels, panel_stride, n_panel, x, n_col, TERN_NIBBLE_TILE_COLS, NIBBLE_STEP, add_nibble,
		          0);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &nibble, 1, multiply);
}

#include "kernels/attend.h"
#include "kernels/lanes.h"

#define PANELS_MULTIPLIED 1
#define MULTIPLY_SCALED
#define TOKEN_SUMS

/* One step of n_token tokens, a constant, whose sums become floats without leaving the registers. */
INLINE void multiply_scaled_tile(const struct scaled *s, const struct stretch *panel, const int8_t *x, size_t x_stride,
                                 size_t token, size_t n_token)
{
	__m256i words[TOKEN_TILE][HALVES];

	multiply_words(words, panel, x + token * x_stride, x_stride, n_token);
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		__m256i correction = _mm256_set1_epi32(s->corrections[token + t]);
		vfloat inverse = splat(s->inverses[token + t]);
		float *y = s->y + (token + t) * s->y_stride;
		UNROLL
		for (size_t h = 0; h < HALVES; h++) {
			__m256i wide = _mm256_madd_epi16(words[t][h], _mm256_set1_epi16(1));
			vfloat sum = __builtin_convertvector((vint)_mm256_sub_epi32(wide, correction), vfloat);
			store(y + h * VECTOR_LANES, load(y + h * VECTOR_LANES) + sum * (s->weights[0][h] * inverse));
		}
	}
}

static void token_sums(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t n_col, size_t ahead)
{
	token_sums_of(sums, panels, panel_stride, n_panel, x, n_col / TERN_TERNARY_TILE_COLS, TERN_TERNARY_TILE_COLS,
	              TERNARY_STEP, add_ternary, 2, ahead);
}

#include "kernels/groups.h"

const struct tern_kernels tern_kernels_avx2 = {
        .name = "avx2",
        .dot_ternary = dot_ternary,
        .dot_nibble = dot_nibble,
        .dot_groups = dot_groups,
        LANES_SLOTS,
        ATTEND_SLOTS,
};

#endif
