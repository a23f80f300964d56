/* The kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and its VNNI (Intel from Ice Lake, AMD from Zen 4).
 *
 * A register holds a tile, 16 rows x 4 bytes. dpbusd multiplies its unsigned codes by the 4 activations of their
 * columns, the same for all rows, and adds the products to 32-bit sums. For one token, codes are multiplied where they
 * are in their byte, times 4^s or 16^s; of bits, the upper four of a byte after a shift, times 2^s. Each place s has
 * its own sums, which are shifted back at the end. A row of 2^16 columns, of which each place has a part, keeps them
 * below 2^31:
 *
 *     ternary codes: 64 * 3 * 128 * 2^14 = 0.75 * 2^29
 *     nibbles:       16 * 15 * 128 * 2^15 = 0.94 * 2^30
 *     bits:          8 * 128 * 2^14 = 2^24 */
#if defined(__x86_64__)

#define NAME             avx512vnni
#define TOKENS_AT_ONCE   6 /* with 4 panels 24 registers of sums, 4 of codes, 1 of activations */
#define PANELS_AT_ONCE   4
#define TERNARY_STRETCH  512
#define NIBBLE_STRETCH   512
#define HAS_STORED       1
#define UNPACK_TERNARY   unpack_ternary
#define UNPACK_NIBBLE    unpack_nibble
#define UNPACK_BINARY    unpack_binary
#define PEAK_INSTRUCTION "vpdpbusd zmm"
#define PEAK_SUMS        12
#define PEAK_STEPS       16
#define PEAK_MACS        64
#define PEAK_WIDENS      0

#define VECTOR_LANES   16
#define ATTENTION_SUMS 16
#define LOAD_F16(h)    ((vfloat)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(h))))
#define LOAD_BF16(h)   ((vfloat)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(h))), 16))
#define FMA(a, b, c)   ((vfloat)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define STORE_F16(h, v) \
	_mm256_storeu_si256((__m256i *)(h), _mm512_cvtps_ph((__m512)(v), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
#define LOAD_I8(q)     ((vfloat)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(q)))))
#define STORE_I8(q, i) _mm_storeu_si128((__m128i *)(q), _mm512_cvtepi32_epi8((__m512i)(i)))

#include "kernels/compiler.h"
#include "kernels/kernels.h"
#include "kernels/panels.h"
#include "kernels/vectors_template.h"

#include <immintrin.h>

/* Four activations, x[0..3], in each 32-bit lane. */
static inline __m512i broadcast4(const int8_t *x) { return _mm512_set1_epi32((int32_t)tern_load_u32(x)); }

/* sum + products of codes and x. OPAQUE() because compilers that add up elsewhere copy the sum there and back. */
static inline __m512i add_products(__m512i sum, __m512i codes, __m512i x)
{
	sum = _mm512_dpbusd_epi32(sum, codes, x);
	OPAQUE(sum);
	return sum;
}

static inline __m512i load_tile(const uint8_t *tile) { return _mm512_loadu_si512(tile); }

/* ---- one token: the sums stay in registers for whole panels -------------------------------------------------- */

enum {
	MAX_PLACES = 4,
};

/* Adds n_tile tiles of n_panel panels to the sums of their places, and prefetches `prefetch` bytes ahead. n_panel and
 * codes_per_byte are constants. */
INLINE void add_tiles(__m512i sum[TERN_MAX_STREAMS][MAX_PLACES], const uint8_t *tile, size_t panel_stride,
                      const int8_t *x, size_t n_tile, size_t prefetch, size_t n_panel, size_t codes_per_byte)
{
	const unsigned bits = 8 / (unsigned)codes_per_byte;

	for (; n_tile > 0; n_tile--, tile += TERN_TILE_BYTES, x += codes_per_byte * QUAD_COLS) {
		__m512i codes[TERN_MAX_STREAMS];
		UNROLL
		for (size_t p = 0; p < n_panel; p++) {
			codes[p] = load_tile(tile + p * panel_stride);
			_mm_prefetch(far_tile(tile + p * panel_stride, prefetch), _MM_HINT_T0);
		}
		UNROLL
		for (size_t s = 0; s < codes_per_byte; s++) {
			__m512i activations = broadcast4(x + s * QUAD_COLS);
			size_t place = s % MAX_PLACES;
			__m512i mask = _mm512_set1_epi8((char)(((1u << bits) - 1) << place * bits));
			UNROLL
			for (size_t p = 0; p < n_panel; p++) {
				codes[p] = s == MAX_PLACES ? _mm512_srli_epi16(codes[p], 4) : codes[p];
				sum[p][place] =
				        add_products(sum[p][place], _mm512_and_si512(codes[p], mask), activations);
			}
		}
	}
}

/* The sums of all places, each shifted back, as one. Bits stand for 0 and 2. */
INLINE vint add_places(const __m512i places[MAX_PLACES], size_t codes_per_byte)
{
	const size_t bits = 8 / codes_per_byte, n_place = codes_per_byte < MAX_PLACES ? codes_per_byte : MAX_PLACES;
	__m512i sum = places[0];

	for (size_t s = 1; s < n_place; s++)
		sum = _mm512_add_epi32(sum, _mm512_sra_epi32(places[s], _mm_cvtsi32_si128((int)(s * bits))));
	return (vint)(bits == 1 ? _mm512_add_epi32(sum, sum) : sum);
}

INLINE void sum_tiles(vint sum[TERN_MAX_STREAMS][VECTORS], const uint8_t *panels, size_t panel_stride, size_t n_panel,
                      const int8_t *x, size_t n_col, size_t prefetch, size_t codes_per_byte)
{
	__m512i places[TERN_MAX_STREAMS][MAX_PLACES];

	for (size_t p = 0; p < n_panel; p++)
		for (size_t s = 0; s < MAX_PLACES; s++)
			places[p][s] = _mm512_setzero_si512();
	add_tiles(places, panels, panel_stride, x, n_col / (codes_per_byte * QUAD_COLS), prefetch, n_panel,
	          codes_per_byte);
	for (size_t p = 0; p < n_panel; p++)
		sum[p][0] = add_places(places[p], codes_per_byte);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

enum {
	PREFETCH_TOKENS = 8, /* a power of two: prefetched in turn, every line of 16 quads of each */
};
_Static_assert(TERNARY_STRETCH == NIBBLE_STRETCH, "multiply_unpacked() takes panels to be as far apart in both");

static inline void unpack_ternary(uint8_t *quads, const uint8_t *tile)
{
	__m512i codes = load_tile(tile);

	for (size_t s = 0; s < 4; s++, codes = _mm512_srli_epi16(codes, 2))
		_mm512_store_si512(quads + s * QUAD_BYTES, _mm512_and_si512(codes, _mm512_set1_epi8(0x03)));
}

static inline void unpack_nibble(uint8_t *quads, const uint8_t *tile)
{
	__m512i codes = load_tile(tile);

	_mm512_store_si512(quads, _mm512_and_si512(codes, _mm512_set1_epi8(0x0f)));
	_mm512_store_si512(quads + QUAD_BYTES, _mm512_and_si512(_mm512_srli_epi16(codes, 4), _mm512_set1_epi8(0x0f)));
}

/* Bits become 0 and 2: each place is shifted to the second lowest bit of its byte. */
static inline void unpack_binary(uint8_t *quads, const uint8_t *tile)
{
	const __m512i mask = _mm512_set1_epi8(0x02);
	__m512i bits = load_tile(tile);

	_mm512_store_si512(quads, _mm512_and_si512(_mm512_slli_epi16(bits, 1), mask));
	for (size_t s = 1; s < 8; s++, bits = _mm512_srli_epi16(bits, 1))
		_mm512_store_si512(quads + s * QUAD_BYTES, _mm512_and_si512(bits, mask));
}

INLINE void start_sums(__m512i start[TOKENS_AT_ONCE][PANELS_AT_ONCE], size_t n_token, const int32_t *first)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			start[t][p] = _mm512_set1_epi32(first ? first[t] : 0);
	}
}

INLINE void return_sums(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], __m512i from[TOKENS_AT_ONCE][PANELS_AT_ONCE],
                        size_t n_token)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			sum[t][p][0] = (vint)from[t][p];
	}
}

INLINE void multiply_unpacked(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                              const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first)
{
	const uint8_t *quads = stretch->codes;
	__m512i rows[TOKENS_AT_ONCE][PANELS_AT_ONCE];

	start_sums(rows, n_token, first);
	for (size_t i = 0; i < stretch->n_quad; i++, quads += QUAD_BYTES, x += QUAD_COLS) {
		__m512i codes[PANELS_AT_ONCE];
		/* The next tokens' activations, one token after the other: the tokens may be far apart. */
		__builtin_prefetch(x + (n_token + i % PREFETCH_TOKENS) * x_stride);
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			codes[p] = load_tile(quads + p * (TERNARY_STRETCH * TERN_PANEL_ROWS));
		UNROLL
		for (size_t t = 0; t < n_token; t++) {
			__m512i activations = broadcast4(x + t * x_stride);
			UNROLL
			for (size_t p = 0; p < PANELS_AT_ONCE; p++)
				rows[t][p] = add_products(rows[t][p], codes[p], activations);
		}
	}
	return_sums(sum, rows, n_token);
}

/* A tile shifted so that the codes of place s are in the lowest bits of each byte. */
INLINE __m512i place_of(__m512i tile, size_t s, size_t codes_per_byte)
{
	return s == 0                ? tile
	       : codes_per_byte == 2 ? _mm512_srli_epi16(tile, 4)
	       : s == 1              ? _mm512_srli_epi16(tile, 2)
	       : s == 2              ? _mm512_srli_epi16(tile, 4)
	                             : _mm512_srli_epi16(tile, 6);
}

/* Adds the products of a quad of each panel and the activations of all tokens. */
INLINE void add_quads(__m512i rows[TOKENS_AT_ONCE][PANELS_AT_ONCE], const __m512i codes[PANELS_AT_ONCE],
                      const int8_t *x, size_t x_stride, size_t n_token)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		__m512i activations = broadcast4(x + t * x_stride);
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			rows[t][p] = add_products(rows[t][p], codes[p], activations);
	}
}

/* The 8 quads of a tile of bits, in a loop, since compilers refuse to unroll that much. */
INLINE void add_bits(__m512i rows[TOKENS_AT_ONCE][PANELS_AT_ONCE], const uint8_t *tile, size_t panel_stride,
                     const int8_t *x, size_t x_stride, size_t n_token)
{
	for (int s = 0; s < 8; s++, x += QUAD_COLS) {
		__m512i codes[PANELS_AT_ONCE];
		__m128i place = _mm_cvtsi32_si128(s);
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			codes[p] = _mm512_and_si512(_mm512_srl_epi16(load_tile(tile + p * panel_stride), place),
			                            _mm512_set1_epi8(0x01));
		add_quads(rows, codes, x, x_stride, n_token);
	}
}

/* Loads a tile anew for each place, which leaves more registers for sums. Bits stand for 0 and 2. */
INLINE void multiply_stored(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                            const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first,
                            size_t codes_per_byte)
{
	const __m512i mask = _mm512_set1_epi8(codes_per_byte == 4 ? 0x03 : 0x0f);
	const uint8_t *tile = stretch->codes;
	__m512i rows[TOKENS_AT_ONCE][PANELS_AT_ONCE];

	start_sums(rows, n_token, codes_per_byte == 8 ? NULL : first);
	for (size_t i = 0; i < stretch->n_quad; i += codes_per_byte, tile += TERN_TILE_BYTES) {
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			_mm_prefetch(far_tile(tile + p * stretch->panel_stride, stretch->prefetch), _MM_HINT_T0);
		if (codes_per_byte == 8) {
			add_bits(rows, tile, stretch->panel_stride, x, x_stride, n_token);
			x += codes_per_byte * QUAD_COLS;
			continue;
		}
		UNROLL
		for (size_t s = 0; s < codes_per_byte; s++, x += QUAD_COLS) {
			__m512i codes[PANELS_AT_ONCE];
			UNROLL
			for (size_t p = 0; p < PANELS_AT_ONCE; p++)
				codes[p] = _mm512_and_si512(
				        place_of(load_tile(tile + p * stretch->panel_stride), s, codes_per_byte), mask);
			add_quads(rows, codes, x, x_stride, n_token);
		}
	}
	UNROLL
	for (size_t t = 0; codes_per_byte == 8 && t < n_token; t++) {
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++)
			rows[t][p] = _mm512_add_epi32(_mm512_add_epi32(rows[t][p], rows[t][p]),
			                              _mm512_set1_epi32(first ? first[t] : 0));
	}
	return_sums(sum, rows, n_token);
}

/* ---- the peak ------------------------------------------------------------------------------------------------ */

INLINE vint peak_products(vint sum, vint x, size_t s)
{
	(void)s;
	return (vint)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi8(2), (__m512i)x);
}

#include "kernels/kernels_template.h"

#endif
