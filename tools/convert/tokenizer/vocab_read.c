/* Choosing the file that the tokens come from, and making the list fit the embedding. */
#include "convert/tokenizer/vocab_read.h"

#include "base/memory.h"
#include "convert/tokenizer/tokenizer_config.h"
#include "convert/tokenizer/tokenizer_json.h"
#include "convert/tokenizer/tokenizer_model.h"
#include "text/tokenizer.h"
#include "json/parse.h"

#include <stdio.h>
#include <string.h>

enum {
	MAX_SPM_BYTES = 64 << 20
};

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
	return vocab_from_tokenizer_model(vocab, err);
}

/* Removes special tokens past the last row of the embedding, which has no vector for them. Any other token there is an
 * error. */
static enum tern_status drop_tokens(struct vocab *vocab, size_t n_rows, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	const struct gguf_string *token = &vocab->tokens[n_rows];

	for (size_t id = n_rows; id < vocab->n_tokens; id++)
		if (vocab->types[id] == TERN_TOKEN_NORMAL || vocab->types[id] == TERN_TOKEN_BYTE)
			return tern_fail(
			        err, TERN_ERR_FILE,
			        "%s: token '%s': has the id %zu, but the embedding has %zu rows only", vocab->source,
			        tern_quote(quoted, vocab->tokens[id].bytes, vocab->tokens[id].length), id, n_rows);
	listener_warn(vocab->listener,
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

/* Adds an unused token for every row of the embedding that has none. */
static enum tern_status pad_tokens(struct vocab *vocab, size_t n_rows, struct tern_error *err)
{
	enum {
		NAME_SIZE = 16
	};
	struct gguf_string *tokens = tern_realloc(vocab->tokens, n_rows, sizeof *tokens);
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
		tokens[id] = (struct gguf_string){name, (size_t)length};
		scores[id] = 0.0f;
		types[id] = TERN_TOKEN_UNUSED;
	}
	vocab->n_tokens = n_rows;
	return TERN_OK;
}

/* Fails if tern's own tokenizer does not accept the result. */
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
	                       .add_space_prefix = vocab->add_space_prefix,
	                       .prefix_if_missing = vocab->prefix_if_missing};
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
                            const struct listener *listener, struct tern_error *err)
{
	size_t n_rows = (size_t)config->n_vocab;
	enum tern_status status;

	memset(vocab, 0, sizeof *vocab);
	vocab->dir = dir;
	vocab->listener = listener;
	vocab->bos_id = vocab->eos_id = vocab->unk_id = vocab->pad_id = -1;
	vocab->template_first = vocab->template_last = -1;
	if ((status = directory_read_json(dir, "tokenizer_config.json", 0, &vocab->tokenizer_config, err)) ||
	    (status = directory_read_json(dir, "generation_config.json", 0, &vocab->generation_config, err)) ||
	    (status = read_tokens(vocab, err)))
		return status;
	if (n_rows && n_rows < vocab->n_tokens)
		status = drop_tokens(vocab, n_rows, err);
	else if (n_rows > vocab->n_tokens)
		status = pad_tokens(vocab, n_rows, err);
	if (status || (status = vocab_read_settings(vocab, config, err)))
		return status;
	return check_vocab(vocab, err);
}
