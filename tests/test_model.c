/* Opening models that lie: every relation between the numbers of a file, every tensor missing, wrong or superfluous,
 * and thousands of flipped bits. The answer is one line and TERN_ERR_FILE, or a model that runs without harm. */
#include "base/bytes.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/memory.h"
#include "scratch.h"
#include "test.h"
#include "tiny_model.h"

#include <math.h>
#include <tern.h>

static struct tern_error err;

/* Runs a few tokens; any result but a crash is fine, for a file may be damaged within the rules. */
static void run_a_little(const struct tern_model *model)
{
	const int32_t ids[] = {1, 5, 256, 3};
	struct tern_session_options options = {.n_ctx = 8, .n_threads = 1};
	struct tern_session *session;
	struct tern_sampler *sampler = NULL;
	struct tern_model_info info;

	tern_model_get_info(model, &info);
	if (info.n_vocab < TINY_VOCAB || tern_session_new(&session, model, &options, &err) != TERN_OK)
		return;
	if (tern_sampler_new(&sampler, model, NULL, &err) == TERN_OK)
		tern_generate(session, sampler, ids, 4, NULL, NULL, &err);
	tern_sampler_free(sampler);
	tern_session_free(session);
}

/* What opening the model with these changes answers. */
static enum tern_status open_changed(const struct tiny_change *changes)
{
	struct tern_model *model;
	const char *path = scratch_path("model.gguf");

	if (!tiny_model_write(path, changes, &err)) {
		CHECK(false, "the model could not be written: %s", err.message);
		return TERN_ERR_FAILED;
	}
	enum tern_status status = tern_model_open(&model, path, NULL, &err);
	if (status == TERN_OK)
		run_a_little(model);
	tern_model_close(model);
	return status;
}

static const struct {
	struct tiny_change change;
	const char *said; /* part of the message; NULL: opens */
} cases[] = {
        {{TINY_NOTHING, TINY_SKIP, 0, NULL}, NULL},
        {{"general.architecture", TINY_SKIP, 0, NULL}, "general.architecture"},
        {{"general.architecture", TINY_STRING, 0, "gpt\x1b[31m"}, "gpt\\x1b[31m"},
        {{"general.architecture", TINY_STRING, 0, "qwen35moe"}, "Gated DeltaNet"},
        {{"general.architecture", TINY_STRING, 0, "qwen3next"}, "Gated DeltaNet"},
        {{"llama.block_count", TINY_NUMBER, 0, NULL}, "llama.block_count"},
        {{"llama.block_count", TINY_NUMBER, 1025, NULL}, "llama.block_count"},
        {{"llama.block_count", TINY_NUMBER, 4294967295.0, NULL}, "llama.block_count"},
        {{"llama.block_count", TINY_NUMBER, 2, NULL}, "blk.1.attn_norm.weight"},
        {{"llama.block_count", TINY_SKIP, 0, NULL}, "llama.block_count"},
        {{"llama.block_count", TINY_STRING, 0, "1"}, "llama.block_count"},
        {{"llama.context_length", TINY_NUMBER, 0, NULL}, "llama.context_length"},
        {{"llama.embedding_length", TINY_NUMBER, 0, NULL}, "llama.embedding_length"},
        {{"llama.embedding_length", TINY_NUMBER, 17, NULL}, "llama.embedding_length"},
        {{"llama.embedding_length", TINY_NUMBER, 32, NULL}, "token_embd.weight"},
        {{"llama.feed_forward_length", TINY_NUMBER, 2147483648.0, NULL}, "llama.feed_forward_length"},
        {{"llama.feed_forward_length", TINY_NUMBER, 48, NULL}, "ffn_gate"},
        {{"llama.attention.head_count", TINY_NUMBER, 0, NULL}, "head_count"},
        {{"llama.attention.head_count", TINY_NUMBER, 65536, NULL}, "head"},
        {{"llama.attention.head_count_kv", TINY_NUMBER, 0, NULL}, "head_count_kv"},
        {{"llama.attention.head_count_kv", TINY_NUMBER, 3, NULL}, "llama.attention.head_count_kv"},
        {{"llama.attention.key_length", TINY_NUMBER, 7, NULL}, "length"},
        {{"llama.attention.key_length", TINY_NUMBER, 2147483648.0, NULL}, "key_length"},
        {{"llama.attention.value_length", TINY_NUMBER, 16, NULL}, "llama.attention.value_length"},
        {{"llama.rope.dimension_count", TINY_NUMBER, 3, NULL}, "rope.dimension_count"},
        {{"llama.rope.dimension_count", TINY_NUMBER, 64, NULL}, "rope.dimension_count"},
        {{"llama.rope.dimension_count", TINY_NUMBER, 4, NULL}, NULL},
        {{"llama.attention.layer_norm_rms_epsilon", TINY_NUMBER, 0, NULL}, "epsilon"},
        {{"llama.attention.layer_norm_rms_epsilon", TINY_NUMBER, -1, NULL}, "epsilon"},
        {{"llama.attention.layer_norm_rms_epsilon", TINY_NUMBER, NAN, NULL}, "epsilon"},
        {{"llama.attention.layer_norm_rms_epsilon", TINY_NUMBER, INFINITY, NULL}, "epsilon"},
        {{"llama.attention.layer_norm_rms_epsilon", TINY_SKIP, 0, NULL}, "epsilon"},
        {{"llama.rope.freq_base", TINY_NUMBER, 0, NULL}, "rope.freq_base"},
        {{"llama.rope.freq_base", TINY_NUMBER, NAN, NULL}, "rope.freq_base"},
        {{"llama.rope.scaling.type", TINY_STRING, 0, "dynamic"}, "longrope"},
        {{TINY_EXTRA, TINY_NUMBER, 1, "llama.nextn_predict_layers"}, "nextn_predict_layers"},
        {{TINY_EXTRA, TINY_NUMBER, 0, "llama.nextn_predict_layers"}, NULL},
        {{"tern.activation", TINY_STRING, 0, "per_row"}, "tern.activation"},
        {{"tern.activation", TINY_STRING, 0, "per_group"}, NULL},
        {{"tern.linear_norm", TINY_STRING, 0, "maybe"}, "tern.linear_norm"},
        {{"tern.linear_norm_eps", TINY_NUMBER, -1e-6, NULL}, "tern.linear_norm_eps"},
        {{"tokenizer.ggml.model", TINY_STRING, 0, "bert"}, "bert"},
        {{"tokenizer.ggml.model", TINY_SKIP, 0, NULL}, "tokenizer.ggml.model"},
        {{"tokenizer.ggml.pre", TINY_STRING, 0, "martian"}, "martian"},
        {{"tokenizer.ggml.pre", TINY_SKIP, 0, NULL}, "tokenizer.ggml.pre"},
        {{"tokenizer.ggml.tokens", TINY_SKIP, 0, NULL}, "tokenizer.ggml.tokens"},
        {{"tokenizer.ggml.tokens", TINY_STRING, 0, "a"}, "tokenizer.ggml.tokens"},
        {{"tokenizer.ggml.token_type", TINY_NUMBER, 100, NULL}, "tokenizer.ggml.token_type"},
        {{"tokenizer.ggml.bos_token_id", TINY_NUMBER, 258, NULL}, "bos_token_id"},
        {{"tokenizer.ggml.eos_token_id", TINY_NUMBER, 100000, NULL}, "eos_token_id"},
        {{"tokenizer.ggml.eos_token_id", TINY_SKIP, 0, NULL}, NULL},
        {{"token_embd.weight", TINY_SKIP, 0, NULL}, "token_embd.weight"},
        {{"token_embd.weight", TINY_WIDER, 0, NULL}, "token_embd.weight"},
        {{"token_embd.weight", TINY_TYPE, GGUF_TENSOR_T2R16, NULL}, "token_embd.scale"},
        {{"output_norm.weight", TINY_SKIP, 0, NULL}, "output_norm.weight"},
        {{"output_norm.weight", TINY_VALUE, NAN, NULL}, "output_norm.weight"},
        {{"blk.0.attn_q.weight", TINY_SKIP, 0, NULL}, "blk.0.attn_q.weight"},
        {{"blk.0.attn_q.weight", TINY_WIDER, 0, NULL}, "blk.0.attn_q.weight"},
        {{"blk.0.attn_q.weight", TINY_TYPE, GGUF_TENSOR_F16, NULL}, "F16"},
        {{"blk.0.attn_q.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL}, NULL},
        {{"blk.0.attn_q.weight", TINY_TYPE, GGUF_TENSOR_Q8P, NULL}, "not ternary"},
        {{"blk.0.ffn_down.weight", TINY_TYPE, GGUF_TENSOR_T1R16, NULL}, NULL},
        {{"token_embd.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL}, "258 rows of 16 columns"},
        {{"blk.0.ffn_down.scale", TINY_SKIP, 0, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_down.scale", TINY_WIDER, 0, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_down.scale", TINY_VALUE, 0, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_down.scale", TINY_VALUE, -1, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_down.scale", TINY_VALUE, INFINITY, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_down.scale", TINY_GROUPS, 0x3c00, NULL}, NULL},
        {{"blk.0.ffn_down.scale", TINY_GROUPS, 0, NULL}, NULL}, /* a group of zeros */
        {{"blk.0.ffn_down.scale", TINY_GROUPS, 0x7c00, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_down.scale", TINY_GROUPS, 0x7e00, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_down.scale", TINY_GROUPS, 0xbc00, NULL}, "blk.0.ffn_down.scale"},
        {{"blk.0.ffn_up.scale", TINY_GROUPS, 0x3c00, NULL}, "blk.0.ffn_up.scale"}, /* of 32 rows: two panels */
        {{TINY_EXTRA, TINY_NUMBER, 16, "llama.attention.sliding_window"}, "sliding_window"},
        {{TINY_EXTRA, TINY_NUMBER, 0, "llama.attention.sliding_window"}, NULL},
        {{TINY_EXTRA, TINY_NUMBER, 64, "llama.attention.sliding_window"}, NULL},
        {{TINY_EXTRA, TINY_NUMBER, 8, "llama.expert_count"}, "llama.expert_count"},
        {{TINY_EXTRA, TINY_NUMBER, 0, "llama.expert_count"}, NULL},
        {{TINY_EXTRA, TINY_NUMBER, 1, "llama.attention.causal"}, "llama.attention.causal"},
        {{TINY_EXTRA, TINY_NUMBER, 1, "llama.rope.dimension_sections"}, "llama.rope.dimension_sections"},
        {{TINY_EXTRA, TINY_NUMBER, 1, "prism.hadamard.version"}, "prism.hadamard.tied_output"},
        {{"blk.0.ffn_up_norm_in.weight", TINY_SKIP, 0, NULL}, "6 of 7 projections"},
        {{"blk.0.ffn_up_norm_in.weight", TINY_WIDER, 0, NULL}, "blk.0.ffn_up_norm_in.weight"},
        {{TINY_EXTRA, TINY_WIDER, 0, "blk.0.attn_q_lora.weight"}, "blk.0.attn_q_lora.weight"},
        {{TINY_EXTRA, TINY_WIDER, 0, "blk.0.attn_q_norm.weight"}, "attn_q_norm"}, /* half a QK-norm */
};

static void check_cases(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct tiny_change changes[] = {cases[i].change, {0}};
		enum tern_status status = open_changed(changes);
		if (!cases[i].said)
			CHECK(status == TERN_OK, "case %zu, %s: %s", i, cases[i].change.name, err.message);
		else
			CHECK(status == TERN_ERR_FILE && strstr(err.message, cases[i].said) &&
			              !strchr(err.message, '\n'),
			      "case %zu, %s: status %d, '%s'", i, cases[i].change.name, (int)status, err.message);
	}
}

/* A NaN that only shows in the logits: generation stops and says where. */
static void check_nan_embedding(void)
{
	const struct tiny_change changes[] = {{"token_embd.weight", TINY_VALUE, NAN, NULL}, {0}};
	const int32_t id = 0; /* the row that holds the NaN */
	struct tern_model *model;
	struct tern_session *session = NULL;
	struct tern_sampler *sampler = NULL;

	tiny_model_write(scratch_path("model.gguf"), changes, &err);
	CHECK(tern_model_open(&model, scratch_path("model.gguf"), NULL, &err) == TERN_OK &&
	              tern_session_new(&session, model, NULL, &err) == TERN_OK &&
	              tern_sampler_new(&sampler, model, NULL, &err) == TERN_OK,
	      "%s", err.message);
	CHECK(tern_generate(session, sampler, &id, 1, NULL, NULL, &err) == TERN_ERR_FAILED &&
	              strstr(err.message, "position 1"),
	      "%s", err.message);
	tern_sampler_free(sampler);
	tern_session_free(session);
	tern_model_close(model);
}

/* Opens a file of these bytes and runs it if it opens. */
static void try_bytes(const uint8_t *bytes, size_t n_bytes, const char *what, size_t at)
{
	const struct tern_model_options options = {.n_threads = 1};
	struct tern_model *model;

	scratch_write(scratch_path("damaged.gguf"), bytes, n_bytes);
	err.message[0] = '\0';
	enum tern_status status = tern_model_open(&model, scratch_path("damaged.gguf"), &options, &err);
	CHECK(status == TERN_OK || (status == TERN_ERR_FILE && err.message[0]), "%s at %zu: status %d '%s'", what, at,
	      (int)status, err.message);
	if (status == TERN_OK)
		run_a_little(model);
	tern_model_close(model);
}

static void check_damage(const struct tiny_change *changes)
{
	uint8_t *bytes;
	size_t n_bytes, n_header;

	tiny_model_write(scratch_path("model.gguf"), changes, &err);
	CHECK(tern_read_file(scratch_path("model.gguf"), 1 << 20, &bytes, &n_bytes, &err) == TERN_OK, "%s",
	      err.message);
	n_header = n_bytes < 8192 ? n_bytes : 8192; /* metadata, descriptions and the first embeddings */
	uint64_t seed = test_seed;
	for (int i = 0; i < 1200; i++) {
		size_t at = (size_t)test_random() % n_header;
		uint8_t saved = bytes[at];
		bytes[at] = (uint8_t)(i % 2 ? saved ^ 1u << test_random() % 8 : test_random());
		try_bytes(bytes, n_bytes, "changed byte", at);
		bytes[at] = saved;
	}
	for (int i = 0; i < 700; i++) { /* lengths and counts: numbers that wrap, or are a little off */
		static const uint64_t numbers[] = {0,          1,          UINT64_MAX, INT64_MAX,
		                                   UINT32_MAX, 1ull << 32, 1ull << 61, 257};
		size_t at = (size_t)test_random() % (n_header - 8);
		uint8_t saved[8];
		memcpy(saved, bytes + at, 8);
		memcpy(bytes + at, &numbers[test_random() % 8], test_random() % 2 ? 8 : 4);
		try_bytes(bytes, n_bytes, "number", at);
		memcpy(bytes + at, saved, 8);
	}
	for (int i = 0; i < 200; i++) {
		size_t n = (size_t)test_random() % n_bytes;
		try_bytes(bytes, n, "cut", n);
	}
	if (test_n_failed)
		fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	tern_free(bytes);
}

/* Without its tokenizer a model computes the same and refuses text. */
static void check_no_text(void)
{
	const struct tern_model_options options = {.no_text = true};
	const int32_t prompt[] = {1, 5, 3};
	struct tern_model *model = NULL;
	struct tern_model_info info;
	struct tern_session *session = NULL;
	struct tern_sampler *sampler = NULL;
	int32_t *ids;
	char *text;
	size_t n;

	CHECK(tiny_model_write(scratch_path("text.gguf"), NULL, &err) &&
	              !tern_model_open(&model, scratch_path("text.gguf"), &options, &err) &&
	              !tern_session_new(&session, model, NULL, &err) && !tern_sampler_new(&sampler, model, NULL, &err),
	      "%s", err.message);
	tern_model_get_info(model, &info);
	CHECK(info.n_vocab > 0 && tern_bos(model) == -1 && !tern_is_end(model, 0), "%d tokens", info.n_vocab);
	CHECK(!tern_session_feed(session, prompt, 3, NULL, &err), "%s", err.message);
	CHECK(tern_tokenize(model, "a", 1, 0, &ids, &n, &err) == TERN_ERR_USAGE && !ids, "%s", err.message);
	CHECK(tern_detokenize(model, prompt, 3, false, &text, &n, &err) == TERN_ERR_USAGE && !text, "%s", err.message);
	CHECK(tern_generate(session, sampler, prompt, 3, NULL, NULL, &err) == TERN_ERR_USAGE &&
	              strstr(err.message, "without its tokenizer"),
	      "%s", err.message);
	CHECK(!tern_token_text(model, 0, &n) && tern_least_tokens(model, 1000) == 0, "a token without a tokenizer");
	tern_sampler_free(sampler);
	tern_session_free(session);
	tern_model_close(model);
}

/* A number of threads out of range is refused, whether there is work for them or not. */
static void check_threads(void)
{
	static const int numbers[] = {-1, 1025};

	CHECK(tiny_model_write(scratch_path("model.gguf"), NULL, &err), "%s", err.message);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct tern_model_options options = {.no_text = true, .n_threads = numbers[i]};
		struct tern_model *model;
		CHECK(tern_model_open(&model, scratch_path("model.gguf"), &options, &err) == TERN_ERR_USAGE && !model &&
		              strstr(err.message, "threads: expected 1 to 1024, got"),
		      "%d threads: %s", numbers[i], err.message);
		tern_model_close(model);
	}
}

/* Options that are wrong are refused, whatever else is not wanted; messages are one line. */
static void check_options(void)
{
	const struct tern_model_options formats = {.no_text = true, .chat_format = "no-such-format"},
	                                layouts = {.i2s_layout = (enum tern_i2s_layout)77};
	struct tern_engine_options engine_options = {.n_threads = 1, .n_batch = 2000000000};
	const char *path = scratch_path("model.gguf");
	struct tern_engine *engine;
	struct tern_model *model;

	CHECK(tiny_model_write(path, NULL, &err), "%s", err.message);
	CHECK(tern_model_open(&model, path, &formats, &err) == TERN_ERR_USAGE && strstr(err.message, "no-such-format"),
	      "%s", err.message);
	CHECK(tern_model_open(&model, path, &layouts, &err) == TERN_ERR_USAGE && strstr(err.message, "77"), "%s",
	      err.message);
	CHECK(tern_model_open(&model, "no\nsuch\x7f.gguf", NULL, &err) == TERN_ERR_FILE &&
	              strstr(err.message, "no?such?.gguf"),
	      "%s", err.message);
	CHECK(tern_model_open(&model, path, NULL, &err) == TERN_OK, "%s", err.message);
	if (tern_available_memory() < UINT64_MAX) /* the system says it */
		CHECK(tern_engine_new(&engine, model, &engine_options, &err) == TERN_ERR_FAILED && !engine &&
		              strstr(err.message, "batches of 2000000000 tokens"),
		      "%s", err.message);
	tern_model_close(model);
}

int main(void)
{
	scratch_begin();
	check_cases();
	check_nan_embedding();
	check_damage(NULL);
	check_damage(tiny_foreign());
	check_no_text();
	check_threads();
	check_options();
	scratch_end();
	return test_summary();
}
