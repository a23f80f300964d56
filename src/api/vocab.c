/* From the tokenizer.* metadata of a GGUF file to a tokenizer, a chat format and the set of end tokens. Keys and their
 * defaults are llama.cpp's, which has no counterpart of "tern.space_prefix_if_missing". */
#include "api/vocab.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "text/pretokenize.h"

#include <stdio.h>
#include <string.h>

/* The arrays of a vocabulary while it is read. */
struct reading {
	const struct gguf *gguf;
	struct tern_vocab vocab;
	struct tern_piece *pieces, *merges;
	float *scores;
	int32_t *types;
	char pre[64];
};

/* An array of strings as pieces; *pieces stays NULL if absent. */
static enum tern_status read_pieces(const struct reading *r, const char *key, struct tern_piece **pieces, size_t *n,
                                    struct tern_error *err)
{
	const struct gguf_pair *pair;
	enum tern_status status = tern_gguf_get_array(r->gguf, key, GGUF_STRING, &pair, err);

	if (status || !pair)
		return status;
	*n = (size_t)pair->n_items;
	if (!(*pieces = tern_alloc_huge(*n, sizeof **pieces)))
		return tern_fail_memory(err, *n * sizeof **pieces);
	const uint8_t *cursor = pair->value;
	for (size_t i = 0; i < *n; i++) {
		struct gguf_string string = tern_gguf_next_string(&cursor);
		(*pieces)[i] = (struct tern_piece){string.bytes, string.length};
	}
	return TERN_OK;
}

/* An array of n_pieces 4-byte numbers, copied because the file promises no alignment. */
static enum tern_status read_numbers(const struct reading *r, const char *key, enum gguf_value_type type,
                                     void **numbers, struct tern_error *err)
{
	const struct gguf_pair *pair;
	enum tern_status status = tern_gguf_get_array(r->gguf, key, type, &pair, err);

	if (status || !pair)
		return status;
	if (pair->n_items != r->vocab.n_pieces)
		return tern_gguf_fail_key(r->gguf, key, err, "%llu items, but 'tokenizer.ggml.tokens' has %zu",
		                          (unsigned long long)pair->n_items, r->vocab.n_pieces);
	if (!(*numbers = tern_alloc(r->vocab.n_pieces, 4)))
		return tern_fail_memory(err, r->vocab.n_pieces * 4);
	memcpy(*numbers, pair->value, r->vocab.n_pieces * 4);
	return TERN_OK;
}

static enum tern_status read_id(const struct reading *r, const char *key, int32_t *id, struct tern_error *err)
{
	uint32_t number = 0;
	bool found;
	enum tern_status status = tern_gguf_get_u32(r->gguf, key, &number, &found, err);

	if (status || !found)
		return status;
	if (number == UINT32_MAX) { /* how some writers say "none" */
		*id = -1;
		return TERN_OK;
	}
	if (number >= r->vocab.n_pieces)
		return tern_gguf_fail_key(r->gguf, key, err, "token %u, but the vocabulary has %zu", number,
		                          r->vocab.n_pieces);
	*id = (int32_t)number;
	return TERN_OK;
}

static bool piece_is(struct tern_piece piece, const char *text)
{
	return piece.length == strlen(text) && !memcmp(piece.bytes, text, piece.length);
}

/* What a file without tokenizer.ggml.pre means, or NULL. The official files of BitNet b1.58 2B4T name none (of either
 * architecture's name); their vocabulary is Llama 3's. Of "default" the tokenizer knows which vocabularies it fits. */
static const char *guess_pre(const struct reading *r)
{
	struct gguf_string arch = {"", 0};

	tern_gguf_get_string(r->gguf, "general.architecture", &arch, NULL, NULL);
	if (tern_gguf_string_is(arch, "bitnet-b1.58") || tern_gguf_string_is(arch, "bitnet-25") ||
	    (r->vocab.n_pieces > 128000 && piece_is(r->pieces[128000], "<|begin_of_text|>")))
		return "llama-bpe";
	return tern_pretokenizer_knows_default(r->vocab.n_pieces) ? "default" : NULL;
}

static enum tern_status read_pre(struct reading *r, struct tern_error *err)
{
	struct gguf_string pre;
	bool found;
	enum tern_status status = tern_gguf_get_string(r->gguf, "tokenizer.ggml.pre", &pre, &found, err);

	if (status)
		return status;
	const char *guess = found ? NULL : guess_pre(r);
	if (guess)
		pre = (struct gguf_string){guess, strlen(guess)};
	else if (!found)
		return tern_gguf_fail_key(r->gguf, "tokenizer.ggml.pre", err,
		                          "missing; without it text would be cut into wrong tokens");
	if (pre.length >= sizeof r->pre || memchr(pre.bytes, 0, pre.length))
		return tern_gguf_fail_key(r->gguf, "tokenizer.ggml.pre", err, "not a known name");
	memcpy(r->pre, pre.bytes, pre.length);
	r->vocab.pre = r->pre;
	return TERN_OK;
}

static enum tern_status read_kind(struct reading *r, struct tern_error *err)
{
	struct gguf_string kind;
	bool found;
	char quoted[TERN_QUOTE_SIZE];
	enum tern_status status = tern_gguf_get_string(r->gguf, "tokenizer.ggml.model", &kind, &found, err);

	if (status)
		return status;
	if (!found)
		return tern_gguf_fail_key(r->gguf, "tokenizer.ggml.model", err, "missing");
	if (kind.length == 4 && !memcmp(kind.bytes, "gpt2", 4)) {
		r->vocab.kind = TERN_VOCAB_BPE;
		return TERN_OK;
	}
	if (kind.length != 5 || memcmp(kind.bytes, "llama", 5))
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: key 'tokenizer.ggml.model': '%s' is not supported; tern knows gpt2 and llama",
		                 r->gguf->path, tern_quote(quoted, kind.bytes, kind.length));
	r->vocab.kind = TERN_VOCAB_SPM;
	return TERN_OK;
}

/* What llama.cpp assumes where a file says nothing. */
static void set_defaults(struct reading *r)
{
	struct tern_vocab *v = &r->vocab;
	bool is_spm = v->kind == TERN_VOCAB_SPM;

	v->bos_id = is_spm && v->n_pieces > 2 ? 1 : -1;
	v->eos_id = is_spm && v->n_pieces > 2 ? 2 : -1;
	v->unk_id = is_spm && v->n_pieces > 2 ? 0 : -1;
	v->add_space_prefix = is_spm;
	v->add_bos = is_spm || !strcmp(r->pre, "llama-bpe") || !strcmp(r->pre, "llama3") ||
	             !strcmp(r->pre, "llama-v3") || !strcmp(r->pre, "falcon3") || !strcmp(r->pre, "falcon_e");
}

static enum tern_status read_vocab(struct reading *r, struct tern_error *err)
{
	struct tern_vocab *v = &r->vocab;
	void *scores = NULL, *types = NULL;
	enum tern_status status;

	if ((status = read_kind(r, err)) ||
	    (status = read_pieces(r, "tokenizer.ggml.tokens", &r->pieces, &v->n_pieces, err)))
		return status;
	if (!v->n_pieces)
		return tern_gguf_fail_key(r->gguf, "tokenizer.ggml.tokens", err, "missing");
	status = read_numbers(r, "tokenizer.ggml.scores", GGUF_F32, &scores, err);
	r->scores = scores;
	if (!status)
		status = read_numbers(r, "tokenizer.ggml.token_type", GGUF_I32, &types, err);
	r->types = types;
	if (status || (status = read_pieces(r, "tokenizer.ggml.merges", &r->merges, &v->n_merges, err)) ||
	    (v->kind == TERN_VOCAB_BPE && (status = read_pre(r, err))))
		return status;
	v->pieces = r->pieces;
	v->merges = r->merges;
	v->scores = r->scores;
	v->types = r->types;
	set_defaults(r);
	if ((status = read_id(r, "tokenizer.ggml.bos_token_id", &v->bos_id, err)) ||
	    (status = read_id(r, "tokenizer.ggml.eos_token_id", &v->eos_id, err)) ||
	    (status = read_id(r, "tokenizer.ggml.unknown_token_id", &v->unk_id, err)) ||
	    (status = tern_gguf_get_bool(r->gguf, "tokenizer.ggml.add_bos_token", &v->add_bos, NULL, err)) ||
	    (status = tern_gguf_get_bool(r->gguf, "tokenizer.ggml.add_eos_token", &v->add_eos, NULL, err)))
		return status;
	if ((status = tern_gguf_get_bool(r->gguf, "tokenizer.ggml.add_space_prefix", &v->add_space_prefix, NULL, err)))
		return status;
	return tern_gguf_get_bool(r->gguf, "tern.space_prefix_if_missing", &v->prefix_if_missing, NULL, err);
}

/* End tokens: those the file names, and whatever is spelled like one. */
static enum tern_status find_end_tokens(struct tern_text *text, const struct reading *r, struct tern_error *err)
{
	static const char *const keys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
	static const char *const spellings[] = {"<|eot_id|>",    "<|im_end|>", "<|end|>", "<end_of_turn>",
	                                        "<|endoftext|>", "<|eom_id|>", "<EOT>",   "<｜end▁of▁sentence｜>"};
	enum tern_status status;

	if (!(text->is_end = tern_alloc(r->vocab.n_pieces, sizeof *text->is_end)))
		return tern_fail_memory(err, r->vocab.n_pieces);
	if (r->vocab.eos_id >= 0)
		text->is_end[r->vocab.eos_id] = true;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		int32_t id = -1;
		if ((status = read_id(r, keys[i], &id, err)))
			return status;
		if (id >= 0)
			text->is_end[id] = true;
	}
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
		int32_t id = tern_tokenizer_find(text->tokenizer, spellings[i], strlen(spellings[i]));
		if (id >= 0)
			text->is_end[id] = true;
	}
	return TERN_OK;
}

enum tern_status tern_text_check_format(const char *name, struct tern_error *err)
{
	char list[256] = "", quoted[TERN_QUOTE_SIZE];

	if (tern_chat_by_name(name) != TERN_CHAT_NONE)
		return TERN_OK;
	for (int f = TERN_CHAT_NONE + 1; f < TERN_CHAT_N_FORMATS; f++)
		tern_append_name(list, sizeof list, tern_chat_name((enum tern_chat_format)f));
	return tern_fail(err, TERN_ERR_USAGE, "chat format '%s' is not known; tern knows %s",
	                 tern_quote(quoted, name, strlen(name)), list);
}

/* Takes the template under "tokenizer.chat_template" or that with a suffix, ".NAME", if there is one. */
static enum tern_status try_template(struct tern_text *text, const struct reading *r, const char *suffix,
                                     size_t n_suffix, struct tern_error *err)
{
	struct gguf_string source;
	struct tern_piece eos = {"", 0};
	char key[GGUF_MAX_KEY_LENGTH + 1];
	bool found;

	snprintf(key, sizeof key, "tokenizer.chat_template%.*s", (int)n_suffix, suffix);
	enum tern_status status = tern_gguf_get_string(r->gguf, key, &source, &found, err);
	if (status || !found)
		return status;
	text->has_chat_template = true;
	if (r->vocab.eos_id >= 0)
		eos = r->pieces[r->vocab.eos_id];
	text->chat_format = tern_chat_detect(source.bytes, source.length, eos.bytes, eos.length, r->vocab.n_pieces);
	text->chat_efforts = tern_chat_efforts_find(source.bytes, source.length);
	return TERN_OK;
}

/* The one called `name`, or if that is NULL what the file's templates describe: that without a name, else "default",
 * else the first of the list that tern knows: models with several have others for tools and documents. */
static enum tern_status find_chat_format(struct tern_text *text, const struct reading *r, const char *name,
                                         struct tern_error *err)
{
	const struct gguf_pair *names;
	char suffix[80];
	enum tern_status status;

	if (name) {
		text->has_chat_template = true;
		text->chat_format = tern_chat_by_name(name);
		text->chat_efforts = tern_chat_efforts_of_qwen38();
		return TERN_OK;
	}
	if ((status = try_template(text, r, "", 0, err)) || text->has_chat_template ||
	    (status = try_template(text, r, ".default", 8, err)) || text->has_chat_template ||
	    (status = tern_gguf_get_array(r->gguf, "tokenizer.chat_templates", GGUF_STRING, &names, err)) || !names)
		return status;
	const uint8_t *cursor = names->value;
	for (uint64_t i = 0; i < names->n_items && !text->chat_format && !status; i++) {
		struct gguf_string listed = tern_gguf_next_string(&cursor);
		if (listed.length > sizeof suffix - 2 || memchr(listed.bytes, 0, listed.length))
			continue;
		suffix[0] = '.';
		memcpy(suffix + 1, listed.bytes, listed.length);
		status = try_template(text, r, suffix, listed.length + 1, err);
	}
	return status;
}

/* What ends an answer in the chat format: tokens, where the vocabulary has them. */
static void add_chat_ends(struct tern_text *text)
{
	size_t n_stops = 0;

	for (const char *const *end = tern_chat_ends(text->chat_format); *end; end++) {
		int32_t id = tern_tokenizer_find(text->tokenizer, *end, strlen(*end));
		if (id >= 0 && tern_tokenizer_is_special(text->tokenizer, id))
			text->is_end[id] = true;
		else
			text->chat_stops[n_stops++] = *end;
	}
}

enum tern_status tern_text_load(struct tern_text *text, const struct gguf *gguf,
                                const struct tern_model_options *options, struct tern_error *err)
{
	struct reading r = {.gguf = gguf, .vocab.n_threads = options->n_threads};
	enum tern_status status = read_vocab(&r, err);

	if (!status)
		status = tern_tokenizer_new(&text->tokenizer, &r.vocab, gguf->path, err);
	if (!status)
		status = find_end_tokens(text, &r, err);
	text->bos_id = r.vocab.add_bos ? r.vocab.bos_id : -1;
	if (!status)
		status = find_chat_format(text, &r, options->chat_format, err);
	if (!status)
		add_chat_ends(text);
	tern_free(r.pieces);
	tern_free(r.merges);
	tern_free(r.scores);
	tern_free(r.types);
	return status;
}

void tern_text_free(struct tern_text *text)
{
	tern_free(text->is_end);
	tern_tokenizer_free(text->tokenizer);
}
