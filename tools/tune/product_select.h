/* The kernel that goes with a table of the engine's: TERN_ISA and the CPU decide for both. */
#ifndef TUNE_PRODUCT_SELECT_H
#define TUNE_PRODUCT_SELECT_H

#include "kernels/kernels.h"
#include "tune/product_kernel.h"

extern const struct product_kernel product_portable, product_avx2, product_avx512vnni, product_neon;

const struct product_kernel *product_kernel_of(const struct tern_kernels *table);

#endif
