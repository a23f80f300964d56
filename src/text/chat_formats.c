/* A format's texts are what its template renders; the templates are those of the models' own tokenizer_config.json. */
#include "text/chat_formats.h"

#include <string.h>

/* DeepSeek's markers have full-width bars (U+FF5C) and U+2581. */
#define BAR          "\xef\xbd\x9c"
#define LOW          "\xe2\x96\x81"
#define R1_BEGIN     "<" BAR "begin" LOW "of" LOW "sentence" BAR ">"
#define R1_END       "<" BAR "end" LOW "of" LOW "sentence" BAR ">"
#define R1_USER      "<" BAR "User" BAR ">"
#define R1_ASSISTANT "<" BAR "Assistant" BAR ">"

#define LLAMA3_HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define CHATML_BEFORE(role) "<|im_start|>" role "\n"
#define CHATML_TURNS                                             \
	.turns = {{CHATML_BEFORE("system"), "<|im_end|>\n"},     \
	          {CHATML_BEFORE("user"), "<|im_end|>\n"},       \
	          {CHATML_BEFORE("assistant"), "<|im_end|>\n"}}, \
	.ends = {"<|im_end|>", "<|endoftext|>"}
#define R1_TURNS                                                                                                   \
	.bos = R1_BEGIN, .turns = {{NULL, NULL}, {R1_USER, NULL}, {R1_ASSISTANT, R1_END}}, .system = SYSTEM_FIRST, \
	.thoughts = THOUGHTS_DROPPED, .ends = {R1_END}
#define QWEN2_SYSTEM  "You are a helpful assistant."
#define QWEN25_SYSTEM "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
#define NO_THOUGHTS   "<think>\n\n</think>\n\n"
#define QWEN36_TURNS                                                                                                \
	CHATML_TURNS, .generate = CHATML_BEFORE("assistant"), .no_thinking = NO_THOUGHTS, .system = SYSTEM_LEADING, \
	              .trims = true, .needs_user = true

static const struct chat_table tables[TERN_CHAT_N_FORMATS] = {
        [TERN_CHAT_NONE] = {.name = ""},
        [TERN_CHAT_LLAMA3] = {.name = "llama-3",
                              .alias = "llama3",
                              .bos = "<|begin_of_text|>",
                              .turns = {{LLAMA3_HEADER("system"), "<|eot_id|>"},
                                        {LLAMA3_HEADER("user"), "<|eot_id|>"},
                                        {LLAMA3_HEADER("assistant"), "<|eot_id|>"}},
                              .generate = LLAMA3_HEADER("assistant"),
                              .trims = true,
                              .ends = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"}},
        /* Its template says nothing of BOS: models that have one for every text (MiniCPM 4) put it here, too. */
        [TERN_CHAT_CHATML] = {.name = "chatml",
                              .vocab_bos = true,
                              CHATML_TURNS,
                              .generate = CHATML_BEFORE("assistant")},
        [TERN_CHAT_QWEN2] = {.name = "qwen2",
                             CHATML_TURNS,
                             .generate = CHATML_BEFORE("assistant"),
                             .default_system = QWEN2_SYSTEM},
        [TERN_CHAT_QWEN25] = {.name = "qwen2.5",
                              .alias = "qwen",
                              CHATML_TURNS,
                              .generate = CHATML_BEFORE("assistant"),
                              .default_system = QWEN25_SYSTEM},
        [TERN_CHAT_QWEN3] = {.name = "qwen3",
                             CHATML_TURNS,
                             .generate = CHATML_BEFORE("assistant"),
                             .no_thinking = NO_THOUGHTS,
                             .thoughts = THOUGHTS_QWEN3},
        [TERN_CHAT_QWEN3_THINKING] = {.name = "qwen3-thinking",
                                      CHATML_TURNS,
                                      .generate = CHATML_BEFORE("assistant") "<think>\n",
                                      .thoughts = THOUGHTS_QWEN3},
        [TERN_CHAT_QWEN36] = {.name = "qwen3.6",
                              .alias = "qwen3.5",
                              QWEN36_TURNS,
                              .thinking = "<think>\n",
                              .thoughts = THOUGHTS_QWEN36},
        [TERN_CHAT_QWEN35_SMALL] = {.name = "qwen3.5-small",
                                    QWEN36_TURNS,
                                    .thinking = NO_THOUGHTS,
                                    .thoughts = THOUGHTS_QWEN36},
        [TERN_CHAT_QWEN38] = {.name = "qwen3.8",
                              QWEN36_TURNS,
                              .thinking = "<think>\n",
                              .thoughts = THOUGHTS_QWEN38,
                              .has_efforts = true},
        [TERN_CHAT_FALCON3] = {.name = "falcon3",
                               .turns = {{"<|system|>\n", "\n"},
                                         {"<|user|>\n", "\n"},
                                         {"<|assistant|>\n", "<|endoftext|>\n"}},
                               .last_answer_after = "<|endoftext|>",
                               .generate = "<|assistant|>\n",
                               .ends = {"<|endoftext|>", "<|user|>"}},
        [TERN_CHAT_BITNET] = {.name = "bitnet",
                              .bos = "<|begin_of_text|>",
                              .turns = {{"System: ", "<|eot_id|>"},
                                        {"User: ", "<|eot_id|>"},
                                        {"Assistant: ", "<|eot_id|>"}},
                              .generate = "Assistant: ",
                              .trims = true,
                              .ends = {"<|eot_id|>", "<|end_of_text|>"}},
        [TERN_CHAT_DEEPSEEK_R1] = {.name = "deepseek-r1", R1_TURNS, .generate = R1_ASSISTANT},
        [TERN_CHAT_DEEPSEEK_R1_THINKING] = {.name = "deepseek-r1-thinking",
                                            R1_TURNS,
                                            .generate = R1_ASSISTANT "<think>\n"},
        [TERN_CHAT_ZEPHYR] = {.name = "zephyr",
                              .bos = "<s>",
                              .turns = {{"<|system|>\n", "</s>\n"},
                                        {"<|user|>\n", "</s>\n"},
                                        {"<|assistant|>\n", "</s>\n"}},
                              .generate = "<|assistant|>\n",
                              .ends = {"</s>"}},
        [TERN_CHAT_GEMMA] = {.name = "gemma",
                             .bos = "<bos>",
                             .turns = {{NULL, NULL},
                                       {"<start_of_turn>user\n", "<end_of_turn>\n"},
                                       {"<start_of_turn>model\n", "<end_of_turn>\n"}},
                             .generate = "<start_of_turn>model\n",
                             .system = SYSTEM_BEFORE_USER,
                             .trims = true,
                             .ends = {"<end_of_turn>", "<eos>"}},
        [TERN_CHAT_TERN] = {.name = "tern",
                            .bos = "<|begin|>",
                            .turns = {{NULL, NULL}, {"<|user|>", "<|end|>"}, {"<|assistant|>", "<|end|>"}},
                            .generate = "<|assistant|>",
                            .system = SYSTEM_REFUSED,
                            .ends = {"<|end|>"}},
};

const struct chat_table *tern_chat_table(enum tern_chat_format format)
{
	return format > TERN_CHAT_NONE && format < TERN_CHAT_N_FORMATS ? &tables[format] : NULL;
}

const char *tern_chat_name(enum tern_chat_format format)
{
	const struct chat_table *table = tern_chat_table(format);
	return table ? table->name : "";
}

bool tern_chat_takes_system(enum tern_chat_format format)
{
	const struct chat_table *table = tern_chat_table(format);
	return table && table->system != SYSTEM_REFUSED;
}

const char *const *tern_chat_ends(enum tern_chat_format format)
{
	const struct chat_table *table = tern_chat_table(format);
	return (table ? table : &tables[TERN_CHAT_NONE])->ends;
}

static bool equal(const char *a, size_t n_a, const char *b) { return b && strlen(b) == n_a && memcmp(a, b, n_a) == 0; }

static enum tern_chat_format find_name(const char *name, size_t n)
{
	for (int i = TERN_CHAT_NONE + 1; i < TERN_CHAT_N_FORMATS; i++)
		if (equal(name, n, tables[i].name) || equal(name, n, tables[i].alias))
			return (enum tern_chat_format)i;
	return TERN_CHAT_NONE;
}

enum tern_chat_format tern_chat_by_name(const char *name) { return find_name(name, strlen(name)); }

/* ---- recognizing templates ---- */

struct source {
	const char *bytes, *eos;
	size_t n_bytes, n_eos, n_vocab;
};

/* Whether text begins with `part`. A newline in `part` also matches Jinja's escape \n. */
static bool begins_with(const char *text, size_t n, const char *part)
{
	size_t i = 0;

	for (; *part; part++) {
		if (*part == '\n' && n - i >= 2 && text[i] == '\\' && text[i + 1] == 'n')
			i += 2;
		else if (i < n && text[i] == *part)
			i++;
		else
			return false;
	}
	return true;
}

static bool has(const struct source *source, const char *part)
{
	for (size_t i = 0; i < source->n_bytes; i++)
		if (begins_with(source->bytes + i, source->n_bytes - i, part))
			return true;
	return false;
}

static enum tern_chat_format detect_chatml(const struct source *source)
{
	if (has(source, "<|im_sep|>") || has(source, "<end_of_utterance>")) /* Phi 4; SmolVLM */
		return TERN_CHAT_NONE;
	if (has(source, "</think>") && has(source, "'<think>\n'"))
		return has(source, "reasoning_effort")                                         ? TERN_CHAT_QWEN38
		       : has(source, "enable_thinking is defined and enable_thinking is true") ? TERN_CHAT_QWEN35_SMALL
		                                                                               : TERN_CHAT_QWEN36;
	if (has(source, "</think>"))
		return has(source, CHATML_BEFORE("assistant") "<think>") ? TERN_CHAT_QWEN3_THINKING : TERN_CHAT_QWEN3;
	if (has(source, QWEN25_SYSTEM))
		return TERN_CHAT_QWEN25;
	return has(source, "system\n" QWEN2_SYSTEM "<|im_end|>") ? TERN_CHAT_QWEN2 : TERN_CHAT_CHATML;
}

/* Templates with <|assistant|>. Phi 3 and Phi 4 mini also have <|end|>; tern's own template differs from theirs in its
 * exact text and the end token. */
static enum tern_chat_format detect_assistant(const struct source *source)
{
	if (has(source, "'<|' + message['role'] + '|>' + message['content'] + '<|end|>'") &&
	    equal(source->eos, source->n_eos, "<|end|>"))
		return TERN_CHAT_TERN;
	if (has(source, "<|end|>") || !has(source, "<|user|>"))
		return TERN_CHAT_NONE;
	if (equal(source->eos, source->n_eos, "</s>"))
		return TERN_CHAT_ZEPHYR;
	return equal(source->eos, source->n_eos, "<|endoftext|>") && source->n_vocab == 131072 ? TERN_CHAT_FALCON3
	                                                                                       : TERN_CHAT_NONE;
}

enum tern_chat_format tern_chat_detect(const char *bytes, size_t n_bytes, const char *eos, size_t n_eos, size_t n_vocab)
{
	struct source source = {bytes, eos, n_bytes, n_eos, n_vocab};
	enum tern_chat_format named = find_name(bytes, n_bytes);

	if (named)
		return named;
	/* Microsoft's GGUF file of BitNet has a wrong template, with "BITNETAssistant"; the right format is the same.
	 */
	if (has(&source, "BITNETAssistant") || (has(&source, "capitalize") && has(&source, "<|eot_id|>")))
		return TERN_CHAT_BITNET;
	if (has(&source, "<|start_header_id|>"))
		return TERN_CHAT_LLAMA3;
	if (has(&source, "<|im_start|>"))
		return detect_chatml(&source);
	if (has(&source, R1_ASSISTANT))
		return has(&source, R1_ASSISTANT "<think>\n") ? TERN_CHAT_DEEPSEEK_R1_THINKING : TERN_CHAT_DEEPSEEK_R1;
	if (has(&source, "<start_of_turn>"))
		return TERN_CHAT_GEMMA;
	return has(&source, "<|assistant|>") ? detect_assistant(&source) : TERN_CHAT_NONE;
}
