/* Prefetching between the steps of a token. The order in which a token reads matrices and caches is known
 * (transformer->reads), and so is where each thread will begin in each of them: a thread that waits for the others
 * loads that into its second-level cache. For few tokens, when reading is the work. */
#ifndef TERN_INFER_PREFETCH_H
#define TERN_INFER_PREFETCH_H

#include "infer/engine.h"

/* Sets what threads prefetch when they have done their part of the run that follows: the beginning of read number
 * next_read; with one thread, or for many tokens, nothing. Does nothing for 0, which is no read, and for n_read. */
void tern_prefetch_read(struct tern_engine *engine, size_t next_read);

/* Sets what one worker prefetches while it waits: n_bytes from `bytes` on. */
void tern_prefetch_range(struct tern_engine *engine, int worker, const void *bytes, size_t n_bytes);

/* The address that is set for a worker, or NULL. A kernel prefetches its first lines towards its own end. */
const void *tern_prefetch_start(const struct tern_engine *engine, int worker);

/* Allocates engine->prefetch_ranges and makes the pool's idle threads prefetch. False: out of memory. */
bool tern_prefetch_init(struct tern_engine *engine);

#endif
