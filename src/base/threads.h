/* A pool of threads that share out numbered chunks of work. */
#ifndef TERN_BASE_THREADS_H
#define TERN_BASE_THREADS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tern_pool;

/* One chunk of work. Chunks of one run may be handed to threads in any order and number. worker is
 * 0 .. n_threads-1 (0 is the calling thread), for scratch memory that belongs to a thread. */
typedef void (*tern_task)(void *context, size_t chunk, int worker);

/* n_threads counts the calling thread: 1 starts none. If the system refuses some threads the pool is smaller.
 * Signals sent to the process are never handled by the threads of a pool, but for those that say that a program has
 * failed, such as SIGABRT. */
enum tern_status tern_pool_new(struct tern_pool **pool, int n_threads, struct tern_error *err);
void tern_pool_free(struct tern_pool *pool);
int tern_pool_size(const struct tern_pool *pool);

/* Between runs: how many threads, the calling one among them, share in those that follow; the others sleep. At first
 * all do. Scratch memory stays one for each of tern_pool_size(). */
void tern_pool_use(struct tern_pool *pool, int n_threads);
int tern_pool_n_used(const struct tern_pool *pool);

/* Processor time of the calling thread and of those that share in runs with it, in nanoseconds; where the system does
 * not tell it by thread, that of the process. Compare times only while as many threads are used. */
uint64_t tern_pool_cpu_ns(const struct tern_pool *pool);

/* Runs task for chunk 0 .. n_chunks-1 and returns when all are done; the caller works too. Every thread begins with a
 * range of its own and then helps the others, so fast cores take more of them. One caller at a time. */
void tern_pool_run(struct tern_pool *pool, tern_task task, void *context, size_t n_chunks);

/* The chunk that a worker begins with in a run of n_chunks; for the worker behind the last one, n_chunks. */
size_t tern_pool_first_chunk(const struct tern_pool *pool, int worker, size_t n_chunks);

/* One step of useful waiting, well under a microsecond; false if there is nothing to do. */
typedef bool (*tern_idle)(void *context, int worker);

/* Sets what every thread calls again and again while it waits for others or for the next run, before it goes to sleep.
 * context must outlive the pool. */
void tern_pool_on_idle(struct tern_pool *pool, tern_idle idle, void *context);

#endif
