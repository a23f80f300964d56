#include "console/history.h"
#include "base/file.h"
#include "base/memory.h"
#include "console/history_file.h"
#include "console/term.h"
#include "console/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct history {
	struct text entries[HISTORY_MAX_ENTRIES]; /* oldest first */
	size_t n_entries;
	char *path; /* NULL: nothing is written */
};

/* From here on the history lasts as long as the program. */
static void give_up(struct history *history, const struct tern_error *err)
{
	warn("%s; what is typed now is not kept", err->message);
	tern_free(history->path);
	history->path = NULL;
}

/* Adds an entry behind the others; the oldest one leaves when there are too many. */
static void store(struct history *history, struct text *entry)
{
	if (entry->failed || entry->n_bytes == 0) {
		text_free(entry);
		return;
	}
	if (history->n_entries == HISTORY_MAX_ENTRIES) {
		text_free(&history->entries[0]);
		history->n_entries--;
		memmove(history->entries, history->entries + 1, history->n_entries * sizeof *history->entries);
	}
	history->entries[history->n_entries++] = *entry;
	memset(entry, 0, sizeof *entry);
}

/* Takes the entries out of a file's bytes; returns how many there are. */
static size_t read_entries(struct history *history, const char *bytes, size_t n_bytes)
{
	size_t n_lines = 0, length;

	for (size_t i = 0; i < n_bytes; i += length + 1) {
		const char *newline = memchr(bytes + i, '\n', n_bytes - i);
		struct text entry = {0};
		length = newline ? (size_t)(newline - bytes) - i : n_bytes - i;
		/* A line break within an entry is escaped: this one an editor has put there. */
		history_unescape(&entry, bytes + i, length && bytes[i + length - 1] == '\r' ? length - 1 : length);
		n_lines++;
		store(history, &entry);
	}
	return n_lines;
}

/* Replaces the file, which has grown too long, by the entries; the caller holds its lock. */
static enum tern_status write_anew(const struct history *history, struct tern_error *err)
{
	struct tern_outfile out;
	enum tern_status status = tern_outfile_open(&out, history->path, true, err);

	for (size_t i = 0; status == TERN_OK && i < history->n_entries; i++) {
		struct text line = {0};
		history_escape(&line, history->entries[i].bytes, history->entries[i].n_bytes);
		if (line.failed)
			status = tern_fail_memory(err, history->entries[i].n_bytes);
		else
			status = tern_outfile_write(&out, line.bytes, line.n_bytes, err);
		text_free(&line);
	}
	if (status == TERN_OK)
		return tern_outfile_commit(&out, err);
	tern_outfile_abort(&out);
	return status;
}

/* Reads the file, and shortens it if that is due and allowed. */
static enum tern_status load(struct history *history, int fd, bool may_write, struct tern_error *err)
{
	enum tern_status status;
	uint8_t *bytes;
	size_t n_bytes, n_lines;

	if ((status = tern_read_all(fd, history->path, HISTORY_MAX_FILE, &bytes, &n_bytes, err)))
		return status;
	if (memchr(bytes, 0, n_bytes)) {
		status = tern_fail(err, TERN_ERR_FILE, "%s: is no history: it holds binary data", history->path);
	} else {
		n_lines = read_entries(history, (const char *)bytes, n_bytes);
		if (may_write && n_lines > HISTORY_MAX_ENTRIES + HISTORY_SLACK)
			status = write_anew(history, err);
	}
	tern_free(bytes);
	return status;
}

static void open_file(struct history *history)
{
	struct tern_error err = {.status = TERN_OK}, read_err;
	int fd = history_file_lock(history->path, &err);
	bool may_write = fd >= 0;

	if (fd < 0)
		fd = history_file_read_only(history->path);
	if (fd >= 0 && load(history, fd, may_write, &read_err) != TERN_OK && err.status == TERN_OK)
		err = read_err;
	if (fd >= 0)
		close(fd);
	if (err.status != TERN_OK)
		give_up(history, &err);
}

struct history *history_open(const char *path)
{
	struct history *history = tern_alloc(1, sizeof *history);

	if (history && path && (history->path = tern_copy_string(path, strlen(path))))
		open_file(history);
	return history;
}

void history_close(struct history *history)
{
	if (!history)
		return;
	for (size_t i = 0; i < history->n_entries; i++)
		text_free(&history->entries[i]);
	tern_free(history->path);
	tern_free(history);
}

size_t history_count(const struct history *history) { return history ? history->n_entries : 0; }

const char *history_entry(const struct history *history, size_t i, size_t *n_bytes)
{
	*n_bytes = history->entries[i].n_bytes;
	return history->entries[i].bytes;
}

static bool is_last(const struct history *history, const char *bytes, size_t n_bytes)
{
	size_t n_last;
	const char *last = history->n_entries > 0 ? history_entry(history, history->n_entries - 1, &n_last) : NULL;

	return last && n_last == n_bytes && memcmp(last, bytes, n_bytes) == 0;
}

void history_add(struct history *history, const char *bytes, size_t n_bytes)
{
	struct text entry = {0}, line = {0};
	struct tern_error err;

	if (!history || n_bytes == 0 || bytes[0] == ' ' || is_last(history, bytes, n_bytes))
		return;
	text_append(&entry, bytes, n_bytes);
	store(history, &entry);
	if (!history->path || n_bytes > HISTORY_MAX_ENTRY)
		return;
	history_escape(&line, bytes, n_bytes);
	if (!line.failed && history_file_append(history->path, line.bytes, line.n_bytes, &err) != TERN_OK)
		give_up(history, &err);
	text_free(&line);
}

/* Makes the directories above the last component, for the user only. */
static bool make_directories(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		bool made = mkdir(path, 0700) == 0 || errno == EEXIST || errno == EISDIR;
		if (!made)
			warn("%s: cannot make this directory: %s; no history is kept", path, strerror(errno));
		*slash = '/';
		if (!made)
			return false;
	}
	return true;
}

char *history_default_path(void)
{
	const char *named = getenv("TERN_HISTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct text path = {0};

	if (named)
		return *named ? tern_copy_string(named, strlen(named)) : NULL;
	/* The XDG specification has relative paths ignored. */
	if (state && state[0] == '/')
		text_printf(&path, "%s/tern/history", state);
	else if (home && home[0] == '/')
		text_printf(&path, "%s/.local/state/tern/history", home);
	else
		warn("HOME is not set: no history is kept");
	if (path.n_bytes > 0 && !path.failed && make_directories(path.bytes))
		return path.bytes;
	text_free(&path);
	return NULL;
}
