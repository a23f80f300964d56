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

static const struct {
	unsigned feature;
	unsigned leaf, subleaf, reg, bit;
	uint32_t state; /* bits of XCR0, all of which are needed */
} features[] = {
#define X86_FEATURE(name, leaf, subleaf, reg, bit, state) {CPU_##name, leaf, subleaf, reg, bit, state},
#include "kernels/isa_list.h"
};

/* A register of a CPUID leaf, or 0 if this CPU lacks the leaf. EAX of subleaf 0 is the number of the last subleaf. */
static uint32_t cpuid(unsigned leaf, unsigned subleaf, unsigned wanted)
{
	uint32_t reg[4];

	if (subleaf && cpuid(leaf, 0, EAX) < subleaf)
		return 0;
	if (!__get_cpuid_count(leaf, subleaf, &reg[EAX], &reg[EBX], &reg[ECX], &reg[EDX]))
		return 0;
	return reg[wanted];
}

/* XCR0, or 0 if the operating system has not enabled XGETBV (OSXSAVE: leaf 1, ECX bit 27): it saves no AVX state then.
 */
static uint32_t saved_state(void)
{
	uint32_t low, high;

	if (!(cpuid(1, 0, ECX) >> 27 & 1))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
#if defined(__APPLE__)
	low |= XCR0_MASKS | XCR0_ZMM_HIGH | XCR0_ZMM_16_31; /* macOS enables them when a thread first uses them */
#endif
	return low;
}

unsigned tern_cpu_features(void)
{
	unsigned found = 0;
	uint32_t xcr0 = saved_state();

	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		if ((cpuid(features[i].leaf, features[i].subleaf, features[i].reg) >> features[i].bit & 1) &&
		    (xcr0 & features[i].state) == features[i].state)
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

unsigned tern_cpu_features(void)
{
	unsigned found = 0;
#define ARM_FEATURE(name, vector, bit, sysctl) found |= feature_if(sysctl, CPU_##name);
#include "kernels/isa_list.h"
	return found;
}

#elif defined(__aarch64__) && defined(__linux__)

#include <sys/auxv.h>

unsigned tern_cpu_features(void)
{
	unsigned found = 0;
#define ARM_FEATURE(name, vector, bit, sysctl) found |= getauxval(vector) >> bit & 1 ? CPU_##name : 0;
#include "kernels/isa_list.h"
	return found;
}

#else

unsigned tern_cpu_features(void) { return 0; }

#endif
