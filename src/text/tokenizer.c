#include "text/tokenizer.h"

#include "base/memory.h"
#include "text/tokenizer_kind.h"
#include "text/vocab_merges.h"
#include "text/vocab_pieces.h"

#include <string.h>

/* Limits far above any real vocabulary. */
enum {
	MAX_PIECES = 1 << 22,
	MAX_MERGES = 1 << 23,
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

static enum tern_status build(const struct builder *b)
{
	static const struct tokenizer_kind *const kinds[] = {
	        [TERN_VOCAB_BPE] = &tern_tokenizer_bpe, [TERN_VOCAB_SPM] = &tern_tokenizer_spm};
	struct tern_tokenizer *t = b->tokenizer;
	enum tern_status status;

	t->kind = kinds[b->vocab->kind];
	t->bos_id = b->vocab->bos_id;
	t->eos_id = b->vocab->eos_id;
	t->unk_id = b->vocab->unk_id;
	t->add_bos = b->vocab->add_bos;
	t->add_eos = b->vocab->add_eos;
	t->max_shrink = 1;
	if ((status = tern_add_pieces(b)) || (status = tern_add_merges(b)))
		return status;
	return t->kind->set_up(b);
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
	tern_free(tokenizer->rules.merges.slots);
	tern_free(tokenizer->rules.ranks);
	tern_free(tokenizer);
}

/* ---- queries ---- */

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
	/* Tokens that are found as a whole are spelled like their text, which may be how another token is spelled. */
	special = tern_special_find(&tokenizer->specials, tokenizer->pieces[id].bytes, tokenizer->pieces[id].length);
	return special && special->id == id && special->match == SPECIAL_ALWAYS;
}

bool tern_tokenizer_strips_space(const struct tern_tokenizer *tokenizer) { return tokenizer->add_space_prefix; }

int32_t tern_tokenizer_find(const struct tern_tokenizer *tokenizer, const char *bytes, size_t length)
{
	const struct special *special = tern_special_find(&tokenizer->specials, bytes, length);
	char text[SPECIAL_MAX_LENGTH];

	if (special)
		return special->id;
	if (length == 0 || length > sizeof text)
		return -1;
	/* SentencePiece spells a space as a space in user-defined pieces only, which are special ones here. */
	if (tokenizer->kind->is_sentencepiece && memchr(bytes, ' ', length))
		return -1;
	return tokenizer->kind->decode(bytes, length, text, &length)
	               ? tern_piece_table_find(&tokenizer->table, text, length)
	               : -1;
}

size_t tern_tokenizer_least_ids(const struct tern_tokenizer *tokenizer, size_t n_bytes)
{
	/* If a byte has no token, text of any length may give no id, or a single unknown token. */
	for (int byte = 0; byte < 256; byte++)
		if (tokenizer->byte_ids[byte] < 0)
			return 0;
	return n_bytes / tokenizer->max_shrink / tokenizer->max_length;
}

size_t tern_tokenizer_n_pieces(const struct tern_tokenizer *tokenizer) { return tokenizer->n_pieces; }

bool tern_tokenizer_adds_bos(const struct tern_tokenizer *tokenizer) { return tokenizer->add_bos; }

int32_t tern_tokenizer_bos_id(const struct tern_tokenizer *tokenizer) { return tokenizer->bos_id; }

int32_t tern_tokenizer_eos_id(const struct tern_tokenizer *tokenizer) { return tokenizer->eos_id; }

/* ---- encoding ---- */

/* Bytes. Symbols have 32-bit offsets. */
static const size_t MAX_TEXT = (size_t)1 << 30;

/* How many bytes from `at` on lie in spans that allow control tokens; beyond SPECIAL_MAX_LENGTH it may return less.
 * Moves *span forward to the span that contains `at`, and *start to where that span begins. */
static size_t control_bytes(const struct tern_span *spans, size_t n_spans, size_t at, size_t *span, size_t *start)
{
	while (*span < n_spans && *start + spans[*span].n_bytes <= at)
		*start += spans[(*span)++].n_bytes;
	size_t end = *start;
	for (size_t i = *span; i < n_spans && spans[i].special && end < at + SPECIAL_MAX_LENGTH; i++)
		end += spans[i].n_bytes;
	return end > at ? end - at : 0;
}

static enum tern_status encode_spans(struct encoder *encoder, const char *text, const struct tern_span *spans,
                                     size_t n_spans, size_t n_bytes)
{
	const struct special_table *specials = &encoder->tokenizer->specials;
	const struct tokenizer_kind *kind = encoder->tokenizer->kind;
	size_t plain = 0, at = 0, span = 0, start = 0;
	enum tern_status status = TERN_OK;

	while (at < n_bytes && !status) {
		const struct special *found = NULL;
		if (specials->begins[(unsigned char)text[at]] != SPECIAL_NEVER)
			found = tern_special_match(specials, text + at, n_bytes - at,
			                           control_bytes(spans, n_spans, at, &span, &start));
		if (!found) {
			at++;
			continue;
		}
		status = kind->encode(encoder, text + plain, at - plain);
		if (!status)
			status = tern_ids_push(encoder->out, found->id, encoder->err);
		plain = at += found->length;
	}
	return status ? status : kind->encode(encoder, text + plain, n_bytes - plain);
}

enum tern_status tern_tokenizer_encode_spans(const struct tern_tokenizer *tokenizer, const char *text,
                                             const struct tern_span *spans, size_t n_spans, struct tern_ids *out,
                                             struct tern_error *err)
{
	struct encoder encoder = {.tokenizer = tokenizer, .out = out, .err = err};
	size_t n_bytes = 0;

	for (size_t i = 0; i < n_spans; i++)
		if (!tern_add_size(n_bytes, spans[i].n_bytes, &n_bytes) || n_bytes > MAX_TEXT)
			return tern_fail(err, TERN_ERR_USAGE, "the text is too long: tern reads up to 1 GiB at once");
	if (n_bytes == 0)
		return TERN_OK;
	enum tern_status status = encode_spans(&encoder, text, spans, n_spans, n_bytes);
	tern_merge_space_free(&encoder.space);
	return status;
}

enum tern_status tern_tokenizer_encode(const struct tern_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                       unsigned flags, struct tern_ids *out, struct tern_error *err)
{
	struct tern_span span = {n_bytes, (flags & TERN_TOKENIZE_SPECIAL) != 0};
	enum tern_status status = TERN_OK;

	if ((flags & TERN_TOKENIZE_BOS) && tokenizer->add_bos && tokenizer->bos_id >= 0)
		status = tern_ids_push(out, tokenizer->bos_id, err);
	if (!status)
		status = tern_tokenizer_encode_spans(tokenizer, text, &span, 1, out, err);
	if (!status && (flags & TERN_TOKENIZE_EOS) && tokenizer->add_eos && tokenizer->eos_id >= 0)
		status = tern_ids_push(out, tokenizer->eos_id, err);
	return status;
}
