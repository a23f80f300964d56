#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* sysctlbyname */
#endif

#include "base/machine.h"

#include <tern.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>

enum { MAX_CPUS = 1024 };

/* The first whole number in a small file, or fallback. */
static long read_number(const char *path, long fallback)
{
	FILE *file = fopen(path, "r");
	long number;

	if (!file)
		return fallback;
	if (fscanf(file, "%ld", &number) != 1)
		number = fallback;
	fclose(file);
	return number;
}

static long read_cpu_number(int cpu, const char *what, long fallback)
{
	char path[128];
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, what);
	return read_number(path, fallback);
}

/* CPU time per wall time that the control group grants, in whole CPUs (at least 1); a large number if unlimited. */
static int quota_cpus(void)
{
	long quota = -1, period = 100000;
	FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r"); /* "max 100000" or "150000 100000" */

	if (file) {
		if (fscanf(file, "%ld %ld", &quota, &period) != 2)
			quota = -1;
		fclose(file);
	} else {
		quota = read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", -1);
		period = read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", 100000);
	}
	if (quota <= 0 || period <= 0)
		return MAX_CPUS;
	return quota < period ? 1 : (int)(quota / period);
}

/* One thread for each physical core that may be used and is about as fast as the fastest: hyperthreads share the
 * multipliers, and a core below 3/4 of the best clock or capacity would only keep the others waiting. */
static int count_fast_cores(void)
{
	cpu_set_t allowed;
	long speed[MAX_CPUS], best = 0;
	int n = 0;

	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		return 0;
	for (int cpu = 0; cpu < MAX_CPUS && cpu < CPU_SETSIZE; cpu++) {
		speed[cpu] = -1;
		/* Of the hyperthreads of a core, the first allowed one counts. */
		if (!CPU_ISSET((size_t)cpu, &allowed))
			continue;
		long first = read_cpu_number(cpu, "topology/thread_siblings_list", cpu);
		if (first != cpu && first >= 0 && first < MAX_CPUS && CPU_ISSET((size_t)first, &allowed))
			continue;
		speed[cpu] = read_cpu_number(cpu, "cpu_capacity", -1);
		if (speed[cpu] < 0)
			speed[cpu] = read_cpu_number(cpu, "cpufreq/cpuinfo_max_freq", 0);
		best = speed[cpu] > best ? speed[cpu] : best;
	}
	for (int cpu = 0; cpu < MAX_CPUS && cpu < CPU_SETSIZE; cpu++)
		n += speed[cpu] >= 0 && speed[cpu] * 4 >= best * 3;
	int quota = quota_cpus();
	return n < quota ? n : quota;
}

/* The number behind "MemAvailable:", in bytes. */
static uint64_t system_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	unsigned long long kib = 0;

	if (!file)
		return UINT64_MAX;
	while (fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %llu", &kib) != 1)
		;
	fclose(file);
	return kib ? kib * 1024 : UINT64_MAX;
}

/* What the control group leaves: its limit less what is in use ("max" is no number, and no limit). */
static uint64_t group_memory(void)
{
	long limit = read_number("/sys/fs/cgroup/memory.max", -1);
	long used = read_number("/sys/fs/cgroup/memory.current", 0);

	if (limit < 0)
		return UINT64_MAX;
	return used < limit ? (uint64_t)(limit - used) : 0;
}

uint64_t tern_available_memory(void)
{
	uint64_t of_system = system_memory(), of_group = group_memory();
	return of_system < of_group ? of_system : of_group;
}

#elif defined(__APPLE__)
#include <sys/sysctl.h>
#include <sys/types.h>

static int sysctl_int(const char *name)
{
	int value = 0;
	size_t size = sizeof value;
	return sysctlbyname(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

/* perflevel0 is the fast cluster of an Apple CPU. */
static int count_fast_cores(void)
{
	int n = sysctl_int("hw.perflevel0.physicalcpu");
	return n > 0 ? n : sysctl_int("hw.physicalcpu");
}

/* macOS does not say what is available; it compresses and swaps, so all there is has to be the bound. */
uint64_t tern_available_memory(void)
{
	uint64_t bytes = 0;
	size_t size = sizeof bytes;
	return sysctlbyname("hw.memsize", &bytes, &size, NULL, 0) == 0 ? bytes : UINT64_MAX;
}

#else
static int count_fast_cores(void) { return 0; }

uint64_t tern_available_memory(void) { return UINT64_MAX; }
#endif

int tern_default_threads(void)
{
	int n = count_fast_cores();
	if (n < 1)
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n;
}
