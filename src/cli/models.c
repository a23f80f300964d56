#ifdef __APPLE__
#define _DARWIN_C_SOURCE /* _NSGetExecutablePath() uses types POSIX mode hides */
#include <mach-o/dyld.h>
#endif

#include "cli/catalogue.h"
#include "cli/models.h"
#include "console/output.h"
#include "console/term.h"
#include "console/text.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHIPPED_MODEL "tern-tiny"

static const char *program_name = "";

void models_start(const char *argv0) { program_name = argv0; }

/* A search: the name, the folders searched so far, and the file once it is found. */
struct search {
	const char *name; /* NULL: print the names of all models instead */
	struct text looked_in, path;
	bool found, out_of_memory;
};

static bool is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* Prints the names of the folder's .gguf files, without the ending. */
static void print_names_in(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		size_t length = strlen(entry->d_name);
		if (length <= 5 || strcmp(entry->d_name + length - 5, ".gguf") != 0)
			continue;
		output_line_part(entry->d_name, length - 5);
		output_write("\n", 1);
	}
	if (folder)
		closedir(folder);
}

static void look_in(struct search *search, const char *folder, size_t n_folder, const char *below)
{
	static const char *const endings[] = {"", ".gguf"};

	if (search->found || search->out_of_memory || n_folder == 0)
		return;
	if (!search->name) {
		text_free(&search->path);
		text_printf(&search->path, "%.*s%s", (int)n_folder, folder, below);
		if (!search->path.failed)
			print_names_in(search->path.bytes);
		return;
	}
	for (size_t i = 0; i < 2 && !search->found; i++) {
		text_free(&search->path);
		text_printf(&search->path, "%.*s%s/%s%s", (int)n_folder, folder, below, search->name, endings[i]);
		search->out_of_memory |= search->path.failed;
		search->found = !search->path.failed && is_file(search->path.bytes);
	}
	text_printf(&search->looked_in, "%s%.*s%s", search->looked_in.n_bytes ? ", " : "", (int)n_folder, folder,
	            below);
	search->out_of_memory |= search->looked_in.failed;
}

/* The running program's path, or "". */
static void find_program(char path[PATH_MAX])
{
	path[0] = '\0';
#ifdef __APPLE__
	char raw[PATH_MAX];
	uint32_t size = sizeof raw;
	if (_NSGetExecutablePath(raw, &size) == 0 && !realpath(raw, path))
		path[0] = '\0';
#else
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
#endif
	if (!path[0] && strlen(program_name) < PATH_MAX)
		strcpy(path, program_name);
}

static void look_beside_program(struct search *search)
{
	static const char *const below[] = {"/build/models", "/models", "/../share/tern/models"};
	char path[PATH_MAX];
	char *slash;

	find_program(path);
	slash = strrchr(path, '/');
	for (size_t i = 0; slash && i < sizeof below / sizeof *below; i++)
		look_in(search, path, (size_t)(slash - path), below[i]);
}

static void look_in_list(struct search *search, const char *folders)
{
	for (const char *at = folders; at && *at; at += strspn(at, ":")) {
		size_t length = strcspn(at, ":");
		look_in(search, at, length, "");
		at += length;
	}
}

static void look_everywhere(struct search *search)
{
	const char *data_home = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	look_in_list(search, getenv("TERN_MODELS"));
	/* The XDG specification says to ignore relative paths. */
	if (data_home && data_home[0] == '/')
		look_in(search, data_home, strlen(data_home), "/tern/models");
	else if (home)
		look_in(search, home, strlen(home), "/.local/share/tern/models");
	look_beside_program(search);
}

static enum tern_status take_path(const char *name, char **path)
{
	struct text copy = {0};

	if (is_directory(name)) {
		report("%s: is a directory; expected a file (a checkpoint becomes one with: tern-convert %s -o "
		       "NAME.gguf)",
		       name, name);
		return TERN_ERR_FILE;
	}
	text_append(&copy, name, strlen(name));
	if (copy.failed)
		return report_out_of_memory();
	*path = copy.bytes;
	return TERN_OK;
}

/* Reports the folders searched and, for a public model, how to get it. */
static enum tern_status fail_to_find(const struct search *search)
{
	struct text advice = {0};

	catalogue_advise(&advice, search->name);
	report("%s: No such file, and no such model in %s%s%s", search->name,
	       search->looked_in.n_bytes ? search->looked_in.bytes : "any folder", advice.n_bytes ? "; " : "",
	       advice.n_bytes && !advice.failed ? advice.bytes : "");
	text_free(&advice);
	return TERN_ERR_FILE;
}

enum tern_status models_find(const char *name, char **path)
{
	struct search search = {0};
	const char *preset = getenv("TERN_MODEL");
	enum tern_status status = TERN_ERR_FAILED;

	*path = NULL;
	if (!name)
		name = preset && *preset ? preset : SHIPPED_MODEL;
	if (!*name) {
		report("-m: the model's name is empty");
		return TERN_ERR_USAGE;
	}
	if (strchr(name, '/') || is_file(name))
		return take_path(name, path);

	search.name = name;
	look_everywhere(&search);
	if (search.found) {
		*path = search.path.bytes;
		search.path.bytes = NULL;
		status = TERN_OK;
	} else if (search.out_of_memory) {
		status = report_out_of_memory();
	} else if (is_directory(name)) {
		status = take_path(name, path);
	} else {
		status = fail_to_find(&search);
	}
	text_free(&search.path);
	text_free(&search.looked_in);
	return status;
}

void models_print_names(void)
{
	struct search search = {.name = NULL};

	look_everywhere(&search);
	text_free(&search.path);
}
