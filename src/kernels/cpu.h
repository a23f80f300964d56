/* What this CPU can run, the operating system's consent included. */
#ifndef TERN_KERNELS_CPU_H
#define TERN_KERNELS_CPU_H

enum {
	TERN_CPU_F16C = 1 << 0,
	TERN_CPU_AVX2 = 1 << 1,
	TERN_CPU_NEON = 1 << 2,
};

/* The TERN_CPU_* bits of what can be used here. Asks anew every time, which takes microseconds. Thread-safe. */
unsigned tern_cpu_features(void);

#endif
