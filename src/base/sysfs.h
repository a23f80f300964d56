/* The small files of Linux' /proc and /sys. `root` goes before the path: "", or a tree of files that a test made. */
#ifndef TERN_BASE_SYSFS_H
#define TERN_BASE_SYSFS_H

#include <stdio.h>

/* Longer paths count as absent. */
enum {
	TERN_SYSFS_PATH_SIZE = 4096
};

/* NULL if there is no such file. */
static inline FILE *tern_sysfs_open(const char *root, const char *path)
{
	char whole[TERN_SYSFS_PATH_SIZE];
	int length = snprintf(whole, sizeof whole, "%s%s", root, path);
	return length > 0 && (size_t)length < sizeof whole ? fopen(whole, "r") : NULL;
}

/* The whole number at the beginning of a file, or fallback. */
static inline long long tern_sysfs_number(const char *root, const char *path, long long fallback)
{
	FILE *file = tern_sysfs_open(root, path);
	long long number;

	if (!file)
		return fallback;
	if (fscanf(file, "%lld", &number) != 1)
		number = fallback;
	fclose(file);
	return number;
}

#endif
