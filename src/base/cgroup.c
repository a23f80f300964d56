/* /proc/self/cgroup names the group of each hierarchy, "ID:CONTROLLERS:GROUP" (no controllers: version 2). Its limits
 * are files in /sys/fs/cgroup/GROUP, or /sys/fs/cgroup/CONTROLLER/GROUP for version 1. Inside a container the group
 * may be named as the host sees it, which is then no directory here; going up to the hierarchy's root finds the
 * container's own limits. */
#include "base/cgroup.h"

#include "base/sysfs.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum {
	GROUP_SIZE = 2048
};

/* The limit of one group is brought into *limit if it is lower. */
typedef void lower_limit(void *limit, const char *root, const char *directory, bool is_v2);

/* A number in a file of a group's directory. */
static long long number_in(const char *root, const char *directory, const char *name, long long fallback)
{
	char path[GROUP_SIZE + 64];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return tern_sysfs_number(root, path, fallback);
}

/* Whether "a,b,c" contains b. */
static bool lists(const char *names, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = names; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
		if (!strncmp(at, name, length) && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

/* The group and all that enclose it, up to its hierarchy's root. */
static void visit_upwards(const char *root, const char *controller, const char *group, lower_limit *lower, void *limit)
{
	char directory[GROUP_SIZE];
	size_t base =
	        (size_t)snprintf(directory, sizeof directory, "/sys/fs/cgroup%s%s", *controller ? "/" : "", controller);

	if (strlen(group) >= sizeof directory - base)
		return;
	strcpy(directory + base, strcmp(group, "/") ? group : "");
	for (;;) {
		lower(limit, root, directory, !*controller);
		char *slash = strrchr(directory + base, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

static void visit_groups(const char *root, const char *controller, lower_limit *lower, void *limit)
{
	FILE *file = tern_sysfs_open(root, "/proc/self/cgroup");
	char line[GROUP_SIZE];

	while (file && fgets(line, sizeof line, file)) {
		char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*controllers++ = *group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (!*controllers)
			visit_upwards(root, "", group, lower, limit);
		else if (lists(controllers, controller))
			visit_upwards(root, controller, group, lower, limit);
	}
	if (file)
		fclose(file);
}

/* Version 2: "max 100000" or "150000 100000", microseconds of CPU in microseconds of time. Version 1: two files, the
 * first -1 for no limit. */
static void lower_cpus(void *limit, const char *root, const char *directory, bool is_v2)
{
	long long quota = -1, period = 100000;
	char path[GROUP_SIZE + 64];
	int *cpus = limit;

	if (is_v2) {
		snprintf(path, sizeof path, "%s/cpu.max", directory);
		FILE *file = tern_sysfs_open(root, path);
		if (file && fscanf(file, "%lld %lld", &quota, &period) != 2)
			quota = -1;
		if (file)
			fclose(file);
	} else {
		quota = number_in(root, directory, "cpu.cfs_quota_us", -1);
		period = number_in(root, directory, "cpu.cfs_period_us", 100000);
	}
	if (quota <= 0 || period <= 0 || quota / period >= *cpus)
		return;
	*cpus = quota < period ? 1 : (int)(quota / period);
}

int tern_cgroup_cpus(const char *root)
{
	int cpus = INT_MAX;
	visit_groups(root, "cpu", lower_cpus, &cpus);
	return cpus;
}

/* Bytes of memory.stat that cache files and can be dropped: pages of a model that is mapped, above all. */
static long long cached_bytes(const char *root, const char *directory, bool is_v2)
{
	char path[GROUP_SIZE + 64], name[64];
	long long sum = 0, bytes;

	snprintf(path, sizeof path, "%s/memory.stat", directory);
	FILE *file = tern_sysfs_open(root, path);
	if (!file)
		return 0;
	while (fscanf(file, "%63s %lld", name, &bytes) == 2) /* "total_": with the groups inside, as version 2 has it */
		if (!strcmp(name, is_v2 ? "active_file" : "total_active_file") ||
		    !strcmp(name, is_v2 ? "inactive_file" : "total_inactive_file"))
			sum += bytes;
	fclose(file);
	return sum;
}

static void lower_memory(void *limit, const char *root, const char *directory, bool is_v2)
{
	/* "max" is no number, and no limit. */
	long long most = number_in(root, directory, is_v2 ? "memory.max" : "memory.limit_in_bytes", -1);
	uint64_t *left = limit;

	if (most < 0)
		return;
	long long used = number_in(root, directory, is_v2 ? "memory.current" : "memory.usage_in_bytes", 0);
	used -= cached_bytes(root, directory, is_v2);
	used = used < 0 ? 0 : used;
	uint64_t here = used < most ? (uint64_t)(most - used) : 0;
	*left = here < *left ? here : *left;
}

uint64_t tern_cgroup_memory(const char *root)
{
	uint64_t left = UINT64_MAX;
	visit_groups(root, "memory", lower_memory, &left);
	return left;
}
