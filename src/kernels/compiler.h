/* What kernels ask of the compiler. */
#ifndef TERN_KERNELS_COMPILER_H
#define TERN_KERNELS_COMPILER_H

/* A function whose size_t parameters are constants where it is called, and its loops over them no loops. */
#define INLINE static inline __attribute__((always_inline))

/* Before a loop of few, constant turns over an array of registers, which are registers only without the loop. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Loads written behind it are not made before it: compilers load so far ahead that the registers run out. */
#define NO_LOADS_AHEAD() __asm__ volatile("" ::: "memory")

#endif
