#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* sysctlbyname */
#endif

#include "base/machine.h"

#include "base/cgroup.h"
#include "base/sysfs.h"

#include <tern.h>

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>

enum {
	MAX_CPUS = 1024
};

static long long cpu_number(const char *root, int cpu, const char *what, long long fallback)
{
	char path[128];
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, what);
	return tern_sysfs_number(root, path, fallback);
}

/* Linux lists the fast cores of Intel CPUs with two kinds of cores, as in "0-7,16"; their clocks need not differ. If
 * there is such a list, removes all other CPUs from the set. */
static void keep_performance_cores(const char *root, cpu_set_t *set)
{
	FILE *file = tern_sysfs_open(root, "/sys/devices/cpu_core/cpus");
	cpu_set_t listed;
	int first, last, separator;

	CPU_ZERO(&listed);
	while (file && fscanf(file, "%d", &first) == 1) {
		last = first;
		separator = fgetc(file);
		if (separator == '-' && fscanf(file, "%d", &last) == 1)
			separator = fgetc(file);
		for (int cpu = first < 0 ? 0 : first; cpu <= last && cpu < MAX_CPUS; cpu++)
			CPU_SET((size_t)cpu, &listed);
		if (separator != ',')
			break;
	}
	if (file)
		fclose(file);
	CPU_AND(&listed, &listed, set);
	if (CPU_COUNT(&listed)) /* none: the process may only use slow ones */
		*set = listed;
}

/* The physical cores that this process may use and that are about as fast as the fastest; 0 if unknown, as where the
 * kernel counts more possible CPUs than a cpu_set_t has. Hyperthreads share the multipliers of a core. For a core below
 * 3/4 of the best clock or capacity the others would wait. */
static int count_fast_cores(const char *root)
{
	cpu_set_t allowed;
	long long speed[MAX_CPUS], best = 0;
	int n = 0;

	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		return 0;
	keep_performance_cores(root, &allowed);
	for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
		speed[cpu] = -1;
		if (!CPU_ISSET((size_t)cpu, &allowed))
			continue;
		/* Of the hyperthreads of a core only the first counts, if it is allowed. */
		long long first = cpu_number(root, cpu, "topology/thread_siblings_list", cpu);
		if (first != cpu && first >= 0 && first < MAX_CPUS && CPU_ISSET((size_t)first, &allowed))
			continue;
		speed[cpu] = cpu_number(root, cpu, "cpu_capacity", -1);
		if (speed[cpu] < 0)
			speed[cpu] = cpu_number(root, cpu, "cpufreq/cpuinfo_max_freq", 0);
		best = speed[cpu] > best ? speed[cpu] : best;
	}
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		n += speed[cpu] >= 0 && speed[cpu] * 4 >= best * 3;
	return n;
}

/* "MemAvailable:" in bytes. */
static uint64_t system_memory(void)
{
	FILE *file = tern_sysfs_open("", "/proc/meminfo");
	char line[128];
	unsigned long long kib = 0;

	if (!file)
		return UINT64_MAX;
	while (fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %llu", &kib) != 1)
		;
	fclose(file);
	return kib ? kib * 1024 : UINT64_MAX;
}

uint64_t tern_available_memory(void)
{
	uint64_t of_system = system_memory(), of_group = tern_cgroup_memory("");
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
static int count_fast_cores(const char *root)
{
	(void)root;
	int n = sysctl_int("hw.perflevel0.physicalcpu");
	return n > 0 ? n : sysctl_int("hw.physicalcpu");
}

/* macOS compresses and swaps, and does not say how much is available: the bound is all memory. */
uint64_t tern_available_memory(void)
{
	uint64_t bytes = 0;
	size_t size = sizeof bytes;
	return sysctlbyname("hw.memsize", &bytes, &size, NULL, 0) == 0 ? bytes : UINT64_MAX;
}

#else
static int count_fast_cores(const char *root)
{
	(void)root;
	return 0;
}

uint64_t tern_available_memory(void) { return UINT64_MAX; }
#endif

enum tern_status tern_check_memory(const char *what, uint64_t n_bytes, bool overcommits, struct tern_error *err)
{
	uint64_t available = overcommits ? UINT64_MAX : tern_available_memory();

	if (n_bytes <= available)
		return TERN_OK;
	return tern_fail(
	        err, TERN_ERR_FAILED,
	        "%s needs %llu MiB of memory, %llu MiB are available; the option overcommit tries it all the same",
	        what, (unsigned long long)(n_bytes >> 20), (unsigned long long)(available >> 20));
}

int tern_threads_of_machine(const char *root)
{
	int n = count_fast_cores(root), quota = tern_cgroup_cpus(root);

	if (n < 1)
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	n = n < quota ? n : quota;
	n = n < TERN_MAX_THREADS ? n : TERN_MAX_THREADS;
	return n < 1 ? 1 : n;
}

enum tern_status tern_choose_threads(int *n_threads, struct tern_error *err)
{
	if (*n_threads == 0)
		*n_threads = tern_threads_of_machine("");
	if (*n_threads >= 1 && *n_threads <= TERN_MAX_THREADS)
		return TERN_OK;
	return tern_fail(err, TERN_ERR_USAGE, "threads: expected 1 to %d, got %d", TERN_MAX_THREADS, *n_threads);
}

uint64_t tern_resident_memory(void)
{
#if defined(__linux__)
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long long n_pages = 0;
	bool is_read = file && fscanf(file, "%*u %llu", &n_pages) == 1;

	if (file)
		fclose(file);
	return is_read ? n_pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
#else
	struct rusage usage;
	uint64_t unit = 1024;

#if defined(__APPLE__)
	unit = 1;
#endif
	return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * unit : 0;
#endif
}
