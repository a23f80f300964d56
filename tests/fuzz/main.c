/* Runs a fuzz target over the files given as arguments, and over all files in directories given: with a compiler that
 * has no fuzzer, for a corpus in the tests, or to repeat a crash. Each input lies in a block of exactly its size, so
 * that a sanitizer sees a read past its end. */
#include "base/file.h"
#include "fuzz.h"
#include "tern.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	MAX_INPUT = 64 << 20
};

/* Runs one file; false if it cannot be read. */
static bool run_file(const char *path)
{
	struct tern_error err;
	uint8_t *bytes, *exact;
	size_t n;

	if (tern_read_file(path, MAX_INPUT, &bytes, &n, &err)) {
		fprintf(stderr, "%s\n", err.message);
		return false;
	}
	exact = malloc(n ? n : 1);
	if (!exact)
		abort();
	memcpy(exact, bytes, n);
	tern_free(bytes);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return true;
}

static bool run_directory(const char *path, int *n_run)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	bool good = true;
	char name[4096];

	if (!directory) {
		perror(path);
		return false;
	}
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		good = run_file(name) && good;
		++*n_run;
	}
	closedir(directory);
	return good;
}

int main(int argc, char **argv)
{
	struct stat st;
	int n_run = 0;
	bool good = true;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			good = run_directory(argv[i], &n_run) && good;
		} else {
			good = run_file(argv[i]) && good;
			n_run++;
		}
	}
	printf("%s: %d inputs\n", argv[0], n_run);
	return good && n_run > 0 ? 0 : 1;
}
