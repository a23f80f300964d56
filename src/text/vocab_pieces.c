#include "text/vocab_pieces.h"

#include "base/memory.h"

#include <string.h>

/* "<|...|>", also with the full-width bars of DeepSeek. */
static bool looks_like_marker(const struct tern_piece *piece)
{
	const char *bytes = piece->bytes, *end = piece->bytes + piece->length;

	if (piece->length >= 5 && memcmp(bytes, "<|", 2) == 0 && memcmp(end - 2, "|>", 2) == 0)
		return true;
	return piece->length >= 8 && memcmp(bytes, "<\xef\xbd\x9c", 4) == 0 && memcmp(end - 4, "\xef\xbd\x9c>", 4) == 0;
}

static bool contains_space_mark(const struct tern_piece *piece)
{
	for (size_t i = 0; i + 3 <= piece->length; i++)
		if (memcmp(piece->bytes + i, TERN_SPACE_MARK, 3) == 0)
			return true;
	return false;
}

/* Sets the type of a token and checks what depends on it. */
static enum tern_status set_type(const struct builder *b, size_t id)
{
	const struct tern_piece *piece = &b->vocab->pieces[id];
	bool is_byte = b->tokenizer->kind->is_sentencepiece && tern_byte_of_spelling(piece->bytes, piece->length) >= 0;
	char quoted[TERN_QUOTE_SIZE];
	int32_t type = b->vocab->types ? b->vocab->types[id] : 0;

	if (type < 0 || type > TERN_TOKEN_BYTE)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: token %zu: unknown type %ld", b->source, id, (long)type);
	if (type == 0)
		type = is_byte && !b->vocab->types ? TERN_TOKEN_BYTE : TERN_TOKEN_NORMAL;
	if (type == TERN_TOKEN_USER_DEFINED && looks_like_marker(piece))
		type = TERN_TOKEN_CONTROL;
	if (type == TERN_TOKEN_BYTE && !is_byte)
		return tern_fail(b->err, TERN_ERR_FILE,
		                 "%s: token %zu '%s': not a byte token; expected <0x00> to <0xFF>", b->source, id,
		                 tern_quote(quoted, piece->bytes, piece->length));
	if (piece->length > MAX_PIECE_LENGTH ||
	    (piece->length > SPECIAL_MAX_LENGTH && (type == TERN_TOKEN_CONTROL || type == TERN_TOKEN_USER_DEFINED)))
		return tern_fail(b->err, TERN_ERR_FILE, "%s: token %zu '%s': %zu bytes; tern reads up to %d", b->source,
		                 id, tern_quote(quoted, piece->bytes, piece->length), piece->length,
		                 type == TERN_TOKEN_NORMAL ? MAX_PIECE_LENGTH : SPECIAL_MAX_LENGTH);
	b->tokenizer->types[id] = (unsigned char)type;
	return TERN_OK;
}

/* When a token is found in text as a whole. */
static enum special_match match_of(const struct tern_tokenizer *tokenizer, const struct tern_piece *spelled, size_t id)
{
	switch (tokenizer->types[id]) {
	case TERN_TOKEN_CONTROL:
	case TERN_TOKEN_UNKNOWN:
		return SPECIAL_IF_WANTED;
	case TERN_TOKEN_USER_DEFINED:
		return tokenizer->kind->is_sentencepiece && contains_space_mark(spelled) ? SPECIAL_NEVER
		                                                                         : SPECIAL_ALWAYS;
	default:
		return SPECIAL_NEVER;
	}
}

/* Writes the text of a token to `out` and sets pieces[id]. Returns whether ordinary text can be made of the token: not
 * of tokens that are found as a whole, nor of byte tokens. */
static bool decode(const struct builder *b, size_t id, char *out)
{
	struct tern_tokenizer *tokenizer = b->tokenizer;
	const struct tokenizer_kind *kind = tokenizer->kind;
	const struct tern_piece *spelled = &b->vocab->pieces[id];
	struct tern_piece *piece = &tokenizer->pieces[id];
	unsigned type = tokenizer->types[id];
	bool is_text = type == TERN_TOKEN_NORMAL || (type == TERN_TOKEN_USER_DEFINED && kind->is_sentencepiece);

	*piece = (struct tern_piece){out, spelled->length};
	if (is_text && kind->decode(spelled->bytes, spelled->length, out, &piece->length))
		return piece->length > 0 && match_of(tokenizer, spelled, id) == SPECIAL_NEVER;
	if (type == TERN_TOKEN_BYTE) {
		*out = (char)tern_byte_of_spelling(spelled->bytes, spelled->length);
		piece->length = 1;
	} else if (spelled->length) {
		memcpy(out, spelled->bytes, spelled->length);
	}
	return false;
}

/* Fills pieces, types, table and specials. A normal token that equals an earlier one, or that no text is spelled like,
 * is never found and becomes an unused one. The spelling of a special token is kept behind its text, from which it may
 * differ. */
static enum tern_status fill_tables(const struct builder *b)
{
	struct tern_tokenizer *t = b->tokenizer;
	const struct tern_vocab *vocab = b->vocab;
	enum tern_status status;
	size_t n_bytes = 0;

	t->n_pieces = vocab->n_pieces;
	t->pieces = tern_alloc(t->n_pieces, sizeof *t->pieces);
	t->types = tern_alloc(t->n_pieces, sizeof *t->types);
	t->specials.specials = tern_alloc(t->n_pieces, sizeof *t->specials.specials);
	if (!t->pieces || !t->types || !t->specials.specials ||
	    !tern_piece_table_init(&t->table, t->pieces, t->n_pieces))
		return tern_fail_memory(b->err, t->n_pieces * (sizeof *t->pieces + sizeof *t->specials.specials));
	for (size_t id = 0; id < vocab->n_pieces; id++) {
		if ((status = set_type(b, id)))
			return status;
		n_bytes += 2 * vocab->pieces[id].length; /* 2 * MAX_PIECES * MAX_PIECE_LENGTH bytes at most */
	}
	char *out = t->text = tern_alloc_huge(n_bytes, 1);
	if (!out)
		return tern_fail_memory(b->err, n_bytes);
	for (size_t id = 0; id < vocab->n_pieces; id++) {
		const struct tern_piece *spelled = &vocab->pieces[id];
		bool ordinary = decode(b, id, out), is_normal = t->types[id] == TERN_TOKEN_NORMAL;
		out += t->pieces[id].length;
		bool added = ordinary && tern_piece_table_add(&t->table, (int32_t)id);
		if (is_normal && !added)
			t->types[id] = TERN_TOKEN_UNUSED;
		if (is_normal && ordinary)
			continue;
		if (spelled->length)
			memcpy(out, spelled->bytes, spelled->length);
		t->specials.specials[t->specials.n_specials++] =
		        (struct special){out, spelled->length, (int32_t)id, match_of(t, spelled, id)};
		out += spelled->length;
	}
	return tern_special_table_init(&t->specials) ? TERN_OK : tern_fail_memory(b->err, vocab->n_pieces * 32);
}

static void set_max_length(struct tern_tokenizer *t)
{
	for (size_t id = 0; id < t->n_pieces; id++)
		if (t->pieces[id].length > t->max_length)
			t->max_length = t->pieces[id].length;
	for (size_t i = 0; i < t->specials.n_specials; i++)
		if (t->specials.specials[i].length > t->max_length)
			t->max_length = t->specials.specials[i].length;
}

static void set_byte_ids(struct tern_tokenizer *t)
{
	for (int byte = 0; byte < 256; byte++)
		t->byte_ids[byte] =
		        t->kind->is_sentencepiece ? -1 : tern_piece_table_find(&t->table, &(char){(char)byte}, 1);
	for (size_t id = t->n_pieces; id-- > 0;) /* backwards: the first of equal tokens counts */
		if (t->types[id] == TERN_TOKEN_BYTE)
			t->byte_ids[(unsigned char)t->pieces[id].bytes[0]] = (int32_t)id;
}

enum tern_status tern_add_pieces(const struct builder *b)
{
	enum tern_status status = fill_tables(b);

	if (status)
		return status;
	set_byte_ids(b->tokenizer);
	set_max_length(b->tokenizer);
	return TERN_OK;
}
