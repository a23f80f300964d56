#include "kernels/cpu.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#define POINTER(name, features, flags) &tern_kernels_##name,
#define NEEDS(name, features, flags)   features,
#define NAME(name, features, flags)    #name,
static const struct tern_kernels *const built[] = {
        &tern_kernels_portable,
#if defined(__x86_64__)
#define X86_ISA POINTER
#elif defined(__aarch64__)
#define ARM_ISA POINTER
#endif
#include "kernels/isa_list.h"
        NULL,
};

/* The CPU features that each of them needs. */
static const unsigned needs[] = {
        0,
#if defined(__x86_64__)
#define X86_ISA NEEDS
#elif defined(__aarch64__)
#define ARM_ISA NEEDS
#endif
#include "kernels/isa_list.h"
};

/* Every name that is built for some machine. */
static const char *const known_names[] = {
        "portable",
#define X86_ISA NAME
#define ARM_ISA NAME
#include "kernels/isa_list.h"
};

const struct tern_kernels *const *tern_kernels_built(void) { return built; }

int tern_kernels_usable(const struct tern_kernels *kernels)
{
	for (size_t i = 0; built[i]; i++)
		if (built[i] == kernels)
			return (needs[i] & ~tern_cpu_features()) == 0;
	return 0;
}

static void refuse(struct tern_error *err, const char *name, int is_built)
{
	char quoted[TERN_QUOTE_SIZE], names[256] = "";
	int is_known = 0;

	for (size_t i = 0; i < sizeof known_names / sizeof *known_names; i++)
		is_known |= !strcmp(known_names[i], name);
	tern_quote(quoted, name, strlen(name));
	for (size_t i = 0; built[i]; i++)
		if (!is_built || tern_kernels_usable(built[i]))
			tern_append_name(names, sizeof names, built[i]->name);
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
