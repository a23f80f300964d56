/* Making a tokenizer: the vocabulary is checked, every piece decoded to the text it stands for, and looked up by it
 * ever after. */
#include "text/tokenizer.h"

#include "base/memory.h"
#include "text/bpe.h"
#include "text/spm.h"
#include "text/state.h"
#include "text/vocab_merges.h"

#include <string.h>

/* Limits far above any real vocabulary. */
enum {
	MAX_PIECES = 1 << 22,
	MAX_MERGES = 1 << 23,
};

/* GPT-NeoX's vocabulary, padded or not; see use_pretokenizer(). */
enum {
	NEOX_MIN_PIECES = 50254,
	NEOX_MAX_PIECES = 50688
};

static enum tern_status check_id(const struct builder *b, const char *name, int32_t id)
{
	if (id >= -1 && (id < 0 || (size_t)id < b->vocab->n_pieces))
		return TERN_OK;
	return tern_fail(b->err, TERN_ERR_FILE, "%s: %s token id %ld: the vocabulary has %zu tokens", b->source, name,
	                 (long)id, b->vocab->n_pieces);
}

static enum tern_status check_counts(const struct builder *b)
{
	const struct tern_vocab *vocab = b->vocab;
	enum tern_status status;

	if (vocab->n_pieces == 0 || vocab->n_pieces > MAX_PIECES)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: vocabulary: %zu tokens; tern reads 1 to %d", b->source,
		                 vocab->n_pieces, MAX_PIECES);
	if (vocab->n_merges > MAX_MERGES)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: vocabulary: %zu merges; tern reads up to %d", b->source,
		                 vocab->n_merges, MAX_MERGES);
	if ((status = check_id(b, "beginning", vocab->bos_id)) || (status = check_id(b, "end", vocab->eos_id)) ||
	    (status = check_id(b, "unknown", vocab->unk_id)))
		return status;
	return TERN_OK;
}

bool tern_tokenizer_knows_default(size_t n_pieces)
{
	return n_pieces >= NEOX_MIN_PIECES && n_pieces <= NEOX_MAX_PIECES;
}

/* "default" says nothing about the expression. Among ternary models only TriLM's files have it, whose tokenizer is
 * GPT-NeoX's; elsewhere a guess would make the text silently worse. */
static enum tern_status use_pretokenizer(const struct builder *b)
{
	const char *pre = b->vocab->pre;
	char quoted[TERN_QUOTE_SIZE];

	if (!pre)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: vocabulary: no pre-tokenizer is named", b->source);
	b->tokenizer->pre = tern_pretokenizer_find(pre);
	if (!b->tokenizer->pre && strcmp(pre, "default") == 0 && tern_tokenizer_knows_default(b->vocab->n_pieces))
		b->tokenizer->pre = tern_pretokenizer_find("olmo");
	if (b->tokenizer->pre)
		return TERN_OK;
	return tern_fail(
	        b->err, TERN_ERR_FILE,
	        "%s: vocabulary: unknown pre-tokenizer '%s'; tern knows llama-bpe, qwen2, gpt-2 and their like",
	        b->source, tern_quote(quoted, pre, strlen(pre)));
}

/* "<|...|>" or the same with the full-width bars of DeepSeek. */
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
		if (memcmp(piece->bytes + i, "\xe2\x96\x81", 3) == 0)
			return true;
	return false;
}

/* The type a token is treated as, and checks that go with it. */
static enum tern_status set_type(const struct builder *b, size_t id)
{
	const struct tern_piece *piece = &b->vocab->pieces[id];
	bool spm = b->vocab->kind == TERN_VOCAB_SPM;
	char quoted[TERN_QUOTE_SIZE];
	int32_t type = b->vocab->types ? b->vocab->types[id] : 0;

	if (type < 0 || type > TERN_TOKEN_BYTE)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: token %zu: unknown type %ld", b->source, id, (long)type);
	if (type == 0)
		type = spm && !b->vocab->types && tern_spm_byte(piece->bytes, piece->length) >= 0 ? TERN_TOKEN_BYTE
		                                                                                  : TERN_TOKEN_NORMAL;
	if (type == TERN_TOKEN_USER_DEFINED && looks_like_marker(piece))
		type = TERN_TOKEN_CONTROL;
	if (type == TERN_TOKEN_BYTE && (!spm || tern_spm_byte(piece->bytes, piece->length) < 0))
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

/* How a token is found in text if it is found whole. */
static enum special_match match_of(const struct tern_tokenizer *tokenizer, const struct tern_piece *spelled, size_t id)
{
	switch (tokenizer->types[id]) {
	case TERN_TOKEN_CONTROL:
	case TERN_TOKEN_UNKNOWN:
		return SPECIAL_IF_WANTED;
	case TERN_TOKEN_USER_DEFINED:
		return tokenizer->kind == TERN_VOCAB_SPM && contains_space_mark(spelled) ? SPECIAL_NEVER
		                                                                         : SPECIAL_ALWAYS;
	default:
		return SPECIAL_NEVER;
	}
}

/* Writes the text of a token to `out` and sets pieces[id]. Returns false if ordinary text is not made of the token:
 * what is found whole is never found again between. */
static bool decode(const struct builder *b, size_t id, char *out)
{
	struct tern_tokenizer *tokenizer = b->tokenizer;
	const struct tern_piece *spelled = &b->vocab->pieces[id];
	struct tern_piece *piece = &tokenizer->pieces[id];
	unsigned type = tokenizer->types[id];

	*piece = (struct tern_piece){out, spelled->length};
	if (type == TERN_TOKEN_BYTE) {
		*out = (char)tern_spm_byte(spelled->bytes, spelled->length);
		piece->length = 1;
		return false;
	}
	if (tokenizer->kind == TERN_VOCAB_SPM && (type == TERN_TOKEN_NORMAL || type == TERN_TOKEN_USER_DEFINED)) {
		piece->length = tern_spm_decode(spelled->bytes, spelled->length, out);
		return piece->length > 0 && match_of(tokenizer, spelled, id) == SPECIAL_NEVER;
	}
	if (type == TERN_TOKEN_NORMAL && tern_bpe_decode(spelled->bytes, spelled->length, out, &piece->length))
		return piece->length > 0;
	if (spelled->length)
		memcpy(out, spelled->bytes, spelled->length);
	piece->length = spelled->length;
	return false;
}

/* Fills pieces, types, table and specials. Normal tokens are those in the table: one that equals an earlier one, or is
 * spelled as no text can be, is never found and becomes an unused one. A special's name is its spelling, kept behind
 * the text when decoding changed it. */
static enum tern_status add_pieces(const struct builder *b)
{
	struct tern_tokenizer *t = b->tokenizer;
	const struct tern_vocab *vocab = b->vocab;
	enum tern_status status;
	size_t n_bytes = 0;

	for (size_t id = 0; id < vocab->n_pieces; id++) {
		if ((status = set_type(b, id)))
			return status;
		n_bytes += 2 * vocab->pieces[id].length; /* 2 * MAX_PIECES * MAX_PIECE_LENGTH bytes at most */
	}
	t->text = tern_alloc_huge(n_bytes, 1);
	t->specials.specials = tern_alloc(vocab->n_pieces, sizeof *t->specials.specials);
	if (!t->text || !t->specials.specials || !tern_piece_table_init(&t->table, t->pieces, vocab->n_pieces))
		return tern_fail_memory(b->err, n_bytes + vocab->n_pieces * sizeof *t->specials.specials);

	char *out = t->text;
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
		        t->kind == TERN_VOCAB_BPE ? tern_piece_table_find(&t->table, &(char){(char)byte}, 1) : -1;
	for (size_t id = t->n_pieces; id-- > 0;) /* backwards: of equal tokens the first counts */
		if (t->types[id] == TERN_TOKEN_BYTE)
			t->byte_ids[(unsigned char)t->pieces[id].bytes[0]] = (int32_t)id;
}

static enum tern_status build(const struct builder *b)
{
	struct tern_tokenizer *t = b->tokenizer;
	enum tern_status status;

	t->kind = b->vocab->kind;
	t->n_pieces = b->vocab->n_pieces;
	t->bos_id = b->vocab->bos_id;
	t->eos_id = b->vocab->eos_id;
	t->unk_id = b->vocab->unk_id;
	t->add_bos = b->vocab->add_bos;
	t->add_eos = b->vocab->add_eos;
	if (t->kind == TERN_VOCAB_BPE && (status = use_pretokenizer(b)))
		return status;
	t->pieces = tern_alloc(t->n_pieces, sizeof *t->pieces);
	t->types = tern_alloc(t->n_pieces, sizeof *t->types);
	if (!t->pieces || !t->types)
		return tern_fail_memory(b->err, t->n_pieces * (sizeof *t->pieces + sizeof *t->types));
	if ((status = add_pieces(b)) || (status = tern_add_merges(b)))
		return status;
	set_byte_ids(t);
	set_max_length(t);
	return t->kind == TERN_VOCAB_SPM ? tern_spm_init(t, b->vocab, b->source, b->err) : TERN_OK;
}

enum tern_status tern_tokenizer_new(struct tern_tokenizer **tokenizer, const struct tern_vocab *vocab,
                                    const char *source, struct tern_error *err)
{
	struct builder b = {.vocab = vocab, .source = source, .err = err};
	enum tern_status status = check_counts(&b);

	*tokenizer = NULL;
	if (status)
		return status;
	b.tokenizer = tern_alloc(1, sizeof *b.tokenizer);
	if (!b.tokenizer)
		return tern_fail_memory(err, sizeof *b.tokenizer);
	status = build(&b);
	if (status) {
		tern_tokenizer_free(b.tokenizer);
		return status;
	}
	*tokenizer = b.tokenizer;
	return TERN_OK;
}

void tern_tokenizer_free(struct tern_tokenizer *tokenizer)
{
	if (!tokenizer)
		return;
	tern_free(tokenizer->pieces);
	tern_free(tokenizer->types);
	tern_free(tokenizer->text);
	tern_free(tokenizer->table.slots);
	tern_free(tokenizer->specials.specials);
	tern_free(tokenizer->merges.slots);
	tern_free(tokenizer->ranks);
	tern_free(tokenizer);
}

/* ---- questions ---- */

struct tern_piece tern_tokenizer_piece(const struct tern_tokenizer *tokenizer, int32_t id)
{
	return tokenizer->pieces[id];
}

bool tern_tokenizer_is_special(const struct tern_tokenizer *tokenizer, int32_t id)
{
	return tokenizer->types[id] == TERN_TOKEN_CONTROL || tokenizer->types[id] == TERN_TOKEN_UNKNOWN;
}

bool tern_tokenizer_is_whole(const struct tern_tokenizer *tokenizer, int32_t id)
{
	const struct special *special;

	if (tern_tokenizer_is_special(tokenizer, id))
		return true;
	if (tokenizer->types[id] != TERN_TOKEN_USER_DEFINED)
		return false;
	/* Spelled as its text, unless that has spaces for U+2581. */
	special = tern_special_find(&tokenizer->specials, tokenizer->pieces[id].bytes, tokenizer->pieces[id].length);
	return special && special->match == SPECIAL_ALWAYS;
}

bool tern_tokenizer_strips_space(const struct tern_tokenizer *tokenizer) { return tokenizer->add_space_prefix; }

int32_t tern_tokenizer_find(const struct tern_tokenizer *tokenizer, const char *bytes, size_t length)
{
	const struct special *special = tern_special_find(&tokenizer->specials, bytes, length);
	char *text;
	int32_t id = -1;

	if (special)
		return special->id;
	if (length == 0 || length > MAX_PIECE_LENGTH || !(text = tern_alloc_aligned(length, 1)))
		return -1;
	if (tokenizer->kind == TERN_VOCAB_SPM) {
		if (!memchr(bytes, ' ', length)) /* a space is not how a piece spells it */
			id = tern_piece_table_find(&tokenizer->table, text, tern_spm_decode(bytes, length, text));
	} else if (tern_bpe_decode(bytes, length, text, &length))
		id = tern_piece_table_find(&tokenizer->table, text, length);
	tern_free(text);
	return id;
}

size_t tern_tokenizer_least_ids(const struct tern_tokenizer *tokenizer, size_t n_bytes)
{
	/* Composed, UTF-8 keeps at least a third of its bytes (UAX #15, maximum expansion factors). */
	size_t shrinks = tokenizer->pre && tokenizer->pre->nfc ? 3 : 1;

	/* Else text of any length may be dropped, or become one unknown token. */
	for (int byte = 0; byte < 256; byte++)
		if (tokenizer->byte_ids[byte] < 0)
			return 0;
	return n_bytes / shrinks / tokenizer->max_length;
}

size_t tern_tokenizer_n_pieces(const struct tern_tokenizer *tokenizer) { return tokenizer->n_pieces; }

int32_t tern_tokenizer_bos_id(const struct tern_tokenizer *tokenizer) { return tokenizer->bos_id; }

int32_t tern_tokenizer_eos_id(const struct tern_tokenizer *tokenizer) { return tokenizer->eos_id; }
