/* For the instruction sets whose registers hold half a tile, 8 rows x 4 bytes: avx2 and avxvnni. Their float
 * parameters, unpacking, one token, and stored tiles of several. */
#ifndef TERN_KERNELS_X86_HALF_TILES_H
#define TERN_KERNELS_X86_HALF_TILES_H

#include "kernels/compiler.h"
#include "kernels/kernels.h"
#include "kernels/panels.h"

#include <immintrin.h>

#define VECTOR_LANES    8
#define ATTENTION_SUMS  4
#define LOAD_F16(h)     ((vfloat)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(h))))
#define LOAD_BF16(h)    ((vfloat)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(h))), 16))
#define STORE_F16(h, v) _mm_storeu_si128((__m128i *)(h), _mm256_cvtps_ph((__m256)(v), _MM_FROUND_TO_NEAREST_INT))
#define FMA(a, b, c)    ((vfloat)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define LOAD_I8(q)      ((vfloat)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(q)))))
#define STORE_I8(q, i)  store_i8(q, (__m256i)(i))
#define UNPACK_TERNARY  unpack_ternary
#define UNPACK_NIBBLE   unpack_nibble
#define UNPACK_BINARY   unpack_binary

#include "kernels/vectors_template.h"

static inline void store_i8(int8_t *q, __m256i integers)
{
	__m128i words = _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
	_mm_storel_epi64((__m128i *)q, _mm_packs_epi16(words, words));
}

/* Four activations, x[0..3], in each 32-bit lane. */
static inline __m256i broadcast4(const int8_t *x) { return _mm256_set1_epi32((int32_t)tern_load_u32(x)); }

static inline __m256i load_half(const uint8_t *tile) { return _mm256_loadu_si256((const __m256i *)tile); }

static inline void unpack_ternary(uint8_t *quads, const uint8_t *tile)
{
	for (size_t v = 0; v < VECTORS; v++) {
		__m256i codes = load_half(tile + VECTOR_BYTES * v);
		for (size_t s = 0; s < 4; s++, codes = _mm256_srli_epi16(codes, 2))
			_mm256_store_si256((__m256i *)(quads + s * QUAD_BYTES + VECTOR_BYTES * v),
			                   _mm256_and_si256(codes, _mm256_set1_epi8(0x03)));
	}
}

static inline void unpack_nibble(uint8_t *quads, const uint8_t *tile)
{
	for (size_t v = 0; v < VECTORS; v++) {
		__m256i codes = load_half(tile + VECTOR_BYTES * v);
		for (size_t s = 0; s < 2; s++, codes = _mm256_srli_epi16(codes, 4))
			_mm256_store_si256((__m256i *)(quads + s * QUAD_BYTES + VECTOR_BYTES * v),
			                   _mm256_and_si256(codes, _mm256_set1_epi8(0x0f)));
	}
}

/* Bits become 0 and 2: each place is shifted to the second lowest bit of its byte. */
static inline void unpack_binary(uint8_t *quads, const uint8_t *tile)
{
	const __m256i mask = _mm256_set1_epi8(0x02);

	for (size_t v = 0; v < VECTORS; v++) {
		__m256i bits = load_half(tile + VECTOR_BYTES * v);
		__m256i *to = (__m256i *)(quads + VECTOR_BYTES * v);
		_mm256_store_si256(to, _mm256_and_si256(_mm256_slli_epi16(bits, 1), mask));
		for (size_t s = 1; s < 8; s++, bits = _mm256_srli_epi16(bits, 1))
			_mm256_store_si256(to + s * VECTORS, _mm256_and_si256(bits, mask));
	}
}

/* ---- one token ----------------------------------------------------------------------------------------------- */

/* Adds n tiles of a panel to the sums of its halves, and prefetches `prefetch` bytes ahead. */
typedef void add_tiles(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch);

/* sum_tiles() of dot_panels_template.h with sums shifted right by `shift`. Reads n_step tiles of each panel in turn. */
INLINE void sum_in_turn(vint sum[TERN_MAX_STREAMS][VECTORS], const uint8_t *panels, size_t panel_stride, size_t n_panel,
                        const int8_t *x, size_t n_tile, size_t tile_cols, size_t n_step, add_tiles *add, int shift,
                        size_t prefetch)
{
	__m256i halves[TERN_MAX_STREAMS][VECTORS];

	for (size_t p = 0; p < n_panel; p++)
		halves[p][0] = halves[p][1] = _mm256_setzero_si256();
	for (size_t i = 0; i < n_tile; i += n_step) {
		size_t n = n_tile - i < n_step ? n_tile - i : n_step;
		for (size_t p = 0; p < n_panel; p++)
			add(halves[p], panels + p * panel_stride + i * TERN_TILE_BYTES, x + i * tile_cols, n, prefetch);
	}
	for (size_t p = 0; p < n_panel; p++)
		for (size_t v = 0; v < VECTORS; v++)
			sum[p][v] = (vint)_mm256_srai_epi32(halves[p][v], shift);
}

/* ---- several tokens, tiles as they are stored ---------------------------------------------------------------- */

/* The sum + the products of codes and activations. */
typedef __m256i add_half(__m256i sum, __m256i codes, __m256i x);

/* Has tiles loaded anew for each place where n sums for each half need the registers. n is a constant. */
INLINE void reload(size_t n)
{
	if (n > 3)
		NO_EARLIER_LOADS();
}

/* Adds the products of a quad's halves and the activations of all tokens. */
INLINE void add_quad(__m256i sum[TOKENS_AT_ONCE][VECTORS], __m256i upper, __m256i lower, const int8_t *x,
                     size_t x_stride, size_t n_token, add_half *add)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		__m256i activations = broadcast4(x + t * x_stride);
		sum[t][0] = add(sum[t][0], upper, activations);
		sum[t][1] = add(sum[t][1], lower, activations);
	}
}

/* The same for the 8 quads of a tile of bits, which count as 0 and 1. In a loop, since compilers refuse to unroll that
 * much. */
INLINE void add_bits(__m256i sum[TOKENS_AT_ONCE][VECTORS], size_t n_set, const uint8_t *tile, const int8_t *x,
                     size_t x_stride, size_t n_token, add_half *add)
{
	const __m256i mask = _mm256_set1_epi8(0x01);

	for (int s = 0; s < 8; s += (int)n_set) {
		UNROLL
		for (size_t k = 0; k < n_set; k++, x += QUAD_COLS) {
			__m128i place = _mm_cvtsi32_si128(s + (int)k);
			reload(n_set * n_token);
			__m256i upper = _mm256_srl_epi16(load_half(tile), place);
			__m256i lower = _mm256_srl_epi16(load_half(tile + VECTOR_BYTES), place);
			add_quad(sum + k * n_token, _mm256_and_si256(upper, mask), _mm256_and_si256(lower, mask), x,
			         x_stride, n_token, add);
		}
	}
}

/* The same for all quads of n_tile tiles. There are n_set, 1 or 2, sets of sums for the tokens, which quads are added
 * to in turn. */
INLINE void add_stored(__m256i sum[TOKENS_AT_ONCE][VECTORS], size_t n_set, const uint8_t *tile, size_t n_tile,
                       size_t prefetch, const int8_t *x, size_t x_stride, size_t n_token, size_t codes_per_byte,
                       add_half *add)
{
	const int bits = 8 / (int)codes_per_byte;
	const __m256i mask = _mm256_set1_epi8(codes_per_byte == 4 ? 0x03 : 0x0f);

	for (; n_tile > 0; n_tile--, tile += TERN_TILE_BYTES) {
		_mm_prefetch(far_tile(tile, prefetch), _MM_HINT_T0);
		if (codes_per_byte == 8) {
			add_bits(sum, n_set, tile, x, x_stride, n_token, add);
			x += TERN_BINARY_TILE_COLS;
			continue;
		}
		UNROLL
		for (size_t s = 0; s < codes_per_byte; s++, x += QUAD_COLS) {
			reload(n_set * n_token);
			__m256i upper = _mm256_srli_epi16(load_half(tile), (int)s * bits);
			__m256i lower = _mm256_srli_epi16(load_half(tile + VECTOR_BYTES), (int)s * bits);
			add_quad(sum + s % n_set * n_token, _mm256_and_si256(upper, mask),
			         _mm256_and_si256(lower, mask), x, x_stride, n_token, add);
		}
	}
}

#endif
