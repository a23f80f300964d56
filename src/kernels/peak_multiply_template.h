/* Template: the multiplying loop of struct tern_peak, peak_multiply().
 *
 * Parameters, besides the types of vectors_template.h:
 *
 *     PEAK_SUMS       registers of sums: more than the latency of the instruction times how many start in a cycle
 *     PEAK_STEPS      instructions per register in a round. Where sums are 16 bits wide, as many as they have room for,
 *                     since the fewer widenings the faster.
 *     PEAK_WIDENS     1: sums are 16 bits wide (tested with avx2 and neon); 0: 32 bits
 *
 * and functions:
 *
 *     peak_products(sum, x, s)    INLINE: adds the products of one instruction, codes times x, to register s of sums
 *     peak_widen(sum, words)      INLINE, if PEAK_WIDENS is 1: sum + words, whose lanes are 16 bits wide */
#if !defined(PEAK_SUMS) || !defined(PEAK_STEPS) || !defined(PEAK_WIDENS)
#error "peak_multiply_template.h: a parameter is not defined"
#endif

static uint32_t peak_multiply(size_t n_round)
{
	vint sums[PEAK_SUMS] = {{0}}, x = (vint){0} + 0x03030303;
	uint32_t result = 0;

	for (size_t round = 0; round < n_round; round++) {
#if PEAK_WIDENS
		vint words[PEAK_SUMS] = {{0}};
#else
		vint *words = sums;
#endif
		for (size_t i = 0; i < PEAK_STEPS; i++) {
			UNROLL
			for (size_t s = 0; s < PEAK_SUMS; s++) {
				OPAQUE(x); /* so that no product is computed once for all */
				words[s] = peak_products(words[s], x, s);
			}
		}
#if PEAK_WIDENS
		UNROLL
		for (size_t s = 0; s < PEAK_SUMS; s++)
			sums[s] = peak_widen(sums[s], words[s]);
#endif
	}
	for (size_t s = 0; s < PEAK_SUMS; s++)
		result += (uint32_t)sums[s][0];
	return result;
}
