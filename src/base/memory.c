#include "base/memory.h"

#include <stdlib.h>

#ifdef TERN_FAIL_ALLOC
#include <stdatomic.h>
/* Test builds only: TERN_FAIL_ALLOC=n in the environment makes the nth allocation of the process fail. */
static bool injected_failure(void)
{
	static atomic_long n_calls;
	const char *wanted = getenv("TERN_FAIL_ALLOC");
	return wanted && atomic_fetch_add(&n_calls, 1) + 1 == atol(wanted);
}
#else
static bool injected_failure(void) { return false; }
#endif

void *tern_alloc(size_t n_items, size_t item_size)
{
	if (injected_failure())
		return NULL;
	return calloc(n_items ? n_items : 1, item_size ? item_size : 1);
}

void *tern_alloc_aligned(size_t n_items, size_t item_size)
{
	size_t n_bytes;
	void *block;

	if (injected_failure() || !tern_mul_size(n_items, item_size, &n_bytes) || !tern_add_size(n_bytes, 63, &n_bytes))
		return NULL;
	n_bytes = n_bytes < 64 ? 64 : n_bytes & ~(size_t)63;
	if (posix_memalign(&block, 64, n_bytes) != 0)
		return NULL;
	return block;
}

void *tern_realloc(void *block, size_t n_items, size_t item_size)
{
	size_t n_bytes;

	if (injected_failure() || !tern_mul_size(n_items, item_size, &n_bytes))
		return NULL;
	return realloc(block, n_bytes ? n_bytes : 1);
}

void tern_free(void *block) { free(block); }

bool tern_grow(void **block, size_t *capacity, size_t n_needed, size_t item_size)
{
	size_t n = *capacity ? *capacity : 16;

	if (n_needed <= *capacity)
		return true;
	while (n < n_needed)
		if (!tern_mul_size(n, 2, &n))
			return false;
	void *grown = tern_realloc(*block, n, item_size);
	if (!grown)
		return false;
	*block = grown;
	*capacity = n;
	return true;
}
