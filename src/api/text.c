/* Text to tokens and back, for tern.h. */
#include "api/model.h"
#include "base/memory.h"

#include <string.h>

static size_t n_pieces(const struct tern_model *model)
{
	return model->text.tokenizer ? tern_tokenizer_n_pieces(model->text.tokenizer) : 0;
}

/* Gives the ids to the caller, or none if there was an error. */
static enum tern_status give_ids(enum tern_status status, struct tern_ids *out, int32_t **ids, size_t *n_ids)
{
	if (status) {
		tern_free(out->ids);
		*out = (struct tern_ids){0};
	}
	*ids = out->ids;
	*n_ids = out->n_ids;
	return status;
}

enum tern_status tern_tokenize(const struct tern_model *model, const char *text, size_t n_bytes, unsigned flags,
                               int32_t **ids, size_t *n_ids, struct tern_error *err)
{
	struct tern_ids out = {0};
	enum tern_status status = tern_model_need_text(model, err);

	if (!status)
		status = tern_tokenizer_encode(model->text.tokenizer, text, n_bytes, flags, &out, err);
	return give_ids(status, &out, ids, n_ids);
}

enum tern_status tern_chat_tokenize(const struct tern_model *model, const struct tern_message *messages,
                                    size_t n_messages, unsigned flags, int32_t **ids, size_t *n_ids,
                                    struct tern_error *err)
{
	struct tern_ids out = {0};
	enum tern_status status = tern_model_need_text(model, err);

	if (!status && model->text.chat_format == TERN_CHAT_NONE)
		status = tern_fail(err, TERN_ERR_USAGE, "%s: the model has no chat template that tern knows",
		                   model->path);
	else if (!status)
		status = tern_chat_encode(model->text.tokenizer, model->text.chat_format, &model->text.chat_efforts,
		                          messages, n_messages, flags, &out, err);
	return give_ids(status, &out, ids, n_ids);
}

const char *const *tern_chat_stops(const struct tern_model *model) { return model->text.chat_stops; }

const char *tern_chat_format_name(size_t index)
{
	return index < TERN_CHAT_N_FORMATS - 1 ? tern_chat_name((enum tern_chat_format)(index + 1)) : NULL;
}

bool tern_chat_format_is_known(const char *name) { return tern_chat_by_name(name) != TERN_CHAT_NONE; }

size_t tern_least_tokens(const struct tern_model *model, size_t n_bytes)
{
	return model->text.tokenizer ? tern_tokenizer_least_ids(model->text.tokenizer, n_bytes) : 0;
}

/* The part of a token's bytes that belongs to the text. follows_whole: the token is the first, or comes after one that
 * was found in the text whole; there a tokenizer may have put a space that is not part of the text. */
static struct tern_piece text_of(const struct tern_tokenizer *tokenizer, int32_t id, bool special, bool follows_whole)
{
	struct tern_piece piece = tern_tokenizer_piece(tokenizer, id);

	if (tern_tokenizer_is_special(tokenizer, id))
		piece.length = special ? piece.length : 0;
	else if (follows_whole && tern_tokenizer_strips_space(tokenizer) && !tern_tokenizer_is_whole(tokenizer, id) &&
	         piece.length && piece.bytes[0] == ' ') {
		piece.bytes++;
		piece.length--;
	}
	return piece;
}

enum tern_status tern_detokenize(const struct tern_model *model, const int32_t *ids, size_t n_ids, bool special,
                                 char **text, size_t *n_bytes, struct tern_error *err)
{
	size_t n_vocab = n_pieces(model), n = 0, capacity = 0;
	char *bytes = NULL;
	bool follows_whole = true;
	enum tern_status status = tern_model_need_text(model, err);

	*text = NULL;
	*n_bytes = 0;
	if (status)
		return status;
	for (size_t i = 0; i < n_ids; i++) {
		if (ids[i] < 0 || (size_t)ids[i] >= n_vocab) {
			tern_free(bytes);
			return tern_fail(err, TERN_ERR_USAGE, "token id %d: expected 0 to %zu", ids[i], n_vocab - 1);
		}
		struct tern_piece piece = text_of(model->text.tokenizer, ids[i], special, follows_whole);
		follows_whole = tern_tokenizer_is_whole(model->text.tokenizer, ids[i]);
		if (!TERN_GROW(bytes, capacity, n + piece.length + 1)) {
			tern_free(bytes);
			return tern_fail_memory(err, n + piece.length + 1);
		}
		memcpy(bytes + n, piece.bytes, piece.length);
		n += piece.length;
	}
	if (!TERN_GROW(bytes, capacity, n + 1)) {
		tern_free(bytes);
		return tern_fail_memory(err, n + 1);
	}
	bytes[n] = '\0';
	*text = bytes;
	*n_bytes = n;
	return TERN_OK;
}

const char *tern_token_text(const struct tern_model *model, int32_t id, size_t *n_bytes)
{
	struct tern_piece piece = {NULL, 0};

	if (id >= 0 && (size_t)id < n_pieces(model))
		piece = tern_tokenizer_piece(model->text.tokenizer, id);
	*n_bytes = piece.length;
	return piece.bytes;
}

int32_t tern_bos(const struct tern_model *model) { return model->text.bos_id; }

bool tern_is_end(const struct tern_model *model, int32_t id)
{
	return id >= 0 && (size_t)id < n_pieces(model) && model->text.is_end[id];
}
