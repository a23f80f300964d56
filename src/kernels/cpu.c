#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* sysctlbyname */
#endif

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
	XCR0_MASKS = 1 << 5,
	XCR0_ZMM_HIGH = 1 << 6, /* upper halves of registers 0 to 15 */
	XCR0_ZMM_16_31 = 1 << 7,
	XCR0_AVX512 = XCR0_AVX | XCR0_MASKS | XCR0_ZMM_HIGH | XCR0_ZMM_16_31,
};

/* Intel SDM volume 2, "CPUID". */
static const struct {
	unsigned feature;
	unsigned leaf, subleaf, reg, bit;
	uint32_t xcr0; /* all of these bits are needed */
} features[] = {
        {TERN_CPU_F16C, 1, 0, ECX, 29, XCR0_AVX},        {TERN_CPU_AVX2, 7, 0, EBX, 5, XCR0_AVX},
        {TERN_CPU_AVXVNNI, 7, 1, EAX, 4, XCR0_AVX},      {TERN_CPU_AVX512F, 7, 0, EBX, 16, XCR0_AVX512},
        {TERN_CPU_AVX512BW, 7, 0, EBX, 30, XCR0_AVX512}, {TERN_CPU_AVX512DQ, 7, 0, EBX, 17, XCR0_AVX512},
        {TERN_CPU_AVX512VL, 7, 0, EBX, 31, XCR0_AVX512}, {TERN_CPU_AVX512VNNI, 7, 0, ECX, 11, XCR0_AVX512},
        {TERN_CPU_FMA, 1, 0, ECX, 12, XCR0_AVX},
};

/* A register of a CPUID leaf, 0 if this CPU does not have it. Where there are subleaves, EAX of subleaf 0 is the last.
 */
static uint32_t cpuid(unsigned leaf, unsigned subleaf, unsigned wanted)
{
	uint32_t reg[4];

	if (subleaf && cpuid(leaf, 0, EAX) < subleaf)
		return 0;
	if (!__get_cpuid_count(leaf, subleaf, &reg[EAX], &reg[EBX], &reg[ECX], &reg[EDX]))
		return 0;
	return reg[wanted];
}

/* 0 if the operating system has not enabled XGETBV (OSXSAVE, leaf 1, ECX bit 27), and so saves no AVX state. */
static uint32_t saved_state(void)
{
	uint32_t low, high;

	if (!(cpuid(1, 0, ECX) >> 27 & 1))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
#if defined(__APPLE__)
	low |= XCR0_MASKS | XCR0_ZMM_HIGH | XCR0_ZMM_16_31; /* enabled when a thread first uses them */
#endif
	return low;
}

unsigned tern_cpu_features(void)
{
	unsigned found = 0;
	uint32_t xcr0 = saved_state();

	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		if ((cpuid(features[i].leaf, features[i].subleaf, features[i].reg) >> features[i].bit & 1) &&
		    (xcr0 & features[i].xcr0) == features[i].xcr0)
			found |= features[i].feature;
	return found;
}

#elif defined(__aarch64__) && defined(__APPLE__)

#include <sys/sysctl.h>

static unsigned feature_if(const char *name, unsigned feature)
{
	int has = 0;
	size_t size = sizeof has;
	return sysctlbyname(name, &has, &size, NULL, 0) == 0 && has ? feature : 0;
}

/* NEON is part of the base architecture. */
unsigned tern_cpu_features(void)
{
	return TERN_CPU_NEON | feature_if("hw.optional.arm.FEAT_DotProd", TERN_CPU_DOTPROD) |
	       feature_if("hw.optional.arm.FEAT_I8MM", TERN_CPU_I8MM);
}

#elif defined(__aarch64__) && defined(__linux__)

#include <sys/auxv.h>

/* Linux, Documentation/arm64/elf_hwcaps.rst. */
enum {
	HWCAP_BIT_ASIMDDP = 20,
	HWCAP2_BIT_I8MM = 13,
};

unsigned tern_cpu_features(void)
{
	return TERN_CPU_NEON | (getauxval(AT_HWCAP) >> HWCAP_BIT_ASIMDDP & 1 ? TERN_CPU_DOTPROD : 0) |
	       (getauxval(AT_HWCAP2) >> HWCAP2_BIT_I8MM & 1 ? TERN_CPU_I8MM : 0);
}

#elif defined(__aarch64__)

unsigned tern_cpu_features(void) { return TERN_CPU_NEON; }

#else

unsigned tern_cpu_features(void) { return 0; }

#endif
