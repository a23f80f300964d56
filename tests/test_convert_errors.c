/* Checkpoints that must not be converted: each gives status 3 and one message that names the place, and leaves no file
 * behind. */
#include "checkpoint_build.h"

#include "convert/convert_checkpoint.h"

#include <sys/stat.h>

static enum tern_status run(struct tern_error *err)
{
	struct checkpoint_summary summary;
	char output[800];

	snprintf(output, sizeof output, "%s", scratch_path("out.gguf"));
	struct convert_options options = {.input = scratch_directory, .output = output, .n_threads = 2};
	memset(err, 0, sizeof *err);
	return convert_checkpoint(&options, &summary, err);
}

/* No output, finished or not. */
static void check_no_output(const char *what)
{
	DIR *directory = opendir(scratch_directory);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		CHECK(strncmp(entry->d_name, "out.gguf", 8) != 0, "%s: left %s", what, entry->d_name);
	if (directory)
		closedir(directory);
}

static void check_refused(const char *what, const char *says)
{
	struct tern_error err;
	enum tern_status status = run(&err);

	CHECK(status == TERN_ERR_FILE, "%s: status %d %s", what, (int)status, err.message);
	CHECK(strstr(err.message, says) && strstr(err.message, scratch_directory), "%s: expected '%s' in %s", what,
	      says, err.message);
	CHECK(!strchr(err.message, '\n'), "%s: more than a line", what);
	check_no_output(what);
}

/* ---- config.json ---- */

/* A config.json of a good one with `more` added; what comes later wins. */
static void check_config(const char *more, const char *says)
{
	char config[2048];

	snprintf(config, sizeof config, "%s,%s%s", B_CONFIG_START, more, B_BITNET);
	build_text("config.json", config);
	if (says) {
		check_refused(more, says);
	} else {
		struct tern_error err;
		CHECK(run(&err) == TERN_OK, "%s: %s", more, err.message);
		remove(scratch_path("out.gguf"));
	}
}

/* What is added, and what the message says; NULL: it is accepted. */
static const struct {
	const char *more, *says;
} config_cases[] = {
        {"\"x\":0", NULL},
        {"\"quantization_config\":null", NULL}, /* twice: the last one counts */
        {"\"architectures\":[\"GPT2LMHeadModel\"]", "key 'architectures[0]'"},
        {"\"architectures\":[\"Qwen3NextForCausalLM\\u001b\"]", "'Qwen3NextForCausalLM\\x1b' is not supported"},
        {"\"architectures\":[7]", "expected a string, found 7"},
        {"\"architectures\":\"LlamaForCausalLM\"", "expected an array"},
        {"\"architectures\":[\"Qwen2ForCausalLM\"]", "q_proj.bias': missing"},
        {"\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":16", "q_norm.weight': missing"},
        {"\"architectures\":[\"BitNetForCausalLM\"]", "attn_sub_norm.weight': missing"},
        {"\"architectures\":[\"BitnetForCausalLM\"]", "inner_attn_ln.weight': missing"},
        {"\"hidden_act\":\"gelu\"", "key 'hidden_act'"},
        {"\"hidden_size\":0", "key 'hidden_size'"},
        {"\"hidden_size\":-32", "found -32"},
        {"\"hidden_size\":32.0", "a whole number, found 32.0"},
        {"\"hidden_size\":\"32\"", "found \"32\""},
        {"\"hidden_size\":24", "a multiple of 16, found 24"},
        {"\"hidden_size\":64,\"head_dim\":16", "shape [20, 32] of F32; config.json wants [20, 64]"},
        {"\"hidden_size\":99999999999999999999", "key 'hidden_size'"},
        {"\"intermediate_size\":64", "gate_proj.weight': shape"},
        {"\"num_hidden_layers\":0", "key 'num_hidden_layers'"},
        {"\"num_hidden_layers\":2", "'model.layers.1.input_layernorm.weight': missing"},
        {"\"num_hidden_layers\":4294967297", "from 1 to 1024"},
        {"\"num_attention_heads\":0", "key 'num_attention_heads'"},
        {"\"num_attention_heads\":3", "key 'head_dim': missing"},
        {"\"num_attention_heads\":4,\"num_key_value_heads\":3", "does not divide"},
        {"\"num_key_value_heads\":0", "key 'num_key_value_heads'"},
        {"\"num_key_value_heads\":3", "from 1 to 2"},
        {"\"head_dim\":15", "head_dim) is 15"},
        {"\"head_dim\":1024", "from 2 to 512"},
        {"\"vocab_size\":21", "config.json wants [21, 32]"},
        {"\"max_position_embeddings\":0", "key 'max_position_embeddings'"},
        {"\"rms_norm_eps\":0", "a number above 0, found 0"},
        {"\"rms_norm_eps\":-1e-5", "key 'rms_norm_eps'"},
        {"\"rms_norm_eps\":1e-60", "key 'rms_norm_eps'"},
        {"\"rms_norm_eps\":1e999", "key 'rms_norm_eps'"},
        {"\"rms_norm_eps\":null", "key 'rms_norm_eps': missing"},
        {"\"rope_theta\":0", "key 'rope_theta'"},
        {"\"rope_theta\":1", "rope_theta is 1"},
        {"\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":2}", "'dynamic' is not supported"},
        {"\"rope_scaling\":{\"type\":\"dynamic\"}", "key 'rope_scaling.type'"},
        {"\"rope_scaling\":{\"type\":\"longrope\"}", "original_max_position_embeddings': missing"},
        {"\"rope_scaling\":{\"type\":\"linear\"}", "key 'rope_scaling.factor': missing"},
        {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":0}", "key 'rope_scaling.factor'"},
        {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}", NULL},
        {"\"rope_scaling\":{\"rope_type\":\"default\"}", NULL},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}", "original_max_position_embeddings': missing"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1,"
         "\"original_max_position_embeddings\":32}",
         "has to be below"},
        {"\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"truncate\":false}", "truncation"},
        {"\"rope_scaling\":{\"rope_type\":\"yarn\",\"original_max_position_embeddings\":32}", NULL},
        {"\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2,\"rope_theta\":5e5}", NULL},
        {"\"rope_parameters\":{\"full_attention\":{\"rope_theta\":5e5}}", "differs from layer to layer"},
        {"\"rope_scaling\":[]", "key 'rope_scaling'"},
        {"\"partial_rotary_factor\":0.5", NULL},
        {"\"partial_rotary_factor\":0.2", "partial_rotary_factor 0.2"},
        {"\"partial_rotary_factor\":1.5", "partial_rotary_factor 1.5"},
        {"\"sliding_window\":32", "a window of 32 tokens"},
        {"\"sliding_window\":64", NULL},
        {"\"sliding_window\":32,\"use_sliding_window\":false", NULL},
        {"\"layer_types\":[\"sliding_attention\"]", "key 'layer_types[0]'"},
        {"\"tie_word_embeddings\":false", "'lm_head.weight': missing"},
        {"\"tie_word_embeddings\":1", "key 'tie_word_embeddings'"},
        {"\"attention_bias\":true", "q_proj.bias': missing"},
        {"\"mlp_bias\":true", "gate_proj.bias': missing"},
        {"\"eos_token_id\":[4,20]", "token 20, but the vocabulary has 20"},
        {"\"eos_token_id\":[4,3]", NULL},
        {"\"bos_token_id\":\"x\"", "key 'bos_token_id'"},
        {"\"pad_token_id\":-1", NULL},
};

static void test_config(void)
{
	build_checkpoint(&(struct build_options){.storage = BUILD_PACKED}, "");
	for (size_t i = 0; i < sizeof config_cases / sizeof *config_cases; i++)
		check_config(config_cases[i].more, config_cases[i].says);
	remove(scratch_path("config.json"));
	check_refused("no config.json", "config.json: is missing");
	build_text("config.json", "[]");
	check_refused("an array", "expected an object");
	build_text("config.json", "");
	check_refused("empty", "line 1, column 1");
}

static void test_quantization(void)
{
	static const struct {
		const char *quantization, *says;
	} cases[] = {
	        {"{}", "key 'quantization_config.quant_method': missing"},
	        {"{\"quant_method\":\"gptq\"}", "key 'quantization_config.quant_method'"},
	        {"{\"quant_method\":\"bitnet\",\"bits\":2}", "GPTQ-like"},
	        {"{\"quant_method\":\"bitnet\",\"linear_class\":\"x\"}", "\"bitlinear\" or \"autobitlinear\""},
	        {"{\"quant_method\":\"bitnet\",\"quantization_mode\":1}", "\"offline\" or \"online\""},
	        {"{\"quant_method\":\"bitnet\",\"rms_norm_eps\":0}", "key 'quantization_config.rms_norm_eps'"},
	        {"{\"quant_method\":\"bitnet\",\"modules_to_not_convert\":\"lm_head\"}", "expected an array"},
	        {"7", "expected an object, found 7"},
	};
	char config[2048];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(config, sizeof config, "%s,\"quantization_config\":%s}", B_CONFIG_START,
		         cases[i].quantization);
		build_text("config.json", config);
		check_refused(cases[i].quantization, cases[i].says);
	}
	/* A projection that is said to be left in full precision is no master weight. */
	build_checkpoint(&(struct build_options){.storage = BUILD_MASTER}, B_CONFIG_START
	                 ",\"quantization_config\":{\"quant_method\":\"bitnet\",\"modules_to_not_convert\":"
	                 "[\"down_proj\"]}}");
	check_refused("not converted", "down_proj.weight': not ternary");
	build_checkpoint(&(struct build_options){.storage = BUILD_MASTER}, B_CONFIG_START "}");
	check_refused("a model in full precision", "q_proj.weight': not ternary");
}

/* ---- tensors ---- */

/* A good network and one more tensor. */
static void check_extra(const struct build_options *o, const char *name, const char *dtype, size_t n_row, size_t n_col,
                        const void *bytes, size_t n_bytes, const char *says)
{
	static struct build b;

	build_network(&b, o);
	build_tensor(&b, name, dtype, n_row, n_col, bytes, n_bytes);
	build_save(&b, "model.safetensors");
	check_refused(name, says);
}

static void test_tensors(void)
{
	static const char *const needed[] = {
	        "model.embed_tokens.weight",
	        "model.norm.weight",
	        "model.layers.0.input_layernorm.weight",
	        "model.layers.0.post_attention_layernorm.weight",
	        "model.layers.0.self_attn.k_proj.weight",
	        "model.layers.0.mlp.down_proj.weight",
	};
	static const float values[B_VOCAB * B_EMBD], one = 1.0f;
	struct build_options o = {.storage = BUILD_TERNARY};
	char says[96];

	build_checkpoint(&o, B_CONFIG_START B_BITNET);
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
		static struct build b;
		struct build_options without = {.storage = BUILD_TERNARY, .skip = needed[i]};
		build_network(&b, &without);
		build_save(&b, "model.safetensors");
		snprintf(says, sizeof says, "'%s': missing", needed[i]);
		check_refused(needed[i], says);
	}
	check_extra(&o, "model.layers.0.self_attn.q_norm.weight", "F32", 0, 16, values, 64, "has no use for it");
	check_extra(&o, "model.layers.1.input_layernorm.weight", "F32", 0, 32, values, 128, "of 1 layers has no use");
	check_extra(&o, "model.layers.0.mlp.up_proj.weight_scale", "F32", 0, 1, &one, 4, "has no use for it");
	check_extra(&o, "model.layers.0.mlp.up_proj.qweight", "I32", 0, 1, &one, 4, "GPTQ and BitBLAS");
	check_extra(&o, "model.layers.0.mlp.up_proj.rms_norm.weight", "F32", 0, 32, values, 128,
	            "expected all or none");
	check_extra(&o, "model.layers.0.mlp.up_proj.rms_norm.weight", "F32", 0, 16, values, 64, "wants [32]");
	check_extra(&o, "model.layers.0.mlp.up_proj.rms_norm.weight", "I32", 0, 32, values, 128,
	            "wants [32] of floats");
	check_extra(&o, "lm_head.weight", "F32", B_EMBD, B_VOCAB, values, sizeof values, "config.json wants [20, 32]");
	check_extra(&o, "lm_head.weight", "U8", 5, 31, values, 155, "config.json wants packed weights");
	check_extra(&o, "lm_head.weight", "U8", 5, 32, values, 160, "'lm_head.weight_scale': missing");
	check_extra(&o, "lm_head.weight", "I64", B_VOCAB, B_EMBD / 2, values, sizeof values, "lm_head.weight': shape");
}

/* Overwrites bytes of a tensor in the safetensors file. */
static void poke(const char *name, size_t offset, const void *bytes, size_t n)
{
	static struct build b;
	char pattern[160];
	FILE *file = fopen(scratch_path("model.safetensors"), "r+b");
	uint64_t n_header = 0;

	if (!file || fread(&n_header, 8, 1, file) != 1 || n_header >= sizeof b.header ||
	    fread(b.header, n_header, 1, file) != 1)
		abort();
	b.header[n_header] = 0;
	snprintf(pattern, sizeof pattern, "\"%s\":", name);
	const char *entry = strstr(b.header, pattern), *offsets = entry ? strstr(entry, "_offsets\":[") : NULL;
	CHECK(offsets, "no tensor %s", name);
	if (offsets && (fseek(file, (long)(8 + n_header + offset) + atol(offsets + 11), SEEK_SET) != 0 ||
	                fwrite(bytes, n, 1, file) != 1))
		abort();
	fclose(file);
}

static void check_poked(enum build_storage storage, const char *name, size_t offset, const void *bytes, size_t n,
                        const char *says)
{
	build_checkpoint(&(struct build_options){.storage = storage, .norms = true}, B_CONFIG_START B_BITNET);
	poke(name, offset, bytes, n);
	check_refused(name, says);
}

static void test_values(void)
{
	const uint32_t nan_bits = 0x7fc00000, infinity = 0xff800000;
	const float zero = 0.0f, negative = -1.0f, tiny = 1e-44f;
	const char *up = "model.layers.0.mlp.up_proj.weight", *scale = "model.layers.0.mlp.up_proj.weight_scale";
	const char *q = "model.layers.0.self_attn.q_proj.weight";

	check_poked(BUILD_PACKED, up, 37, "\x0c", 1, "row 13, column 5: code 3");
	check_poked(BUILD_PACKED, q, 2 * 32 + 5, "\xc0", 1, "row 26, column 5: code 3");
	check_poked(BUILD_CODES, up, 3 * 32 + 7, "\x02", 1, "row 3, column 7: expected -1, 0 or 1");
	check_poked(BUILD_PACKED, scale, 0, &zero, 4, "weight_scale': 0; expected a number above 0");
	check_poked(BUILD_PACKED, scale, 0, &negative, 4, "weight_scale': -1;");
	check_poked(BUILD_PACKED, scale, 0, &tiny, 4, "expected a number above 0");
	check_poked(BUILD_PACKED, scale, 0, &nan_bits, 4, "value 0 is not finite");
	check_poked(BUILD_MASTER, up, 4 * (5 * 32 + 9), &nan_bits, 4, "row 5, column 9: the value is not finite");
	check_poked(BUILD_TERNARY, q, 4 * (9 * 32 + 1), &infinity, 4, "row 9, column 1: the value is not finite");
	check_poked(BUILD_PACKED, "model.embed_tokens.weight", 4 * 65, &nan_bits, 4,
	            "row 2, column 1: the value is not");
	check_poked(BUILD_PACKED, "model.norm.weight", 12, &infinity, 4, "'model.norm.weight': value 3 is not finite");
	check_poked(BUILD_PACKED, "model.layers.0.mlp.up_proj.rms_norm.weight", 0, &nan_bits, 4,
	            "value 0 is not finite");
}

/* A head that is there though the embeddings are tied has to be the embedding. */
static void test_tied_head(void)
{
	static struct build b;
	static const float values[B_VOCAB * B_EMBD];

	build_text("config.json", B_CONFIG_START ",\"tie_word_embeddings\":true" B_BITNET);
	build_network(&b, &(struct build_options){.storage = BUILD_PACKED});
	build_floats(&b, "lm_head.weight", B_VOCAB, B_EMBD, values);
	build_save(&b, "model.safetensors");
	check_refused("another head", "lm_head.weight': differs from the embedding");
}

/* ---- tokenizer.json ---- */

#define PRE          "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define MODEL        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}"
#define SPM(more)    "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"a\":0},\"merges\":[]}" more
#define BPE(members) "{" PRE ",\"model\":{\"type\":\"BPE\"," members "}}"
static const struct {
	const char *json, *says;
} tokenizer_cases[] = {
        {"{}", "key 'model': missing"},
        {"[]", "expected an object"},
        {"{" PRE ",\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "key 'model.type'"},
        {BPE("\"merges\":[]"), "key 'model.vocab': missing"},
        {BPE("\"vocab\":{\"a\":0,\"b\":2},\"merges\":[]"), "has the id 1"},
        {BPE("\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"), "the token 'a' has this id"},
        {BPE("\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]"), "second time"},
        {BPE("\"vocab\":{\"a\":-1},\"merges\":[]"), "key 'model.vocab.a'"},
        {BPE("\"vocab\":{\"a\":2147483648},\"merges\":[]"), "have to be below"},
        {BPE("\"vocab\":{\"a\":0.0},\"merges\":[]"), "a whole number, found 0.0"},
        {BPE("\"dropout\":0.1,\"vocab\":{\"a\":0},\"merges\":[]"), "dropout"},
        {BPE("\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":0}"), "end_of_word"},
        {BPE("\"vocab\":{\"a\":0},\"merges\":[\"aa\"]"), "a space between"},
        {BPE("\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"), "expected two tokens"},
        {BPE("\"vocab\":{\"a\":0},\"merges\":[[\"a\",\" b\"]]"), "with spaces"},
        {BPE("\"vocab\":{\"a\":0},\"merges\":[\"a x\"]"), "names no tokens"},
        {"{" PRE "," MODEL ",\"added_tokens\":[{\"content\":\"x\"}]}", "key 'added_tokens[0]'"},
        {"{" PRE "," MODEL ",\"added_tokens\":[{\"id\":3,\"content\":\"\"}]}", "without content"},
        {"{" PRE "," MODEL ",\"added_tokens\":[{\"id\":2,\"content\":\"x\"}]}", "another token has this id"},
        {"{" PRE "," MODEL ",\"added_tokens\":[{\"id\":3,\"content\":\"a\"}]}", "token 'a': has the ids 0 and 3"},
        {"{" MODEL "}", "key 'pre_tokenizer': missing"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Whitespace\"}}", "Whitespace with these settings"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true}}", "ByteLevel with these"},
        {"{" PRE ",\"normalizer\":{\"type\":\"Lowercase\"}," MODEL "}", "Lowercase with these settings"},
        {"{" PRE ",\"normalizer\":7," MODEL "}", "key 'normalizer'"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
         "{\"Regex\":\"x+\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
         "\"use_regex\":false}]}}",
         "this way of cutting text"},
        {"{" PRE "," MODEL ",\"post_processor\":{\"type\":\"BertProcessing\"}}", "key 'post_processor'"},
        {"{" PRE "," MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
         "{\"id\":\"?\"}}]}}",
         "names no token"},
        {"{" SPM("}"), "nothing turns spaces into U+2581"},
        {"{" SPM(",\"normalizer\":{\"type\":\"NFKC\"}}"), "NFKC with these settings"},
        {"{" SPM(",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"}}"), "Metaspace with"},
        {"{\"model\":", "end of the text"},
};

static void test_tokenizer(void)
{
	build_checkpoint(&(struct build_options){.storage = BUILD_PACKED}, B_CONFIG_START B_BITNET);
	for (size_t i = 0; i < sizeof tokenizer_cases / sizeof *tokenizer_cases; i++) {
		build_text("tokenizer.json", tokenizer_cases[i].json);
		check_refused(tokenizer_cases[i].json, tokenizer_cases[i].says);
	}
}

/* Files of the tokenizer that are missing or wrong. */
static void test_tokenizer_files(void)
{
	remove(scratch_path("tokenizer.json"));
	check_refused("no tokenizer", "has neither tokenizer.json nor tokenizer.model");
	build_text("tokenizer.model", "\x0a\x80");
	check_refused("a cut tokenizer.model", "tokenizer.model: byte 1");
	remove(scratch_path("tokenizer.model"));
	build_text("tokenizer.json", b_tokenizer);
	build_text("tokenizer_config.json", "{\"bos_token\":7}");
	check_refused("bos_token", "key 'bos_token'");
	build_text("tokenizer_config.json", "{\"chat_template\":{}}");
	check_refused("chat_template", "key 'chat_template'");
	remove(scratch_path("tokenizer_config.json"));
	build_text("config.json", B_CONFIG_START ",\"vocab_size\":2" B_BITNET);
}

/* ---- the output ---- */

static void test_output(void)
{
	struct tern_error err;
	struct stat before = {0}, after = {0};

	build_checkpoint(&(struct build_options){.storage = BUILD_PACKED}, B_CONFIG_START B_BITNET);
	CHECK(run(&err) == TERN_OK, "%s", err.message);
	CHECK(run(&err) == TERN_ERR_USAGE && strstr(err.message, "exists already"), "%s", err.message);
	CHECK(stat(scratch_path("config.json"), &before) == 0, "config.json");
	static const char *const inputs[] = {"config.json", "tokenizer.json", "model.safetensors", "."};
	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
		struct checkpoint_summary summary;
		char output[800];
		snprintf(output, sizeof output, "%s", scratch_path(inputs[i]));
		struct convert_options options = {.input = scratch_directory, .output = output, .force = true};
		/* What cannot be written at all is a failure, what must not be is a misuse. */
		enum tern_status expected = strcmp(inputs[i], ".") ? TERN_ERR_USAGE : TERN_ERR_FAILED;
		CHECK(convert_checkpoint(&options, &summary, &err) == expected, "%s: %s", inputs[i], err.message);
	}
	CHECK(stat(scratch_path("config.json"), &after) == 0 && before.st_size == after.st_size, "config.json changed");
}

int main(void)
{
	scratch_begin();
	test_config();
	test_quantization();
	test_tensors();
	test_values();
	test_tied_head();
	test_tokenizer();
	test_tokenizer_files();
	test_output();
	scratch_end();
	return test_summary();
}
