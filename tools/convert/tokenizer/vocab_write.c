/* Writing a vocabulary into a GGUF file. */
#include "convert/tokenizer/vocab_write.h"

#include <stdio.h>
#include <string.h>

/* Readers assume ids 1, 2 and 0 for SPM vocabularies that name none: UINT32_MAX means none. */
static void put_id(const struct vocab *vocab, struct gguf_writer *writer, const char *key, int32_t id, bool has_default)
{
	if (id >= 0 || (has_default && vocab->kind == TERN_VOCAB_SPM))
		tern_gguf_put_u32(writer, key, id < 0 ? UINT32_MAX : (uint32_t)id);
}

/* The keys have room for two end tokens besides EOS: end of turn and end of message. Others are known by their
 * spelling only. */
static void put_end_ids(const struct vocab *vocab, struct gguf_writer *writer)
{
	static const char *const turn_ends[] = {"<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>"};
	int32_t ids[VOCAB_MAX_END_IDS];
	size_t n = vocab->n_end_ids;

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
	if (n > 0)
		tern_gguf_put_u32(writer, "tokenizer.ggml.eot_token_id", (uint32_t)ids[0]);
	if (n > 1)
		tern_gguf_put_u32(writer, "tokenizer.ggml.eom_token_id", (uint32_t)ids[1]);
}

/* "tokenizer.chat_template", and ".NAME" for others, which are listed. */
static void put_templates(const struct vocab *vocab, struct gguf_writer *writer)
{
	struct gguf_string others[VOCAB_MAX_TEMPLATES];
	size_t n_others = 0;

	for (size_t i = 0; i < vocab->n_templates; i++) {
		const struct chat_template *template = &vocab->templates[i];
		char key[128] = "tokenizer.chat_template";
		if (template->name.length != 7 || memcmp(template->name.bytes, "default", 7) != 0) {
			snprintf(key, sizeof key, "tokenizer.chat_template.%.*s", (int)template->name.length,
			         template->name.bytes);
			others[n_others++] = (struct gguf_string){template->name.bytes, template->name.length};
		}
		tern_gguf_put_string(writer, key, template->source.bytes, template->source.length);
	}
	if (n_others)
		tern_gguf_put_strings(writer, "tokenizer.chat_templates", others, n_others);
}

void vocab_write(const struct vocab *vocab, struct gguf_writer *writer)
{
	bool is_spm = vocab->kind == TERN_VOCAB_SPM;
	const char *model = is_spm ? "llama" : "gpt2", *pre = is_spm ? "default" : vocab->pre;
	size_t n = vocab->n_tokens;

	tern_gguf_put_string(writer, "tokenizer.ggml.model", model, strlen(model));
	tern_gguf_put_string(writer, "tokenizer.ggml.pre", pre, strlen(pre));
	tern_gguf_put_strings(writer, "tokenizer.ggml.tokens", vocab->tokens, n);
	if (is_spm)
		tern_gguf_put_array(writer, "tokenizer.ggml.scores", GGUF_F32, vocab->scores, n);
	tern_gguf_put_array(writer, "tokenizer.ggml.token_type", GGUF_I32, vocab->types, n);
	if (vocab->n_merges > 0)
		tern_gguf_put_strings(writer, "tokenizer.ggml.merges", vocab->merges, vocab->n_merges);
	put_id(vocab, writer, "tokenizer.ggml.bos_token_id", vocab->bos_id, true);
	put_id(vocab, writer, "tokenizer.ggml.eos_token_id", vocab->eos_id, true);
	put_end_ids(vocab, writer);
	put_id(vocab, writer, "tokenizer.ggml.unknown_token_id", vocab->unk_id, true);
	put_id(vocab, writer, "tokenizer.ggml.padding_token_id", vocab->pad_id, false);
	tern_gguf_put_bool(writer, "tokenizer.ggml.add_bos_token", vocab->add_bos);
	tern_gguf_put_bool(writer, "tokenizer.ggml.add_eos_token", vocab->add_eos);
	if (is_spm)
		tern_gguf_put_bool(writer, "tokenizer.ggml.add_space_prefix", vocab->add_space_prefix);
	if (vocab->prefix_if_missing)
		tern_gguf_put_bool(writer, "tern.space_prefix_if_missing", true);
	put_templates(vocab, writer);
}
