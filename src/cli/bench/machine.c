#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* sysctlbyname */
#endif
#if defined(__linux__)
#define _DEFAULT_SOURCE /* _SC_PHYS_PAGES */
#endif

#include "cli/bench/machine.h"

#include "console/escape.h"
#include "console/format.h"
#include "console/term.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#include <sys/types.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum {
	PROBE_NS = 100000000 /* of the measurement of a limit */
};

/* ---- facts -------------------------------------------------------------------------------------------------- */

/* Trims blanks at both ends and escapes control characters. */
static const char *tidy(char out[BENCH_CPU_SIZE], const char *name)
{
	struct text shown = {0};
	size_t length;

	name += strspn(name, " \t");
	length = strcspn(name, "\n");
	while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
		length--;
	escape_append(&shown, name, length, ESCAPE_TERMINAL);
	snprintf(out, BENCH_CPU_SIZE, "%s", shown.failed || !shown.bytes ? "" : shown.bytes);
	text_free(&shown);
	return out;
}

/* The CPU's name as the hardware gives it, "" if there is none. */
#if defined(__x86_64__)
static void read_cpu_name(char name[BENCH_CPU_SIZE])
{
	unsigned reg[12];

	name[0] = '\0';
	for (unsigned i = 0; i < 3; i++)
		if (!__get_cpuid(0x80000002 + i, &reg[4 * i], &reg[4 * i + 1], &reg[4 * i + 2], &reg[4 * i + 3]))
			return;
	memcpy(name, reg, sizeof reg);
	name[sizeof reg] = '\0';
}
#elif defined(__APPLE__)
static void read_cpu_name(char name[BENCH_CPU_SIZE])
{
	size_t size = BENCH_CPU_SIZE;

	if (sysctlbyname("machdep.cpu.brand_string", name, &size, NULL, 0) != 0)
		name[0] = '\0';
	name[BENCH_CPU_SIZE - 1] = '\0';
}
#else
/* The name of the board, from the device tree. */
static void read_cpu_name(char name[BENCH_CPU_SIZE])
{
	FILE *file = fopen("/proc/device-tree/model", "r");
	size_t n = file ? fread(name, 1, BENCH_CPU_SIZE - 1, file) : 0;

	name[n] = '\0';
	if (file)
		fclose(file);
}
#endif

const char *bench_cpu_name(char out[BENCH_CPU_SIZE])
{
	char name[BENCH_CPU_SIZE];
	struct utsname system;

	read_cpu_name(name);
	if (!*tidy(out, name))
		tidy(out, uname(&system) >= 0 ? system.machine : "unknown");
	return out;
}

/* Bytes; 0 if unknown. */
static uint64_t total_memory(void)
{
#if defined(__APPLE__)
	uint64_t bytes = 0;
	size_t size = sizeof bytes;
	return sysctlbyname("hw.memsize", &bytes, &size, NULL, 0) == 0 ? bytes : 0;
#elif defined(_SC_PHYS_PAGES)
	long n_pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	return n_pages > 0 && page > 0 ? (uint64_t)n_pages * (uint64_t)page : 0;
#else
	return 0;
#endif
}

/* "madvise" of "always [madvise] never"; "" without such a file. */
static void huge_page_setting(char out[32])
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
	char line[64] = "";
	const char *open;

	out[0] = '\0';
	if (!file)
		return;
	if (fgets(line, sizeof line, file) && (open = strchr(line, '[')))
		snprintf(out, 32, "%.*s", (int)strcspn(open + 1, "]\n") % 31, open + 1);
	fclose(file);
}

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown compiler"
#endif

void bench_describe_machine(struct text *to, int n_threads, const struct tern_meter *meter)
{
	char cpu[BENCH_CPU_SIZE], memory[FORMAT_SIZE], huge[32];
	uint64_t n_bytes = total_memory();

	huge_page_setting(huge);
	text_printf(to, "CPU:     %s, %ld online, %d fast cores\n", bench_cpu_name(cpu), sysconf(_SC_NPROCESSORS_ONLN),
	            tern_default_threads());
	text_printf(to, "memory:  %s, pages of %ld KiB", n_bytes ? format_bytes(memory, n_bytes) : "unknown",
	            sysconf(_SC_PAGESIZE) / 1024);
	text_printf(to, "%s%s\n", huge[0] ? ", huge pages: " : "", huge);
	text_printf(to, "kernels: %s (%s), tern %s, %s\n", tern_isa_name(NULL), meter->instruction, TERN_VERSION,
	            COMPILER);
	text_printf(to, "limits:  %d thread%s read the weights at %.1f GB/s and do %.1f G multiply-adds/s\n\n",
	            n_threads, n_threads == 1 ? "" : "s", tern_meter_read(meter, PROBE_NS) * 1e-9,
	            tern_meter_multiply(meter, PROBE_NS) * 1e-9);
}

/* ---- the battery ----------------------------------------------------------------------------------------------- */

static void read_word(char out[32], const char *folder, const char *file)
{
	char path[512];
	FILE *opened;

	out[0] = '\0';
	snprintf(path, sizeof path, "/sys/class/power_supply/%.200s/%s", folder, file);
	if (!(opened = fopen(path, "r")))
		return;
	if (fscanf(opened, "%31s", out) != 1)
		out[0] = '\0';
	fclose(opened);
}

/* Whether a battery discharges that is not a mouse's or keyboard's. */
static bool is_on_battery(void)
{
	DIR *folder = opendir("/sys/class/power_supply");
	const struct dirent *entry;
	char type[32], scope[32], status[32];
	bool found = false;

	if (!folder)
		return false;
	while (!found && (entry = readdir(folder))) {
		read_word(type, entry->d_name, "type");
		read_word(scope, entry->d_name, "scope");
		read_word(status, entry->d_name, "status");
		found = !strcmp(type, "Battery") && strcmp(scope, "Device") && !strcmp(status, "Discharging");
	}
	closedir(folder);
	return found;
}

void bench_warn_of_battery(void)
{
	if (is_on_battery())
		warn("the machine runs on battery, which may slow it down");
}
