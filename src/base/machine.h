/* The memory and cores of this machine. */
#ifndef TERN_BASE_MACHINE_H
#define TERN_BASE_MACHINE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that the system calls available, within the limits of this process's control groups. UINT64_MAX if unknown. */
uint64_t tern_available_memory(void);

/* TERN_ERR_FAILED, "WHAT needs N MiB of memory, M MiB are available", if there is less than n_bytes: systems that
 * overcommit would kill the process later instead of refusing now. With `overcommits` all is well. */
enum tern_status tern_check_memory(const char *what, uint64_t n_bytes, bool overcommits, struct tern_error *err);

/* Bytes of memory that this process uses, including pages of mapped files. Outside Linux, the most it ever used. 0 if
 * unknown. */
uint64_t tern_resident_memory(void);

enum {
	TERN_MAX_THREADS = 1024 /* that may be asked for */
};

/* Threads that suit a machine: its fast physical cores, within the affinity mask, the cgroup's quota and
 * TERN_MAX_THREADS. root: "", or a directory with another /proc and /sys (Linux; see sysfs.h); the affinity mask is
 * always this process's own. */
int tern_threads_of_machine(const char *root);

/* A number of threads as options have it: 0 becomes what suits this machine. TERN_ERR_USAGE for one that is not 0 to
 * TERN_MAX_THREADS. */
enum tern_status tern_choose_threads(int *n_threads, struct tern_error *err);

#endif
