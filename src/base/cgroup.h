/* The limits that Linux' control groups, versions 1 and 2, set for this process; those of enclosing groups count too.
 * `root`: see sysfs.h. */
#ifndef TERN_BASE_CGROUP_H
#define TERN_BASE_CGROUP_H

#include <stdint.h>

/* CPU time per wall time in whole CPUs, at least 1; INT_MAX if unlimited. */
int tern_cgroup_cpus(const char *root);

/* Bytes left below the limit; memory that caches files counts as left. UINT64_MAX if unlimited. */
uint64_t tern_cgroup_memory(const char *root);

#endif
