/* Running a function with its 1st, 2nd, 3rd ... allocation or system call failing, until it needs no more of them.
 *
 * Include this file in a test instead of linking base/memory.o and base/file.o: it compiles both with their failure
 * hooks. Each attempt runs in a child process, so that every attempt starts counting from 1 and a crash is seen. */
#ifndef TESTS_INJECT_H
#define TESTS_INJECT_H

#define TERN_FAIL_ALLOC
#define TERN_FAIL_IO
#define injected_failure injected_alloc_failure
#include "base/memory.c"
#undef injected_failure
#define injected_failure injected_io_failure
#include "base/file.c"
#undef injected_failure

#include "test.h"
#include <sys/wait.h>

/* Fails the nth call for n = 1, 2, 3 ... `attempt` does the work, checks that what it left behind is right either way
 * and returns the work's status. `variable` is TERN_FAIL_ALLOC or TERN_FAIL_IO. Returns the number of failing calls
 * until the work went through undisturbed, which two attempts in a row have to. */
static inline int inject_all(const char *variable, enum tern_status (*attempt)(struct tern_error *err))
{
	enum {
		WENT_THROUGH = 40,
		FAILED_WELL,
		CHECK_FAILED
	};
	int n_good = 0, n_failed = 0;

	for (int n = 1; n < 10000 && n_good < 2; n++) {
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			struct tern_error err = {.status = TERN_OK};
			char number[16];
			snprintf(number, sizeof number, "%d", n);
			setenv(variable, number, 1);
			test_n_failed = 0;
			enum tern_status status = attempt(&err);
			CHECK(status == TERN_OK || (err.status == status && err.message[0]), "%s=%d: no message",
			      variable, n);
			exit(test_n_failed ? CHECK_FAILED : status ? FAILED_WELL : WENT_THROUGH);
		}
		int result = 0;
		waitpid(child, &result, 0);
		bool good = WIFEXITED(result) && WEXITSTATUS(result) == WENT_THROUGH;
		CHECK(good || (WIFEXITED(result) && WEXITSTATUS(result) == FAILED_WELL), "%s=%d: wait status %x",
		      variable, n, (unsigned)result);
		n_failed += !good;
		n_good = good ? n_good + 1 : 0;
	}
	CHECK(n_good == 2, "%s: never went through", variable);
	return n_failed;
}

#endif
