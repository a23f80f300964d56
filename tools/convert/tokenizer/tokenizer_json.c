/* tokenizer.json, as Hugging Face's tokenizers library writes it: BPE models, byte-level (Llama 3, Qwen, GPT-2) or with
 * byte fallback (Llama 2, Gemma). */
#include "convert/tokenizer/tokenizer_json.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "convert/tokenizer/pre_tokenizer.h"
#include "json/value.h"

#include <string.h>

enum {
	MAX_TOKENS = 1 << 22,
	MAX_MERGES = 1 << 23
};

/* ---- tokens ---- */

/* The id in `value`, and the largest so far + 1 in *n. */
static enum tern_status read_id(struct json_value value, uint64_t *id, size_t *n, struct tern_error *err)
{
	enum tern_status status = json_to_u64(value, id, err);

	if (status)
		return status;
	if (*id >= MAX_TOKENS)
		return json_fail(value, err, "token ids have to be below %d", MAX_TOKENS);
	if (*id >= *n)
		*n = (size_t)*id + 1;
	return TERN_OK;
}

static enum tern_status count_tokens(struct json_value tokens, struct json_value added, size_t *n,
                                     struct tern_error *err)
{
	enum tern_status status;
	uint64_t id;

	*n = 0;
	for (struct json_iterator it = json_items(tokens); json_next(&it);)
		if ((status = read_id(it.value, &id, n, err)))
			return status;
	for (struct json_iterator it = json_items(added); json_next(&it);) {
		struct json_value member = json_find(it.value, "id");
		if (!json_exists(member))
			return json_fail(it.value, err, "expected an object {id, content, special, ...}");
		if ((status = read_id(member, &id, n, err)))
			return status;
	}
	return TERN_OK;
}

static enum tern_status fill_tokens(struct vocab *vocab, struct json_value tokens, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];

	for (struct json_iterator it = json_items(tokens); json_next(&it);) {
		struct json_string spelling = json_string(it.key);
		uint64_t id = 0;
		enum tern_status status = json_to_u64(it.value, &id, err);
		if (status)
			return status;
		if (vocab->tokens[id].bytes)
			return json_fail(it.value, err, "the token '%s' has this id, too",
			                 tern_quote(quoted, vocab->tokens[id].bytes, vocab->tokens[id].length));
		vocab->tokens[id] = (struct gguf_string){spelling.bytes, spelling.length};
	}
	return TERN_OK;
}

/* An added token: new, or one of the model's own that is found in text before anything is merged. */
static enum tern_status add_token(struct vocab *vocab, struct json_value added, size_t *n_stripping,
                                  struct tern_error *err)
{
	bool special = false, lstrip = false, rstrip = false, single_word = false, found;
	struct json_string content = {"", 0};
	uint64_t id = 0;
	enum tern_status status;

	if ((status = json_get_u64(added, "id", &id, NULL, err)) ||
	    (status = json_get_string(added, "content", &content, &found, err)) ||
	    (status = json_get_bool(added, "special", &special, NULL, err)) ||
	    (status = json_get_bool(added, "lstrip", &lstrip, NULL, err)) ||
	    (status = json_get_bool(added, "rstrip", &rstrip, NULL, err)) ||
	    (status = json_get_bool(added, "single_word", &single_word, NULL, err)))
		return status;
	if (!found || content.length == 0)
		return json_fail(added, err, "an added token without content");
	struct gguf_string *token = &vocab->tokens[id];
	if (token->bytes &&
	    (token->length != content.length || memcmp(token->bytes, content.bytes, content.length) != 0))
		return json_fail(added, err, "another token has this id, too");
	*token = (struct gguf_string){content.bytes, content.length};
	vocab->types[id] = special ? TERN_TOKEN_CONTROL : TERN_TOKEN_USER_DEFINED;
	*n_stripping += lstrip || rstrip || single_word;
	return TERN_OK;
}

/* Every id has a token and every spelling one id. */
static enum tern_status index_tokens(struct vocab *vocab, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	bool is_new;

	for (size_t id = 0; id < vocab->n_tokens; id++) {
		const struct gguf_string *token = &vocab->tokens[id];
		if (!token->bytes)
			return tern_fail(err, TERN_ERR_FILE, "%s: no token has the id %zu, but larger ids are there",
			                 vocab->source, id);
		int64_t first = name_set_add(&vocab->ids, token->bytes, token->length, &is_new);
		if (first < 0)
			return tern_fail_memory(err, vocab->n_tokens * sizeof *token);
		if (!is_new)
			return tern_fail(err, TERN_ERR_FILE, "%s: token '%s': has the ids %lld and %zu", vocab->source,
			                 tern_quote(quoted, token->bytes, token->length), (long long)first, id);
	}
	return TERN_OK;
}

static enum tern_status read_tokens(struct vocab *vocab, struct json_value root, struct json_value model,
                                    struct tern_error *err)
{
	struct json_value tokens, added;
	size_t n, n_stripping = 0;
	enum tern_status status;

	if ((status = json_get_container(model, "vocab", JSON_OBJECT, &tokens, err)) ||
	    (status = json_get_container(root, "added_tokens", JSON_ARRAY, &added, err)))
		return status;
	if (!json_exists(tokens))
		return json_fail_missing(model, "vocab", "an object {token: id}", err);
	if ((status = count_tokens(tokens, added, &n, err)) || (status = vocab_allocate(vocab, n, err)) ||
	    (status = fill_tokens(vocab, tokens, err)))
		return status;
	for (struct json_iterator it = json_items(added); json_next(&it);)
		if ((status = add_token(vocab, it.value, &n_stripping, err)))
			return status;
	if (n_stripping > 0)
		listener_warn(
		        vocab->listener,
		        "%s: %zu added tokens want the spaces beside them removed (lstrip, rstrip, single_word), which "
		        "is not done",
		        vocab->source, n_stripping);
	return index_tokens(vocab, err);
}

/* ---- merges ---- */

/* The two sides of a merge: "left right" or ["left", "right"]. */
static enum tern_status read_merge(struct json_value value, struct json_string *left, struct json_string *right,
                                   struct tern_error *err)
{
	struct json_iterator it = json_items(value);
	const char *space;

	if (json_type(value) == JSON_STRING) {
		*left = json_string(value);
		space = left->length > 1 ? memchr(left->bytes + 1, ' ', left->length - 1) : NULL;
		if (!space)
			return json_fail(value, err, "expected two tokens with a space between");
		*right = (struct json_string){space + 1, (size_t)(left->bytes + left->length - space) - 1};
		left->length = (size_t)(space - left->bytes);
	} else {
		if (!json_next(&it) || json_to_string(it.value, left, NULL) || !json_next(&it) ||
		    json_to_string(it.value, right, NULL) || json_next(&it))
			return json_fail(value, err, "expected two tokens");
	}
	if (memchr(left->bytes, ' ', left->length) || memchr(right->bytes, ' ', right->length))
		return json_fail(value, err, "a merge of tokens with spaces is not supported");
	return TERN_OK;
}

static enum tern_status read_merges(struct vocab *vocab, struct json_value model, struct tern_error *err)
{
	struct json_value merges;
	struct json_string left, right;
	size_t n = 0, n_bytes = 0;
	enum tern_status status = json_get_container(model, "merges", JSON_ARRAY, &merges, err);

	if (status)
		return status;
	for (struct json_iterator it = json_items(merges); json_next(&it); n++) {
		if (n == MAX_MERGES)
			return json_fail(it.value, err, "more than %d merges", MAX_MERGES);
		if ((status = read_merge(it.value, &left, &right, err)))
			return status;
		n_bytes += left.length + right.length + 1;
	}
	vocab->merges = tern_alloc(n, sizeof *vocab->merges);
	vocab->merge_text = tern_alloc(n_bytes, 1);
	if (!vocab->merges || !vocab->merge_text)
		return tern_fail_memory(err, n * sizeof *vocab->merges + n_bytes);
	char *to = vocab->merge_text;
	for (struct json_iterator it = json_items(merges); json_next(&it);) {
		read_merge(it.value, &left, &right, NULL);
		struct gguf_string *merge = &vocab->merges[vocab->n_merges++];
		*merge = (struct gguf_string){to, left.length + right.length + 1};
		memcpy(to, left.bytes, left.length);
		to[left.length] = ' ';
		memcpy(to + left.length + 1, right.bytes, right.length);
		to += merge->length;
	}
	return TERN_OK;
}

/* Scores for programs that merge SentencePiece tokens by score: the earlier the merge, the higher its token's score.
 * tern itself follows the merges. */
static enum tern_status score_tokens(struct vocab *vocab, struct tern_error *err)
{
	size_t longest = 0;

	for (size_t i = 0; i < vocab->n_merges; i++)
		longest = tern_larger(vocab->merges[i].length, longest);
	char *joined = tern_alloc(longest, 1);
	if (!joined)
		return tern_fail_memory(err, longest);
	for (size_t id = 0; id < vocab->n_tokens; id++)
		vocab->scores[id] = vocab->types[id] == TERN_TOKEN_NORMAL ? -(float)(vocab->n_merges + id) : 0.0f;
	for (size_t i = vocab->n_merges; i-- > 0;) { /* backwards, so that the first merge counts */
		const struct gguf_string *merge = &vocab->merges[i];
		const char *space = memchr(merge->bytes, ' ', merge->length);
		size_t n_left = (size_t)(space - merge->bytes);
		memcpy(joined, merge->bytes, n_left);
		memcpy(joined + n_left, space + 1, merge->length - n_left - 1);
		int32_t id = vocab_find(vocab, joined, merge->length - 1);
		if (id >= 0 && vocab->types[id] == TERN_TOKEN_NORMAL)
			vocab->scores[id] = -(float)i;
	}
	tern_free(joined);
	return TERN_OK;
}

/* ---- the model's settings ---- */

static bool is_empty(struct json_value object, const char *key)
{
	struct json_value value = json_find(object, key);
	return !json_exists(value) || json_type(value) == JSON_NULL || json_string_is(value, "");
}

static enum tern_status check_model(struct json_value root, struct json_value *model, struct tern_error *err)
{
	double dropout = 0.0;
	enum tern_status status = json_get_container(root, "model", JSON_OBJECT, model, err);

	if (status)
		return status;
	if (!json_exists(*model))
		return json_fail_missing(root, "model", "an object", err);
	struct json_value type = json_find(*model, "type");
	/* Very old files have no type; if they have merges, they are BPE. */
	if (json_exists(type) ? !json_string_is(type, "BPE") : !json_exists(json_find(*model, "merges")))
		return json_exists(type) ? json_fail_type(type, "\"BPE\"; other models are not supported", err)
		                         : json_fail_missing(*model, "type", "\"BPE\"", err);
	if ((status = json_get_f64(*model, "dropout", &dropout, NULL, err)))
		return status;
	if (dropout != 0.0)
		return json_fail(json_find(*model, "dropout"), err, "dropout is not supported");
	if (!is_empty(*model, "continuing_subword_prefix"))
		return json_fail(json_find(*model, "continuing_subword_prefix"), err, "is not supported");
	if (!is_empty(*model, "end_of_word_suffix"))
		return json_fail(json_find(*model, "end_of_word_suffix"), err, "is not supported");
	return TERN_OK;
}

static enum tern_status finish_spm(struct vocab *vocab, struct json_value model, struct tern_error *err)
{
	struct json_string unknown = {"", 0};
	enum tern_status status = json_get_string(model, "unk_token", &unknown, NULL, err);

	if (status)
		return status;
	for (size_t id = 0; id < vocab->n_tokens; id++)
		if (vocab->types[id] == TERN_TOKEN_NORMAL &&
		    tern_byte_of_spelling(vocab->tokens[id].bytes, vocab->tokens[id].length) >= 0)
			vocab->types[id] = TERN_TOKEN_BYTE;
	if (unknown.length > 0 && (vocab->unk_id = vocab_find(vocab, unknown.bytes, unknown.length)) >= 0)
		vocab->types[vocab->unk_id] = TERN_TOKEN_UNKNOWN;
	return score_tokens(vocab, err);
}

/* ---- what is put before and after a text ---- */

/* The token of {"SpecialToken": {"id": "<s>"}}; -1 and *is_text for {"Sequence": ...}. */
static enum tern_status read_template_part(struct vocab *vocab, struct json_value part, int32_t *id, bool *is_text,
                                           struct tern_error *err)
{
	struct json_string name = {"", 0};
	struct json_value special = json_find(part, "SpecialToken");
	enum tern_status status;

	*id = -1;
	*is_text = json_exists(json_find(part, "Sequence"));
	if (*is_text)
		return TERN_OK;
	if (!json_exists(special))
		return json_fail(part, err, "expected a SpecialToken or a Sequence");
	if ((status = json_get_string(special, "id", &name, NULL, err)))
		return status;
	*id = vocab_find(vocab, name.bytes, name.length);
	return *id >= 0 ? TERN_OK : json_fail(special, err, "names no token");
}

static enum tern_status read_template(struct vocab *vocab, struct json_value processor, struct tern_error *err)
{
	struct json_value single;
	bool text_came = false, is_text;
	int32_t id;
	enum tern_status status = json_get_container(processor, "single", JSON_ARRAY, &single, err);

	if (status)
		return status;
	for (struct json_iterator it = json_items(single); json_next(&it); text_came = text_came || is_text) {
		if ((status = read_template_part(vocab, it.value, &id, &is_text, err)))
			return status;
		if (is_text)
			continue;
		int32_t *place = text_came ? &vocab->template_last : &vocab->template_first;
		if (*place >= 0)
			return json_fail(it.value, err, "more than one token on one side of a text is not supported");
		*place = id;
	}
	return TERN_OK;
}

static enum tern_status read_post_processor(struct vocab *vocab, struct json_value processor, struct tern_error *err)
{
	struct json_value type = json_find(processor, "type");
	enum tern_status status = TERN_OK;

	if (json_string_is(type, "TemplateProcessing"))
		return read_template(vocab, processor, err);
	if (json_string_is(type, "ByteLevel")) /* it changes offsets only */
		return TERN_OK;
	if (!json_string_is(type, "Sequence"))
		return json_fail(processor, err, "expected TemplateProcessing, ByteLevel or a Sequence of them");
	for (struct json_iterator it = json_items(json_find(processor, "processors")); !status && json_next(&it);)
		status = json_string_is(json_find(it.value, "type"), "Sequence")
		                 ? json_fail(it.value, err, "a Sequence in a Sequence is not supported")
		                 : read_post_processor(vocab, it.value, err);
	return status;
}

enum tern_status vocab_from_tokenizer_json(struct vocab *vocab, struct tern_error *err)
{
	struct json_value root = json_root(&vocab->tokenizer), model, processor;
	enum tern_status status;

	if ((status = check_model(root, &model, err)) || (status = vocab_read_pre_tokenizer(vocab, root, err)) ||
	    (status = read_tokens(vocab, root, model, err)) || (status = read_merges(vocab, model, err)) ||
	    (vocab->kind == TERN_VOCAB_SPM && (status = finish_spm(vocab, model, err))) ||
	    (status = json_get_container(root, "post_processor", JSON_OBJECT, &processor, err)))
		return status;
	vocab->has_template = json_exists(processor);
	return vocab->has_template ? read_post_processor(vocab, processor, err) : TERN_OK;
}
