/* Every allocation of the library goes through here, so that sizes are checked in one place and tests can make any
 * allocation fail. */
#ifndef TERN_BASE_MEMORY_H
#define TERN_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory for n_items of item_size bytes, or NULL if memory runs out or the product overflows. For a size of 0
 * the result is not NULL. Free with tern_free(). */
void *tern_alloc(size_t n_items, size_t item_size);

/* Like tern_alloc(), but aligned to 64 bytes (a cache line, and the widest vector) and not zeroed, so that the pages of
 * a large block cost nothing until they are used. The size is rounded up to whole cache lines. */
void *tern_alloc_aligned(size_t n_items, size_t item_size);

/* Like tern_alloc_aligned(), for blocks that will be used in full: large blocks get huge pages if the system grants
 * them, for fewer page faults and page table walks. */
void *tern_alloc_huge(size_t n_items, size_t item_size);

enum {
	TERN_HUGE_PAGE = 2 << 20, /* bytes; on x86-64, and on AArch64 with pages of 4 KiB */
};

/* Like tern_alloc_aligned(), for blocks that fill gradually: those of half a huge page or more begin and end at a
 * multiple of TERN_HUGE_PAGE. */
void *tern_alloc_filling(size_t n_items, size_t item_size);

/* About the first n_bytes of a block of tern_alloc_filling() will be used: huge pages that they fill at least half, and
 * that have not been touched yet, become such if the system grants them. */
void tern_expect_use(void *block, size_t n_bytes);

/* Resizes like realloc(); on failure the old block stays. New bytes are not zeroed. */
void *tern_realloc(void *block, size_t n_items, size_t item_size);

/* A copy of n_bytes bytes, with a NUL behind them; NULL if memory runs out. */
char *tern_copy_string(const char *bytes, size_t n_bytes);

void tern_free(void *block);

/* Doubles an array until it has room for n_needed items. block: the pointer to its first item; capacity: the size_t
 * variable that says how many it has room for. False when memory runs out; both are then unchanged. */
#define TERN_GROW(block, capacity, n_needed) tern_grow(&(block), &(capacity), n_needed, sizeof *(block))

/* What TERN_GROW() calls, for items that are larger than what the pointer points to. block: the address of the pointer,
 * whose bytes are copied: C does not allow access to a typed pointer as if it were a void *, and POSIX has one
 * representation for both. */
bool tern_grow(void *block, size_t *capacity, size_t n_needed, size_t item_size);

/* Checked arithmetic for numbers from files. False on overflow; *out is then undefined. */
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
