/* The test harness: CHECK() counts and reports, a test program ends with `return test_summary();`. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include "base/random.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int test_n_checks, test_n_failed;

/* Counts a check; on failure prints where, the condition and a printf-style explanation, and goes on. */
#define CHECK(condition, ...)                                                           \
	do {                                                                            \
		test_n_checks++;                                                        \
		if (!(condition)) {                                                     \
			test_n_failed++;                                                \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                   \
			fputc('\n', stderr);                                            \
		}                                                                       \
	} while (0)

/* A program that checked nothing has failed. */
static inline int test_summary(void)
{
	if (test_n_failed || !test_n_checks) {
		fprintf(stderr, "%d of %d checks failed\n", test_n_failed, test_n_checks);
		return 1;
	}
	return 0;
}

/* Random numbers for tests, seeded so that a failure can be repeated. */
static uint64_t test_seed = 1;
static inline uint64_t test_random(void) { return tern_random_bits(&test_seed); }

/* Seconds that this program has computed. They grow little on a busy machine, so that a limit of them can be checked.
 */
static inline double test_cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

enum {
	/* Enough for what is linear in a long text, in an emulator or under a sanitizer too; where it takes minutes on
	 * any machine if it is quadratic, a test tells one from the other. */
	TEST_LINEAR_SECONDS = 60
};

#endif
