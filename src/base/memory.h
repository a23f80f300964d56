/* Memory and the sizes that ask for it: every allocation of the library goes through here, so that sizes
 * are checked in one place and tests can make any allocation fail. */
#ifndef TERN_BASE_MEMORY_H
#define TERN_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory for n_items of item_size bytes, or NULL when it does not fit or the product overflows.
 * Asking for nothing gives a pointer that can be freed. Free with tern_free(). */
void *tern_alloc(size_t n_items, size_t item_size);

/* Like tern_alloc(), but 64-byte aligned (a cache line, and the widest vector there is) and not zeroed, so that
 * the pages of a large block cost nothing until they are used. The size is rounded up to whole cache lines. */
void *tern_alloc_aligned(size_t n_items, size_t item_size);

/* Like tern_alloc_aligned(), for blocks all of which will be used: large ones are made of huge pages where the system
 * grants them, which take fewer faults to touch and fewer walks of page tables to read. */
void *tern_alloc_huge(size_t n_items, size_t item_size);

enum {
	TERN_HUGE_PAGE = 2 << 20, /* bytes; of x86-64, and of AArch64 with pages of 4 KiB */
};

/* Like tern_alloc_aligned(), for blocks that fill little by little: large ones begin at the boundary of a huge page. */
void *tern_alloc_filling(size_t n_items, size_t item_size);

/* Makes a huge page, if the system can, of TERN_HUGE_PAGE bytes that are in use and begin at the boundary of one. What
 * they hold stays. */
void tern_make_huge(void *page);

/* Resizes like realloc(); on failure the old block stays. New bytes are not zeroed. */
void *tern_realloc(void *block, size_t n_items, size_t item_size);

void tern_free(void *block);

/* Grows *block (holding *capacity items) so that it has room for at least n_needed, by doubling.
 * False when memory runs out; *block and *capacity are then unchanged. */
bool tern_grow(void **block, size_t *capacity, size_t n_needed, size_t item_size);

/* Checked arithmetic for numbers that come from files: false on overflow, *out is then undefined. */
static inline bool tern_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool tern_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool tern_mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool tern_add_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* Rounds up to a multiple of step (a power of two); false on overflow. */
static inline bool tern_round_up_u64(uint64_t a, uint64_t step, uint64_t *out)
{
	if (!tern_add_u64(a, step - 1, out))
		return false;
	*out &= ~(step - 1);
	return true;
}

#endif
