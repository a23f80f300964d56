/* What this CPU can run, the operating system's consent included. */
#ifndef TERN_KERNELS_CPU_H
#define TERN_KERNELS_CPU_H

enum {
	TERN_CPU_F16C = 1 << 0,
	TERN_CPU_AVX2 = 1 << 1,
	TERN_CPU_AVXVNNI = 1 << 2, /* 256-bit, without AVX-512 */
	TERN_CPU_AVX512F = 1 << 3,
	TERN_CPU_AVX512BW = 1 << 4,
	TERN_CPU_AVX512DQ = 1 << 5,
	TERN_CPU_AVX512VL = 1 << 6,
	TERN_CPU_AVX512VNNI = 1 << 7,
	TERN_CPU_NEON = 1 << 8,
	TERN_CPU_DOTPROD = 1 << 9,
	TERN_CPU_I8MM = 1 << 10,
	TERN_CPU_FMA = 1 << 11, /* x86 */
};

/* The TERN_CPU_* bits of what can be used here. Asks anew every time, which takes microseconds. Thread-safe. */
unsigned tern_cpu_features(void);

#endif
