/* SentencePiece BPE: text begins as one token per character, and pieces are joined in the whole text, spaces included.
 * A character without a token becomes the tokens of its bytes. */
#include "base/bytes.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer_kind.h"

#include <math.h>
#include <string.h>

/* Bytes. Longer pieces are never made by joining, because each try to join reads the whole piece. */
enum {
	MAX_JOINED_LENGTH = 512
};

static bool decode(const char *bytes, size_t length, char *out, size_t *n_out)
{
	char *to = out;

	for (size_t i = 0; i < length;) {
		if (length - i >= 3 && memcmp(bytes + i, TERN_SPACE_MARK, 3) == 0) {
			*to++ = ' ';
			i += 3;
		} else {
			*to++ = bytes[i++];
		}
	}
	*n_out = (size_t)(to - out);
	return true;
}

/* ---- setting up ---- */

/* Tokens of these types can be made by joining, unless they are found in text as a whole. */
static bool is_text(unsigned type) { return type == TERN_TOKEN_NORMAL || type == TERN_TOKEN_USER_DEFINED; }

/* Scores as ranks: the higher the score, the lower the rank. */
static uint32_t rank_of_score(float score)
{
	uint32_t bits = tern_bits_from_f32(score + 0.0f); /* -0 becomes 0 */

	/* The bits of floats sort like integers once those of negative floats are inverted and put below. */
	return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

static enum tern_status rank_by_scores(const struct builder *b)
{
	struct tern_tokenizer *tokenizer = b->tokenizer;
	struct merge_rules *rules = &tokenizer->rules;
	const float *scores = b->vocab->scores;

	if (!scores)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: vocabulary: it has neither scores nor merges", b->source);
	rules->pieces = &tokenizer->table;
	rules->ranks = tern_alloc(tokenizer->n_pieces, sizeof *rules->ranks);
	if (!rules->ranks)
		return tern_fail_memory(b->err, tokenizer->n_pieces * sizeof *rules->ranks);
	for (size_t id = 0; id < tokenizer->n_pieces; id++) {
		size_t length = tokenizer->pieces[id].length;
		rules->ranks[id] = MERGE_NONE;
		if (isnan(scores[id]))
			return tern_fail(b->err, TERN_ERR_FILE, "%s: token %zu: its score is not a number", b->source,
			                 id);
		if (!is_text(tokenizer->types[id]) || length > MAX_JOINED_LENGTH)
			continue;
		rules->ranks[id] = rank_of_score(scores[id]);
		if (length > rules->max_length)
			rules->max_length = length;
	}
	return TERN_OK;
}

static enum tern_status set_up(const struct builder *b)
{
	struct tern_tokenizer *tokenizer = b->tokenizer;

	tokenizer->add_space_prefix = b->vocab->add_space_prefix;
	tokenizer->prefix_if_missing = b->vocab->prefix_if_missing;
	for (int c = 0; c < 128; c++)
		tokenizer->spm.ascii_ids[c] = tern_piece_table_find(&tokenizer->table, &(char){(char)c}, 1);
	for (size_t id = 0; id < tokenizer->n_pieces; id++) {
		const struct tern_piece *piece = &tokenizer->pieces[id];
		if (!is_text(tokenizer->types[id]))
			continue;
		for (size_t i = 1; i < piece->length; i++)
			if (piece->bytes[i] == ' ' && piece->bytes[i - 1] != ' ')
				tokenizer->spm.joins_space[(unsigned char)piece->bytes[i - 1]] = true;
	}
	return b->vocab->n_merges ? TERN_OK : rank_by_scores(b);
}

/* ---- encoding ---- */

/* Divides text into characters; a byte that is not UTF-8 counts as one. Returns how many there are. */
static size_t divide(struct encoder *encoder, const char *text, size_t n_bytes)
{
	const struct tern_tokenizer *tokenizer = encoder->tokenizer;
	size_t n = 0;

	for (size_t i = 0; i < n_bytes;) {
		uint32_t code_point;
		size_t length = 1;
		int32_t id;
		if ((unsigned char)text[i] < 0x80)
			id = tokenizer->spm.ascii_ids[(unsigned char)text[i]];
		else if (tern_utf8_decode(text + i, n_bytes - i, &code_point, &length) == TERN_UTF8_CHARACTER)
			id = tern_piece_table_find(&tokenizer->table, text + i, length);
		else {
			id = -1;
			length = 1;
		}
		encoder->space.symbols[n++] = (struct merge_symbol){.id = id, .start = (uint32_t)i};
		i += length;
	}
	return n;
}

/* For a character without a token, puts the tokens of its bytes. If one of those is missing, puts the unknown token,
 * once for successive characters (*in_unknown). */
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

	if (!tern_merge_reserve(&encoder->space, n_bytes))
		return tern_fail_memory(encoder->err, n_bytes * sizeof *encoder->space.symbols);
	size_t n =
	        tern_merge(&encoder->tokenizer->rules, &encoder->space, text, n_bytes, divide(encoder, text, n_bytes));
	for (size_t i = 0; i < n && !status; i++) {
		const struct merge_symbol *symbol = &encoder->space.symbols[i];
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

/* Encodes one word at a time, because short words are faster. A word begins with a space after a byte that no piece has
 * before a space, so no piece crosses its beginning and the ids are those of the whole text. */
static enum tern_status encode_words(struct encoder *encoder, const char *text, size_t n_bytes)
{
	const bool *joins_space = encoder->tokenizer->spm.joins_space;
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

static enum tern_status encode(struct encoder *encoder, const char *text, size_t n_bytes)
{
	const struct tern_tokenizer *tokenizer = encoder->tokenizer;

	if (n_bytes == 0 || !tokenizer->add_space_prefix || (tokenizer->prefix_if_missing && text[0] == ' '))
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

const struct tokenizer_kind tern_tokenizer_spm = {
        .is_sentencepiece = true, .decode = decode, .set_up = set_up, .encode = encode};
