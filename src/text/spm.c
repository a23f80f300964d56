/* SentencePiece BPE: text begins as one token per character, and pieces are joined over all of it, spaces included.
 * A character that is no token is written as its bytes' tokens. */
#include "text/spm.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/merge.h"

#include <math.h>
#include <string.h>

/* Looking for the next join costs the length of the piece it makes, so pieces longer than this are not made. */
enum {
	MAX_JOINED_LENGTH = 512
};

static const char space_mark[3] = "\xe2\x96\x81"; /* U+2581 */

size_t tern_spm_decode(const char *bytes, size_t length, char *out)
{
	char *to = out;

	for (size_t i = 0; i < length;) {
		if (length - i >= 3 && memcmp(bytes + i, space_mark, 3) == 0) {
			*to++ = ' ';
			i += 3;
		} else {
			*to++ = bytes[i++];
		}
	}
	return (size_t)(to - out);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	                              : -1;
}

int tern_spm_byte(const char *bytes, size_t length)
{
	if (length != 6 || memcmp(bytes, "<0x", 3) != 0 || bytes[5] != '>' || hex_digit(bytes[3]) < 0 ||
	    hex_digit(bytes[4]) < 0)
		return -1;
	return hex_digit(bytes[3]) * 16 + hex_digit(bytes[4]);
}

/* ---- setting up ---- */

/* Types of the tokens that can be made by joining; those that text has whole are not in the table. */
static bool is_text(unsigned type) { return type == TERN_TOKEN_NORMAL || type == TERN_TOKEN_USER_DEFINED; }

/* A rank that is the lower, the higher the score. */
static uint32_t rank_of_score(float score)
{
	uint32_t bits = tern_bits_from_f32(score + 0.0f); /* -0 becomes 0 */

	/* Floats order as integers do once negative ones are turned around and put below the positive. */
	return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

static enum tern_status init_ranks(struct tern_tokenizer *tokenizer, const struct tern_vocab *vocab, const char *source,
                                   struct tern_error *err)
{
	if (!vocab->scores)
		return tern_fail(err, TERN_ERR_FILE, "%s: vocabulary: it has neither scores nor merges", source);
	tokenizer->by_score = true;
	tokenizer->ranks = tern_alloc(tokenizer->n_pieces, sizeof *tokenizer->ranks);
	if (!tokenizer->ranks)
		return tern_fail_memory(err, tokenizer->n_pieces * sizeof *tokenizer->ranks);
	for (size_t id = 0; id < tokenizer->n_pieces; id++) {
		size_t length = tokenizer->pieces[id].length;
		tokenizer->ranks[id] = MERGE_NONE;
		if (isnan(vocab->scores[id]))
			return tern_fail(err, TERN_ERR_FILE, "%s: token %zu: its score is not a number", source, id);
		if (!is_text(tokenizer->types[id]) || length > MAX_JOINED_LENGTH)
			continue;
		tokenizer->ranks[id] = rank_of_score(vocab->scores[id]);
		if (length > tokenizer->max_joined_length)
			tokenizer->max_joined_length = length;
	}
	return TERN_OK;
}

enum tern_status tern_spm_init(struct tern_tokenizer *tokenizer, const struct tern_vocab *vocab, const char *source,
                               struct tern_error *err)
{
	tokenizer->add_space_prefix = vocab->add_space_prefix;
	for (int c = 0; c < 128; c++)
		tokenizer->ascii_ids[c] = tern_piece_table_find(&tokenizer->table, &(char){(char)c}, 1);
	for (size_t id = 0; id < tokenizer->n_pieces; id++) {
		const struct tern_piece *piece = &tokenizer->pieces[id];
		if (!is_text(tokenizer->types[id]))
			continue;
		for (size_t i = 1; i < piece->length; i++)
			if (piece->bytes[i] == ' ' && piece->bytes[i - 1] != ' ')
				tokenizer->joins_space[(unsigned char)piece->bytes[i - 1]] = true;
	}
	return vocab->n_merges ? TERN_OK : init_ranks(tokenizer, vocab, source, err);
}

/* ---- encoding ---- */

/* Divides n_bytes at text into characters, a byte that is no UTF-8 being one. Returns how many. */
static size_t divide(struct encoder *encoder, const char *text, size_t n_bytes)
{
	const struct tern_tokenizer *tokenizer = encoder->tokenizer;
	size_t n = 0;

	for (size_t i = 0; i < n_bytes;) {
		uint32_t code_point;
		size_t length = 1;
		int32_t id;
		if ((unsigned char)text[i] < 0x80)
			id = tokenizer->ascii_ids[(unsigned char)text[i]];
		else if (tern_utf8_decode(text + i, n_bytes - i, &code_point, &length) == TERN_UTF8_CHARACTER)
			id = tern_piece_table_find(&tokenizer->table, text + i, length);
		else {
			id = -1;
			length = 1;
		}
		encoder->symbols[n++] = (struct merge_symbol){.id = id, .start = (uint32_t)i};
		i += length;
	}
	return n;
}

/* The tokens of a character that is none: those of its bytes if it has them all, else the unknown token, one for a row
 * of such characters (*in_unknown). */
static enum tern_status put_bytes(struct encoder *encoder, const char *bytes, size_t n_bytes, bool *in_unknown)
{
	const struct tern_tokenizer *tokenizer = encoder->tokenizer;
	enum tern_status status = TERN_OK;
	bool has_all = true;

	for (size_t i = 0; i < n_bytes; i++)
		has_all = has_all && tokenizer->byte_ids[(unsigned char)bytes[i]] >= 0;
	if (has_all) {
		*in_unknown = false;
		for (size_t i = 0; i < n_bytes && !status; i++)
			status =
			        tern_ids_push(encoder->out, tokenizer->byte_ids[(unsigned char)bytes[i]], encoder->err);
		return status;
	}
	if (tokenizer->unk_id >= 0 && !*in_unknown)
		status = tern_ids_push(encoder->out, tokenizer->unk_id, encoder->err);
	*in_unknown = true;
	return status;
}

static enum tern_status encode_part(struct encoder *encoder, const char *text, size_t n_bytes, bool *in_unknown)
{
	enum tern_status status = TERN_OK;

	if (!tern_grow((void **)&encoder->symbols, &encoder->symbol_capacity, n_bytes, sizeof *encoder->symbols))
		return tern_fail_memory(encoder->err, n_bytes * sizeof *encoder->symbols);
	size_t n = tern_merge_symbols(encoder, text, n_bytes, divide(encoder, text, n_bytes));
	if (n == 0)
		return TERN_ERR_FAILED;
	for (size_t i = 0; i < n && !status; i++) {
		const struct merge_symbol *symbol = &encoder->symbols[i];
		size_t end = i + 1 < n ? symbol[1].start : n_bytes;
		if (symbol->id < 0) {
			status = put_bytes(encoder, text + symbol->start, end - symbol->start, in_unknown);
			continue;
		}
		*in_unknown = false;
		status = tern_ids_push(encoder->out, symbol->id, encoder->err);
	}
	return status;
}

/* No piece reaches over the beginning of a word, a space after a byte that no piece joins with one, so the text can be
 * encoded a word at a time: short words are quicker. */
static enum tern_status encode_words(struct encoder *encoder, const char *text, size_t n_bytes)
{
	const bool *joins_space = encoder->tokenizer->joins_space;
	enum tern_status status = TERN_OK;
	bool in_unknown = false;

	while (n_bytes > 0 && !status) {
		size_t length = 1;
		while (length < n_bytes &&
		       (text[length] != ' ' || text[length - 1] == ' ' || joins_space[(unsigned char)text[length - 1]]))
			length++;
		status = encode_part(encoder, text, length, &in_unknown);
		text += length;
		n_bytes -= length;
	}
	return status;
}

enum tern_status tern_spm_encode(struct encoder *encoder, const char *text, size_t n_bytes)
{
	if (n_bytes == 0 || !encoder->tokenizer->add_space_prefix)
		return encode_words(encoder, text, n_bytes);

	char *prefixed = tern_alloc_aligned(n_bytes + 1, 1);
	if (!prefixed)
		return tern_fail_memory(encoder->err, n_bytes + 1);
	prefixed[0] = ' ';
	memcpy(prefixed + 1, text, n_bytes);
	enum tern_status status = encode_words(encoder, prefixed, n_bytes + 1);
	tern_free(prefixed);
	return status;
}
