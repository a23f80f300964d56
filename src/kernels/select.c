#include "kernels/cpu.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tables of this architecture, best last, and the CPU features each needs. A new one is a line here, a
 * declaration in kernels.h, a file, its flags in the Makefile, and its features in cpu.c. */
#if defined(__x86_64__)
#define NEEDS_AVX2   (TERN_CPU_AVX2 | TERN_CPU_F16C | TERN_CPU_FMA)
#define NEEDS_AVX512 (NEEDS_AVX2 | TERN_CPU_AVX512F | TERN_CPU_AVX512BW | TERN_CPU_AVX512DQ | TERN_CPU_AVX512VL)
#define TABLES(TABLE)                                 \
	TABLE(portable, 0)                            \
	TABLE(avx2, NEEDS_AVX2)                       \
	TABLE(avxvnni, NEEDS_AVX2 | TERN_CPU_AVXVNNI) \
	TABLE(avx512vnni, NEEDS_AVX512 | TERN_CPU_AVX512VNNI)
#elif defined(__aarch64__)
#define TABLES(TABLE)                                    \
	TABLE(portable, 0)                               \
	TABLE(neon, TERN_CPU_NEON)                       \
	TABLE(dotprod, TERN_CPU_NEON | TERN_CPU_DOTPROD) \
	TABLE(i8mm, TERN_CPU_NEON | TERN_CPU_DOTPROD | TERN_CPU_I8MM)
#else
#define TABLES(TABLE) TABLE(portable, 0)
#endif

#define POINTER(name, features) &tern_kernels_##name,
#define NEEDS(name, features)   features,

static const struct tern_kernels *const built[] = {TABLES(POINTER) NULL};
static const unsigned needs[] = {TABLES(NEEDS)};

/* Every name there is or is meant to be on some machine: worth a better answer than "unknown". */
static const char *const known_names[] = {"portable", "avx2", "avxvnni", "avx512vnni", "neon", "dotprod", "i8mm"};

const struct tern_kernels *const *tern_kernels_built(void) { return built; }

int tern_kernels_usable(const struct tern_kernels *kernels)
{
	for (size_t i = 0; built[i]; i++)
		if (built[i] == kernels)
			return (needs[i] & ~tern_cpu_features()) == 0;
	return 0;
}

/* "portable, avx2": all tables, or the usable ones. */
static void list_names(char *out, size_t size, int only_usable)
{
	size_t at = 0;

	for (size_t i = 0; built[i]; i++)
		if (at < size && (!only_usable || tern_kernels_usable(built[i])))
			at += (size_t)snprintf(out + at, size - at, at ? ", %s" : "%s", built[i]->name);
}

static void refuse(struct tern_error *err, const char *name, int is_built)
{
	char quoted[TERN_QUOTE_SIZE], names[256];
	int is_known = 0;

	for (size_t i = 0; i < sizeof known_names / sizeof *known_names; i++)
		is_known |= !strcmp(known_names[i], name);
	tern_quote(quoted, name, strlen(name));
	list_names(names, sizeof names, is_built);
	if (is_built)
		tern_fail(err, TERN_ERR_USAGE, "TERN_ISA=%s: not on this CPU and operating system; they can run %s",
		          quoted, names);
	else if (is_known)
		tern_fail(err, TERN_ERR_USAGE, "TERN_ISA=%s: this build has no such kernels; it has %s", quoted, names);
	else
		tern_fail(err, TERN_ERR_USAGE, "TERN_ISA=%s: unknown; this build has %s", quoted, names);
}

const struct tern_kernels *tern_kernels_select(struct tern_error *err)
{
	const char *name = getenv("TERN_ISA");
	const struct tern_kernels *best = NULL;

	if (name && !*name)
		name = NULL;
	for (size_t i = 0; built[i]; i++) {
		if (name && strcmp(built[i]->name, name))
			continue;
		if (tern_kernels_usable(built[i])) {
			best = built[i];
		} else if (name) {
			refuse(err, name, 1);
			return NULL;
		}
	}
	if (!best)
		refuse(err, name, 0);
	return best;
}
