/* Where a test runs: SANITIZED is 1 if a sanitizer that slows down or takes address space is compiled in, RACES_SOUGHT
 * if it is the one of threads; and what is left out there, as in tests/lib.sh. */
#ifndef TESTS_WHERE_H
#define TESTS_WHERE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#define TESTS_HAVE(feature) __has_feature(feature)
#else
#define TESTS_HAVE(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || TESTS_HAVE(thread_sanitizer)
#define RACES_SOUGHT 1
#else
#define RACES_SOUGHT 0
#endif
#if defined(__SANITIZE_ADDRESS__) || TESTS_HAVE(address_sanitizer) || TESTS_HAVE(memory_sanitizer) || RACES_SOUGHT
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* An emulator, which RUN names, is tens of times slower. */
static inline bool is_emulated(void)
{
	const char *emulator = getenv("RUN");
	return emulator && *emulator;
}

static inline void skip_all(const char *reason)
{
	printf("skipped: everything: %s\n", reason);
	exit(77);
}

/* Ends a test of which nothing depends on the CPU, where that is an emulated one. */
static inline void on_this_cpu(void)
{
	if (is_emulated())
		skip_all("nothing of it depends on the CPU");
}

/* Ends a test whose threads, if any, do what those of other tests do, where races are looked for. */
static inline void no_new_threads(void)
{
	if (RACES_SOUGHT)
		skip_all("its threads do nothing new");
}

#endif
