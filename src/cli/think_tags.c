#include "cli/think_tags.h"

#include "base/sizes.h"
#include "base/space.h"

#include <string.h>

static const char begin_tag[] = "<think>", end_tag[] = "</think>";

enum {
	N_BEGIN = sizeof begin_tag - 1,
	N_END = sizeof end_tag - 1
};

/* All of these return true if there is more to look at in the new state. */

static bool at_start(struct think_tags *t, const char *bytes, size_t n_bytes, bool at_end)
{
	while (t->at < n_bytes && tern_is_space(bytes[t->at]))
		t->at++;
	size_t n = n_bytes - t->at;
	if (n >= N_BEGIN && memcmp(bytes + t->at, begin_tag, N_BEGIN) == 0) {
		t->at += N_BEGIN;
		t->state = THINK_INSIDE;
		return true;
	}
	if (n < N_BEGIN && memcmp(bytes + t->at, begin_tag, n) == 0 && !at_end)
		return false;
	t->state = THINK_ANSWER;
	return true;
}

/* Where the end tag, or a beginning of it that reaches the end, begins; n_bytes if nowhere. */
static size_t find_end(const char *bytes, size_t from, size_t n_bytes)
{
	for (size_t at = from; at < n_bytes; at++) {
		size_t n = tern_smaller(n_bytes - at, N_END);
		if (memcmp(bytes + at, end_tag, n) == 0)
			return at;
	}
	return n_bytes;
}

static bool inside(struct think_tags *t, const char *bytes, size_t n_bytes, bool at_end)
{
	size_t tag = find_end(bytes, t->at, n_bytes), end = tag;
	bool is_closed = n_bytes - tag >= N_END;

	if (at_end && !is_closed)
		end = n_bytes;
	while (end > t->at && bytes[end - 1] == '\n')
		end--;
	while (!t->has_put && t->at < end && bytes[t->at] == '\n')
		t->at++;
	if (end > t->at)
		t->put(t->user, bytes + t->at, end - t->at, true);
	t->has_put = t->has_put || end > t->at;
	t->at = end;
	if (!is_closed)
		return false;
	t->at = tag + N_END;
	t->state = THINK_GAP;
	return true;
}

void think_tags_split(struct think_tags *t, const char *bytes, size_t n_bytes, bool at_end)
{
	if (n_bytes == 0)
		return;
	if (t->state == THINK_START && !at_start(t, bytes, n_bytes, at_end))
		return;
	if (t->state == THINK_INSIDE && !inside(t, bytes, n_bytes, at_end))
		return;
	while (t->state == THINK_GAP && t->at < n_bytes && bytes[t->at] == '\n')
		t->at++;
	if (t->at == n_bytes)
		return;
	t->state = THINK_ANSWER;
	t->put(t->user, bytes + t->at, n_bytes - t->at, false);
	t->at = n_bytes;
}
