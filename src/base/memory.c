#if defined(__linux__) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* madvise */
#endif

#include "base/memory.h"
#include "base/cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

/* Not zeroed; NULL on failure. alignment: of begin and end, a power of two. */
static void *alloc_at(size_t alignment, size_t n_items, size_t item_size)
{
	void *block;
	size_t n_bytes;

	if (injected_failure() || !tern_mul_size(n_items, item_size, &n_bytes) ||
	    !tern_add_size(n_bytes, alignment - 1, &n_bytes))
		return NULL;
	n_bytes = n_bytes < alignment ? alignment : n_bytes & ~(alignment - 1);
	return posix_memalign(&block, alignment, n_bytes) == 0 ? block : NULL;
}

void *tern_alloc_aligned(size_t n_items, size_t item_size) { return alloc_at(TERN_CACHE_LINE, n_items, item_size); }

void *tern_alloc_filling(size_t n_items, size_t item_size)
{
	size_t n_bytes;
	bool is_large = tern_mul_size(n_items, item_size, &n_bytes) && n_bytes >= TERN_HUGE_PAGE / 2;

	return alloc_at(is_large ? TERN_HUGE_PAGE : TERN_CACHE_LINE, n_items, item_size);
}

void tern_expect_use(void *block, size_t n_bytes)
{
#if defined(MADV_HUGEPAGE)
	size_t n_page = (n_bytes + TERN_HUGE_PAGE / 2) / TERN_HUGE_PAGE;
	if (n_page > 0)
		(void)madvise(block, n_page * TERN_HUGE_PAGE, MADV_HUGEPAGE); /* if this fails, the pages are small */
#else
	(void)block;
	(void)n_bytes;
#endif
}

void *tern_alloc_huge(size_t n_items, size_t item_size)
{
	void *block = tern_alloc_filling(n_items, item_size);

	if (block)
		tern_expect_use(block, n_items * item_size);
	return block;
}

void *tern_realloc(void *block, size_t n_items, size_t item_size)
{
	size_t n_bytes;

	if (injected_failure() || !tern_mul_size(n_items, item_size, &n_bytes))
		return NULL;
	return realloc(block, n_bytes ? n_bytes : 1);
}

char *tern_copy_string(const char *bytes, size_t n_bytes)
{
	char *copy = n_bytes < SIZE_MAX ? tern_alloc(n_bytes + 1, 1) : NULL;

	if (copy && n_bytes > 0)
		memcpy(copy, bytes, n_bytes);
	return copy;
}

void tern_free(void *block) { free(block); }

bool tern_grow(void *block, size_t *capacity, size_t n_needed, size_t item_size)
{
	size_t n = *capacity ? *capacity : 16;
	void *old, *grown;

	if (n_needed <= *capacity)
		return true;
	while (n < n_needed)
		if (!tern_mul_size(n, 2, &n))
			return false;
	memcpy(&old, block, sizeof old);
	if (!(grown = tern_realloc(old, n, item_size)))
		return false;
	memcpy(block, &grown, sizeof grown);
	*capacity = n;
	return true;
}
