#include "text/pretokenize.h"

#include "base/utf8.h"
#include "text/unicode.h"

#include <string.h>

/* The expressions, as tokenizer.json files spell them. */
#define CONTRACTIONS_ANY_CASE "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define AFTER_SYMBOLS         "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define AFTER_NUMBERS         "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" AFTER_SYMBOLS
static const char *const regexes[] = {
        [PRETOKEN_LLAMA3] = CONTRACTIONS_ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" AFTER_NUMBERS,
        [PRETOKEN_QWEN2] = CONTRACTIONS_ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" AFTER_NUMBERS,
        [PRETOKEN_QWEN35] = CONTRACTIONS_ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                                                  "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" AFTER_SYMBOLS,
        [PRETOKEN_GPT2] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
};

/* The names are llama.cpp's. Of rows that differ only in their name, the converter writes the first. */
static const struct tern_pretokenizer pretokenizers[] = {
        {"llama-bpe", PRETOKEN_LLAMA3, .ignore_merges = true, .nfc = false},
        {"llama3", PRETOKEN_LLAMA3, .ignore_merges = true, .nfc = false},
        {"llama-v3", PRETOKEN_LLAMA3, .ignore_merges = true, .nfc = false},
        {"falcon3", PRETOKEN_LLAMA3, .ignore_merges = true, .nfc = false},
        {"falcon_e", PRETOKEN_LLAMA3, .ignore_merges = true, .nfc = false},
        {"smaug-bpe", PRETOKEN_LLAMA3, .ignore_merges = false, .nfc = false},
        {"dbrx", PRETOKEN_LLAMA3, .ignore_merges = false, .nfc = false},
        {"qwen2", PRETOKEN_QWEN2, .ignore_merges = false, .nfc = true},
        {"deepseek-r1-qwen", PRETOKEN_QWEN2, .ignore_merges = false, .nfc = true},
        {"megrez", PRETOKEN_QWEN2, .ignore_merges = false, .nfc = false},
        /* Hugging Face's tokenizer composes characters first. llama.cpp does not, and neither does tern. */
        {"qwen35", PRETOKEN_QWEN35, .ignore_merges = false, .nfc = false},
        {"gpt-2", PRETOKEN_GPT2, .ignore_merges = false, .nfc = false},
        {"olmo", PRETOKEN_GPT2, .ignore_merges = false, .nfc = true},
        {"mpt", PRETOKEN_GPT2, .ignore_merges = false, .nfc = true},
};
enum {
	N_PRETOKENIZERS = sizeof pretokenizers / sizeof pretokenizers[0]
};

bool tern_pretokenizer_knows_default(size_t n_pieces) { return n_pieces >= 50254 && n_pieces <= 50688; }

const struct tern_pretokenizer *tern_pretokenizer_find(const char *pre, size_t n_pieces)
{
	if (strcmp(pre, "default") == 0 && tern_pretokenizer_knows_default(n_pieces))
		pre = "olmo"; /* GPT-NeoX's expression and normal form */
	for (size_t i = 0; i < N_PRETOKENIZERS; i++)
		if (strcmp(pretokenizers[i].name, pre) == 0)
			return &pretokenizers[i];
	return NULL;
}

static const char *name_for(enum pretoken_pattern pattern, bool ignore_merges, bool nfc)
{
	for (size_t i = 0; i < N_PRETOKENIZERS; i++) {
		const struct tern_pretokenizer *row = &pretokenizers[i];
		if (row->pattern == pattern && row->ignore_merges == ignore_merges && row->nfc == nfc)
			return row->name;
	}
	return NULL;
}

const char *tern_pretokenizer_for_regex(const char *regex, size_t n_bytes, bool ignore_merges, bool nfc)
{
	for (size_t i = 0; i < sizeof regexes / sizeof regexes[0]; i++)
		if (strlen(regexes[i]) == n_bytes && memcmp(regexes[i], regex, n_bytes) == 0)
			return name_for((enum pretoken_pattern)i, ignore_merges, nfc);
	return NULL;
}

const char *tern_pretokenizer_for_byte_level(bool ignore_merges, bool nfc)
{
	return name_for(PRETOKEN_GPT2, ignore_merges, nfc);
}

/* ---- the matchers ---- */

struct cursor {
	const char *at, *end;
};

/* The class and length of the character at the cursor; \p{M} counts as `mark`. At the end: UNICODE_OTHER and length 0.
 */
static enum unicode_class class_at(struct cursor cursor, enum unicode_class mark, size_t *length)
{
	uint32_t code_point;

	if (cursor.at == cursor.end) {
		*length = 0;
		return UNICODE_OTHER;
	}
	if ((unsigned char)*cursor.at < 0x80) {
		*length = 1;
		return tern_unicode_class((unsigned char)*cursor.at);
	}
	if (tern_utf8_decode(cursor.at, (size_t)(cursor.end - cursor.at), &code_point, length) != TERN_UTF8_CHARACTER) {
		*length = 1;
		return UNICODE_OTHER;
	}
	enum unicode_class class = tern_unicode_class(code_point);
	return class == UNICODE_MARK ? mark : class;
}

/* Moves past up to `limit` characters of a class. */
static struct cursor skip_class(struct cursor cursor, enum unicode_class wanted, enum unicode_class mark, size_t limit)
{
	size_t length;

	for (; limit > 0 && class_at(cursor, mark, &length) == wanted && length > 0; limit--)
		cursor.at += length;
	return cursor;
}

static bool is_newline(char c) { return c == '\r' || c == '\n'; }

/* Bytes of the letter at the cursor if it is `lower` in any case: also its capital, and U+017F, which folds to s. */
static size_t match_folded(struct cursor cursor, char lower)
{
	if (cursor.at == cursor.end)
		return 0;
	if (*cursor.at == lower || *cursor.at == lower - 'a' + 'A')
		return 1;
	return lower == 's' && cursor.end - cursor.at >= 2 && memcmp(cursor.at, "\xc5\xbf", 2) == 0 ? 2 : 0;
}

/* 's|'t|'re|'ve|'m|'ll|'d with the cursor on the apostrophe. Returns the bytes that match, or 0. */
static size_t match_contraction(struct cursor cursor, bool any_case)
{
	static const char endings[][3] = {"s", "t", "re", "ve", "m", "ll", "d"};

	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		struct cursor c = {cursor.at + 1, cursor.end};
		const char *letter = endings[i];
		for (; *letter; letter++) {
			size_t length = any_case ? match_folded(c, *letter) : c.at < c.end && *c.at == *letter;
			if (length == 0)
				break;
			c.at += length;
		}
		if (!*letter)
			return (size_t)(c.at - cursor.at);
	}
	return 0;
}

/* \s+(?!\S)|\s+, and before them \s*[\r\n]+ if `lines`. The cursor is on white space. If a word follows, the last space
 * goes to that word. */
static const char *match_space(struct cursor cursor, bool lines)
{
	struct cursor end = skip_class(cursor, UNICODE_SPACE, UNICODE_OTHER, SIZE_MAX);

	if (lines)
		for (const char *line_end = end.at; line_end > cursor.at; line_end--)
			if (is_newline(line_end[-1]))
				return line_end;
	if (end.at == end.end)
		return end.at;
	const char *last = end.at - 1;
	while (((unsigned char)*last & 0xc0) == 0x80) /* to the first byte of the last character */
		last--;
	return last > cursor.at ? last : end.at;
}

static const char *match_llama3(struct cursor cursor, enum unicode_class mark, size_t max_digits)
{
	size_t length, next_length;
	enum unicode_class class = class_at(cursor, mark, &length);
	struct cursor next = {cursor.at + length, cursor.end};

	if (*cursor.at == '\'') {
		size_t contraction = match_contraction(cursor, true);
		if (contraction > 0)
			return cursor.at + contraction;
	}
	if (class == UNICODE_LETTER)
		return skip_class(next, UNICODE_LETTER, mark, SIZE_MAX).at;
	if (class == UNICODE_NUMBER)
		return skip_class(next, UNICODE_NUMBER, mark, max_digits - 1).at;

	enum unicode_class next_class = class_at(next, mark, &next_length);
	if (next_class == UNICODE_LETTER && !is_newline(*cursor.at))
		return skip_class(next, UNICODE_LETTER, mark, SIZE_MAX).at;
	if (class == UNICODE_OTHER || (*cursor.at == ' ' && next_class == UNICODE_OTHER && next_length > 0)) {
		next = skip_class(next, UNICODE_OTHER, mark, SIZE_MAX);
		while (next.at < next.end && is_newline(*next.at))
			next.at++;
		return next.at;
	}
	return match_space(cursor, true);
}

static const char *match_gpt2(struct cursor cursor)
{
	size_t length, next_length;
	enum unicode_class class = class_at(cursor, UNICODE_OTHER, &length);
	struct cursor next = {cursor.at + length, cursor.end};

	if (*cursor.at == '\'') {
		size_t contraction = match_contraction(cursor, false);
		if (contraction > 0)
			return cursor.at + contraction;
	}
	if (*cursor.at == ' ') {
		enum unicode_class next_class = class_at(next, UNICODE_OTHER, &next_length);
		if (next_length > 0 && next_class != UNICODE_SPACE)
			return skip_class(next, next_class, UNICODE_OTHER, SIZE_MAX).at;
	}
	if (class != UNICODE_SPACE)
		return skip_class(next, class, UNICODE_OTHER, SIZE_MAX).at;
	return match_space(cursor, false);
}

size_t tern_pretoken_length(enum pretoken_pattern pattern, const char *text, size_t n_bytes)
{
	struct cursor cursor = {text, text + n_bytes};
	/* [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+ matches the same if its first part cannot take a mark. */
	enum unicode_class mark = pattern == PRETOKEN_QWEN35 ? UNICODE_LETTER : UNICODE_OTHER;
	const char *end = pattern == PRETOKEN_GPT2 ? match_gpt2(cursor)
	                                           : match_llama3(cursor, mark, pattern == PRETOKEN_LLAMA3 ? 3 : 1);

	return (size_t)(end - text);
}
