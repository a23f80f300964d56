/* What kernels need from the compiler besides C11. */
#ifndef TERN_KERNELS_COMPILER_H
#define TERN_KERNELS_COMPILER_H

/* For functions some of whose parameters are constants at every call: each call gets a copy of its own, in which loops
 * over these constants can be unrolled. */
#define INLINE static inline __attribute__((always_inline))

/* For large functions that several callers share. */
#define NOINLINE static __attribute__((noinline))

/* Put before a loop over an array of vectors with a small, constant number of turns: the vectors stay in registers only
 * if it is unrolled. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Put before calls that differ in constants only: clang would make one of them, of a variable. */
#define NO_MERGE
#if defined(__clang__) && defined(__has_attribute)
#if __has_attribute(nomerge)
#undef NO_MERGE
#define NO_MERGE __attribute__((nomerge))
#endif
#endif

/* The compiler keeps `vector` in a register here and forgets what it knows about its value. Costs no instruction. */
#if defined(__aarch64__)
#define OPAQUE(vector) __asm__("" : "+w"(vector))
#else
#define OPAQUE(vector) __asm__("" : "+v"(vector))
#endif

/* The compiler keeps the array in memory here: its registers are free before and after. Costs no instruction. */
#define IN_MEMORY(array) __asm__ volatile("" : : "r"(array) : "memory")

/* Keeps the loads written after it after it: compilers load so early that registers run out. */
#define NO_EARLIER_LOADS() __asm__ volatile("" ::: "memory")

#endif
