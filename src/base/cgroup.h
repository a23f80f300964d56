/* What Linux' control groups, versions 1 and 2, grant this process. A limit of any enclosing group counts. `root` is
 * "" but in tests (see sysfs.h). */
#ifndef TERN_BASE_CGROUP_H
#define TERN_BASE_CGROUP_H

#include <stdint.h>

/* CPU time per wall time in whole CPUs, at least 1; INT_MAX if unlimited. */
int tern_cgroup_cpus(const char *root);

/* Bytes that are left below the limit, counting what caches files as left, since it gives way; UINT64_MAX if
 * unlimited. */
uint64_t tern_cgroup_memory(const char *root);

#endif
