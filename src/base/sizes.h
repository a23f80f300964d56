/* Small arithmetic on sizes. */
#ifndef TERN_BASE_SIZES_H
#define TERN_BASE_SIZES_H

#include <stddef.h>

static inline size_t tern_smaller(size_t a, size_t b) { return a < b ? a : b; }

static inline size_t tern_larger(size_t a, size_t b) { return a > b ? a : b; }

/* a / b, rounded up; a + b has to be a size, too. */
static inline size_t tern_divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

#endif
