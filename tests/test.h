/* The test harness: CHECK() counts and reports, a test program ends with `return test_summary();`. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Random numbers for tests (splitmix64), seeded so that a failure can be repeated. */
static uint64_t test_seed = 1;
static inline uint64_t test_random(void)
{
	uint64_t z = test_seed += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

#endif
