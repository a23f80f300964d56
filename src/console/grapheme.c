#include "console/grapheme.h"
#include "base/utf8.h"

#include <stdbool.h>

enum {
	HANGUL_FIRST = 0xac00, /* syllables; every N_HANGUL_T-th has no final consonant */
	N_HANGUL_T = 28,
	FIRST_WIDE_OR_MARK = 0x300, /* below it all widths are 1 */
	MAX_BACK = 4096,            /* bytes that grapheme_previous() looks at: a row of flags has no other limit */
};

size_t grapheme_decode(const char *bytes, size_t n_bytes, uint32_t *code_point)
{
	size_t length;

	if (tern_utf8_decode(bytes, n_bytes, code_point, &length) == TERN_UTF8_CHARACTER)
		return length;
	*code_point = GRAPHEME_INVALID;
	return 1;
}

static uint32_t look_up(uint32_t code_point)
{
	size_t low = 0, high = n_grapheme_table;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (grapheme_table[middle] >> 6 <= code_point)
			low = middle;
		else
			high = middle;
	}
	return grapheme_table[low] & 0x3f;
}

int grapheme_width(uint32_t code_point)
{
	if (code_point < FIRST_WIDE_OR_MARK || code_point == GRAPHEME_INVALID)
		return 1;
	return (int)(look_up(code_point) & 3);
}

enum grapheme_class grapheme_class_of(uint32_t code_point)
{
	enum grapheme_class class;

	if (code_point == GRAPHEME_INVALID)
		return GRAPHEME_CONTROL;
	class = (enum grapheme_class)(look_up(code_point) >> 2);
	if (class == GRAPHEME_HANGUL_LV && (code_point - HANGUL_FIRST) % N_HANGUL_T != 0)
		return GRAPHEME_HANGUL_LVT;
	return class;
}

static bool is_control(enum grapheme_class class) { return class >= GRAPHEME_CR && class <= GRAPHEME_CONTROL; }

/* Rules GB3 to GB9b: whether two neighbors stay together whatever stands before them. */
static bool stay_together(enum grapheme_class left, enum grapheme_class right)
{
	if (is_control(left) || is_control(right))
		return left == GRAPHEME_CR && right == GRAPHEME_LF;
	switch (right) {
	case GRAPHEME_EXTEND:
	case GRAPHEME_ZWJ:
	case GRAPHEME_SPACING_MARK:
		return true;
	case GRAPHEME_HANGUL_L:
	case GRAPHEME_HANGUL_LV:
	case GRAPHEME_HANGUL_LVT:
		return left == GRAPHEME_HANGUL_L || left == GRAPHEME_PREPEND;
	case GRAPHEME_HANGUL_V:
		return left == GRAPHEME_HANGUL_L || left == GRAPHEME_HANGUL_V || left == GRAPHEME_HANGUL_LV ||
		       left == GRAPHEME_PREPEND;
	case GRAPHEME_HANGUL_T:
		return (left >= GRAPHEME_HANGUL_V && left <= GRAPHEME_HANGUL_T) || left == GRAPHEME_HANGUL_LV ||
		       left == GRAPHEME_HANGUL_LVT || left == GRAPHEME_PREPEND;
	default:
		return left == GRAPHEME_PREPEND;
	}
}

size_t grapheme_next(const char *bytes, size_t n_bytes, size_t at)
{
	enum grapheme_class left, right;
	bool is_picture;     /* the cluster so far is a pictograph and what extends it (GB11) */
	size_t n_flags;      /* regional indicators so far: two make a flag (GB12, GB13) */
	uint32_t code_point; /* of the character at `at` */

	if (at >= n_bytes)
		return n_bytes;
	at += grapheme_decode(bytes + at, n_bytes - at, &code_point);
	left = grapheme_class_of(code_point);
	is_picture = left == GRAPHEME_PICTOGRAPH;
	n_flags = left == GRAPHEME_REGIONAL;
	while (at < n_bytes) {
		size_t length = grapheme_decode(bytes + at, n_bytes - at, &code_point);
		right = grapheme_class_of(code_point);
		if (!stay_together(left, right) &&
		    !(is_picture && left == GRAPHEME_ZWJ && right == GRAPHEME_PICTOGRAPH) &&
		    !(n_flags % 2 == 1 && left == GRAPHEME_REGIONAL && right == GRAPHEME_REGIONAL))
			break;
		is_picture = right == GRAPHEME_PICTOGRAPH ||
		             (is_picture && (right == GRAPHEME_EXTEND || right == GRAPHEME_ZWJ));
		n_flags += right == GRAPHEME_REGIONAL;
		left = right;
		at += length;
	}
	return at;
}

/* A byte before which a cluster surely begins: printable ASCII, unless a rare prepended character precedes it. */
static bool is_safe(char c) { return c >= 0x20 && c < 0x7f; }

size_t grapheme_previous(const char *bytes, size_t at)
{
	size_t begin = at, end;

	if (at == 0)
		return 0;
	do
		begin--;
	while (begin > 0 && at - begin < MAX_BACK && !(is_safe(bytes[begin]) && is_safe(bytes[begin - 1])));
	while ((end = grapheme_next(bytes, at, begin)) < at)
		begin = end;
	return begin;
}
