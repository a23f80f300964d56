#include "kernels/cpu.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)

#include <cpuid.h>

enum {
	EAX,
	EBX,
	ECX,
	EDX,
};

/* Bits of XCR0: the register state that the operating system saves when it switches tasks. */
enum {
	XCR0_XMM = 1 << 1,
	XCR0_YMM = 1 << 2,
	XCR0_AVX = XCR0_XMM | XCR0_YMM,
};

/* Intel SDM volume 2, "CPUID". */
static const struct {
	unsigned feature;
	unsigned leaf, subleaf, reg, bit;
	uint32_t xcr0; /* all of these bits are needed */
} features[] = {
        {TERN_CPU_F16C, 1, 0, ECX, 29, XCR0_AVX},
        {TERN_CPU_AVX2, 7, 0, EBX, 5, XCR0_AVX},
};

/* 0 if the operating system has not enabled XGETBV (OSXSAVE, leaf 1, ECX bit 27), and so saves no AVX state. */
static uint32_t saved_state(void)
{
	uint32_t reg[4], low, high;

	if (!__get_cpuid(1, &reg[EAX], &reg[EBX], &reg[ECX], &reg[EDX]) || !(reg[ECX] >> 27 & 1))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

unsigned tern_cpu_features(void)
{
	unsigned found = 0;
	uint32_t xcr0 = saved_state();

	for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
		uint32_t reg[4];
		if (__get_cpuid_count(features[i].leaf, features[i].subleaf, &reg[EAX], &reg[EBX], &reg[ECX],
		                      &reg[EDX]) &&
		    (reg[features[i].reg] >> features[i].bit & 1) && (xcr0 & features[i].xcr0) == features[i].xcr0)
			found |= features[i].feature;
	}
	return found;
}

#elif defined(__aarch64__)

/* Part of the base architecture. */
unsigned tern_cpu_features(void) { return TERN_CPU_NEON; }

#else

unsigned tern_cpu_features(void) { return 0; }

#endif
