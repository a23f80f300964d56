#include "tune/product_select.h"

#include <string.h>

static const struct product_kernel *const products[] = {
        &product_portable,
#if defined(__x86_64__)
        &product_avx2,
        &product_avx512vnni,
#elif defined(__aarch64__)
        &product_neon,
#endif
};

static const struct product_kernel *named(const char *name)
{
	for (size_t i = 0; i < sizeof products / sizeof *products; i++)
		if (strcmp(products[i]->name, name) == 0)
			return products[i];
	return NULL;
}

/* Instruction sets are ordered by speed: one without a product of its own gets that of the best set below it. */
const struct product_kernel *product_kernel_of(const struct tern_kernels *table)
{
	const struct tern_kernels *const *built = tern_kernels_built();
	const struct product_kernel *best = &product_portable;

	for (size_t i = 0; built[i]; i++) {
		const struct product_kernel *product = named(built[i]->name);
		if (product && tern_kernels_usable(built[i]))
			best = product;
		if (built[i] == table)
			break;
	}
	return best;
}
