/* Chat formats: the text of each, contents that stay plain text, and the recognition of templates. */
#include "vocab_build.h"

#include "tern_tiny.h"
#include "text/chat.h"

static struct vocab_build build;

#define R1_BEGIN        \
	"<\xef\xbd\x9c" \
	"begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"
#define R1_END          \
	"<\xef\xbd\x9c" \
	"end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"
#define R1_USER "<\xef\xbd\x9cUser\xef\xbd\x9c>"
#define R1_ASSISTANT    \
	"<\xef\xbd\x9c" \
	"Assistant\xef\xbd\x9c>"

/* The tokens of all formats and the single bytes, with a merge that joins markup and contents. */
static struct tern_tokenizer *make_tokenizer(void)
{
	static const char *const control[] = {
	        "<|begin_of_text|>",
	        "<|start_header_id|>",
	        "<|end_header_id|>",
	        "<|eot_id|>",
	        "<|im_start|>",
	        "<|im_end|>",
	        "<|endoftext|>",
	        "<|system|>",
	        "<|user|>",
	        "<|assistant|>",
	        "</s>",
	        "<s>",
	        "<bos>",
	        "<start_of_turn>",
	        "<end_of_turn>",
	        "<|begin|>",
	        "<|end|>",
	        R1_BEGIN,
	        R1_END,
	};

	vocab_begin(&build, TERN_VOCAB_BPE, "smaug-bpe");
	vocab_add_bytes(&build);
	for (size_t i = 0; i < sizeof control / sizeof control[0]; i++)
		vocab_add(&build, control[i], TERN_TOKEN_CONTROL, 0);
	vocab_add(&build, R1_USER, TERN_TOKEN_USER_DEFINED, 0); /* as the distilled Qwens have them */
	vocab_add(&build, R1_ASSISTANT, TERN_TOKEN_USER_DEFINED, 0);
	vocab_add(&build, "<think>", TERN_TOKEN_USER_DEFINED, 0);
	vocab_add(&build, "</think>", TERN_TOKEN_USER_DEFINED, 0);
	vocab_add(&build, "\xc4\x8a\xc4\x8a", TERN_TOKEN_NORMAL, 0); /* two newlines */
	vocab_add(&build, "\xc4\xa0h", TERN_TOKEN_NORMAL, 0);
	vocab_merge(&build, "\xc4\x8a \xc4\x8a");
	vocab_merge(&build, "\xc4\xa0 h");
	return vocab_make(&build);
}

/* Roles by their first letters. */
static const char *role_of(char letter)
{
	return letter == 's' ? "system" : letter == 'u' ? "user" : letter == 'a' ? "assistant" : "tool";
}

/* `roles` has a letter for each of the contents. */
static enum tern_status encode(const struct tern_tokenizer *tokenizer, enum tern_chat_format format, const char *roles,
                               const char *const *contents, unsigned flags, struct tern_ids *out,
                               struct tern_error *err)
{
	struct tern_message messages[8];
	size_t n = strlen(roles);

	for (size_t i = 0; i < n; i++)
		messages[i] = (struct tern_message){.role = role_of(roles[i]), .content = contents[i]};
	return tern_chat_encode(tokenizer, format, NULL, messages, n, flags, out, err);
}

enum {
	GENERATE = TERN_CHAT_GENERATE,
	NO_THINKING = TERN_CHAT_GENERATE | TERN_CHAT_NO_THINKING,
	LOW = TERN_CHAT_EFFORT_LOW,
	MEDIUM = TERN_CHAT_EFFORT_MEDIUM
};

#define SYSTEM(text) "<|im_start|>system\n" text "<|im_end|>\n"
#define USER(text)   "<|im_start|>user\n" text "<|im_end|>\n"
#define ANSWER       "<|im_start|>assistant\n"
#define XHIGH                                                                                                   \
	"Reasoning effort is set to xhigh. Please think carefully through the task, validate key assumptions, " \
	"consider "                                                                                             \
	"plausible alternatives, and prioritize correctness, consistency, and clarity in the final answer."
#define EFFORT_LOW                                                                                                 \
	"Reasoning effort is set to low. Keep your thinking brief and focused, moving directly to the conclusion " \
	"without unnecessary elaboration."

static const struct {
	const char *format, *roles;
	const char *contents[5];
	unsigned flags;
	const char *rendered;
} rows[] = {
        {"llama-3",
         "u",
         {" hi\n"},
         GENERATE,
         "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"
         "<|start_header_id|>assistant<|end_header_id|>\n\n"},
        {"llama-3",
         "sua",
         {"\xe3\x80\x80"
          "be\x1f",
          "hi", "yo\xc2\xa0"},
         0,
         "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nbe<|eot_id|>"
         "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"
         "<|start_header_id|>assistant<|end_header_id|>\n\nyo<|eot_id|>"},
        {"chatml",
         "su",
         {"be", " hi\n"},
         GENERATE,
         "<|im_start|>system\nbe<|im_end|>\n<|im_start|>user\n hi\n<|im_end|>\n<|im_start|>assistant\n"},
        {"chatml", "u", {"\nhi"}, 0, "<|im_start|>user\n\nhi<|im_end|>\n"},
        {"qwen2",
         "u",
         {"hi"},
         0,
         "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"},
        {"qwen2", "su", {"", "hi"}, 0, "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"},
        {"qwen2.5",
         "u",
         {"hi"},
         0,
         "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
         "<|im_start|>user\nhi<|im_end|>\n"},
        {"qwen3",
         "uau",
         {"1", "<think>\nhm\n</think>\n\nyo", "2"},
         GENERATE,
         "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n<|im_start|>user\n2<|im_end|>\n"
         "<|im_start|>assistant\n"},
        {"qwen3",
         "u",
         {"1"},
         NO_THINKING,
         "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"},
        {"qwen3",
         "ua",
         {"1", "<think>\nhm\n</think>\n\nyo"},
         0,
         "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nyo<|im_end|>\n"},
        {"qwen3",
         "ua",
         {"1", "\nyo"},
         0,
         "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nyo<|im_end|>\n"},
        {"qwen3",
         "uaa",
         {"1", "2", "3"},
         0,
         "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
         "<|im_start|>assistant\n<think>\n\n</think>\n\n3<|im_end|>\n"},
        {"qwen3-thinking", "u", {"1"}, GENERATE, "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n<think>\n"},
        {"qwen3.6", "su", {" be ", " hi\n"}, GENERATE, SYSTEM("be") USER("hi") ANSWER "<think>\n"},
        {"qwen3.6", "su", {"", "hi"}, NO_THINKING, SYSTEM("") USER("hi") ANSWER "<think>\n\n</think>\n\n"},
        {"qwen3.5-small", "u", {"hi"}, GENERATE, USER("hi") ANSWER "<think>\n\n</think>\n\n"},
        {"qwen3.6",
         "uau",
         {"1", "<think>\nhm\n</think>\n\nyo", "2"},
         GENERATE,
         USER("1") ANSWER "yo<|im_end|>\n" USER("2") ANSWER "<think>\n"},
        {"qwen3.6",
         "uauaa",
         {"1", "<think>\nnever ended", "2", " <think>\n hm \n</think>\n\nyo\n", "so"},
         0,
         USER("1") ANSWER "<|im_end|>\n" USER("2") ANSWER "<think>\nhm\n</think>\n\nyo<|im_end|>\n" ANSWER
                                                          "<think>\n\n</think>\n\nso<|im_end|>\n"},
        {"qwen3.6",
         "uaua",
         {"1", "<think>\nhm\n</think>\n\n    a = 1\n", "2", "hm</think>\n\tb = 2 "},
         0,
         USER("1") ANSWER "    a = 1<|im_end|>\n" USER("2") ANSWER "<think>\nhm\n</think>\n\n\tb = 2<|im_end|>\n"},
        {"qwen3.6",
         "uau",
         {"1", "call", " <tool_response>\n2\n</tool_response>"},
         GENERATE,
         USER("1") ANSWER "<think>\n\n</think>\n\ncall<|im_end|>\n" USER("<tool_response>\n2\n</tool_response>") ANSWER
         "<think>\n"},
        {"qwen3.8", "u", {"hi"}, GENERATE, SYSTEM(XHIGH) USER("hi") ANSWER "<think>\n"},
        {"qwen3.8", "su", {" be ", "hi"}, GENERATE, SYSTEM(XHIGH "\n\nbe") USER("hi") ANSWER "<think>\n"},
        {"qwen3.8", "su", {" ", "hi"}, GENERATE | LOW, SYSTEM(EFFORT_LOW) USER("hi") ANSWER "<think>\n"},
        {"qwen3.8", "su", {" ", "hi"}, GENERATE | MEDIUM, USER("hi") ANSWER "<think>\n"},
        {"qwen3.8", "su", {"be", "hi"}, NO_THINKING | LOW, SYSTEM("be") USER("hi") ANSWER "<think>\n\n</think>\n\n"},
        {"qwen3.8",
         "uauau",
         {"1", "<think>\nhm\n</think>\n\n yo</think> ", "2", "yo</think>so", "3"},
         GENERATE | MEDIUM,
         USER("1") ANSWER "<think>\nhm\n</think>\n\nyo</think><|im_end|>\n" USER("2") ANSWER
         "<think>\n\n</think>\n\nyo</think>so<|im_end|>\n" USER("3") ANSWER "<think>\n"},
        {"qwen3.8",
         "ua",
         {"1", "<think>\nnever ended "},
         MEDIUM,
         USER("1") ANSWER "<think>\nnever ended\n</think>\n\n<|im_end|>\n"},
        {"falcon3",
         "suau",
         {"be", "hi", "yo", "ok"},
         GENERATE,
         "<|system|>\nbe\n<|user|>\nhi\n<|assistant|>\nyo<|endoftext|>\n<|user|>\nok\n<|assistant|>\n"},
        {"falcon3", "ua", {"hi", "yo"}, 0, "<|user|>\nhi\n<|assistant|>\nyo<|endoftext|>"},
        {"bitnet",
         "sua",
         {"be ", " hi", "yo"},
         GENERATE,
         "<|begin_of_text|>System: be<|eot_id|>User: hi<|eot_id|>Assistant: yo<|eot_id|>Assistant: "},
        {"deepseek-r1",
         "suau",
         {"be", "hi", "<think>\nhm</think>\nyo", "ok"},
         GENERATE,
         R1_BEGIN "be" R1_USER "hi" R1_ASSISTANT "\nyo" R1_END R1_USER "ok" R1_ASSISTANT},
        {"deepseek-r1-thinking", "u", {"hi"}, GENERATE, R1_BEGIN R1_USER "hi" R1_ASSISTANT "<think>\n"},
        {"zephyr", "su", {"be", "hi"}, GENERATE, "<s><|system|>\nbe</s>\n<|user|>\nhi</s>\n<|assistant|>\n"},
        {"gemma",
         "suau",
         {"be ", " hi", "yo ", "ok"},
         GENERATE,
         "<bos><start_of_turn>user\nbe \n\nhi<end_of_turn>\n<start_of_turn>model\nyo<end_of_turn>\n"
         "<start_of_turn>user\nok<end_of_turn>\n<start_of_turn>model\n"},
        {"tern",
         "uau",
         {"hi", "yo", ""},
         GENERATE,
         "<|begin|><|user|>hi<|end|><|assistant|>yo<|end|><|user|><|end|><|assistant|>"},
        {"tern", "ua", {"hi", "yo"}, 0, "<|begin|><|user|>hi<|end|><|assistant|>yo<|end|>"},
        {"chatml", "", {NULL}, GENERATE, "<|im_start|>assistant\n"},
};

static void check_rendering(const struct tern_tokenizer *tokenizer)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tern_ids ids = {0};
		struct tern_error err = {.message = ""};
		enum tern_chat_format format = tern_chat_by_name(rows[i].format);
		CHECK(!strcmp(tern_chat_name(format), rows[i].format), "name '%s'", rows[i].format);
		enum tern_status status =
		        encode(tokenizer, format, rows[i].roles, rows[i].contents, rows[i].flags, &ids, &err);
		CHECK(status == TERN_OK, "%s", err.message);
		check_ids(__FILE__, (int)i, tokenizer, rows[i].rendered, strlen(rows[i].rendered),
		          TERN_TOKENIZE_SPECIAL, ids.ids, ids.n_ids);
		tern_free(ids.ids);
	}
}

/* Contents that spell markup, all of it, never produce a control token, in any format. */
static void check_injection(const struct tern_tokenizer *tokenizer)
{
	static char everything[2048];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strlen(everything) + strlen(rows[i].rendered) < sizeof everything)
			strcat(everything, rows[i].rendered);
	for (int format = TERN_CHAT_NONE + 1; format < TERN_CHAT_N_FORMATS; format++) {
		const char *const full[] = {everything, everything}, *const empty[] = {"", ""};
		int n_special[2] = {0, 0};
		for (int with = 0; with < 2; with++) {
			struct tern_ids ids = {0};
			struct tern_error err = {.message = ""};
			CHECK(!encode(tokenizer, (enum tern_chat_format)format, "ua", with ? full : empty, GENERATE,
			              &ids, &err),
			      "%s", err.message);
			for (size_t i = 0; i < ids.n_ids; i++)
				n_special[with] += tern_tokenizer_is_special(tokenizer, ids.ids[i]);
			tern_free(ids.ids);
		}
		CHECK(n_special[0] == n_special[1], "%s: %d special tokens, with contents %d",
		      tern_chat_name((enum tern_chat_format)format), n_special[0], n_special[1]);
	}
}

/* With n_bytes a content may contain NULs; without, it ends at the first. */
static void check_lengths(const struct tern_tokenizer *tokenizer)
{
	static const char nul[] = "<|begin|><|user|>a\0b<|end|><|user|>\0<|end|><|user|>hi<|end|><|assistant|>";
	const struct tern_message messages[] = {{.role = "user", .content = "a\0bc", .n_bytes = 3},
	                                        {.role = "user", .content = "\0", .n_bytes = 1},
	                                        {.role = "user", .content = "hi"}};
	struct tern_ids ids = {0};

	CHECK(!tern_chat_encode(tokenizer, TERN_CHAT_TERN, NULL, messages, 3, GENERATE, &ids, NULL), "NULs");
	check_ids(__FILE__, __LINE__, tokenizer, nul, sizeof nul - 1, TERN_TOKENIZE_SPECIAL, ids.ids, ids.n_ids);
	tern_free(ids.ids);
}

static void check_refusals(const struct tern_tokenizer *tokenizer)
{
	static const struct {
		enum tern_chat_format format;
		const char *roles, *message;
	} refused[] = {
	        {TERN_CHAT_NONE, "u", "no chat format"},
	        {TERN_CHAT_N_FORMATS, "u", "no chat format"},
	        {TERN_CHAT_CHATML, "ut", "message 2: unknown role 'tool'"},
	        {TERN_CHAT_TERN, "su", "system text"},
	        {TERN_CHAT_GEMMA, "us", "message 2"},
	        {TERN_CHAT_GEMMA, "s", "after it"},
	        {TERN_CHAT_GEMMA, "sa", "after it"},
	        {TERN_CHAT_DEEPSEEK_R1, "us", "message 2"},
	        {TERN_CHAT_QWEN36, "us", "message 2"},
	        {TERN_CHAT_QWEN38, "us", "message 2"},
	        {TERN_CHAT_QWEN36, "s", "message of the user"},
	        {TERN_CHAT_QWEN38, "", "message of the user"},
	};
	static const char *const contents[] = {"x", "y"};

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct tern_ids ids = {0};
		struct tern_error err = {.message = ""};
		enum tern_status status =
		        encode(tokenizer, refused[i].format, refused[i].roles, contents, GENERATE, &ids, &err);
		CHECK(status == TERN_ERR_USAGE && strstr(err.message, refused[i].message), "row %zu: %s", i,
		      err.message);
		CHECK(ids.n_ids == 0, "row %zu: %zu ids", i, ids.n_ids);
		tern_free(ids.ids);
	}
	CHECK(!tern_chat_takes_system(TERN_CHAT_TERN) && !tern_chat_takes_system(TERN_CHAT_NONE), "no system text");
	CHECK(encode(tokenizer, TERN_CHAT_QWEN36, "u", contents, GENERATE | LOW, &(struct tern_ids){0}, NULL) ==
	              TERN_ERR_USAGE,
	      "an effort without a sentence");
	CHECK(tern_chat_takes_system(TERN_CHAT_GEMMA) && tern_chat_takes_system(TERN_CHAT_CHATML), "system text");
	CHECK(tern_chat_ends(TERN_CHAT_NONE)[0] == NULL, "no ends");
	for (int format = TERN_CHAT_NONE + 1; format < TERN_CHAT_N_FORMATS; format++)
		CHECK(tern_chat_ends((enum tern_chat_format)format)[0] != NULL, "format %d has no end", format);
}

/* The sentences are the template's, and so is the effort that it takes by itself. */
static void check_efforts(const struct tern_tokenizer *tokenizer)
{
	static const char source[] = "{%- set e = reasoning_effort | default(\"low\") %}"
	                             "{{- 'Reasoning effort is set to xhigh. Don\\'t\\nhurry.' }}"
	                             "{{- \"Reasoning effort is set to low. 'Go.'\" }}"
	                             "{{- 'Reasoning effort is set to medium";
	static const struct {
		unsigned flags;
		const char *rendered;
	} expected[] = {{0, SYSTEM("Reasoning effort is set to low. 'Go.'") USER("1")},
	                {TERN_CHAT_EFFORT_XHIGH, SYSTEM("Reasoning effort is set to xhigh. Don't\nhurry.") USER("1")},
	                {TERN_CHAT_EFFORT_MEDIUM, USER("1")},
	                {TERN_CHAT_EFFORT_LOW | TERN_CHAT_NO_THINKING, USER("1")}};
	struct tern_chat_efforts efforts = tern_chat_efforts_find(source, sizeof source - 1);
	struct tern_message message = {.role = "user", .content = "1"};

	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		struct tern_ids ids = {0};
		CHECK(!tern_chat_encode(tokenizer, TERN_CHAT_QWEN38, &efforts, &message, 1, expected[i].flags, &ids,
		                        NULL),
		      "row %zu", i);
		check_ids(__FILE__, (int)i, tokenizer, expected[i].rendered, strlen(expected[i].rendered),
		          TERN_TOKENIZE_SPECIAL, ids.ids, ids.n_ids);
		tern_free(ids.ids);
	}
	for (size_t n = 0; n < sizeof source; n++) /* cut anywhere, and under the sanitizers */
		tern_chat_efforts_find(source, n);
}

/* If no token is spelled like the template's BOS, the vocabulary's BOS is used. */
static void check_bos(void)
{
	struct tern_ids ids = {0};
	struct tern_error err = {.message = ""};

	for (int named = 0; named < 2; named++) {
		vocab_begin(&build, TERN_VOCAB_BPE, "llama-bpe");
		vocab_add_bytes(&build);
		int32_t bos = vocab_add(&build, "[begin]", TERN_TOKEN_CONTROL, 0);
		build.vocab.bos_id = named ? bos : -1;
		struct tern_tokenizer *tokenizer = vocab_make(&build);
		ids.n_ids = 0;
		CHECK(!encode(tokenizer, TERN_CHAT_BITNET, "", NULL, GENERATE, &ids, &err), "%s", err.message);
		CHECK(ids.n_ids == 11 + (size_t)named && ids.ids[0] == (named ? bos : 'A'), "%zu ids", ids.n_ids);
		tern_tokenizer_free(tokenizer);
	}
	tern_free(ids.ids);
}

/* ChatML begins with BOS where every text of the vocabulary does; the formats of Qwen never do. */
static void check_vocab_bos(void)
{
	static const enum tern_chat_format formats[] = {TERN_CHAT_CHATML, TERN_CHAT_QWEN25, TERN_CHAT_QWEN3,
	                                                TERN_CHAT_QWEN36, TERN_CHAT_FALCON3};
	static const char *const contents[] = {"hi"};

	for (int adds = 0; adds < 2; adds++) {
		vocab_begin(&build, TERN_VOCAB_BPE, "qwen2");
		vocab_add_bytes(&build);
		build.vocab.bos_id = vocab_add(&build, "<s>", TERN_TOKEN_CONTROL, 0);
		int32_t start = vocab_add(&build, "<|im_start|>", TERN_TOKEN_CONTROL, 0);
		build.vocab.add_bos = adds;
		struct tern_tokenizer *tokenizer = vocab_make(&build);
		for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
			struct tern_ids ids = {0};
			bool wanted = adds && formats[i] == TERN_CHAT_CHATML;
			CHECK(!encode(tokenizer, formats[i], "u", contents, GENERATE, &ids, NULL), "row %zu", i);
			CHECK(ids.n_ids > 1 && (ids.ids[0] == build.vocab.bos_id) == wanted, "row %zu: BOS", i);
			CHECK(formats[i] == TERN_CHAT_FALCON3 || ids.ids[wanted] == start, "row %zu: start", i);
			tern_free(ids.ids);
		}
		tern_tokenizer_free(tokenizer);
	}
}

static const struct {
	const char *format, *eos;
	size_t n_vocab;
	const char *source;
} templates[] = {
        {"llama-3", "<|end_of_text|>", 128256, "{{ '<|start_header_id|>' + message['role'] + '<|eot_id|>' }}"},
        {"bitnet", "", 0, "{{ message['role'] | capitalize + ': ' + message['content'] | trim + '<|eot_id|>' }}"},
        {"bitnet", "", 0, "{{ 'Human: ' + message['content'] + '\\n\\nBITNETAssistant: ' + eos_token }}"},
        {"chatml", "", 0, "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"},
        {"qwen2", "", 0, "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"},
        {"qwen2", "", 0, "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}"},
        {"qwen2.5", "", 0, "<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
        {"qwen3", "", 0, "<|im_start|>' + message.role + '\\n<think>\\n' + '\\n</think>\\n\\n'"},
        {"qwen3-thinking", "", 0, "{{- '<|im_start|>assistant\\n<think>\\n' }} </think>"},
        {"qwen3.6", "", 0, "<|im_start|> </think> {%- if enable_thinking is false %} {%- else %}{{- '<think>\\n' }}"},
        {"qwen3.8", "", 0, "<|im_start|> </think> {{ reasoning_effort|default('xhigh') }}{{- '<think>\n' }}"},
        {"qwen3.5-small", "", 0,
         "<|im_start|> </think> {%- if enable_thinking is defined and enable_thinking is true %}{{- '<think>\\n' }}"},
        {"qwen3.6", "", 0, "qwen3.5"},
        {"", "", 0, "<|im_start|>user<|im_sep|>"},
        {"deepseek-r1", "", 0, "{{'" R1_ASSISTANT "' + content}}"},
        {"deepseek-r1-thinking", "", 0, "{{'" R1_ASSISTANT "<think>\\n'}}"},
        {"gemma", "", 0, "{{ '<start_of_turn>' + role + '\\n' }}"},
        {"zephyr", "</s>", 32000, "{{ '<|user|>\\n' + message['content'] + eos_token }} {{ '<|assistant|>' }}"},
        {"falcon3", "<|endoftext|>", 131072, "{{ '<|user|>\\n' }}{{ '<|assistant|>\\n' }}"},
        {"", "<|endoftext|>", 50257, "{{ '<|user|>\\n' }}{{ '<|assistant|>\\n' }}"},
        {"", "<|endoftext|>", 32064, "{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{{'<|assistant|>\\n'}}"},
        {"", "<|endoftext|>", 200064,
         "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{{ '<|assistant|>' }}"},
        {"", "</s>", 32000, "{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}"},
        {"", "", 0, ""},
        {"chatml", "", 0, "chatml"},
        {"llama-3", "", 0, "llama3"},
        {"", "", 0, "{% for i in range(10**9) %}{% endfor %}"},
};

static void check_detection(void)
{
	struct json json;

	for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
		enum tern_chat_format format =
		        tern_chat_detect(templates[i].source, strlen(templates[i].source), templates[i].eos,
		                         strlen(templates[i].eos), templates[i].n_vocab);
		CHECK(!strcmp(tern_chat_name(format), templates[i].format), "row %zu: '%s'", i, tern_chat_name(format));
	}
	CHECK(tern_chat_by_name("jinja") == TERN_CHAT_NONE && tern_chat_by_name("") == TERN_CHAT_NONE, "no such name");

	parse_json_file(&json, "models/tern-tiny/tokenizer_config.json");
	struct json_string source = json_string(json_find(json_root(&json), "chat_template"));
	struct json_string eos = json_string(json_find(json_root(&json), "eos_token"));
	CHECK(tern_chat_detect(source.bytes, source.length, eos.bytes, eos.length, TERN_TINY_PIECES) == TERN_CHAT_TERN,
	      "tern-tiny's own template");
	json_free(&json);
}

static void check_tern_tiny(void)
{
	static const char rendered[] = "<|begin|><|user|>What is the capital of France?<|end|><|assistant|>";
	static const char *const contents[] = {"What is the capital of France?"};
	struct tern_tokenizer *tokenizer = tern_tiny_tokenizer();
	struct tern_ids ids = {0};

	CHECK(!encode(tokenizer, TERN_CHAT_TERN, "u", contents, GENERATE, &ids, NULL), "tern-tiny");
	check_ids(__FILE__, __LINE__, tokenizer, rendered, sizeof rendered - 1, TERN_TOKENIZE_SPECIAL, ids.ids,
	          ids.n_ids);
	CHECK(ids.n_ids > 4 && ids.ids[0] == TERN_TINY_BEGIN && ids.ids[ids.n_ids - 1] == TERN_TINY_ASSISTANT,
	      "markup");
	tern_free(ids.ids);
	tern_tokenizer_free(tokenizer);
}

int main(void)
{
	struct tern_tokenizer *tokenizer = make_tokenizer();

	check_rendering(tokenizer);
	check_injection(tokenizer);
	check_lengths(tokenizer);
	check_refusals(tokenizer);
	check_efforts(tokenizer);
	tern_tokenizer_free(tokenizer);
	check_bos();
	check_vocab_bos();
	check_detection();
	check_tern_tiny();
	return test_summary();
}
