/* Writing a vocabulary into a GGUF file. */
#include "convert/tokenizer/vocab_write.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

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

/* Readers assume ids 1, 2 and 0 for SPM vocabularies that name none: UINT32_MAX means none. */
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
		listener_warn(vocab->listener,
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

enum tern_status vocab_write(const struct vocab *vocab, struct gguf_writer *writer, struct tern_error *err)
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
