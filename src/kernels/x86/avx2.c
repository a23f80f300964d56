/* The kernels for x86-64 with AVX2, FMA and F16C (Intel from 2013, AMD from 2015).
 *
 * A register holds half a tile, 8 rows x 4 bytes. maddubs multiplies its unsigned codes by the 4 activations of their
 * columns, the same for all rows, and adds pairs of products into 16 bits, which saturate. Sums must therefore be
 * widened to 32 bits in time. One maddubs of codes up to m gives -256 m .. 254 m:
 *
 *     ternary codes, m = 3:              768   42 fit 32768
 *     the same in bits 2 and 3, m = 12:  3072  10 fit
 *     nibbles, m = 15:                   3840   8 fit
 *     bits at 2^3, m = 8:                2048   16 fit
 *     bits at 2^0, m = 1:                 256  128 fit
 */
#if defined(__x86_64__)

#define NAME             avx2
#define TOKENS_AT_ONCE   6 /* 12 registers of sums, 2 of codes, 1 of activations, 1 of products */
#define PANELS_AT_ONCE   1
#define TERNARY_STRETCH  160 /* 10 tiles of 4 products with m = 3: 40 of 42 */
#define NIBBLE_STRETCH   32  /* 4 tiles of 2 products with m = 15: 8 of 8 */
#define HAS_STORED       1
#define PEAK_INSTRUCTION "vpmaddubsw ymm"
#define PEAK_SUMS        6
#define PEAK_STEPS       42 /* products with m = 3 */
#define PEAK_MACS        32
#define PEAK_WIDENS      1

#include "kernels/x86/half_tiles.h"

/* sum + products of codes and x, 16 bits wide. OPAQUE() because compilers that add up in another order or later keep
 * more products waiting than there are registers. */
static inline __m256i add_products(__m256i sum, __m256i codes, __m256i x)
{
	sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, x));
	OPAQUE(sum);
	return sum;
}

/* sum + the pairs of words, 32 bits wide. */
static inline __m256i widen(__m256i sum, __m256i words)
{
	return _mm256_add_epi32(sum, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

/* ---- one token ----------------------------------------------------------------------------------------------- */

enum {
	TERNARY_STEP = 5,      /* tiles between widenings: 2 products a tile with m = 12, 10 of 10 */
	NIBBLE_STEP = 4,       /* 2 products a tile with m = 15, 8 of 8 */
	BINARY_STEP = 8,       /* 2 products a tile with m = 8, 16 of 16 */
	STORED_BITS_STEP = 16, /* of several tokens: 8 products a tile with m = 1, 128 of 128 */
	TERNARY_SHIFT = 2,
	BINARY_SHIFT = 2,
};

/* Adds n <= TERNARY_STEP tiles. The codes in bits 2, 3 and 6, 7 are multiplied where they are, as 4 x code, and the
 * others are made 4 times as large when they are widened: sums are shifted right by TERNARY_SHIFT at the end. Those of
 * 2^16 columns stay below 4 * 3 * 128 * 2^16 < 2^27. */
INLINE void ternary_tiles(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	const __m256i low = _mm256_set1_epi8(0x03), high = _mm256_set1_epi8(0x0c);
	__m256i ones[VECTORS] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	__m256i fours[VECTORS] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	for (size_t i = 0; i < n; i++, tile += TERN_TILE_BYTES, x += TERN_TERNARY_TILE_COLS) {
		_mm_prefetch(far_tile(tile, prefetch), _MM_HINT_T0);
		for (size_t h = 0; h < VECTORS; h++) {
			__m256i codes = load_half(tile + VECTOR_BYTES * h), shifted = _mm256_srli_epi16(codes, 4);
			ones[h] = add_products(ones[h], _mm256_and_si256(codes, low), broadcast4(x));
			fours[h] = add_products(fours[h], _mm256_and_si256(codes, high), broadcast4(x + 4));
			ones[h] = add_products(ones[h], _mm256_and_si256(shifted, low), broadcast4(x + 8));
			fours[h] = add_products(fours[h], _mm256_and_si256(shifted, high), broadcast4(x + 12));
		}
	}
	for (size_t h = 0; h < VECTORS; h++) {
		sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(ones[h], _mm256_set1_epi16(4)));
		sum[h] = widen(sum[h], fours[h]);
	}
}

/* The same of binary tiles. A bit is multiplied where it is in its half of a byte, as 2^s x bit, and the sums of each s
 * are made 2^(3 - s) times as large when they are widened; bits stand for 0 and 2, so BINARY_SHIFT takes a 4 away. */
INLINE void binary_tiles(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	__m256i words[4][VECTORS];

	for (size_t s = 0; s < 4; s++)
		words[s][0] = words[s][1] = _mm256_setzero_si256();
	for (size_t i = 0; i < n; i++, tile += TERN_TILE_BYTES, x += TERN_BINARY_TILE_COLS) {
		__m256i bits[VECTORS], shifted[VECTORS];
		_mm_prefetch(far_tile(tile, prefetch), _MM_HINT_T0);
		for (size_t h = 0; h < VECTORS; h++) {
			bits[h] = load_half(tile + VECTOR_BYTES * h);
			shifted[h] = _mm256_srli_epi16(bits[h], 4);
		}
		UNROLL
		for (size_t s = 0; s < 4; s++) {
			const __m256i mask = _mm256_set1_epi8((char)(1 << s));
			__m256i first = broadcast4(x + s * QUAD_COLS), last = broadcast4(x + (4 + s) * QUAD_COLS);
			for (size_t h = 0; h < VECTORS; h++) {
				words[s][h] = add_products(words[s][h], _mm256_and_si256(bits[h], mask), first);
				words[s][h] = add_products(words[s][h], _mm256_and_si256(shifted[h], mask), last);
			}
		}
	}
	for (size_t h = 0; h < VECTORS; h++)
		for (size_t s = 0; s < 4; s++)
			sum[h] = _mm256_add_epi32(sum[h],
			                          _mm256_madd_epi16(words[s][h], _mm256_set1_epi16((short)(8 >> s))));
}

INLINE void nibble_tiles(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	const __m256i low = _mm256_set1_epi8(0x0f);
	__m256i words[VECTORS] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	for (size_t i = 0; i < n; i++, tile += TERN_TILE_BYTES, x += TERN_NIBBLE_TILE_COLS) {
		_mm_prefetch(far_tile(tile, prefetch), _MM_HINT_T0);
		for (size_t h = 0; h < VECTORS; h++) {
			__m256i codes = load_half(tile + VECTOR_BYTES * h), shifted = _mm256_srli_epi16(codes, 4);
			words[h] = add_products(words[h], _mm256_and_si256(codes, low), broadcast4(x));
			words[h] = add_products(words[h], _mm256_and_si256(shifted, low), broadcast4(x + 4));
		}
	}
	for (size_t h = 0; h < VECTORS; h++)
		sum[h] = widen(sum[h], words[h]);
}

INLINE void add_ternary(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	if (n == TERNARY_STEP)
		ternary_tiles(sum, tile, x, TERNARY_STEP, prefetch);
	else
		ternary_tiles(sum, tile, x, n, prefetch);
}

INLINE void add_nibble(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	if (n == NIBBLE_STEP)
		nibble_tiles(sum, tile, x, NIBBLE_STEP, prefetch);
	else
		nibble_tiles(sum, tile, x, n, prefetch);
}

INLINE void add_binary(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	if (n == BINARY_STEP)
		binary_tiles(sum, tile, x, BINARY_STEP, prefetch);
	else
		binary_tiles(sum, tile, x, n, prefetch);
}

INLINE void sum_tiles(vint sum[TERN_MAX_STREAMS][VECTORS], const uint8_t *panels, size_t panel_stride, size_t n_panel,
                      const int8_t *x, size_t n_col, size_t prefetch, size_t codes_per_byte)
{
	const size_t tile_cols = codes_per_byte * QUAD_COLS, n_tile = n_col / tile_cols;

	if (codes_per_byte == 4)
		sum_in_turn(sum, panels, panel_stride, n_panel, x, n_tile, tile_cols, TERNARY_STEP, add_ternary,
		            TERNARY_SHIFT, prefetch);
	else if (codes_per_byte == 2)
		sum_in_turn(sum, panels, panel_stride, n_panel, x, n_tile, tile_cols, NIBBLE_STEP, add_nibble, 0,
		            prefetch);
	else
		sum_in_turn(sum, panels, panel_stride, n_panel, x, n_tile, tile_cols, BINARY_STEP, add_binary,
		            BINARY_SHIFT, prefetch);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

INLINE void multiply_unpacked(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                              const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first)
{
	__m256i words[TOKENS_AT_ONCE][VECTORS];
	const uint8_t *quads = stretch->codes;

	for (size_t t = 0; t < n_token; t++)
		words[t][0] = words[t][1] = _mm256_setzero_si256();
	for (size_t i = 0; i < stretch->n_quad; i += 2, quads += 2 * QUAD_BYTES, x += 2 * QUAD_COLS) {
		UNROLL
		for (size_t k = 0; k < 2; k++) {
			__m256i upper = load_half(quads + k * QUAD_BYTES);
			__m256i lower = load_half(quads + k * QUAD_BYTES + VECTOR_BYTES);
			UNROLL
			for (size_t t = 0; t < n_token; t++) {
				__m256i activations = broadcast4(x + t * x_stride + k * QUAD_COLS);
				words[t][0] = add_products(words[t][0], upper, activations);
				words[t][1] = add_products(words[t][1], lower, activations);
			}
		}
	}
	UNROLL
	for (size_t t = 0; t < n_token; t++)
		for (size_t v = 0; v < VECTORS; v++)
			sum[t][0][v] = (vint)widen(_mm256_set1_epi32(first ? first[t] : 0), words[t][v]);
}

/* Bits are multiplied as 0 and 1 and stand for 0 and 2. */
INLINE void multiply_stored(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                            const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first,
                            size_t codes_per_byte)
{
	const size_t n_step /* tiles between widenings */ =
	        codes_per_byte == 4   ? TERNARY_STRETCH / TERN_TERNARY_TILE_COLS
	        : codes_per_byte == 2 ? NIBBLE_STRETCH / TERN_NIBBLE_TILE_COLS
	                              : STORED_BITS_STEP;
	const uint8_t *tile = stretch->codes;

	for (size_t t = 0; t < n_token; t++)
		sum[t][0][0] = sum[t][0][1] = (vint){0} + (first ? first[t] : 0);
	for (size_t n_tile = stretch->n_quad / codes_per_byte, n; n_tile > 0; n_tile -= n) {
		__m256i words[TOKENS_AT_ONCE][VECTORS];
		n = n_tile < n_step ? n_tile : n_step;
		for (size_t t = 0; t < n_token; t++)
			words[t][0] = words[t][1] = _mm256_setzero_si256();
		add_stored(words, 1, tile, n, stretch->prefetch, x, x_stride, n_token, codes_per_byte, add_products);
		UNROLL
		for (size_t t = 0; t < n_token; t++)
			for (size_t v = 0; v < VECTORS; v++) {
				vint more = (vint)widen(_mm256_setzero_si256(), words[t][v]);
				sum[t][0][v] += codes_per_byte == 8 ? more + more : more;
			}
		tile += n * TERN_TILE_BYTES;
		x += n * codes_per_byte * QUAD_COLS;
	}
}

/* ---- the peak ------------------------------------------------------------------------------------------------ */

INLINE vint peak_products(vint sum, vint x, size_t s)
{
	(void)s;
	return (vint)add_products((__m256i)sum, _mm256_set1_epi8(2), (__m256i)x);
}

INLINE vint peak_widen(vint sum, vint words) { return (vint)widen((__m256i)sum, (__m256i)words); }

#include "kernels/kernels_template.h"

#endif
