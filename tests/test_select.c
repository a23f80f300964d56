/* Which kernels a process gets: TERN_ISA and its refusals. */
#include "kernels/kernels.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static int is_built(const char *name)
{
	for (const struct tern_kernels *const *built = tern_kernels_built(); *built; built++)
		if (!strcmp((*built)->name, name))
			return 1;
	return 0;
}

static void test_built(void)
{
	const struct tern_kernels *const *built = tern_kernels_built();
	static const struct tern_kernels stranger = {.name = "stranger"};

	CHECK(built[0] == &tern_kernels_portable, "the first table is %s", built[0]->name);
	CHECK(tern_kernels_usable(&tern_kernels_portable), "portable is not usable");
	CHECK(!tern_kernels_usable(&stranger), "a table that is not in the list is usable");
	for (size_t i = 0; built[i]; i++)
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(built[i]->name, built[k]->name), "two tables are called %s", built[i]->name);
}

static void test_best(void)
{
	const struct tern_kernels *best = NULL;

	for (const struct tern_kernels *const *built = tern_kernels_built(); *built; built++)
		best = tern_kernels_usable(*built) ? *built : best;
	unsetenv("TERN_ISA");
	CHECK(tern_kernels_select(NULL) == best, "without TERN_ISA: not %s", best->name);
	setenv("TERN_ISA", "", 1);
	CHECK(tern_kernels_select(NULL) == best, "with an empty TERN_ISA: not %s", best->name);
}

static void test_named(void)
{
	for (const struct tern_kernels *const *built = tern_kernels_built(); *built; built++) {
		struct tern_error err = {0};
		setenv("TERN_ISA", (*built)->name, 1);
		const struct tern_kernels *got = tern_kernels_select(&err);
		if (tern_kernels_usable(*built)) {
			CHECK(got == *built, "TERN_ISA=%s: %s", (*built)->name, got ? got->name : err.message);
		} else {
			CHECK(!got && err.status == TERN_ERR_USAGE, "TERN_ISA=%s: status %d", (*built)->name,
			      err.status);
			CHECK(strstr(err.message, "not on this CPU") && strstr(err.message, "can run portable"), "%s",
			      err.message);
		}
	}
}

static void expect_refusal(const char *isa, const char *message_start)
{
	struct tern_error err = {0};

	setenv("TERN_ISA", isa, 1);
	CHECK(!tern_kernels_select(&err), "TERN_ISA=%s is taken", isa);
	CHECK(err.status == TERN_ERR_USAGE, "status %d", err.status);
	CHECK(!strncmp(err.message, message_start, strlen(message_start)), "%s", err.message);
	for (const struct tern_kernels *const *built = tern_kernels_built(); *built; built++)
		CHECK(strstr(err.message, (*built)->name), "%s does not list %s", err.message, (*built)->name);
	CHECK(!tern_kernels_select(NULL), "TERN_ISA=%s is taken without an error to fill", isa);
}

static void test_refusals(void)
{
#define X86_ISA(name, features, flags) #name,
#define ARM_ISA                        X86_ISA
	static const char *const known[] = {
#include "kernels/isa_list.h"
	};

	expect_refusal("avx3", "TERN_ISA=avx3: unknown; this build has portable");
	expect_refusal("AVX2", "TERN_ISA=AVX2: unknown; this build has portable");
	expect_refusal("portable ", "TERN_ISA=portable : unknown; this build has portable");
	expect_refusal("\x1b[2J", "TERN_ISA=\\x1b[2J: unknown; this build has portable");
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		char start[128];
		snprintf(start, sizeof start, "TERN_ISA=%s: this build has no such kernels; it has portable", known[i]);
		if (!is_built(known[i]))
			expect_refusal(known[i], start);
	}
}

int main(void)
{
	test_built();
	test_best();
	test_named();
	test_refusals();
	return test_summary();
}
