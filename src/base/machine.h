/* What this machine has to offer. tern_default_threads(), declared in tern.h, is here too. */
#ifndef TERN_BASE_MACHINE_H
#define TERN_BASE_MACHINE_H

#include <stdint.h>

/* Bytes of memory that a process may still use without others being pushed out: what the system calls available,
 * within the limits of the control groups it is in. UINT64_MAX if the system does not say. */
uint64_t tern_available_memory(void);

/* Bytes of memory that this process has in use, pages of mapped files among them; on systems that only tell the most
 * there was so far, that. 0 if unknown. */
uint64_t tern_resident_memory(void);

/* tern_default_threads(), of the machine that the /proc and /sys below a directory describe (Linux; see sysfs.h). The
 * affinity mask is always this process's own. */
int tern_threads_of_machine(const char *root);

#endif
