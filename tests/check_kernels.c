/* Compares every kernel of every instruction set with the portable one, bit for bit, and the portable ones with
 * mathematics in double precision. Walks the tables that the engine uses, so a kernel that ships is checked.
 *
 *     check_kernels [--seed N] [--isa NAME] [--bench]
 *
 * Shapes are small, odd, one off a register and large; buffers lie at every misalignment and against unmapped pages;
 * values are ordinary or extreme. The seed, printed, repeats a run. --bench then times what was checked. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "check_attention.h"
#include "check_bench.h"
#include "check_cases.h"
#include "check_dot.h"
#include "check_floats.h"
#include "check_portable.h"
#include "kernels/kernels.h"
#include "test.h"
#include "where.h"

#include <string.h>
#include <time.h>

struct slot {
	const char *name;
	int (*check)(const struct tern_kernels *kernels, int round);
};

#define SLOT(name) {#name, check_##name},
static const struct slot slots[] = {TERN_KERNEL_SLOTS(SLOT)};

enum {
	N_SLOT = sizeof slots / sizeof *slots,
	N_ROUND = 400,
};

static void check_table(const struct tern_kernels *kernels)
{
	for (size_t s = 0; s < N_SLOT; s++) {
		const struct slot *slot = &slots[s];
		int round = 0;
		test_seed = seed * 64 + s; /* the same cases for every table, whichever are checked */
		run_kernel(kernels->name, slot->name);
		while (round < N_ROUND && slot->check(kernels, round))
			round++;
	}
}

struct arguments {
	const char *isa; /* NULL: all */
	int bench;
};

static int usage(void)
{
	fprintf(stderr, "usage: check_kernels [--seed N] [--isa NAME] [--bench]\n");
	return 2;
}

static int parse(struct arguments *arguments, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *end = NULL;
		if (!strcmp(argv[i], "--bench"))
			arguments->bench = 1;
		else if (!strcmp(argv[i], "--isa") && i + 1 < argc)
			arguments->isa = argv[++i];
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc && (seed = strtoull(argv[++i], &end, 10), !*end))
			continue;
		else
			return 0;
	}
	return 1;
}

/* Checks the tables asked for that run here; returns how many that were, portable included. */
static int check_tables(const char *isa)
{
	int n_run = 0;

	for (const struct tern_kernels *const *built = tern_kernels_built(); *built; built++) {
		if (isa && strcmp(isa, (*built)->name))
			continue;
		if (!tern_kernels_usable(*built)) {
			printf("%s: not on this CPU, skipped\n", (*built)->name);
			continue;
		}
		n_run++;
		if (*built == &tern_kernels_portable)
			check_portable();
		check_table(*built);
		printf("%s: %d checks so far, %d failed\n", (*built)->name, test_n_checks, test_n_failed);
		fflush(stdout);
	}
	return n_run;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};

	no_new_threads();
	seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 16;
	if (!parse(&arguments, argc, argv))
		return usage();
	printf("check_kernels --seed %llu\n", (unsigned long long)seed);
	open_rooms();
	catch_crashes();
	if (!check_tables(arguments.isa)) {
		fprintf(stderr, "check_kernels: %s: nothing to check; this build has",
		        arguments.isa ? arguments.isa : "all");
		for (size_t i = 0; tern_kernels_built()[i]; i++)
			fprintf(stderr, " %s", tern_kernels_built()[i]->name);
		fprintf(stderr, "\n");
		return 1;
	}
	if (arguments.bench)
		bench_tables(arguments.isa);
	return test_summary();
}
