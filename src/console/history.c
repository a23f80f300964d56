#include "console/history.h"
#include "base/memory.h"

#include <string.h>

struct history {
	char **entries; /* NUL-terminated, oldest first */
	size_t *lengths;
	size_t n_entries;
};

struct history *history_open(const char *path)
{
	struct history *history = tern_alloc(1, sizeof *history);

	(void)path;
	if (!history)
		return NULL;
	history->entries = tern_alloc(HISTORY_MAX_ENTRIES, sizeof *history->entries);
	history->lengths = tern_alloc(HISTORY_MAX_ENTRIES, sizeof *history->lengths);
	if (history->entries && history->lengths)
		return history;
	history_close(history);
	return NULL;
}

void history_close(struct history *history)
{
	if (!history)
		return;
	for (size_t i = 0; i < history->n_entries; i++)
		tern_free(history->entries[i]);
	tern_free(history->entries);
	tern_free(history->lengths);
	tern_free(history);
}

char *history_default_path(void) { return NULL; }

size_t history_count(const struct history *history) { return history ? history->n_entries : 0; }

const char *history_entry(const struct history *history, size_t i, size_t *n_bytes)
{
	*n_bytes = history->lengths[i];
	return history->entries[i];
}

void history_add(struct history *history, const char *bytes, size_t n_bytes)
{
	if (!history || n_bytes == 0 || n_bytes > HISTORY_MAX_ENTRY || bytes[0] == ' ')
		return;
	char *copy = tern_alloc(n_bytes + 1, 1);
	if (!copy)
		return;
	memcpy(copy, bytes, n_bytes);
	if (history->n_entries == HISTORY_MAX_ENTRIES) {
		tern_free(history->entries[0]);
		history->n_entries--;
		memmove(history->entries, history->entries + 1, history->n_entries * sizeof *history->entries);
		memmove(history->lengths, history->lengths + 1, history->n_entries * sizeof *history->lengths);
	}
	history->entries[history->n_entries] = copy;
	history->lengths[history->n_entries++] = n_bytes;
}
