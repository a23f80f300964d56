/* The conversion as a whole: every way of storing weights comes out as the weights it stands for, norms and biases in
 * their places and orders, the same bytes with any number of threads, and what the model consists of in the keys. */
#include "checkpoint_build.h"

#include "base/file.h"
#include "convert/convert_checkpoint.h"
#include "model/gguf_parse.h"
#include "model/layout.h"

#include <math.h>

/* A converted file, opened. */
struct converted {
	char path[800];
	struct tern_file file;
	struct gguf gguf;
	struct checkpoint_summary summary;
};

static int n_warnings;

static void on_warning(void *user, const char *message)
{
	(void)user;
	(void)message;
	n_warnings++;
}

/* What keeps the precision of the checkpoint. */
struct precision {
	bool embedding, head;
};

static bool convert_and_open(struct converted *c, const char *out, int n_threads, struct precision keep)
{
	struct tern_error err = {0};
	snprintf(c->path, sizeof c->path, "%s", scratch_path(out));
	struct convert_options options = {.input = scratch_directory,
	                                  .output = c->path,
	                                  .force = true,
	                                  .n_threads = n_threads,
	                                  .keep_embedding = keep.embedding,
	                                  .keep_head = keep.head,
	                                  .listener = {.on_warning = on_warning}};
	enum tern_status status = convert_checkpoint(&options, &c->summary, &err);

	CHECK(status == TERN_OK, "%s", err.message);
	if (status || tern_file_open(&c->file, c->path, false, &err))
		return false;
	status = tern_gguf_parse(&c->gguf, c->path, c->file.data, c->file.size, &err);
	CHECK(status == TERN_OK, "%s", err.message);
	return status == TERN_OK;
}

static void close_converted(struct converted *c)
{
	tern_gguf_free(&c->gguf);
	tern_file_close(&c->file);
}

/* The weights of a projection in the output, [n_row, n_col]. */
static void read_weights(const struct converted *c, const char *stem, size_t n_row, size_t n_col, float *out)
{
	static int8_t codes[TERN_PANEL_ROWS * 64];
	char name[64];

	snprintf(name, sizeof name, "blk.0.%s.weight", stem);
	const struct gguf_tensor *weight = tern_gguf_find_tensor(&c->gguf, name);
	snprintf(name, sizeof name, "blk.0.%s.scale", stem);
	const struct gguf_tensor *scale = tern_gguf_find_tensor(&c->gguf, name);
	CHECK(weight && scale && weight->type == GGUF_TENSOR_T2R16 && weight->dims[0] == n_col &&
	              weight->dims[1] == n_row,
	      "%s", name);
	for (size_t r = 0; weight && scale && r < n_row; r++) {
		size_t panel = r / TERN_PANEL_ROWS;
		tern_t2r16_unpack_panel(codes, weight->data + panel * tern_t2r16_panel_bytes(n_col), n_col);
		for (size_t i = 0; i < n_col; i++) {
			size_t n_group = (size_t)scale->dims[1];
			const uint8_t *at = scale->data;
			float s = tern_load_f32(at);
			if (scale->n_dims == 3) {
				size_t group = i / (n_col / n_group);
				s = tern_f32_from_f16(
				        tern_load_u16(at + 2 * ((panel * n_group + group) * 16 + r % 16)));
			}
			out[r * n_col + i] = (float)codes[r % TERN_PANEL_ROWS * n_col + i] * s;
		}
	}
}

/* q and k rows of arch llama: row 2j + h of a head is row h * 8 + j of the checkpoint's. */
static size_t source_row(size_t projection, size_t row)
{
	size_t in_head = row % B_HEAD_DIM;
	return projection < 2 ? row - in_head + in_head % 2 * (B_HEAD_DIM / 2) + in_head / 2 : row;
}

static void check_weights(const struct converted *c, const char *what)
{
	static float weights[48 * 48];

	for (size_t p = 0; p < B_PROJECTIONS; p++) {
		size_t n_row = b_projections[p].n_row, n_col = b_projections[p].n_col, n_wrong = 0;
		read_weights(c, b_projections[p].gguf, n_row, n_col, weights);
		for (size_t i = 0; i < n_row * n_col; i++) {
			float expected = b_weights[p][source_row(p, i / n_col) * n_col + i % n_col];
			n_wrong += !(fabsf(weights[i] - expected) <= 1e-6f * fabsf(expected));
		}
		CHECK(n_wrong == 0, "%s: %s: %zu wrong weights", what, b_projections[p].gguf, n_wrong);
	}
}

static bool text_is(const struct converted *c, const char *key, const char *expected)
{
	struct gguf_string text = {"", 0};
	return !tern_gguf_get_string(&c->gguf, key, &text, NULL, NULL) && text.length == strlen(expected) &&
	       memcmp(text.bytes, expected, text.length) == 0;
}

static void test_storages(void)
{
	static const struct {
		enum build_storage storage;
		const char *what, *config, *activation;
	} cases[] = {
	        {BUILD_PACKED, "packed", B_CONFIG_START B_BITNET, "per_token"},
	        {BUILD_CODES, "codes", B_CONFIG_START B_BITNET, "per_token"},
	        {BUILD_MASTER, "master", B_CONFIG_START B_BITNET, "per_token"},
	        {BUILD_TERNARY, "ternary", B_CONFIG_START B_BITNET, "per_token"},
	        {BUILD_TERNARY, "ternary, weight-only", B_CONFIG_START "}", "per_group"},
	        {BUILD_ROW_SHARDS, "shards", B_CONFIG_START "}", "per_group"},
	        {BUILD_GROUPS, "groups", B_CONFIG_START "}", "per_group"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct converted c = {0};
		build_checkpoint(&(struct build_options){.storage = cases[i].storage}, cases[i].config);
		if (convert_and_open(&c, "out.gguf", 1, (struct precision){0})) {
			check_weights(&c, cases[i].what);
			CHECK(text_is(&c, "tern.activation", cases[i].activation), "%s", cases[i].what);
			CHECK(text_is(&c, "tern.linear_norm", "none"), "%s", cases[i].what);
		}
		close_converted(&c);
	}
}

/* autobitlinear multiplies with weight_scale where bitlinear divides. */
static void test_direction(void)
{
	struct converted c = {0};
	static float weights[48 * 48];

	build_checkpoint(&(struct build_options){.storage = BUILD_PACKED},
	                 B_CONFIG_START ",\"quantization_config\":{\"quant_method\":\"bitnet\",\"linear_class\":"
	                                "\"autobitlinear\"}}");
	if (convert_and_open(&c, "out.gguf", 1, (struct precision){0})) {
		read_weights(&c, "attn_v", B_KV, B_EMBD, weights);
		for (size_t i = 0; i < B_KV * B_EMBD; i++)
			CHECK(weights[i] == b_weights[2][i] * 16.0f, "weight %zu", i);
	}
	close_converted(&c);
}

/* Norms and biases are F32 copies; the biases of q and k follow the order of their rows. */
static void test_vectors(void)
{
	struct converted c = {0};
	struct build_options o = {.storage = BUILD_PACKED, .norms = true, .biases = true, .lm_head = true};
	static struct build b;
	size_t n_checked = 0;

	test_seed = 7;
	build_checkpoint(&o,
	                 B_CONFIG_START ",\"attention_bias\":false,\"tie_word_embeddings\":false,"
	                                "\"quantization_config\":{\"quant_method\":\"bitnet\",\"rms_norm_eps\":1e-4}}");
	test_seed = 7;
	build_network(&b, &o); /* the same once more, to look at */
	n_warnings = 0;
	if (!convert_and_open(&c, "out.gguf", 2, (struct precision){0}))
		return;
	CHECK(n_warnings == 2, "%d warnings: of biases and of use_rms_norm", n_warnings);
	CHECK(text_is(&c, "tern.linear_norm", "weight"), "linear_norm");
	float eps = 0.0f;
	CHECK(!tern_gguf_get_f32(&c.gguf, "tern.linear_norm_eps", &eps, NULL, NULL) && eps == 1e-4f, "eps %g",
	      (double)eps);
	CHECK(tern_gguf_find_tensor(&c.gguf, "output.scale") && strcmp(c.summary.head_type, "T2R16") == 0,
	      "a ternary head");
	for (size_t p = 0; p < 3; p++) {
		char name[96], pattern[128];
		snprintf(name, sizeof name, "blk.0.%s.bias", b_projections[p].gguf);
		const struct gguf_tensor *bias = tern_gguf_find_tensor(&c.gguf, name);
		snprintf(pattern, sizeof pattern, "\"model.layers.0.%s.bias\":", b_projections[p].module);
		const char *entry = strstr(b.header, pattern), *offsets = entry ? strstr(entry, "_offsets\":[") : NULL;
		CHECK(bias && offsets && bias->type == GGUF_TENSOR_F32, "%s", name);
		for (size_t r = 0; bias && offsets && r < b_projections[p].n_row; r++, n_checked++) {
			size_t at = (size_t)atoi(offsets + 11) + 4 * source_row(p, r);
			CHECK(tern_load_f32(bias->data + 4 * r) == tern_load_f32(b.data + at), "%s %zu", name, r);
		}
	}
	CHECK(n_checked == 64, "%zu values", n_checked);
	close_converted(&c);
}

/* Same bytes every time, with any number of threads; the precision asked for. */
static void test_output(void)
{
	static const struct {
		struct precision keep;
		const char *embedding, *head;
	} cases[] = {
	        {{false, false}, "Q8P", NULL},
	        {{true, true}, "F32", NULL},
	        {{true, false}, "F32", "Q8P"},
	        {{false, true}, "Q8P", "F32"},
	};

	build_checkpoint(&(struct build_options){.storage = BUILD_MASTER, .norms = true}, B_CONFIG_START B_BITNET);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct converted a = {0}, b = {0};
		bool done = convert_and_open(&a, "a.gguf", 1, cases[i].keep) &&
		            convert_and_open(&b, "b.gguf", 5, cases[i].keep);
		CHECK(done && a.file.size == b.file.size && memcmp(a.file.data, b.file.data, a.file.size) == 0,
		      "case %zu", i);
		CHECK(done && strcmp(a.summary.embedding_type, cases[i].embedding) == 0, "case %zu", i);
		CHECK(done && !a.summary.head_type == !cases[i].head, "case %zu", i);
		CHECK(done && (!cases[i].head || strcmp(a.summary.head_type, cases[i].head) == 0), "case %zu", i);
		close_converted(&a);
		close_converted(&b);
	}
}

/* Q8P: every value is within half a step of the original. */
static void test_q8p(void)
{
	struct converted keep = {0}, q8 = {0};
	int8_t q[B_EMBD];
	size_t n_wrong = 0;

	build_checkpoint(&(struct build_options){.storage = BUILD_PACKED}, B_CONFIG_START B_BITNET);
	if (!convert_and_open(&keep, "a.gguf", 1, (struct precision){true, true}) ||
	    !convert_and_open(&q8, "b.gguf", 1, (struct precision){false, false}))
		return;
	const struct gguf_tensor *floats = tern_gguf_find_tensor(&keep.gguf, "token_embd.weight");
	const struct gguf_tensor *planes = tern_gguf_find_tensor(&q8.gguf, "token_embd.weight");
	const struct gguf_tensor *scales = tern_gguf_find_tensor(&q8.gguf, "token_embd.scale");
	CHECK(floats && planes && scales && scales->dims[0] == B_VOCAB, "tensors");
	for (size_t r = 0; floats && planes && scales && r < B_VOCAB; r++) {
		float scale = tern_load_f32(scales->data + 4 * r);
		tern_q8p_unpack_row(q, planes->data, B_VOCAB, B_EMBD, r);
		for (size_t c = 0; c < B_EMBD; c++) {
			float value = tern_load_f32(floats->data + 4 * (r * B_EMBD + c));
			n_wrong += !(fabsf((float)q[c] * scale - value) <= 0.5001f * scale);
		}
	}
	CHECK(n_wrong == 0, "%zu values", n_wrong);
	close_converted(&keep);
	close_converted(&q8);
}

/* Llama 3's scaling: values of its published configuration (base 500000, 128 values, factor 8, 1, 4, 8192). */
static void test_rope_divisors(void)
{
	struct rope rope = {.theta = 5e5,
	                    .n_rot = 128,
	                    .factor = 8,
	                    .original_context = 8192,
	                    .low_freq_factor = 1,
	                    .high_freq_factor = 4};
	float d[64];

	rope_llama3_divisors(&rope, d);
	CHECK(d[0] == 1.0f && d[28] == 1.0f && d[35] == 8.0f && d[63] == 8.0f, "ends");
	CHECK(fabsf(d[29] - 1.2074839f) < 1e-5f && fabsf(d[31] - 2.0263132f) < 1e-5f &&
	              fabsf(d[34] - 5.2573266f) < 1e-5f,
	      "%g %g %g", (double)d[29], (double)d[31], (double)d[34]);
}

/* Without weights and config.json, the tokenizer alone. */
static void test_vocab_only(void)
{
	struct tern_error err = {0};
	struct checkpoint_summary summary;
	struct converted c = {0};

	scratch_count(true);
	build_text("tokenizer.json", b_tokenizer);
	build_text("tokenizer_config.json",
	           "{\"eos_token\":{\"content\":\"<|end|>\"},\"chat_template\":[{\"name\":\"default\","
	           "\"template\":\"A\"},{\"name\":\"tools\",\"template\":\"B\"}]}");
	snprintf(c.path, sizeof c.path, "%s", scratch_path("v.gguf"));
	struct convert_options options = {.input = scratch_directory, .output = c.path, .vocab_only = true};
	CHECK(convert_checkpoint(&options, &summary, &err) == TERN_OK, "%s", err.message);
	CHECK(convert_checkpoint(&options, &summary, &err) == TERN_ERR_USAGE && strstr(err.message, "--force"), "%s",
	      err.message);
	if (tern_file_open(&c.file, c.path, false, &err) ||
	    tern_gguf_parse(&c.gguf, c.path, c.file.data, c.file.size, &err))
		CHECK(false, "%s", err.message);
	uint32_t eos = 0;
	CHECK(!tern_gguf_get_u32(&c.gguf, "tokenizer.ggml.eos_token_id", &eos, NULL, NULL) && eos == 4, "eos %u", eos);
	CHECK(text_is(&c, "tokenizer.ggml.model", "gpt2") && text_is(&c, "tokenizer.ggml.pre", "gpt-2"), "kind");
	CHECK(text_is(&c, "tokenizer.chat_template", "A") && text_is(&c, "tokenizer.chat_template.tools", "B"),
	      "templates");
	CHECK(summary.n_tokens == 5 && c.gguf.n_tensors == 0, "%zu tokens", summary.n_tokens);
	close_converted(&c);
}

int main(void)
{
	scratch_begin();
	test_storages();
	test_direction();
	test_vectors();
	test_output();
	test_q8p();
	test_rope_divisors();
	test_vocab_only();
	scratch_end();
	return test_summary();
}
