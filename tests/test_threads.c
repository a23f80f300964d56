/* base/threads.h: every chunk runs exactly once, also when runs follow each other fast, when workers have gone to
 * sleep, when there are more threads than processors, and while the number of threads that are used changes. */
#include "base/threads.h"
#include "test.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

enum {
	MAX_CHUNKS = 1000
};

struct record {
	atomic_int runs[MAX_CHUNKS];
	atomic_int bad_worker;
	int n_threads;
};

static void note(void *context, size_t chunk, int worker)
{
	struct record *record = context;
	atomic_fetch_add(&record->runs[chunk], 1);
	if (worker < 0 || worker >= record->n_threads)
		atomic_store(&record->bad_worker, 1);
}

/* Counts its calls; something to do half of the time. */
static bool idle(void *context, int worker)
{
	atomic_int *calls = context;
	return worker >= 0 && atomic_fetch_add(calls, 1) % 2;
}

static void check_runs(int n_threads)
{
	static struct record record;
	static atomic_int calls;
	struct tern_pool *pool;
	struct tern_error err;

	CHECK(tern_pool_new(&pool, n_threads, &err) == TERN_OK, "%s", err.message);
	record.n_threads = tern_pool_size(pool);
	CHECK(record.n_threads == n_threads, "%d of %d", record.n_threads, n_threads);
	tern_pool_on_idle(pool, idle, &calls);
	for (int round = 0; round < 300; round++) {
		size_t n = test_random() % MAX_CHUNKS;
		for (size_t i = 0; i < MAX_CHUNKS; i++)
			atomic_store(&record.runs[i], 0);
		record.n_threads = round % 3 ? tern_pool_n_used(pool) : 1 + (int)(test_random() % (uint64_t)n_threads);
		tern_pool_use(pool, record.n_threads);
		tern_pool_run(pool, note, &record, n);
		CHECK(tern_pool_first_chunk(pool, 0, n) == 0 && tern_pool_first_chunk(pool, record.n_threads, n) == n,
		      "%d of %d threads, %zu chunks", record.n_threads, n_threads, n);
		size_t wrong = 0;
		for (size_t i = 0; i < MAX_CHUNKS; i++)
			wrong += atomic_load(&record.runs[i]) != (i < n);
		CHECK(wrong == 0, "%d threads, round %d: %zu of %zu chunks ran not exactly once", n_threads, round,
		      wrong, n);
		if (round % 100 == 0) /* long enough for the workers to sleep */
			nanosleep(&(struct timespec){0, 20000000}, NULL);
	}
	CHECK(!atomic_load(&record.bad_worker), "worker index out of range");
	if (n_threads % 3 == 0) /* freed while some are not used */
		tern_pool_use(pool, 1);
	tern_pool_free(pool);
}

/* Runs and changes that follow each other as fast as possible. */
static void check_changes(int n_threads)
{
	static struct record record;
	struct tern_pool *pool;
	struct tern_error err;
	int n_run = 5000;

	CHECK(tern_pool_new(&pool, n_threads, &err) == TERN_OK, "%s", err.message);
	record.n_threads = n_threads;
	for (int i = 0; i < n_run; i++) {
		tern_pool_use(pool, 1 + (int)(test_random() % (uint64_t)n_threads));
		tern_pool_run(pool, note, &record, 4);
	}
	for (size_t i = 0; i < 4; i++)
		CHECK(atomic_load(&record.runs[i]) == n_run, "chunk %zu ran %d times in %d runs", i,
		      atomic_load(&record.runs[i]), n_run);
	tern_pool_free(pool);
}

int main(void)
{
	struct tern_pool *pool;
	struct tern_error err;

	for (int n = 1; n <= 9; n += 2)
		check_runs(n);
	check_changes(4);
	CHECK(tern_pool_new(&pool, 0, &err) == TERN_ERR_USAGE, "0 threads accepted");
	tern_pool_free(NULL);
	CHECK(tern_default_threads() >= 1, "%d", tern_default_threads());
	return test_summary();
}
