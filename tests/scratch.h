/* A directory of its own for a test's files: scratch_begin(), scratch_path("x"), scratch_end(). */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_directory[512];

static inline void scratch_begin(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(scratch_directory, sizeof scratch_directory, "%s/tern-test-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(scratch_directory)) {
		perror(scratch_directory);
		exit(1);
	}
}

/* The path of a file in the directory; valid until the call after next. */
static inline const char *scratch_path(const char *name)
{
	static char paths[2][768];
	static int turn;

	turn = !turn;
	snprintf(paths[turn], sizeof paths[turn], "%s/%s", scratch_directory, name);
	return paths[turn];
}

/* How many files there are; removes them if told to. */
static inline int scratch_count(bool and_remove)
{
	DIR *directory = opendir(scratch_directory);
	struct dirent *entry;
	int n = 0;

	while (directory && (entry = readdir(directory))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		n++;
		if (and_remove)
			remove(scratch_path(entry->d_name));
	}
	if (directory)
		closedir(directory);
	return n;
}

static inline void scratch_end(void)
{
	scratch_count(true);
	rmdir(scratch_directory);
}

static inline void scratch_write(const char *path, const void *bytes, size_t n_bytes)
{
	FILE *file = fopen(path, "wb");

	if (!file || fwrite(bytes, 1, n_bytes, file) != n_bytes || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

#endif
