/* How a run works: the caller publishes task, context and every worker's range of chunks, then raises `generation`.
 * Workers wait for the generation to change, first spinning, then asleep on a condition variable. Each takes the chunks
 * of its own range in order, so that a kernel may prefetch beyond the end of its chunk, then those that others have
 * left, and counts itself out. The caller returns when all workers are out, so no run overlaps the next. Which workers
 * take part is said by the generation itself, so that one that wakes up late cannot take itself for one of them. */
#include "base/threads.h"

#include "base/cache.h"
#include "base/clock.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define SPIN_PAUSE() _mm_pause()
#elif defined(__aarch64__)
#define SPIN_PAUSE() __asm__ volatile("isb") /* yield does nothing on most CPUs */
#else
#define SPIN_PAUSE() ((void)0)
#endif

enum {
	/* Longer than the gaps between the steps of one token and than waking a thread takes, far below what a person
	 * notices as load while a prompt is idle. Counted by the clock: a pause is 10 to 50 nanoseconds. */
	SPIN_NANOSECONDS = 100000,
	ROUNDS_PER_LOOK = 64,      /* at the clock */
	GENERATION_STEP = 1 << 16, /* more than there can be threads */
};

struct tern_pool {
	int n_threads; /* with the caller */
	atomic_int n_used;
	pthread_t *threads;
	struct worker {
		/* The chunks of its range: taken by all threads, hence on a cache line of its own. */
		_Alignas(TERN_CACHE_LINE) atomic_size_t next_chunk;
		size_t end_chunk;

		_Alignas(TERN_CACHE_LINE) struct tern_pool *pool;
		int index;
	} * workers; /* [n_threads], the caller is the first */

	tern_task task;
	void *context;

	_Atomic(tern_idle) idle; /* or NULL; set after idle_context */
	void *idle_context;

	/* Written by all threads: each on a cache line of its own. */
	_Alignas(TERN_CACHE_LINE) atomic_int n_working; /* workers not yet out of the current run */
	_Alignas(TERN_CACHE_LINE)
	        atomic_uint_fast64_t generation; /* the number of the run * GENERATION_STEP + threads used */

	_Alignas(TERN_CACHE_LINE) pthread_mutex_t mutex; /* guards sleeping */
	pthread_cond_t wake, done, more_used;
	int n_asleep;             /* under mutex */
	bool caller_asleep;       /* under mutex */
	uint64_t used_generation; /* under mutex: the latest when n_used was set */
	atomic_bool stopping;     /* set before the generation that ends the workers */
};

static void take_chunks(struct tern_pool *pool, int worker)
{
	int n_used = tern_pool_n_used(pool);

	for (int i = 0; i < n_used; i++) {
		struct worker *owner = &pool->workers[(worker + i) % n_used];
		size_t chunk;
		while ((chunk = atomic_fetch_add_explicit(&owner->next_chunk, 1, memory_order_relaxed)) <
		       owner->end_chunk)
			pool->task(pool->context, chunk, worker);
	}
}

/* How long a thread has been waiting. */
struct spin {
	uint64_t start; /* nanoseconds */
	int n_round;
};

/* One round of spinning; false when it has been long enough. */
static bool keep_spinning(struct spin *spin, struct tern_pool *pool, int worker)
{
	tern_idle idle = atomic_load_explicit(&pool->idle, memory_order_acquire);

	if (!idle || !idle(pool->idle_context, worker))
		SPIN_PAUSE();
	if (spin->n_round++ % ROUNDS_PER_LOOK)
		return true;
	if (spin->n_round == 1)
		spin->start = tern_clock_ns();
	return tern_clock_ns() - spin->start < SPIN_NANOSECONDS;
}

/* Returns the generation that follows `seen`. */
static uint64_t wait_for_run(struct worker *self, uint64_t seen)
{
	struct tern_pool *pool = self->pool;
	struct spin spin = {0};
	uint64_t now;

	do
		if ((now = atomic_load_explicit(&pool->generation, memory_order_acquire)) != seen)
			return now;
	while (keep_spinning(&spin, pool, self->index));
	pthread_mutex_lock(&pool->mutex);
	pool->n_asleep++;
	while ((now = atomic_load_explicit(&pool->generation, memory_order_acquire)) == seen)
		pthread_cond_wait(&pool->wake, &pool->mutex);
	pool->n_asleep--;
	pthread_mutex_unlock(&pool->mutex);
	return now;
}

/* Sleeps while the worker is not used. No run is going on when it is used again, so the generation that is then the
 * latest is one that it has seen. */
static uint64_t wait_for_use(struct worker *self)
{
	struct tern_pool *pool = self->pool;
	uint64_t generation;

	pthread_mutex_lock(&pool->mutex);
	while (self->index >= tern_pool_n_used(pool) && !atomic_load_explicit(&pool->stopping, memory_order_relaxed))
		pthread_cond_wait(&pool->more_used, &pool->mutex);
	generation = pool->used_generation;
	pthread_mutex_unlock(&pool->mutex);
	return generation;
}

static void *worker_main(void *argument)
{
	struct worker *self = argument;
	struct tern_pool *pool = self->pool;
	uint64_t generation = 0;

	for (;;) {
		generation = wait_for_run(self, generation);
		if (atomic_load_explicit(&pool->stopping, memory_order_relaxed))
			return NULL;
		if ((uint64_t)self->index >= generation % GENERATION_STEP) {
			generation = wait_for_use(self);
			continue;
		}
		take_chunks(pool, self->index);
		if (atomic_fetch_sub_explicit(&pool->n_working, 1, memory_order_acq_rel) == 1) {
			pthread_mutex_lock(&pool->mutex);
			if (pool->caller_asleep)
				pthread_cond_signal(&pool->done);
			pthread_mutex_unlock(&pool->mutex);
		}
	}
}

/* Starts the next generation and wakes whoever sleeps. */
static void publish(struct tern_pool *pool)
{
	uint64_t run;

	pthread_mutex_lock(&pool->mutex);
	run = atomic_load_explicit(&pool->generation, memory_order_relaxed) / GENERATION_STEP + 1;
	atomic_store_explicit(&pool->generation, run * GENERATION_STEP + (uint64_t)tern_pool_n_used(pool),
	                      memory_order_release);
	if (pool->n_asleep)
		pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_workers(struct tern_pool *pool)
{
	struct spin spin = {0};

	do
		if (atomic_load_explicit(&pool->n_working, memory_order_acquire) == 0)
			return;
	while (keep_spinning(&spin, pool, 0));
	pthread_mutex_lock(&pool->mutex);
	pool->caller_asleep = true;
	while (atomic_load_explicit(&pool->n_working, memory_order_acquire) != 0)
		pthread_cond_wait(&pool->done, &pool->mutex);
	pool->caller_asleep = false;
	pthread_mutex_unlock(&pool->mutex);
}

void tern_pool_run(struct tern_pool *pool, tern_task task, void *context, size_t n_chunks)
{
	int n_used = tern_pool_n_used(pool);

	if (n_used == 1 || n_chunks < 2) {
		for (size_t chunk = 0; chunk < n_chunks; chunk++)
			task(context, chunk, 0);
		return;
	}
	pool->task = task;
	pool->context = context;
	for (int i = 0; i < n_used; i++) {
		struct worker *worker = &pool->workers[i];
		atomic_store_explicit(&worker->next_chunk, tern_pool_first_chunk(pool, i, n_chunks),
		                      memory_order_relaxed);
		worker->end_chunk = tern_pool_first_chunk(pool, i + 1, n_chunks);
	}
	atomic_store_explicit(&pool->n_working, n_used - 1, memory_order_relaxed);
	publish(pool);
	take_chunks(pool, 0);
	wait_for_workers(pool);
}

size_t tern_pool_first_chunk(const struct tern_pool *pool, int worker, size_t n_chunks)
{
	size_t n = (size_t)tern_pool_n_used(pool), i = (size_t)worker;
	return n_chunks / n * i + n_chunks % n * i / n;
}

void tern_pool_on_idle(struct tern_pool *pool, tern_idle idle_step, void *context)
{
	pool->idle_context = context;
	atomic_store_explicit(&pool->idle, idle_step, memory_order_release);
}

/* Starts workers until one is refused. They block all signals but those that a thread raises itself (by reading a page
 * of a mapped file that is gone, for example): blocked, these would kill the process without calling its handler. */
static void start_workers(struct tern_pool *pool, size_t n_workers)
{
	static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
	sigset_t blocked, before;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	for (size_t i = 0; i < n_workers; i++) {
		struct worker *worker = &pool->workers[i + 1];
		worker->pool = pool;
		worker->index = (int)i + 1;
		if (pthread_create(&pool->threads[i], NULL, worker_main, worker) != 0)
			break;
		pool->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

enum tern_status tern_pool_new(struct tern_pool **out, int n_threads, struct tern_error *err)
{
	struct tern_pool *pool;

	*out = NULL;
	if (n_threads < 1 || n_threads >= GENERATION_STEP)
		return tern_fail(err, TERN_ERR_USAGE, "threads: expected 1 to %d, got %d", GENERATION_STEP - 1,
		                 n_threads);
	size_t n_workers = (size_t)n_threads - 1;
	if (!(pool = tern_alloc_aligned(1, sizeof *pool)))
		return tern_fail_memory(err, sizeof *pool);
	memset(pool, 0, sizeof *pool);
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->wake, NULL);
	pthread_cond_init(&pool->done, NULL);
	pthread_cond_init(&pool->more_used, NULL);
	pool->n_threads = 1;
	pool->threads = tern_alloc(n_workers, sizeof *pool->threads);
	pool->workers = tern_alloc_aligned(n_workers + 1, sizeof *pool->workers);
	if (!pool->threads || !pool->workers) {
		tern_pool_free(pool);
		return tern_fail_memory(err, n_workers * (sizeof *pool->threads + sizeof *pool->workers));
	}
	memset(pool->workers, 0, (n_workers + 1) * sizeof *pool->workers);
	atomic_init(&pool->n_used, n_threads);
	start_workers(pool, n_workers);
	atomic_store(&pool->n_used, pool->n_threads);
	*out = pool;
	return TERN_OK;
}

void tern_pool_free(struct tern_pool *pool)
{
	if (!pool)
		return;
	atomic_store(&pool->stopping, true);
	publish(pool);
	pthread_mutex_lock(&pool->mutex);
	pthread_cond_broadcast(&pool->more_used);
	pthread_mutex_unlock(&pool->mutex);
	for (int i = 0; i < pool->n_threads - 1; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->done);
	pthread_cond_destroy(&pool->more_used);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->mutex);
	tern_free(pool->workers);
	tern_free(pool->threads);
	tern_free(pool);
}

int tern_pool_size(const struct tern_pool *pool) { return pool->n_threads; }

int tern_pool_n_used(const struct tern_pool *pool) { return atomic_load_explicit(&pool->n_used, memory_order_relaxed); }

void tern_pool_use(struct tern_pool *pool, int n_threads)
{
	if (n_threads == tern_pool_n_used(pool))
		return;
	pthread_mutex_lock(&pool->mutex);
	atomic_store_explicit(&pool->n_used, n_threads, memory_order_relaxed);
	pool->used_generation = atomic_load_explicit(&pool->generation, memory_order_relaxed);
	pthread_cond_broadcast(&pool->more_used);
	pthread_mutex_unlock(&pool->mutex);
}

uint64_t tern_pool_cpu_ns(const struct tern_pool *pool)
{
#if defined(_POSIX_THREAD_CPUTIME) && _POSIX_THREAD_CPUTIME >= 0 && !defined(__APPLE__)
	uint64_t sum = tern_clock_ns_of(CLOCK_THREAD_CPUTIME_ID);
	clockid_t clock;

	for (int i = 1; i < tern_pool_n_used(pool); i++)
		if (!pthread_getcpuclockid(pool->threads[i - 1], &clock))
			sum += tern_clock_ns_of(clock);
	return sum;
#else
	(void)pool;
	return tern_clock_ns_of(CLOCK_PROCESS_CPUTIME_ID);
#endif
}
