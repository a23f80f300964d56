#include "convert/vocab.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum {
	MAX_SPM_BYTES = 64 << 20
};

enum tern_status vocab_allocate(struct vocab *vocab, size_t n, struct tern_error *err)
{
	vocab->tokens = tern_alloc(n, sizeof *vocab->tokens);
	vocab->scores = tern_alloc(n, sizeof *vocab->scores);
	vocab->types = tern_alloc(n, sizeof *vocab->types);
	if (!vocab->tokens || !vocab->scores || !vocab->types)
		return tern_fail_memory(err, n * (sizeof *vocab->tokens + 8));
	vocab->n_tokens = n;
	for (size_t i = 0; i < n; i++)
		vocab->types[i] = TERN_TOKEN_NORMAL;
	return TERN_OK;
}

int32_t vocab_find(const struct vocab *vocab, const char *bytes, size_t length)
{
	return (int32_t)name_set_find(&vocab->ids, bytes, length);
}

/* ---- reading ---- */

/* tokenizer.json if there is one: transformers prefers it, and its merges say more than scores. */
static enum tern_status read_tokens(struct vocab *vocab, struct tern_error *err)
{
	enum tern_status status;
	size_t n_bytes;

	status = directory_read_json(vocab->dir, "tokenizer.json", JSON_REFUSE_DUPLICATES, &vocab->tokenizer, err);
	if (status)
		return status;
	if (vocab->tokenizer.words) {
		if (!(vocab->source = directory_join(vocab->dir, "tokenizer.json")))
			return tern_fail_memory(err, 1);
		return vocab_from_tokenizer_json(vocab, err);
	}
	status = directory_read_file(vocab->dir, "tokenizer.model", MAX_SPM_BYTES, &vocab->spm_bytes, &n_bytes, err);
	if (status)
		return status;
	if (!vocab->spm_bytes)
		return tern_fail(err, TERN_ERR_FILE, "%s: has neither tokenizer.json nor tokenizer.model",
		                 vocab->dir->path);
	if (!(vocab->source = directory_join(vocab->dir, "tokenizer.model")))
		return tern_fail_memory(err, 1);
	if ((status = spm_parse(&vocab->spm, vocab->source, vocab->spm_bytes, n_bytes, err)))
		return status;
	return vocab_from_spm(vocab, err);
}

/* Special tokens past the last row of the embedding could not be computed with: they go. Other tokens must not be
 * there. */
static enum tern_status drop_tokens(struct vocab *vocab, size_t n_rows, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	const struct name *token = &vocab->tokens[n_rows];

	for (size_t id = n_rows; id < vocab->n_tokens; id++)
		if (vocab->types[id] == TERN_TOKEN_NORMAL || vocab->types[id] == TERN_TOKEN_BYTE)
			return tern_fail(
			        err, TERN_ERR_FILE,
			        "%s: token '%s': has the id %zu, but the embedding has %zu rows only", vocab->source,
			        tern_quote(quoted, vocab->tokens[id].bytes, vocab->tokens[id].length), id, n_rows);
	reporter_warn(vocab->reporter,
	              "%s: %zu special tokens have no row in the embedding and are left out, the first is '%s'",
	              vocab->source, vocab->n_tokens - n_rows, tern_quote(quoted, token->bytes, token->length));
	name_set_free(&vocab->ids);
	for (size_t id = 0; id < n_rows; id++) {
		bool is_new;
		if (name_set_add(&vocab->ids, vocab->tokens[id].bytes, vocab->tokens[id].length, &is_new) < 0)
			return tern_fail_memory(err, n_rows * sizeof *token);
	}
	vocab->n_tokens = n_rows;
	return TERN_OK;
}

/* Rows of the embedding that no token has get names of their own. */
static enum tern_status pad_tokens(struct vocab *vocab, size_t n_rows, struct tern_error *err)
{
	enum {
		NAME_SIZE = 16
	};
	struct name *tokens = tern_realloc(vocab->tokens, n_rows, sizeof *tokens);
	float *scores = tokens ? tern_realloc(vocab->scores, n_rows, sizeof *scores) : NULL;
	int32_t *types = scores ? tern_realloc(vocab->types, n_rows, sizeof *types) : NULL;

	vocab->tokens = tokens ? tokens : vocab->tokens;
	vocab->scores = scores ? scores : vocab->scores;
	vocab->types = types ? types : vocab->types;
	vocab->padding_text = tern_alloc(n_rows - vocab->n_tokens, NAME_SIZE);
	if (!types || !vocab->padding_text)
		return tern_fail_memory(err, n_rows * (sizeof *tokens + 8));
	for (size_t id = vocab->n_tokens; id < n_rows; id++) {
		char *name = vocab->padding_text + (id - vocab->n_tokens) * NAME_SIZE;
		int length = snprintf(name, NAME_SIZE, "[PAD%zu]", id);
		tokens[id] = (struct name){name, (size_t)length};
		scores[id] = 0.0f;
		types[id] = TERN_TOKEN_UNUSED;
	}
	vocab->n_tokens = n_rows;
	return TERN_OK;
}

/* The runtime's own tokenizer is the judge of the result. */
static enum tern_status check_vocab(const struct vocab *vocab, struct tern_error *err)
{
	struct tern_piece *pieces = tern_alloc(vocab->n_tokens, sizeof *pieces);
	struct tern_piece *merges = tern_alloc(vocab->n_merges, sizeof *merges);
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_vocab v = {.kind = vocab->kind,
	                       .pre = vocab->pre,
	                       .n_pieces = vocab->n_tokens,
	                       .pieces = pieces,
	                       .scores = vocab->scores,
	                       .types = vocab->types,
	                       .n_merges = vocab->n_merges,
	                       .merges = merges,
	                       .bos_id = vocab->bos_id,
	                       .eos_id = vocab->eos_id,
	                       .unk_id = vocab->unk_id,
	                       .add_bos = vocab->add_bos,
	                       .add_eos = vocab->add_eos,
	                       .add_space_prefix = vocab->add_space_prefix};
	enum tern_status status;

	if (pieces && merges) {
		for (size_t i = 0; i < vocab->n_tokens; i++)
			pieces[i] = (struct tern_piece){vocab->tokens[i].bytes, vocab->tokens[i].length};
		for (size_t i = 0; i < vocab->n_merges; i++)
			merges[i] = (struct tern_piece){vocab->merges[i].bytes, vocab->merges[i].length};
		status = tern_tokenizer_new(&tokenizer, &v, vocab->source, err);
	} else {
		status = tern_fail_memory(err, vocab->n_tokens * sizeof *pieces);
	}
	tern_tokenizer_free(tokenizer);
	tern_free(pieces);
	tern_free(merges);
	return status;
}

enum tern_status vocab_read(struct vocab *vocab, const struct directory *dir, const struct config *config,
                            uint64_t n_rows, const struct reporter *reporter, struct tern_error *err)
{
	enum tern_status status;

	memset(vocab, 0, sizeof *vocab);
	vocab->dir = dir;
	vocab->reporter = reporter;
	vocab->bos_id = vocab->eos_id = vocab->unk_id = vocab->pad_id = -1;
	vocab->template_first = vocab->template_last = -1;
	if ((status = directory_read_json(dir, "tokenizer_config.json", 0, &vocab->tokenizer_config, err)) ||
	    (status = directory_read_json(dir, "generation_config.json", 0, &vocab->generation_config, err)) ||
	    (status = read_tokens(vocab, err)))
		return status;
	if (n_rows && n_rows < vocab->n_tokens)
		status = drop_tokens(vocab, (size_t)n_rows, err);
	else if (n_rows > vocab->n_tokens)
		status = pad_tokens(vocab, (size_t)n_rows, err);
	if (status || (status = vocab_read_settings(vocab, config, err)))
		return status;
	return check_vocab(vocab, err);
}

void vocab_free(struct vocab *vocab)
{
	directory_free_json(&vocab->tokenizer);
	directory_free_json(&vocab->tokenizer_config);
	directory_free_json(&vocab->generation_config);
	directory_free_json(&vocab->added_tokens);
	directory_free_json(&vocab->template_json);
	spm_free(&vocab->spm);
	name_set_free(&vocab->ids);
	tern_free(vocab->source);
	tern_free(vocab->tokens);
	tern_free(vocab->scores);
	tern_free(vocab->types);
	tern_free(vocab->merges);
	tern_free(vocab->spm_bytes);
	tern_free(vocab->template_bytes);
	tern_free(vocab->merge_text);
	tern_free(vocab->padding_text);
	memset(vocab, 0, sizeof *vocab);
}

/* ---- writing ---- */

static enum tern_status put_names(struct gguf_writer *writer, const char *key, const struct name *names, size_t n,
                                  struct tern_error *err)
{
	struct gguf_string *items = tern_alloc(n, sizeof *items);
	enum tern_status status;

	if (!items)
		return tern_fail_memory(err, n * sizeof *items);
	for (size_t i = 0; i < n; i++)
		items[i] = (struct gguf_string){names[i].bytes, names[i].length};
	status = tern_gguf_put_strings(writer, key, items, n, err);
	tern_free(items);
	return status;
}

/* Readers assume ids 1, 2 and 0 for SPM vocabularies that name none: UINT32_MAX tells them there is none. */
static enum tern_status put_id(const struct vocab *vocab, struct gguf_writer *writer, const char *key, int32_t id,
                               bool has_default, struct tern_error *err)
{
	if (id < 0 && !(has_default && vocab->kind == TERN_VOCAB_SPM))
		return TERN_OK;
	return tern_gguf_put_u32(writer, key, id < 0 ? UINT32_MAX : (uint32_t)id, err);
}

/* The keys have room for two end tokens besides EOS: end of turn and end of message. Others are known by their
 * spelling only. */
static enum tern_status put_end_ids(const struct vocab *vocab, struct gguf_writer *writer, struct tern_error *err)
{
	static const char *const turn_ends[] = {"<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>"};
	int32_t ids[VOCAB_MAX_END_IDS];
	size_t n = vocab->n_end_ids;
	enum tern_status status;

	memcpy(ids, vocab->end_ids, sizeof ids);
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < sizeof turn_ends / sizeof *turn_ends; j++)
			if (vocab_find(vocab, turn_ends[j], strlen(turn_ends[j])) == ids[i]) {
				int32_t first = ids[0];
				ids[0] = ids[i];
				ids[i] = first;
			}
	if (n > 2)
		reporter_warn(vocab->reporter,
		              "%zu tokens end a text; of token %d and on only those with a usual name will", n + 1,
		              (int)ids[2]);
	if ((n > 0 && (status = tern_gguf_put_u32(writer, "tokenizer.ggml.eot_token_id", (uint32_t)ids[0], err))) ||
	    (n > 1 && (status = tern_gguf_put_u32(writer, "tokenizer.ggml.eom_token_id", (uint32_t)ids[1], err))))
		return status;
	return TERN_OK;
}

/* "tokenizer.chat_template", and ".NAME" for others, which are listed. */
static enum tern_status put_templates(const struct vocab *vocab, struct gguf_writer *writer, struct tern_error *err)
{
	struct name others[VOCAB_MAX_TEMPLATES];
	size_t n_others = 0;
	enum tern_status status;

	for (size_t i = 0; i < vocab->n_templates; i++) {
		const struct chat_template *template = &vocab->templates[i];
		char key[128] = "tokenizer.chat_template";
		if (template->name.length != 7 || memcmp(template->name.bytes, "default", 7) != 0) {
			snprintf(key, sizeof key, "tokenizer.chat_template.%.*s", (int)template->name.length,
			         template->name.bytes);
			others[n_others++] = (struct name){template->name.bytes, template->name.length};
		}
		status = tern_gguf_put_string(writer, key, template->source.bytes, template->source.length, err);
		if (status)
			return status;
	}
	return n_others ? put_names(writer, "tokenizer.chat_templates", others, n_others, err) : TERN_OK;
}

enum tern_status vocab_put(const struct vocab *vocab, struct gguf_writer *writer, struct tern_error *err)
{
	bool is_spm = vocab->kind == TERN_VOCAB_SPM;
	const char *model = is_spm ? "llama" : "gpt2", *pre = is_spm ? "default" : vocab->pre;
	size_t n = vocab->n_tokens;
	enum tern_status status;

	if ((status = tern_gguf_put_string(writer, "tokenizer.ggml.model", model, strlen(model), err)) ||
	    (status = tern_gguf_put_string(writer, "tokenizer.ggml.pre", pre, strlen(pre), err)) ||
	    (status = put_names(writer, "tokenizer.ggml.tokens", vocab->tokens, n, err)) ||
	    (is_spm &&
	     (status = tern_gguf_put_array(writer, "tokenizer.ggml.scores", GGUF_F32, vocab->scores, n, err))) ||
	    (status = tern_gguf_put_array(writer, "tokenizer.ggml.token_type", GGUF_I32, vocab->types, n, err)) ||
	    (vocab->n_merges > 0 &&
	     (status = put_names(writer, "tokenizer.ggml.merges", vocab->merges, vocab->n_merges, err))) ||
	    (status = put_id(vocab, writer, "tokenizer.ggml.bos_token_id", vocab->bos_id, true, err)) ||
	    (status = put_id(vocab, writer, "tokenizer.ggml.eos_token_id", vocab->eos_id, true, err)) ||
	    (status = put_end_ids(vocab, writer, err)) ||
	    (status = put_id(vocab, writer, "tokenizer.ggml.unknown_token_id", vocab->unk_id, true, err)) ||
	    (status = put_id(vocab, writer, "tokenizer.ggml.padding_token_id", vocab->pad_id, false, err)) ||
	    (status = tern_gguf_put_bool(writer, "tokenizer.ggml.add_bos_token", vocab->add_bos, err)) ||
	    (status = tern_gguf_put_bool(writer, "tokenizer.ggml.add_eos_token", vocab->add_eos, err)) ||
	    (is_spm &&
	     (status = tern_gguf_put_bool(writer, "tokenizer.ggml.add_space_prefix", vocab->add_space_prefix, err))))
		return status;
	return put_templates(vocab, writer, err);
}
