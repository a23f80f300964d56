/* tokenizer.model, a SentencePiece BPE model, with the tokens that were added to it: added_tokens_decoder in
 * tokenizer_config.json ({"32000": {"content": "<pad>", "special": true}}), or the older added_tokens.json
 * ({"<pad>": 32000}). The latter does not say which are special: as in transformers those that special_tokens_map.json
 * or tokenizer_config.json give a role. (Others spelled "<|...|>" become control tokens when the file is opened.) */
#include "convert/tokenizer/tokenizer_model.h"

#include "base/memory.h"
#include "json/value.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_ADDED = 1 << 20
};

/* A token that was added, from either file. */
struct added {
	size_t id;
	struct json_string content;
	bool is_special;
};

static enum tern_status read_decoder_entry(const struct json_iterator *it, struct added *added, struct tern_error *err)
{
	struct json_string key = json_string(it->key);
	char digits[8] = {0};
	bool found;
	enum tern_status status;

	if (key.length == 0 || key.length >= sizeof digits)
		return json_fail(it->value, err, "expected a token id as key");
	memcpy(digits, key.bytes, key.length);
	added->id = (size_t)strtoul(digits, NULL, 10);
	if (strspn(digits, "0123456789") != key.length)
		return json_fail(it->value, err, "expected a token id as key");
	added->is_special = false;
	if ((status = json_get_string(it->value, "content", &added->content, &found, err)) ||
	    (status = json_get_bool(it->value, "special", &added->is_special, NULL, err)))
		return status;
	return found ? TERN_OK : json_fail(it->value, err, "an added token without content");
}

/* "<s>" or {"content": "<s>"}. */
static bool names(struct json_value value, struct json_string token)
{
	if (json_exists(value) && json_type(value) == JSON_OBJECT)
		value = json_find(value, "content");
	if (!json_exists(value) || json_type(value) != JSON_STRING)
		return false;
	struct json_string name = json_string(value);
	return name.length == token.length && memcmp(name.bytes, token.bytes, name.length) == 0;
}

/* Whether a member of the file names the token, "eos_token" for one, or lists it, "additional_special_tokens". */
static bool gives_role(const struct json *json, struct json_string token)
{
	if (!json->words)
		return false;
	for (struct json_iterator it = json_items(json_root(json)); json_next(&it);) {
		if (names(it.value, token))
			return true;
		if (json_type(it.value) != JSON_ARRAY)
			continue;
		for (struct json_iterator item = json_items(it.value); json_next(&item);)
			if (names(item.value, token))
				return true;
	}
	return false;
}

static enum tern_status read_list_entry(const struct vocab *vocab, const struct json_iterator *it, struct added *added,
                                        struct tern_error *err)
{
	uint64_t id = 0;
	enum tern_status status = json_to_u64(it->value, &id, err);
	struct json_string token = json_string(it->key);
	bool is_special = gives_role(&vocab->special_tokens_map, token) || gives_role(&vocab->tokenizer_config, token);

	*added = (struct added){(size_t)id, token, is_special};
	return status;
}

/* Calls `use` for every added token of both files, those of the decoder last. A token that is a control token by one
 * of them stays so. */
static enum tern_status for_each_added(struct vocab *vocab,
                                       enum tern_status (*use)(struct vocab *, const struct added *, struct json_value,
                                                               struct tern_error *),
                                       struct tern_error *err)
{
	struct json_value decoder = {0}, list = {0};
	struct added added;
	enum tern_status status = TERN_OK;

	if (vocab->tokenizer_config.words)
		status = json_get_container(json_root(&vocab->tokenizer_config), "added_tokens_decoder", JSON_OBJECT,
		                            &decoder, err);
	if (vocab->added_tokens.words)
		list = json_root(&vocab->added_tokens);
	for (struct json_iterator it = json_items(list); !status && json_next(&it);)
		if (!(status = read_list_entry(vocab, &it, &added, err)))
			status = use(vocab, &added, it.value, err);
	for (struct json_iterator it = json_items(decoder); !status && json_next(&it);)
		if (!(status = read_decoder_entry(&it, &added, err)))
			status = use(vocab, &added, it.value, err);
	return status;
}

static enum tern_status count_token(struct vocab *vocab, const struct added *added, struct json_value place,
                                    struct tern_error *err)
{
	if (added->id >= MAX_ADDED || added->content.length == 0)
		return json_fail(place, err, "expected a token with an id below %d", MAX_ADDED);
	if (added->id >= vocab->n_tokens)
		vocab->n_tokens = added->id + 1;
	return TERN_OK;
}

/* A new token, or a piece of the model that is now found in text before anything is merged. */
static enum tern_status add_token(struct vocab *vocab, const struct added *added, struct json_value place,
                                  struct tern_error *err)
{
	struct gguf_string *token = &vocab->tokens[added->id];
	int32_t *type = &vocab->types[added->id];
	const struct json_string *content = &added->content;

	if (token->bytes &&
	    (token->length != content->length || memcmp(token->bytes, content->bytes, content->length) != 0))
		return json_fail(place, err, "another token has this id, too");
	*token = (struct gguf_string){content->bytes, content->length};
	if (*type != TERN_TOKEN_UNKNOWN && *type != TERN_TOKEN_CONTROL && *type != TERN_TOKEN_BYTE)
		*type = added->is_special ? TERN_TOKEN_CONTROL : TERN_TOKEN_USER_DEFINED;
	return TERN_OK;
}

static void fill_pieces(struct vocab *vocab)
{
	const struct spm_model *spm = &vocab->spm;

	for (size_t id = 0; id < spm->n_pieces; id++) {
		vocab->tokens[id] = (struct gguf_string){spm->pieces[id].bytes, spm->pieces[id].length};
		vocab->scores[id] = spm->pieces[id].score;
		vocab->types[id] = spm->pieces[id].type;
	}
	vocab->kind = TERN_VOCAB_SPM;
	vocab->unk_id = spm->unk_id;
	vocab->bos_id = spm->bos_id;
	vocab->eos_id = spm->eos_id;
	vocab->pad_id = spm->pad_id;
	vocab->add_bos = true; /* the default of LlamaTokenizer and its relatives */
	vocab->add_space_prefix = spm->add_dummy_prefix;
}

/* Writes `piece` to `out` with spaces for its U+2581. Returns the length, or 0 if there is nothing but U+2581. */
static size_t spell_with_spaces(const struct spm_piece *piece, char *out)
{
	size_t n = 0;
	bool has_other = false;

	for (size_t i = 0; i < piece->length; n++) {
		bool is_mark = piece->length - i >= 3 && memcmp(piece->bytes + i, TERN_SPACE_MARK, 3) == 0;
		has_other = has_other || !is_mark;
		out[n] = is_mark ? ' ' : piece->bytes[i];
		i += is_mark ? 3 : 1;
	}
	return has_other ? n : 0;
}

/* SentencePiece searches for its user-defined pieces after spaces became U+2581, tern's tokenizer before: they are
 * spelled with spaces. Those of nothing but U+2581 (Gemma's) stay to be joined, also with the space before a text.
 * One that begins with U+2581 is not found at that space, which comes later. */
static enum tern_status spell_user_defined(struct vocab *vocab, struct tern_error *err)
{
	const struct spm_model *spm = &vocab->spm;
	size_t n_bytes = 0;

	for (size_t id = 0; id < spm->n_pieces; id++)
		n_bytes += spm->pieces[id].type == TERN_TOKEN_USER_DEFINED ? spm->pieces[id].length : 0;
	char *to = vocab->user_defined_text = tern_alloc(n_bytes, 1);
	if (!to)
		return tern_fail_memory(err, n_bytes);
	for (size_t id = 0; id < spm->n_pieces; id++) {
		if (spm->pieces[id].type != TERN_TOKEN_USER_DEFINED || vocab->types[id] != TERN_TOKEN_USER_DEFINED)
			continue;
		size_t n = spell_with_spaces(&spm->pieces[id], to);
		if (n > 0)
			vocab->tokens[id] = (struct gguf_string){to, n};
		to += n;
	}
	return TERN_OK;
}

/* Ids for the spellings. Pieces that are spelled alike are refused. */
static enum tern_status index_tokens(struct vocab *vocab, struct tern_error *err)
{
	bool is_new;

	for (size_t id = 0; id < vocab->n_tokens; id++) {
		const struct gguf_string *token = &vocab->tokens[id];
		if (!token->bytes)
			return tern_fail(err, TERN_ERR_FILE,
			                 "%s: no token has the id %zu, but added tokens have larger ones",
			                 vocab->source, id);
		int64_t number = name_set_add(&vocab->ids, token->bytes, token->length, &is_new);
		if (number < 0)
			return tern_fail_memory(err, vocab->n_tokens * sizeof *token);
		if (!is_new)
			return tern_fail(err, TERN_ERR_FILE, "%s: piece %zu: spelled like piece %lld", vocab->source,
			                 id, (long long)number);
	}
	return TERN_OK;
}

enum tern_status vocab_from_tokenizer_model(struct vocab *vocab, struct tern_error *err)
{
	enum tern_status status;

	if (vocab->spm.has_charsmap)
		return tern_fail(
		        err, TERN_ERR_FILE,
		        "%s: normalizer_spec: it changes characters (precompiled_charsmap), which is not supported",
		        vocab->source);
	if (vocab->spm.remove_extra_whitespaces)
		listener_warn(vocab->listener,
		              "%s: remove_extra_whitespaces is not done: runs of spaces give other tokens",
		              vocab->source);
	vocab->n_tokens = vocab->spm.n_pieces;
	if ((status = directory_read_json(vocab->dir, "added_tokens.json", 0, &vocab->added_tokens, err)) ||
	    (status = directory_read_json(vocab->dir, "special_tokens_map.json", 0, &vocab->special_tokens_map, err)) ||
	    (status = for_each_added(vocab, count_token, err)) ||
	    (status = vocab_allocate(vocab, vocab->n_tokens, err)))
		return status;
	fill_pieces(vocab);
	if ((status = for_each_added(vocab, add_token, err)) || (status = spell_user_defined(vocab, err)))
		return status;
	return index_tokens(vocab, err);
}
