/* The history and its file: what is kept, what others do to the file at the same time, and files that are no history.
 */
#include "base/memory.h"
#include "console/history.h"
#include "console/term.h"
#include "scratch.h"
#include "test.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *path;

static void add(struct history *history, const char *text) { history_add(history, text, strlen(text)); }

static bool entry_is(const struct history *history, size_t i, const char *bytes, size_t n_bytes)
{
	size_t n;

	if (i >= history_count(history))
		return false;
	const char *entry = history_entry(history, i, &n);
	return n == n_bytes && memcmp(entry, bytes, n) == 0;
}

static bool file_is(const char *expected)
{
	char bytes[4096];
	FILE *file = fopen(path, "rb");
	size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;

	if (file)
		fclose(file);
	return file && n == strlen(expected) && memcmp(bytes, expected, n) == 0;
}

static void write_text(const char *text) { scratch_write(path, text, strlen(text)); }

static void test_keeping(void)
{
	static const char odd[] = "a\nb\\n\r\0\xff\t\"";
	char longest[HISTORY_MAX_ENTRY + 1];
	struct history *history = history_open(path);
	struct stat st;

	memset(longest, 'x', sizeof longest);
	CHECK(history_count(history) == 0, "a new history");
	add(history, "one");
	add(history, "one");
	add(history, " secret");
	add(history, "");
	history_add(history, odd, sizeof odd - 1);
	history_add(history, longest, sizeof longest);
	add(history, "one");
	CHECK(history_count(history) == 4 && entry_is(history, 1, odd, sizeof odd - 1) &&
	              entry_is(history, 2, longest, sizeof longest),
	      "%zu entries", history_count(history));
	history_close(history);
	CHECK(file_is("one\na\\nb\\\\n\\r\\0\xff\t\"\none\n"), "the file");
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "mode %o", (unsigned)st.st_mode);

	CHECK(chmod(path, 0644) == 0, "chmod");
	history = history_open(path);
	CHECK(history_count(history) == 3 && entry_is(history, 1, odd, sizeof odd - 1), "read back");
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "made private");
	history_close(history);

	/* No file, no memory: nothing happens. */
	history = history_open(NULL);
	add(history, "x");
	CHECK(history_count(history) == 1, "in memory");
	history_close(history);
	history_close(NULL);
	history_add(NULL, "x", 1);
	CHECK(history_count(NULL) == 0, "none");
	remove(path);
}

static void test_damage(void)
{
	struct history *history;

	/* A last line without its end, an unknown escape, a backslash at the end. */
	write_text("a\\x\n\n\nb\\");
	history = history_open(path);
	CHECK(history_count(history) == 2 && entry_is(history, 0, "a\\x", 3) && entry_is(history, 1, "b\\", 2),
	      "%zu entries", history_count(history));
	add(history, "c");
	history_close(history);
	CHECK(file_is("a\\x\n\n\nb\\\nc\n"), "a line of its own");

	/* Gone, or replaced, while it is open. */
	history = history_open(path);
	remove(path);
	add(history, "d");
	CHECK(file_is("d\n"), "made again");
	history_close(history);
	remove(path);
}

/* One that is too long is shortened, one that is no history is left alone; both without losing what is typed. */
static void test_size(void)
{
	FILE *file = fopen(path, "wb");
	struct history *history;
	struct stat st;
	char last[20];

	for (int i = 0; file && i < 1500; i++)
		fprintf(file, "entry %d\n", i);
	CHECK(file && fclose(file) == 0, "cannot write");
	history = history_open(path);
	CHECK(history_count(history) == HISTORY_MAX_ENTRIES && entry_is(history, 0, "entry 500", 9) &&
	              entry_is(history, 999, "entry 1499", 10),
	      "%zu entries", history_count(history));
	add(history, "new");
	CHECK(history_count(history) == HISTORY_MAX_ENTRIES && entry_is(history, 0, "entry 501", 9), "the oldest left");
	history_close(history);
	history = history_open(path);
	CHECK(history_count(history) == HISTORY_MAX_ENTRIES && entry_is(history, 999, "new", 3), "shortened");
	history_close(history);
	CHECK(stat(path, &st) == 0 && st.st_size < 1001 * 11 && scratch_count(false) == 1, "%ld bytes",
	      (long)st.st_size);

	scratch_write(path, "one\r\ntwo\r\n", 10); /* as some editors save it */
	history = history_open(path);
	CHECK(history_count(history) == 2 && entry_is(history, 0, "one", 3) && entry_is(history, 1, "two", 3), "CRLF");
	history_close(history);

	scratch_write(path, "GGUF\0\1\2\3", 8);
	history = history_open(path);
	add(history, "x");
	CHECK(history_count(history) == 1 && stat(path, &st) == 0 && st.st_size == 8, "binary");
	history_close(history);

	/* A sparse file of a gigabyte that ends like a history. */
	file = fopen(path, "wb");
	snprintf(last, sizeof last, "\nlast\n");
	CHECK(file && fseek(file, 1 << 30, SEEK_SET) == 0 && fputs(last, file) >= 0 && fclose(file) == 0, "big file");
	history = history_open(path);
	add(history, "x");
	CHECK(history_count(history) == 1 && stat(path, &st) == 0 && st.st_size == (1 << 30) + 6, "too long");
	history_close(history);
	remove(path);
}

static void test_other_kinds(void)
{
	const char *target = scratch_path("target");
	struct history *history;
	struct stat st;

	scratch_write(target, "x\n", 2);
	CHECK(symlink(target, path) == 0, "symlink");
	history = history_open(path);
	add(history, "y");
	CHECK(stat(target, &st) == 0 && st.st_size == 2, "the link was followed");
	history_close(history);
	remove(path);
	remove(target);

	CHECK(mkfifo(path, 0600) == 0, "mkfifo");
	history = history_open(path); /* does not wait for a writer */
	add(history, "y");
	CHECK(history_count(history) == 1, "pipe");
	history_close(history);
	remove(path);

	CHECK(mkdir(path, 0700) == 0, "mkdir");
	history = history_open(path);
	add(history, "y");
	CHECK(history_count(history) == 1, "directory");
	history_close(history);
	remove(path);

	write_text("old\n");
	CHECK(chmod(path, 0400) == 0, "chmod");
	history = history_open(path);
	add(history, "y");
	CHECK(entry_is(history, 0, "old", 3) && entry_is(history, 1, "y", 1), "read only");
	CHECK(geteuid() == 0 || file_is("old\n"), "it could not be written to");
	history_close(history);
	remove(path);
}

/* Several programs at once, each opening, adding and, the file being full, shortening it: the last 1000 messages are
 * all there, each whole. */
static void test_together(void)
{
	enum {
		N_CHILDREN = 4,
		N_EACH = 60,
	};
	struct history *history = NULL;
	int n_found[N_CHILDREN] = {0}, n_whole = 0;
	FILE *file = fopen(path, "wb");

	for (int i = 0; file && i < HISTORY_MAX_ENTRIES + HISTORY_SLACK - 10; i++)
		fprintf(file, "old %d\n", i);
	CHECK(file && fclose(file) == 0, "cannot write");
	fflush(NULL);
	for (int child = 0; child < N_CHILDREN; child++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < N_EACH; i++) {
			char text[40];
			if (i % 10 == 0) {
				history_close(history);
				history = history_open(path);
			}
			snprintf(text, sizeof text, "child %d says %d", child, i);
			add(history, text);
		}
		history_close(history);
		_exit(0);
	}
	for (int child = 0; child < N_CHILDREN; child++)
		wait(NULL);
	history = history_open(path);
	for (size_t i = 0; i < history_count(history); i++) {
		size_t n;
		int child, number, old;
		const char *entry = history_entry(history, i, &n);
		if (sscanf(entry, "child %d says %d", &child, &number) == 2 && child >= 0 && child < N_CHILDREN &&
		    number == n_found[child])
			n_found[child]++;
		n_whole +=
		        sscanf(entry, "child %d says %d", &child, &number) == 2 || sscanf(entry, "old %d", &old) == 1;
	}
	for (int child = 0; child < N_CHILDREN; child++)
		CHECK(n_found[child] == N_EACH, "child %d: %d of %d, in order", child, n_found[child], N_EACH);
	CHECK(n_whole == HISTORY_MAX_ENTRIES, "%d whole entries", n_whole);
	history_close(history);
	remove(path);
}

static bool default_path_is(const char *named, const char *state, const char *home, const char *expected)
{
	named ? setenv("TERN_HISTORY", named, 1) : unsetenv("TERN_HISTORY");
	state ? setenv("XDG_STATE_HOME", state, 1) : unsetenv("XDG_STATE_HOME");
	home ? setenv("HOME", home, 1) : unsetenv("HOME");
	char *found = history_default_path();
	bool good = found ? expected && strcmp(found, expected) == 0 : !expected;
	tern_free(found);
	return good;
}

static void test_default_path(void)
{
	char expected[1024];
	struct stat st;

	CHECK(default_path_is("/x/y", "/state", "/home", "/x/y"), "named");
	CHECK(default_path_is("", "/state", "/home", NULL), "none wanted");
	snprintf(expected, sizeof expected, "%s/a/tern/history", scratch_directory);
	CHECK(default_path_is(NULL, scratch_path("a"), "/nowhere", expected), "state");
	CHECK(stat(scratch_path("a/tern"), &st) == 0 && (st.st_mode & 0777) == 0700, "a private directory");
	snprintf(expected, sizeof expected, "%s/.local/state/tern/history", scratch_directory);
	CHECK(default_path_is(NULL, "relative", scratch_directory, expected), "home");
	CHECK(default_path_is(NULL, NULL, NULL, NULL), "no home");
	CHECK(default_path_is(NULL, NULL, "/dev/null", NULL), "a home that is none");
	static const char *const made[] = {"a/tern", "a", ".local/state/tern", ".local/state", ".local"};
	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		CHECK(rmdir(scratch_path(made[i])) == 0, "%s", made[i]);
}

int main(void)
{
	char copy[800];

	scratch_begin();
	snprintf(copy, sizeof copy, "%s", scratch_path("history"));
	path = copy;
	term_start();
	term_configure(TERM_COLOR_NEVER, true); /* its warnings are expected here */
	test_keeping();
	test_damage();
	test_size();
	test_other_kinds();
	test_together();
	test_default_path();
	scratch_end();
	return test_summary();
}
