/* Text to ids: tokens that stand in it whole are found first, what is between them goes to the vocabulary's kind. */
#include "base/memory.h"
#include "text/bpe.h"
#include "text/spm.h"
#include "text/state.h"
#include "text/tokenizer.h"

/* Symbols count bytes in 32 bits; and nobody waits for more. */
static const size_t MAX_TEXT = (size_t)1 << 30;

static enum tern_status encode_plain(struct encoder *encoder, const char *text, size_t n_bytes)
{
	return encoder->tokenizer->kind == TERN_VOCAB_BPE ? tern_bpe_encode(encoder, text, n_bytes)
	                                                  : tern_spm_encode(encoder, text, n_bytes);
}

/* How many bytes from `at` on lie in spans that allow control tokens. *span is the one that holds `at`, which begins
 * at *start; both are moved forward to it. */
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
		status = encode_plain(encoder, text + plain, at - plain);
		if (!status)
			status = tern_ids_push(encoder->out, found->id, encoder->err);
		plain = at += found->length;
	}
	return status ? status : encode_plain(encoder, text + plain, n_bytes - plain);
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
	tern_free(encoder.symbols);
	tern_free(encoder.links);
	tern_free(encoder.heap);
	return status;
}

enum tern_status tern_tokenizer_encode(const struct tern_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                       unsigned flags, struct tern_ids *out, struct tern_error *err)
{
	struct tern_span span = {n_bytes, (flags & TERN_TOKENIZE_SPECIAL) != 0};
	bool ends = (flags & TERN_TOKENIZE_BOS) != 0;
	enum tern_status status = TERN_OK;

	if (ends && tokenizer->add_bos && tokenizer->bos_id >= 0)
		status = tern_ids_push(out, tokenizer->bos_id, err);
	if (!status)
		status = tern_tokenizer_encode_spans(tokenizer, text, &span, 1, out, err);
	if (!status && ends && tokenizer->add_eos && tokenizer->eos_id >= 0)
		status = tern_ids_push(out, tokenizer->eos_id, err);
	return status;
}
