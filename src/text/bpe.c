/* Byte-level BPE: text is cut into words, a word begins as one token per byte, and merges join them. */
#include "base/memory.h"
#include "text/normalize.h"
#include "text/tokenizer_kind.h"

#include <string.h>

/* The byte-level alphabet writes each byte as a printable character. Bytes that are printable in Latin-1 stand for
 * themselves, the other 68 become U+0100 to U+0143 in order. Returns the byte, or -1. */
static int byte_of(uint32_t code_point)
{
	if ((code_point >= '!' && code_point <= '~') ||
	    (code_point >= 0xa1 && code_point <= 0xff && code_point != 0xad))
		return (int)code_point;
	if (code_point >= 0x100 && code_point <= 0x120) /* 00 to 20 */
		return (int)code_point - 0x100;
	if (code_point >= 0x121 && code_point <= 0x142) /* 7F to A0 */
		return (int)code_point - 0x121 + 0x7f;
	return code_point == 0x143 ? 0xad : -1;
}

/* The byte that a character of two bytes (U+0080 to U+07FF) stands for, or -1. */
static int byte_of_two(unsigned char lead, unsigned char next)
{
	bool is_two = lead >= 0xc2 && lead <= 0xdf && (next & 0xc0) == 0x80;
	return is_two ? byte_of((lead & 0x1fu) << 6 | (next & 0x3fu)) : -1;
}

/* The alphabet has characters of one and two bytes. */
static bool decode(const char *bytes, size_t length, char *out, size_t *n_out)
{
	const unsigned char *in = (const unsigned char *)bytes, *end = in + length;
	char *to = out;

	while (in < end) {
		int byte = in[0] >= '!' && in[0] <= '~' ? in[0] : end - in > 1 ? byte_of_two(in[0], in[1]) : -1;
		if (byte < 0)
			return false;
		in += in[0] < 0x80 ? 1 : 2;
		*to++ = (char)byte;
	}
	*n_out = (size_t)(to - out);
	return true;
}

/* A byte without a token becomes the unknown token, or nothing if there is none. */
static enum tern_status put_symbols(struct encoder *encoder, size_t n)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < n && !status; i++) {
		int32_t id = encoder->space.symbols[i].id;
		if (id < 0)
			id = encoder->tokenizer->unk_id;
		if (id >= 0)
			status = tern_ids_push(encoder->out, id, encoder->err);
	}
	return status;
}

static enum tern_status encode_word(struct encoder *encoder, const char *word, size_t n_bytes)
{
	const struct tern_tokenizer *tokenizer = encoder->tokenizer;

	if (tokenizer->pre->ignore_merges) {
		int32_t id = tern_piece_table_find(&tokenizer->table, word, n_bytes);
		if (id >= 0)
			return tern_ids_push(encoder->out, id, encoder->err);
	}
	if (!tern_merge_reserve(&encoder->space, n_bytes))
		return tern_fail_memory(encoder->err, n_bytes * sizeof *encoder->space.symbols);
	for (size_t i = 0; i < n_bytes; i++)
		encoder->space.symbols[i] =
		        (struct merge_symbol){.id = tokenizer->byte_ids[(unsigned char)word[i]], .start = (uint32_t)i};
	return put_symbols(encoder, tern_merge(&tokenizer->rules, &encoder->space, word, n_bytes, n_bytes));
}

static enum tern_status encode(struct encoder *encoder, const char *text, size_t n_bytes)
{
	const struct tern_pretokenizer *pre = encoder->tokenizer->pre;
	enum tern_status status = TERN_OK;
	char *normal = NULL;
	size_t n_normal;

	if (pre->nfc) {
		if (!tern_normalize_nfc(text, n_bytes, &normal, &n_normal))
			return tern_fail_memory(encoder->err, n_bytes);
		if (normal) {
			text = normal;
			n_bytes = n_normal;
		}
	}
	while (n_bytes > 0 && !status) {
		size_t length = tern_pretoken_length(pre->pattern, text, n_bytes);
		status = encode_word(encoder, text, length);
		text += length;
		n_bytes -= length;
	}
	tern_free(normal);
	return status;
}

static enum tern_status set_up(const struct builder *b)
{
	const char *pre = b->vocab->pre;
	char quoted[TERN_QUOTE_SIZE];

	if (!pre)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: vocabulary: no pre-tokenizer is named", b->source);
	b->tokenizer->pre = tern_pretokenizer_find(pre, b->vocab->n_pieces);
	if (!b->tokenizer->pre)
		return tern_fail(b->err, TERN_ERR_FILE,
		                 "%s: vocabulary: unknown pre-tokenizer '%s'; tern knows llama-bpe, qwen2, gpt-2 and "
		                 "variants of them",
		                 b->source, tern_quote(quoted, pre, strlen(pre)));
	/* Normal form C keeps at least a third of the bytes (UAX #15, maximum expansion factors). */
	b->tokenizer->max_shrink = b->tokenizer->pre->nfc ? 3 : 1;
	return TERN_OK;
}

const struct tokenizer_kind tern_tokenizer_bpe = {.decode = decode, .set_up = set_up, .encode = encode};
