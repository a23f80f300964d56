/* The kernels for x86-64 with AVX2, FMA, F16C and AVX-VNNI (Intel from Alder Lake, AMD from Zen 5).
 *
 * A register holds half a tile, 8 rows x 4 bytes. dpbusd multiplies its unsigned codes by the 4 activations of their
 * columns, the same for all rows, and adds the products to 32-bit sums. For one token, codes are multiplied where they
 * are in their byte, times 4^s or 16^s; of bits, the upper four of a byte after a shift, times 2^s. Each place s has
 * its own sums, which are shifted back before they are added up. A row of 2^16 columns keeps them below 2^31: see
 * avx512vnni.c. */
#if defined(__x86_64__)

#define NAME             avxvnni
#define TOKENS_AT_ONCE   6 /* 12 registers of sums, 2 of codes, 1 of activations */
#define PANELS_AT_ONCE   1
#define TERNARY_STRETCH  512
#define NIBBLE_STRETCH   512
#define HAS_STORED       1
#define PEAK_INSTRUCTION "vpdpbusd ymm"
#define PEAK_SUMS        12
#define PEAK_STEPS       16
#define PEAK_MACS        32
#define PEAK_WIDENS      0

#include "kernels/x86/half_tiles.h"

/* sum + products of codes and x. OPAQUE() because compilers that add up elsewhere copy the sum there and back. */
static inline __m256i add_products(__m256i sum, __m256i codes, __m256i x)
{
	sum = _mm256_dpbusd_avx_epi32(sum, codes, x);
	OPAQUE(sum);
	return sum;
}

/* ---- one token ----------------------------------------------------------------------------------------------- */

enum {
	MAX_PLACES = 4,
	STEP_TILES = 8, /* tiles of a panel before the same of the next panel */
};

/* codes_per_byte is a constant. Bits stand for 0 and 2, so their sums are shifted back by one less. */
INLINE void multiply_in_places(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch,
                               size_t codes_per_byte)
{
	const unsigned bits = 8 / (unsigned)codes_per_byte;
	const size_t n_place = codes_per_byte < MAX_PLACES ? codes_per_byte : MAX_PLACES;
	__m256i places[MAX_PLACES][VECTORS];

	for (size_t s = 0; s < n_place; s++)
		places[s][0] = places[s][1] = _mm256_setzero_si256();
	for (; n > 0; n--, tile += TERN_TILE_BYTES, x += codes_per_byte * QUAD_COLS) {
		__m256i first = load_half(tile), second = load_half(tile + VECTOR_BYTES);
		_mm_prefetch(far_tile(tile, prefetch), _MM_HINT_T0);
		UNROLL
		for (size_t s = 0; s < codes_per_byte; s++) {
			const size_t place = s % MAX_PLACES;
			const __m256i mask = _mm256_set1_epi8((char)(((1u << bits) - 1) << place * bits));
			__m256i activations = broadcast4(x + s * QUAD_COLS);
			first = s == MAX_PLACES ? _mm256_srli_epi16(first, 4) : first;
			second = s == MAX_PLACES ? _mm256_srli_epi16(second, 4) : second;
			places[place][0] = add_products(places[place][0], _mm256_and_si256(first, mask), activations);
			places[place][1] = add_products(places[place][1], _mm256_and_si256(second, mask), activations);
		}
	}
	for (size_t s = 0; s < n_place; s++)
		for (size_t h = 0; h < VECTORS; h++) {
			__m256i back = bits == 1 ? _mm256_add_epi32(places[s][h], places[s][h]) : places[s][h];
			sum[h] = _mm256_add_epi32(sum[h], _mm256_srai_epi32(back, (int)(s * bits)));
		}
}

INLINE void add_ternary(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	multiply_in_places(sum, tile, x, n, prefetch, 4);
}

INLINE void add_nibble(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	multiply_in_places(sum, tile, x, n, prefetch, 2);
}

INLINE void add_binary(__m256i sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	multiply_in_places(sum, tile, x, n, prefetch, 8);
}

/* The places of one panel alone are added up once, but those of nibbles: each tile adds to 8 sums, as many as keep the
 * multipliers busy. */
INLINE void sum_tiles(vint sum[TERN_MAX_STREAMS][VECTORS], const uint8_t *panels, size_t panel_stride, size_t n_panel,
                      const int8_t *x, size_t n_col, size_t prefetch, size_t codes_per_byte)
{
	const size_t tile_cols = codes_per_byte * QUAD_COLS, n_tile = n_col / tile_cols;
	const size_t n_step = n_panel == 1 && codes_per_byte > 2 ? n_tile : STEP_TILES;

	sum_in_turn(sum, panels, panel_stride, n_panel, x, n_tile, tile_cols, n_step,
	            codes_per_byte == 4   ? add_ternary
	            : codes_per_byte == 2 ? add_nibble
	                                  : add_binary,
	            0, prefetch);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

INLINE void start_sums(__m256i start[TOKENS_AT_ONCE][VECTORS], size_t n_token, const int32_t *first)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++)
		start[t][0] = start[t][1] = _mm256_set1_epi32(first ? first[t] : 0);
}

INLINE void return_sums(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], __m256i from[TOKENS_AT_ONCE][VECTORS],
                        size_t n_token)
{
	UNROLL
	for (size_t t = 0; t < n_token; t++)
		for (size_t v = 0; v < VECTORS; v++)
			sum[t][0][v] = (vint)from[t][v];
}

INLINE void multiply_unpacked(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                              const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first)
{
	__m256i halves[TOKENS_AT_ONCE][VECTORS];
	const uint8_t *quads = stretch->codes;

	start_sums(halves, n_token, first);
	for (size_t i = 0; i < stretch->n_quad; i++, quads += QUAD_BYTES, x += QUAD_COLS)
		add_quad(halves, load_half(quads), load_half(quads + VECTOR_BYTES), x, x_stride, n_token, add_products);
	return_sums(sum, halves, n_token);
}

/* Bits stand for 0 and 2. */
INLINE void multiply_stored(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                            const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first,
                            size_t codes_per_byte)
{
	/* Two sums for each half of few tokens, so that products do not wait for each other. */
	const size_t n_set = n_token <= (codes_per_byte == 8 ? 2 : 3) ? 2 : 1;
	__m256i halves[TOKENS_AT_ONCE][VECTORS];

	start_sums(halves, n_set * n_token, NULL);
	add_stored(halves, n_set, stretch->codes, stretch->n_quad / codes_per_byte, stretch->prefetch, x, x_stride,
	           n_token, codes_per_byte, add_products);
	UNROLL
	for (size_t t = 0; t < n_token; t++)
		for (size_t v = 0; v < VECTORS; v++) {
			if (n_set == 2)
				halves[t][v] = _mm256_add_epi32(halves[t][v], halves[n_token + t][v]);
			if (codes_per_byte == 8)
				halves[t][v] = _mm256_add_epi32(halves[t][v], halves[t][v]);
			halves[t][v] = _mm256_add_epi32(halves[t][v], _mm256_set1_epi32(first ? first[t] : 0));
		}
	return_sums(sum, halves, n_token);
}

/* ---- the peak ------------------------------------------------------------------------------------------------ */

INLINE vint peak_products(vint sum, vint x, size_t s)
{
	(void)s;
	return (vint)_mm256_dpbusd_avx_epi32((__m256i)sum, _mm256_set1_epi8(2), (__m256i)x);
}

#include "kernels/kernels_template.h"

#endif
