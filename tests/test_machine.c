/* base/machine.h and base/cgroup.h with made-up trees of /proc and /sys. */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE /* _SC_NPROCESSORS_ONLN */
#endif
#include "base/cgroup.h"
#include "base/machine.h"
#include "scratch.h"
#include "test.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <tern.h>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The machine that sched_getaffinity() tells of. */
static enum {
	THIS_MACHINE,
	TWO_CPUS,
	MANY_CPUS /* more possible ones than a cpu_set_t has, so that it fails */
} affinity;

/* Stands in for the C library's. */
int sched_getaffinity(pid_t pid, size_t n_bytes, cpu_set_t *set)
{
	memset(set, 0, n_bytes);
	switch (affinity) {
	case THIS_MACHINE:
		return syscall(SYS_sched_getaffinity, pid, n_bytes, set) < 0 ? -1 : 0;
	case TWO_CPUS:
		CPU_SET_S(0, n_bytes, set);
		CPU_SET_S(1, n_bytes, set);
		return 0;
	case MANY_CPUS:
		break;
	}
	errno = EINVAL;
	return -1;
}

enum {
	MAX_MADE = 100
};

/* Everything created below the scratch directory, in order, to be removed at the end. */
static char made[MAX_MADE][768];
static size_t n_made;

static void note_made(const char *path)
{
	if (n_made == MAX_MADE)
		exit(1);
	snprintf(made[n_made++], sizeof made[0], "%s", path);
}

static void put(const char *path, const char *content)
{
	char whole[768];

	snprintf(whole, sizeof whole, "%s%s", scratch_directory, path);
	for (char *slash = whole + strlen(scratch_directory) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (mkdir(whole, 0777) == 0)
			note_made(whole);
		else if (errno != EEXIST)
			exit(1);
	}
	scratch_write(whole, content, strlen(content));
	note_made(whole);
}

static void clear(void)
{
	while (n_made)
		remove(made[--n_made]);
}

static void check_cpus(const char *what, int expected)
{
	int n = tern_cgroup_cpus(scratch_directory);
	CHECK(n == expected, "%s: %d CPUs, expected %d", what, n, expected);
	clear();
}

static void check_cpu_limits(void)
{
	check_cpus("no files", INT_MAX);

	put("/proc/self/cgroup", "0::/\n");
	check_cpus("the root group has no limit", INT_MAX);

	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "350000 100000\n");
	check_cpus("container", 3);

	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
	check_cpus("half a CPU", 1);

	put("/proc/self/cgroup", "0::/user.slice/user-1000.slice/app.scope\n");
	put("/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/user.slice/user-1000.slice/cpu.max", "200000 100000\n");
	put("/sys/fs/cgroup/user.slice/user-1000.slice/app.scope/cpu.max", "800000 100000\n");
	check_cpus("the enclosing slice is narrower", 2);

	put("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
	put("/sys/fs/cgroup/cpu.max", "600000 100000\n");
	check_cpus("container that sees the host's name of its group", 6);

	put("/proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/jobs/7\n0::/\n");
	put("/sys/fs/cgroup/cpu/jobs/7/cpu.cfs_quota_us", "400000\n");
	put("/sys/fs/cgroup/cpu/jobs/7/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	check_cpus("version 1", 4);

	put("/proc/self/cgroup", "nonsense\n0:\n0::\n");
	put("/sys/fs/cgroup/cpu.max", "lots\n");
	check_cpus("nonsense", INT_MAX);
}

static void check_memory(const char *what, uint64_t expected)
{
	uint64_t n = tern_cgroup_memory(scratch_directory);
	CHECK(n == expected, "%s: %llu bytes, expected %llu", what, (unsigned long long)n,
	      (unsigned long long)expected);
	clear();
}

static void check_memory_limits(void)
{
	check_memory("no files", UINT64_MAX);

	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.max", "max\n");
	put("/sys/fs/cgroup/a/b/memory.current", "600\n");
	put("/sys/fs/cgroup/a/memory.max", "1000\n");
	put("/sys/fs/cgroup/a/memory.current", "900\n");
	put("/sys/fs/cgroup/a/memory.stat", "anon 300\nfile 500\ninactive_file 150\nactive_file 350\nslab 1\n");
	check_memory("files are cached", 600);

	put("/proc/self/cgroup", "4:memory:/jobs\n");
	put("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "1000\n");
	put("/sys/fs/cgroup/memory/jobs/memory.usage_in_bytes", "1500\n");
	put("/sys/fs/cgroup/memory/jobs/memory.stat",
	    "inactive_file 400\ntotal_inactive_file 200\ntotal_active_file 0\n");
	check_memory("version 1, above its limit", 0);

	put("/proc/self/cgroup", "4:memory:/\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
	check_memory("version 1 without a limit", 9223372036854771711u);
}

static void check_threads(const char *what, int expected)
{
	int n = tern_threads_of_machine(scratch_directory);
	CHECK(n == expected, "%s: %d threads, expected %d", what, n, expected);
	clear();
}

/* Machines with the CPUs 0 and 1. */
static void check_cores(void)
{
	affinity = TWO_CPUS;
	check_threads("two cores", 2);

	put("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1\n");
	put("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n");
	check_threads("two hyperthreads of one core", 1);

	put("/sys/devices/system/cpu/cpu0/cpu_capacity", "1024\n");
	put("/sys/devices/system/cpu/cpu1/cpu_capacity", "381\n");
	check_threads("big and little", 1);

	put("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "4800000\n");
	put("/sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq", "3800000\n");
	check_threads("clocks alike", 2);

	put("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "4800000\n");
	put("/sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq", "3800000\n");
	put("/sys/devices/cpu_core/cpus", "0\n");
	put("/sys/devices/cpu_atom/cpus", "1\n");
	check_threads("an efficient core with a high clock", 1);

	put("/sys/devices/cpu_core/cpus", "0-1,4\n");
	check_threads("all allowed ones are performance cores", 2);

	put("/sys/devices/cpu_core/cpus", "4-5\n");
	check_threads("confined to efficient cores", 2);

	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
	check_threads("quota", 1);
	affinity = THIS_MACHINE;
}

static void check_many_cpus(void)
{
	long n_online = sysconf(_SC_NPROCESSORS_ONLN);

	affinity = MANY_CPUS;
	check_threads("many CPUs", n_online < TERN_MAX_THREADS ? (int)n_online : TERN_MAX_THREADS);
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
	check_threads("many CPUs and a quota", 1);
	affinity = THIS_MACHINE;
}
#endif

static void check_choice(void)
{
	static const int bad[] = {-1, TERN_MAX_THREADS + 1, INT_MAX, INT_MIN};
	struct tern_error err;
	int n = 0, most = TERN_MAX_THREADS;

	CHECK(!tern_choose_threads(&n, &err) && n == tern_default_threads() && !tern_choose_threads(&most, &err) &&
	              most == TERN_MAX_THREADS,
	      "%d, %d", n, most);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		n = bad[i];
		CHECK(tern_choose_threads(&n, &err) == TERN_ERR_USAGE && strstr(err.message, "threads: expected 1 to"),
		      "%d threads: %s", bad[i], err.message);
	}
}

int main(void)
{
	scratch_begin();
#if defined(__linux__)
	check_cpu_limits();
	check_memory_limits();
	check_cores();
	check_many_cpus();
#endif
	check_choice();
	CHECK(tern_default_threads() >= 1 && tern_threads_of_machine("/nonexistent") >= 1, "%d",
	      tern_default_threads());
	CHECK(tern_available_memory() > 0, "no memory");
	scratch_end();
	return test_summary();
}
