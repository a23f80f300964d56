/* What the files beside the tokenizer say: which tokens begin, end and pad a text, and the chat templates.
 *
 * tokenizer_config.json comes first, because transformers follows it; its null means "none" (Falcon 3 has a
 * bos_token_id in config.json that is never used). config.json and generation_config.json fill the gaps. All tokens
 * that any of them calls an end of text are end tokens. */
#include "convert/tokenizer/tokenizer_config.h"

#include "json/value.h"

#include <string.h>

/* ---- special tokens ---- */

/* The token that a member names, "<s>" or {"content": "<s>"}. *is_given: the member is there, perhaps as null. */
static enum tern_status find_named(struct vocab *vocab, const char *key, int32_t *id, bool *is_given,
                                   struct tern_error *err)
{
	struct json_value value = {0};
	char quoted[TERN_QUOTE_SIZE];

	if (vocab->tokenizer_config.words)
		value = json_find(json_root(&vocab->tokenizer_config), key);
	*is_given = json_exists(value);
	if (!*is_given)
		return TERN_OK;
	*id = -1;
	if (json_type(value) == JSON_NULL)
		return TERN_OK;
	if (json_type(value) == JSON_OBJECT)
		value = json_find(value, "content");
	if (!json_exists(value) || json_type(value) != JSON_STRING)
		return json_fail(json_find(json_root(&vocab->tokenizer_config), key), err, "expected a token");
	struct json_string name = json_string(value);
	*id = vocab_find(vocab, name.bytes, name.length);
	if (*id < 0)
		listener_warn(vocab->listener, "%s: %s '%s' is no token of the vocabulary",
		              vocab->tokenizer_config.source, key, tern_quote(quoted, name.bytes, name.length));
	return TERN_OK;
}

/* Sets *id to the id in `value` if *id is still unset; adds it to the end tokens if `is_end`. A negative id means none.
 */
static enum tern_status take_id(struct vocab *vocab, struct json_value value, int32_t *id, bool is_end,
                                struct tern_error *err)
{
	int64_t number = -1;
	enum tern_status status = json_to_i64(value, &number, err);

	if (status || number < 0)
		return status;
	if ((uint64_t)number >= vocab->n_tokens)
		return json_fail(value, err, "token %lld, but the vocabulary has %zu", (long long)number,
		                 vocab->n_tokens);
	if (*id < 0)
		*id = (int32_t)number;
	if (!is_end)
		return TERN_OK;
	for (size_t i = 0; i < vocab->n_end_ids; i++)
		if (vocab->end_ids[i] == number)
			return TERN_OK;
	if (vocab->n_end_ids == VOCAB_MAX_END_IDS)
		return json_fail(value, err, "more than %d tokens that end a text", VOCAB_MAX_END_IDS);
	vocab->end_ids[vocab->n_end_ids++] = (int32_t)number;
	return TERN_OK;
}

/* A member that is an id or a list of ids. */
static enum tern_status take_ids(struct vocab *vocab, const struct json *json, const char *key, int32_t *id,
                                 bool is_end, struct tern_error *err)
{
	struct json_value value = {0};
	enum tern_status status = TERN_OK;

	if (json->words)
		value = json_find(json_root(json), key);
	if (!json_exists(value) || json_type(value) == JSON_NULL)
		return TERN_OK;
	if (json_type(value) != JSON_ARRAY)
		return take_id(vocab, value, id, is_end, err);
	for (struct json_iterator it = json_items(value); !status && json_next(&it);)
		status = take_id(vocab, it.value, id, is_end, err);
	return status;
}

static enum tern_status read_special_ids(struct vocab *vocab, const struct config *config, struct tern_error *err)
{
	const struct {
		const char *name, *key;
		int32_t *id;
		bool is_end;
	} specials[] = {
	        {"bos_token", "bos_token_id", &vocab->bos_id, false},
	        {"eos_token", "eos_token_id", &vocab->eos_id, true},
	        {"unk_token", NULL, &vocab->unk_id, false},
	        {"pad_token", "pad_token_id", &vocab->pad_id, false},
	};
	enum tern_status status;

	for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
		bool is_given;
		int32_t unused = 0;
		if ((status = find_named(vocab, specials[i].name, specials[i].id, &is_given, err)))
			return status;
		if (!specials[i].key)
			continue;
		int32_t *id = is_given && !specials[i].is_end ? &unused : specials[i].id;
		if ((status = take_ids(vocab, &config->json, specials[i].key, id, specials[i].is_end, err)) ||
		    (status = take_ids(vocab, &vocab->generation_config, specials[i].key, id, specials[i].is_end, err)))
			return status;
	}
	/* end_ids lists the others only. */
	for (size_t i = 0; i < vocab->n_end_ids; i++)
		if (vocab->end_ids[i] == vocab->eos_id)
			vocab->end_ids[i--] = vocab->end_ids[--vocab->n_end_ids];
	return TERN_OK;
}

/* Whether BOS and EOS are added to a text: tokenizer_config.json says so, or else the post-processor of tokenizer.json.
 */
static enum tern_status read_add_flags(struct vocab *vocab, const struct config *config, struct tern_error *err)
{
	struct json_value root = {0};
	enum tern_status status;

	if (vocab->tokenizer_config.words)
		root = json_root(&vocab->tokenizer_config);
	if (vocab->has_template) {
		/* The token that is added first is the BOS if no other is named; likewise the EOS at the end. */
		vocab->bos_id = vocab->bos_id >= 0 ? vocab->bos_id : vocab->template_first;
		vocab->eos_id = vocab->eos_id >= 0 ? vocab->eos_id : vocab->template_last;
		vocab->add_bos = vocab->template_first >= 0 && vocab->template_first == vocab->bos_id;
		vocab->add_eos = vocab->template_last >= 0 && vocab->template_last == vocab->eos_id;
		bool lacks_last = vocab->template_last >= 0 && !vocab->add_eos && config->pooling != POOLING_LAST;
		if ((vocab->template_first >= 0 && !vocab->add_bos) || lacks_last)
			listener_warn(vocab->listener,
			              "%s: the post_processor adds tokens other than BOS and EOS, which is not done",
			              vocab->source);
	}
	if ((status = json_get_bool(root, "add_bos_token", &vocab->add_bos, NULL, err)) ||
	    (status = json_get_bool(root, "add_eos_token", &vocab->add_eos, NULL, err)))
		return status;
	vocab->add_bos = vocab->add_bos && vocab->bos_id >= 0;
	vocab->add_eos = vocab->add_eos && vocab->eos_id >= 0;
	return TERN_OK;
}

/* An embedding model that pools the last token was trained with the token that tokenizer.json adds after a text, which
 * may differ from the one that ends a turn of a chat. Older tokenizers of Qwen 3 add it without saying so. */
static enum tern_status end_for_pooling(struct vocab *vocab, const struct config *config, struct tern_error *err)
{
	static const char qwen_end[] = "<|endoftext|>";
	int32_t last = vocab->template_last;

	if (config->pooling != POOLING_LAST)
		return TERN_OK;
	if (last < 0 && strcmp(config->arch, "qwen3") == 0)
		last = vocab_find(vocab, qwen_end, sizeof qwen_end - 1);
	if (last < 0)
		return TERN_OK;
	for (size_t i = 0; i < vocab->n_end_ids; i++)
		if (vocab->end_ids[i] == last)
			vocab->end_ids[i--] = vocab->end_ids[--vocab->n_end_ids];
	if (vocab->eos_id >= 0 && vocab->eos_id != last) {
		if (vocab->n_end_ids == VOCAB_MAX_END_IDS)
			return tern_fail(err, TERN_ERR_FILE, "%s: more than %d tokens that end a text", vocab->source,
			                 VOCAB_MAX_END_IDS);
		vocab->end_ids[vocab->n_end_ids++] = vocab->eos_id;
	}
	vocab->eos_id = last;
	vocab->add_eos = true;
	return TERN_OK;
}

/* ---- chat templates ---- */

static enum tern_status add_template(struct vocab *vocab, struct json_string name, struct json_string source,
                                     struct json_value place, struct tern_error *err)
{
	if (vocab->n_templates == VOCAB_MAX_TEMPLATES)
		return json_fail(place, err, "more than %d templates", VOCAB_MAX_TEMPLATES);
	vocab->templates[vocab->n_templates++] = (struct chat_template){name, source};
	return TERN_OK;
}

/* A template, or a list of them with names. */
static enum tern_status read_template_member(struct vocab *vocab, struct json_value value, struct tern_error *err)
{
	struct json_string name, source;
	enum tern_status status;

	if (!json_exists(value) || json_type(value) == JSON_NULL)
		return TERN_OK;
	if (json_type(value) == JSON_STRING)
		return add_template(vocab, (struct json_string){"default", 7}, json_string(value), value, err);
	if (json_type(value) != JSON_ARRAY)
		return json_fail_type(value, "a template or a list of them", err);
	for (struct json_iterator it = json_items(value); json_next(&it);) {
		bool has_name, has_source;
		if ((status = json_get_string(it.value, "name", &name, &has_name, err)) ||
		    (status = json_get_string(it.value, "template", &source, &has_source, err)))
			return status;
		if (!has_name || !has_source || name.length == 0 || name.length > 64)
			return json_fail(it.value, err, "expected {name, template}");
		if ((status = add_template(vocab, name, source, it.value, err)))
			return status;
	}
	return TERN_OK;
}

/* chat_template.jinja wins over tokenizer_config.json, which wins over chat_template.json. */
static enum tern_status read_templates(struct vocab *vocab, struct tern_error *err)
{
	size_t n = 0;
	enum tern_status status = directory_read_file(vocab->dir, "chat_template.jinja", VOCAB_MAX_TEMPLATE,
	                                              &vocab->template_bytes, &n, err);

	if (status)
		return status;
	if (vocab->template_bytes) {
		vocab->templates[vocab->n_templates++] =
		        (struct chat_template){{"default", 7}, {(const char *)vocab->template_bytes, n}};
		return TERN_OK;
	}
	if (vocab->tokenizer_config.words) {
		struct json_value value = json_find(json_root(&vocab->tokenizer_config), "chat_template");
		if ((status = read_template_member(vocab, value, err)) || vocab->n_templates > 0)
			return status;
	}
	if ((status = directory_read_json(vocab->dir, "chat_template.json", 0, &vocab->template_json, err)) ||
	    !vocab->template_json.words)
		return status;
	return read_template_member(vocab, json_find(json_root(&vocab->template_json), "chat_template"), err);
}

enum tern_status vocab_read_settings(struct vocab *vocab, const struct config *config, struct tern_error *err)
{
	enum tern_status status;

	if ((status = read_special_ids(vocab, config, err)) || (status = read_add_flags(vocab, config, err)) ||
	    (status = end_for_pooling(vocab, config, err)))
		return status;
	return read_templates(vocab, err);
}
