/* The instruction sets that have kernels of their own, and the CPU features these need. This list is the only one: it
 * makes the tables, their declarations, the names that TERN_ISA knows, the CPU detection and the compiler's flags.
 *
 * To add an instruction set, write src/kernels/x86/NAME.c or arm/NAME.c (kernels_template.h says what goes in) and one
 * line here, after the sets that it beats. A CPU feature that none of them has used so far takes a line too.
 *
 *     X86_ISA(name, features, flags)    features: all are needed; flags: the Makefile reads them from here, so an entry
 *     ARM_ISA(name, features, flags)    is one line. Target attributes instead of flags do not do: Clang 14 declares
 *                                       the intrinsics of dotprod and i8mm only if the flags enable them.
 *     X86_FEATURE(name, leaf, subleaf, register, bit, state)    its bit in CPUID (Intel SDM volume 2), and the register
 *                                       state in XCR0 that the operating system has to save
 *     ARM_FEATURE(name, vector, bit, sysctl)    its bit in Linux's auxiliary vector (Documentation/arch/arm64/
 *                                       elf_hwcaps.rst), and the name that macOS gives it
 *
 * A file defines the macros that it wants, then includes this one, which ends by removing all four. */
#ifndef X86_FEATURE
#define X86_FEATURE(name, leaf, subleaf, register, bit, state)
#endif
#ifndef ARM_FEATURE
#define ARM_FEATURE(name, vector, bit, sysctl)
#endif
#ifndef X86_ISA
#define X86_ISA(name, features, flags)
#endif
#ifndef ARM_ISA
#define ARM_ISA(name, features, flags)
#endif

/* clang-format off */
X86_FEATURE(F16C,       1, 0, ECX, 29, XCR0_AVX)
X86_FEATURE(FMA,        1, 0, ECX, 12, XCR0_AVX)
X86_FEATURE(AVX2,       7, 0, EBX,  5, XCR0_AVX)
X86_FEATURE(AVXVNNI,    7, 1, EAX,  4, XCR0_AVX)
X86_FEATURE(AVX512F,    7, 0, EBX, 16, XCR0_AVX512)
X86_FEATURE(AVX512BW,   7, 0, EBX, 30, XCR0_AVX512)
X86_FEATURE(AVX512DQ,   7, 0, EBX, 17, XCR0_AVX512)
X86_FEATURE(AVX512VL,   7, 0, EBX, 31, XCR0_AVX512)
X86_FEATURE(AVX512VNNI, 7, 0, ECX, 11, XCR0_AVX512)

ARM_FEATURE(DOTPROD, AT_HWCAP,  20, "hw.optional.arm.FEAT_DotProd")
ARM_FEATURE(I8MM,    AT_HWCAP2, 13, "hw.optional.arm.FEAT_I8MM")

#define CPU_AVX2_SET   (CPU_AVX2 | CPU_F16C | CPU_FMA)
#define CPU_AVX512_SET (CPU_AVX2_SET | CPU_AVX512F | CPU_AVX512BW | CPU_AVX512DQ | CPU_AVX512VL)

X86_ISA(avx2, CPU_AVX2_SET, "-mavx2 -mf16c -mfma")
X86_ISA(avxvnni, CPU_AVX2_SET | CPU_AVXVNNI, "-mavx2 -mf16c -mfma -mavxvnni")
X86_ISA(avx512vnni, CPU_AVX512_SET | CPU_AVX512VNNI, "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni")

ARM_ISA(neon, 0, "")
ARM_ISA(dotprod, CPU_DOTPROD, "-march=armv8.2-a+dotprod")
ARM_ISA(i8mm, CPU_DOTPROD | CPU_I8MM, "-march=armv8.2-a+dotprod+i8mm")
/* clang-format on */

#undef X86_FEATURE
#undef ARM_FEATURE
#undef X86_ISA
#undef ARM_ISA
