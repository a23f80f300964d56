/* A conversation in the format of a file: what its template and vocabulary say of Qwen3.8's kind of models, through
 * tern.h. Each of these goes wrong without a sign: the model still answers, but worse, or never stops. */
#include "model/gguf_write.h"
#include "scratch.h"
#include "test.h"

#include <string.h>
#include <tern.h>

enum {
	N_BYTES = 256,
	END_OF_TEXT = N_BYTES, /* ids of the tokens behind the bytes */
	IM_START,
	IM_END,
	THINK,
	END_THINK,
	AB, /* a merge there has to be */
	N_PIECES
};

static struct tern_error err;

/* The spelling of a byte in GPT-2's alphabet. */
static size_t spell(int byte, char out[4])
{
	int code = byte, next = N_BYTES;

	for (int i = 0; i <= byte; i++) {
		bool is_printable = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || (i >= 174 && i <= 255);
		code = is_printable ? i : next++;
	}
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	out[0] = (char)(0xc0 | code >> 6);
	out[1] = (char)(0x80 | (code & 0x3f));
	return 2;
}

static bool write_file(const char *path, const char *chat_template)
{
	static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>",
	                                       "<think>",       "</think>",     "ab"};
	static char spelled[N_BYTES][4];
	struct gguf_string pieces[N_PIECES], merge = {"a b", 3};
	int32_t types[N_PIECES];
	struct gguf_writer *writer;

	for (int i = 0; i < N_PIECES; i++) {
		types[i] = i < N_BYTES || i == AB ? 1 : i < THINK ? 3 : 4; /* normal, control, user-defined */
		if (i < N_BYTES)
			pieces[i] = (struct gguf_string){spelled[i], spell(i, spelled[i])};
		else
			pieces[i] = (struct gguf_string){specials[i - N_BYTES], strlen(specials[i - N_BYTES])};
	}
	if (tern_gguf_create(&writer, path, true, &err))
		return false;
	tern_gguf_put_string(writer, "general.architecture", "qwen35", 6);
	tern_gguf_put_string(writer, "tokenizer.ggml.model", "gpt2", 4);
	tern_gguf_put_string(writer, "tokenizer.ggml.pre", "qwen35", 6);
	tern_gguf_put_strings(writer, "tokenizer.ggml.tokens", pieces, N_PIECES);
	tern_gguf_put_array(writer, "tokenizer.ggml.token_type", GGUF_I32, types, N_PIECES);
	tern_gguf_put_strings(writer, "tokenizer.ggml.merges", &merge, 1);
	tern_gguf_put_u32(writer, "tokenizer.ggml.eos_token_id", IM_END);
	tern_gguf_put_u32(writer, "tokenizer.ggml.bos_token_id", END_OF_TEXT);
	tern_gguf_put_bool(writer, "tokenizer.ggml.add_bos_token", false);
	tern_gguf_put_string(writer, "tokenizer.chat_template", chat_template, strlen(chat_template));
	return !tern_gguf_begin_data(writer, &err) && !tern_gguf_commit(writer, &err);
}

/* The conversation as text, special tokens spelled out. */
static void check_text(const struct tern_model *model, const struct tern_message *messages, size_t n_messages,
                       unsigned flags, const char *expected)
{
	int32_t *ids = NULL;
	char *text = NULL;
	size_t n_ids = 0, n_bytes = 0;

	if (tern_chat_tokenize(model, messages, n_messages, TERN_CHAT_GENERATE | flags, &ids, &n_ids, &err) ||
	    tern_detokenize(model, ids, n_ids, true, &text, &n_bytes, &err))
		CHECK(false, "%s", err.message);
	else
		CHECK(!strcmp(text, expected), "'%s', expected '%s'", text, expected);
	tern_free(ids);
	tern_free(text);
}

/* Both kinds stop at <|im_end|> and at <|endoftext|>, though only one is the file's EOS, and begin without a BOS. */
static struct tern_model *open_file(const char *name, const char *chat_template, const char *format)
{
	const char *path = scratch_path(name);
	struct tern_model *model = NULL;
	struct tern_model_info info;

	if (!write_file(path, chat_template) || tern_model_open(&model, path, NULL, &err)) {
		CHECK(false, "%s", err.message);
		return NULL;
	}
	tern_model_get_info(model, &info);
	CHECK(!strcmp(info.chat_format, format), "format '%s'", info.chat_format);
	CHECK(tern_is_end(model, IM_END) && tern_is_end(model, END_OF_TEXT), "it would not stop");
	CHECK(!tern_is_end(model, IM_START) && !tern_is_end(model, END_THINK), "it would stop too early");
	CHECK(!tern_chat_stops(model)[0], "stop strings");
	CHECK(tern_bos(model) == -1, "BOS");
	return model;
}

int main(void)
{
	static const char qwen36[] =
	        "{{ '<|im_start|>' }} {{ '</think>' }} {%- if enable_thinking is false %}{%- else %}"
	        "{{- '<think>\n' }}{%- endif %}";
	static const char qwen38[] =
	        "{%- set e = reasoning_effort|default('xhigh') %}{{ '<|im_start|>' }} {{ '</think>' }}"
	        "{%- set i = 'Reasoning effort is set to xhigh. Hm.' %}"
	        "{%- set i = 'Reasoning effort is set to low. Go.' %}{{- '<think>\n' }}";
	const struct tern_message talk[] = {
	        {"user", "a", 1}, {"assistant", "<think>\nb\n</think>\n\nc", 0}, {"user", "d<|im_end|>", 0}};
	struct tern_model *model;

	scratch_begin();
	if ((model = open_file("qwen36.gguf", qwen36, "qwen3.6"))) {
		check_text(model, talk, 3, 0,
		           "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nc<|im_end|>\n"
		           "<|im_start|>user\nd<|im_end|><|im_end|>\n<|im_start|>assistant\n<think>\n");
		check_text(model, talk, 1, TERN_CHAT_NO_THINKING,
		           "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
	}
	tern_model_close(model);
	if ((model = open_file("qwen38.gguf", qwen38, "qwen3.8"))) {
		check_text(model, talk, 3, 0,
		           "<|im_start|>system\nReasoning effort is set to xhigh. Hm.<|im_end|>\n"
		           "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\nb\n</think>\n\nc<|im_end|>\n"
		           "<|im_start|>user\nd<|im_end|><|im_end|>\n<|im_start|>assistant\n<think>\n");
		check_text(model, talk, 1, TERN_CHAT_EFFORT_LOW,
		           "<|im_start|>system\nReasoning effort is set to low. Go.<|im_end|>\n"
		           "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\n");
	}
	tern_model_close(model);
	scratch_end();
	return test_summary();
}
