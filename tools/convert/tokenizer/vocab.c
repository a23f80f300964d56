/* Room for a vocabulary. */
#include "convert/tokenizer/vocab.h"

#include "base/memory.h"

#include <string.h>

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

void vocab_free(struct vocab *vocab)
{
	directory_free_json(&vocab->tokenizer);
	directory_free_json(&vocab->tokenizer_config);
	directory_free_json(&vocab->generation_config);
	directory_free_json(&vocab->added_tokens);
	directory_free_json(&vocab->special_tokens_map);
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
	tern_free(vocab->user_defined_text);
	memset(vocab, 0, sizeof *vocab);
}
