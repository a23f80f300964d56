/* /proc/self/cgroup has a line "ID:CONTROLLERS:GROUP" for each hierarchy; version 2 has no controllers. The limits are
 * files in /sys/fs/cgroup/GROUP (version 2) or /sys/fs/cgroup/CONTROLLER/GROUP (version 1). Inside a container GROUP
 * may be the host's name, which is not a directory here; the container's own limits are then those of the root. */
#include "base/cgroup.h"

#include "base/sysfs.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum {
	GROUP_SIZE = 2048
};

/* Lowers *limit to the limit of one group. */
typedef void lower_limit(void *limit, const char *root, const char *directory, bool is_v2);

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

/* Visits a group and all groups around it, up to the root of the hierarchy. */
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

/* Version 2: "150000 100000" is microseconds of CPU per microseconds of time; "max 100000" is no limit. Version 1 has a
 * file for each number; -1 is no limit. */
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

/* Bytes of the group that cache files and can be dropped, above all those of mapped models. */
static long long cached_bytes(const char *root, const char *directory, bool is_v2)
{
	char path[GROUP_SIZE + 64], name[64];
	long long sum = 0, bytes;

	snprintf(path, sizeof path, "%s/memory.stat", directory);
	FILE *file = tern_sysfs_open(root, path);
	if (!file)
		return 0;
	while (fscanf(file, "%63s %lld", name, &bytes) == 2) /* "total_" includes inner groups; version 2 always does */
		if (!strcmp(name, is_v2 ? "active_file" : "total_active_file") ||
		    !strcmp(name, is_v2 ? "inactive_file" : "total_inactive_file"))
			sum += bytes;
	fclose(file);
	return sum;
}

static void lower_memory(void *limit, const char *root, const char *directory, bool is_v2)
{
	/* "max" is no limit; it is read as -1. */
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
