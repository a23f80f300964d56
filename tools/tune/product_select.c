#include "tune/product_select.h"

#include <string.h>

/* What multiplies floats best on the CPUs of each instruction set that the engine has kernels for. */
#define product_avxvnni               product_avx2
#define product_dotprod               product_neon
#define product_i8mm                  product_neon
#define KERNEL(name, features, flags) {#name, &product_##name},
static const struct {
	const char *isa;
	const struct product_kernel *kernel;
} kernels[] = {
#if defined(__x86_64__)
#define X86_ISA KERNEL
#elif defined(__aarch64__)
#define ARM_ISA KERNEL
#endif
#include "kernels/isa_list.h"
        {"portable", &product_portable},
};

const struct product_kernel *product_kernel_of(const struct tern_kernels *table)
{
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (strcmp(kernels[i].isa, table->name) == 0)
			return kernels[i].kernel;
	return &product_portable;
}
