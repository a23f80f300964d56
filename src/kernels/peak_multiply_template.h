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

/* PEAK_STEPS instructions for each register of sums. OPAQUE() keeps compilers from computing a product once for all,
 * and from copying sums back and forth. */
INLINE void peak_steps(vint sums[PEAK_SUMS])
{
	vint x = (vint){0} + 0x03030303;

	for (size_t i = 0; i < PEAK_STEPS; i++) {
		UNROLL
		for (size_t s = 0; s < PEAK_SUMS; s++) {
			OPAQUE(x);
			sums[s] = peak_products(sums[s], x, s);
			OPAQUE(sums[s]);
		}
	}
}

INLINE void peak_clear(vint sums[PEAK_SUMS])
{
	UNROLL
	for (size_t s = 0; s < PEAK_SUMS; s++)
		sums[s] = (vint){0};
}

static uint32_t peak_multiply(size_t n_round)
{
	vint sums[PEAK_SUMS];

	peak_clear(sums);
	for (size_t round = 0; round < n_round; round++) {
#if PEAK_WIDENS
		vint words[PEAK_SUMS];
		peak_clear(words);
		peak_steps(words);
		UNROLL
		for (size_t s = 0; s < PEAK_SUMS; s++)
			sums[s] = peak_widen(sums[s], words[s]);
#else
		peak_steps(sums);
#endif
	}
	UNROLL
	for (size_t s = 1; s < PEAK_SUMS; s++)
		sums[0] += sums[s];
	return (uint32_t)sums[0][0];
}
