#include "text/unicode.h"

/* Hangul syllables and their letters (Unicode standard, section 3.12). */
enum {
	HANGUL_L = 0x1100, /* leading consonants */
	HANGUL_V = 0x1161, /* vowels */
	HANGUL_T = 0x11a7, /* one before the first trailing consonant */
	HANGUL_S = 0xac00, /* syllables, ordered by L, V, T */
	N_HANGUL_L = 19,
	N_HANGUL_V = 21,
	N_HANGUL_T = 28,
	N_HANGUL_S = N_HANGUL_L * N_HANGUL_V * N_HANGUL_T,
};

/* The value of the last entry that begins at or before a code point. The first entry is for code point 0. */
static uint32_t value_at(const uint32_t *starts, size_t n, uint32_t code_point)
{
	size_t low = 0, high = n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (starts[middle] >> 9 <= code_point)
			low = middle;
		else
			high = middle;
	}
	return starts[low] & 0x1ff;
}

enum unicode_class tern_unicode_class_of_other(uint32_t code_point)
{
	return (enum unicode_class)value_at(tern_unicode_classes, tern_n_unicode_classes, code_point);
}

unsigned tern_unicode_combining_class(uint32_t code_point)
{
	return value_at(tern_unicode_normal, tern_n_unicode_normal, code_point) & 0xff;
}

bool tern_unicode_is_boundary(uint32_t code_point)
{
	return code_point < 0x300 || !(value_at(tern_unicode_normal, tern_n_unicode_normal, code_point) & 0x100);
}

bool tern_unicode_decompose(uint32_t code_point, uint32_t *first, uint32_t *second)
{
	size_t low = 0, high = tern_n_unicode_decompositions;

	if (code_point >= HANGUL_S && code_point < HANGUL_S + N_HANGUL_S) {
		uint32_t index = code_point - HANGUL_S, t = index % N_HANGUL_T;
		if (t != 0) {
			*first = code_point - t;
			*second = HANGUL_T + t;
		} else {
			*first = HANGUL_L + index / (N_HANGUL_V * N_HANGUL_T);
			*second = HANGUL_V + index / N_HANGUL_T % N_HANGUL_V;
		}
		return true;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct unicode_pair *pair = &tern_unicode_decompositions[middle];
		if (pair->composed == code_point) {
			*first = pair->first;
			*second = pair->second;
			return true;
		}
		if (pair->composed < code_point)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

uint32_t tern_unicode_compose(uint32_t first, uint32_t second)
{
	size_t low = 0, high = tern_n_unicode_compositions;

	if (first >= HANGUL_L && first < HANGUL_L + N_HANGUL_L && second >= HANGUL_V && second < HANGUL_V + N_HANGUL_V)
		return HANGUL_S + ((first - HANGUL_L) * N_HANGUL_V + (second - HANGUL_V)) * N_HANGUL_T;
	if (first >= HANGUL_S && first < HANGUL_S + N_HANGUL_S && (first - HANGUL_S) % N_HANGUL_T == 0 &&
	    second > HANGUL_T && second < HANGUL_T + N_HANGUL_T)
		return first + (second - HANGUL_T);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct unicode_pair *pair = &tern_unicode_compositions[middle];
		if (pair->first == first && pair->second == second)
			return pair->composed;
		if (pair->first < first || (pair->first == first && pair->second < second))
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}
