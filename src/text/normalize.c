/* Normal form C (Unicode Standard Annex 15), one segment at a time. A segment is a boundary character and what follows
 * up to the next one. A segment of a single boundary character needs no work. */
#include "text/normalize.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <string.h>

struct mark {
	uint32_t code_point;
	uint32_t combining_class;
};

struct normalizer {
	char *out;
	size_t n_out, out_capacity;
	struct mark *marks; /* the segment, decomposed; the second half of the block is for sorting */
	size_t n_marks, mark_capacity;
};

static bool put_bytes(struct normalizer *self, const char *bytes, size_t n_bytes)
{
	if (n_bytes == 0)
		return true;
	if (!TERN_GROW(self->out, self->out_capacity, self->n_out + n_bytes))
		return false;
	memcpy(self->out + self->n_out, bytes, n_bytes);
	self->n_out += n_bytes;
	return true;
}

static bool put_mark(struct normalizer *self, uint32_t code_point)
{
	if (!TERN_GROW(self->marks, self->mark_capacity, 2 * (self->n_marks + 1)))
		return false;
	self->marks[self->n_marks++] = (struct mark){code_point, tern_unicode_combining_class(code_point)};
	return true;
}

/* Only the first part of a decomposition can be decomposed again, so the second parts go on a stack. Unicode's longest
 * canonical decomposition has four characters. */
static bool put_decomposed(struct normalizer *self, uint32_t code_point)
{
	uint32_t waiting[8];
	size_t n_waiting = 0;
	uint32_t first, second;

	while (n_waiting < 8 && tern_unicode_decompose(code_point, &first, &second)) {
		if (second)
			waiting[n_waiting++] = second;
		code_point = first;
	}
	if (!put_mark(self, code_point))
		return false;
	while (n_waiting > 0)
		if (!put_mark(self, waiting[--n_waiting]))
			return false;
	return true;
}

/* Stable counting sort of n marks by combining class, which is not 0. */
static void sort_run(struct mark *marks, size_t n, struct mark *scratch)
{
	size_t place[257] = {0};
	bool sorted = true;

	for (size_t i = 1; i < n; i++)
		sorted = sorted && marks[i - 1].combining_class <= marks[i].combining_class;
	if (sorted)
		return;
	for (size_t i = 0; i < n; i++)
		place[marks[i].combining_class + 1]++;
	for (size_t c = 1; c < 257; c++)
		place[c] += place[c - 1];
	for (size_t i = 0; i < n; i++)
		scratch[place[marks[i].combining_class]++] = marks[i];
	memcpy(marks, scratch, n * sizeof *marks);
}

static void sort_marks(struct mark *marks, size_t n, struct mark *scratch)
{
	for (size_t i = 0; i < n;) {
		size_t end = i;
		while (end < n && marks[end].combining_class != 0)
			end++;
		sort_run(marks + i, end - i, scratch);
		i = end + 1;
	}
}

/* Joins each mark with the letter before it, unless a mark of the same or a higher class is in between. Returns how
 * many characters are left. */
static size_t compose_marks(struct mark *marks, size_t n)
{
	size_t kept = 0, starter = n; /* n: none yet */

	for (size_t i = 0; i < n; i++) {
		struct mark mark = marks[i];
		if (starter < n) {
			bool next_to_it = kept == starter + 1;
			bool blocked = !next_to_it && marks[kept - 1].combining_class >= mark.combining_class;
			uint32_t joined = tern_unicode_compose(marks[starter].code_point, mark.code_point);
			if (joined && !blocked) {
				marks[starter].code_point = joined;
				continue;
			}
		}
		if (mark.combining_class == 0)
			starter = kept;
		marks[kept++] = mark;
	}
	return kept;
}

static bool put_segment(struct normalizer *self)
{
	char bytes[4];

	if (self->n_marks == 0)
		return true;
	sort_marks(self->marks, self->n_marks, self->marks + self->mark_capacity / 2);
	size_t n = compose_marks(self->marks, self->n_marks);
	for (size_t i = 0; i < n; i++)
		if (!put_bytes(self, bytes, tern_utf8_encode(self->marks[i].code_point, bytes)))
			return false;
	self->n_marks = 0;
	return true;
}

/* Decodes the character at text. Invalid UTF-8 counts as a boundary; *code_point is then 0. */
static bool next_is_boundary(const char *text, size_t n_bytes, uint32_t *code_point, size_t *length)
{
	*code_point = 0;
	if ((unsigned char)text[0] < 0xcc) { /* U+0300, the first that is no boundary, begins with CC */
		*length = 1;
		return true;
	}
	if (tern_utf8_decode(text, n_bytes, code_point, length) != TERN_UTF8_CHARACTER)
		return true;
	return tern_unicode_is_boundary(*code_point);
}

/* Decomposes, sorts and composes the segment [start, end). Invalid UTF-8 is copied, and nothing joins across it. */
static bool normalize_segment(struct normalizer *self, const char *text, size_t start, size_t end)
{
	for (size_t i = start; i < end;) {
		uint32_t code_point;
		size_t length;
		if (tern_utf8_decode(text + i, end - i, &code_point, &length) == TERN_UTF8_CHARACTER) {
			if (!put_decomposed(self, code_point))
				return false;
		} else if (!put_segment(self) || !put_bytes(self, text + i, length)) {
			return false;
		}
		i += length;
	}
	return put_segment(self);
}

static bool normalize(struct normalizer *self, const char *text, size_t n_bytes)
{
	size_t start = 0, copied = 0; /* start of the segment; how much of text is in self->out */

	for (size_t i = 0; i < n_bytes;) {
		uint32_t code_point;
		size_t length;
		if (next_is_boundary(text + i, n_bytes - i, &code_point, &length)) {
			start = i;
			i += length;
			continue;
		}
		/* Continuation bytes counted as boundaries above; the segment begins at the first byte of its
		 * character. */
		while (start > copied && start < i && ((unsigned char)text[start] & 0xc0) == 0x80)
			start--;
		size_t end = i;
		while (end < n_bytes && !next_is_boundary(text + end, n_bytes - end, &code_point, &length))
			end += length;
		if (!put_bytes(self, text + copied, start - copied) || !normalize_segment(self, text, start, end))
			return false;
		start = i = copied = end;
	}
	return copied == 0 || put_bytes(self, text + copied, n_bytes - copied);
}

bool tern_normalize_nfc(const char *text, size_t n_bytes, char **normal, size_t *n_normal)
{
	struct normalizer self = {0};
	bool ok = normalize(&self, text, n_bytes);

	tern_free(self.marks);
	*normal = NULL;
	*n_normal = 0;
	if (!ok || self.n_out == 0) {
		tern_free(self.out);
		return ok;
	}
	*normal = self.out;
	*n_normal = self.n_out;
	return true;
}
