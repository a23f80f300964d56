/* The features of this CPU that kernels need and the operating system lets programs use. */
#ifndef TERN_KERNELS_CPU_H
#define TERN_KERNELS_CPU_H

/* CPU_AVX2 and so on: a bit for each feature in isa_list.h. */
enum {
#define X86_FEATURE(name, leaf, subleaf, register, bit, state) CPU_BIT_##name,
#define ARM_FEATURE(name, vector, bit, sysctl)                 CPU_BIT_##name,
#include "kernels/isa_list.h"
};
enum {
#define X86_FEATURE(name, leaf, subleaf, register, bit, state) CPU_##name = 1 << CPU_BIT_##name,
#define ARM_FEATURE(name, vector, bit, sysctl)                 CPU_##name = 1 << CPU_BIT_##name,
#include "kernels/isa_list.h"
};

/* The CPU_* bits of what can be used here. Detects anew in every call, which takes microseconds. Thread-safe. */
unsigned tern_cpu_features(void);

#endif
