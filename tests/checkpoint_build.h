/* Small checkpoint directories for the tests of the converter, made from a description. Needs scratch.h. */
#ifndef TESTS_CHECKPOINT_BUILD_H
#define TESTS_CHECKPOINT_BUILD_H

#include "scratch.h"
#include "test.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <string.h>

/* The network: one layer, width 32, feed-forward 48, two heads of 16, one for keys and values, 20 tokens. */
enum {
	B_EMBD = 32,
	B_FF = 48,
	B_HEADS = 2,
	B_HEAD_DIM = 16,
	B_KV = 16,
	B_VOCAB = 20,
	B_PROJECTIONS = 7
};

static const struct {
	const char *module, *gguf;
	size_t n_row, n_col;
} b_projections[B_PROJECTIONS] = {
        {"self_attn.q_proj", "attn_q", 32, B_EMBD},   {"self_attn.k_proj", "attn_k", B_KV, B_EMBD},
        {"self_attn.v_proj", "attn_v", B_KV, B_EMBD}, {"self_attn.o_proj", "attn_output", B_EMBD, 32},
        {"mlp.gate_proj", "ffn_gate", B_FF, B_EMBD},  {"mlp.up_proj", "ffn_up", B_FF, B_EMBD},
        {"mlp.down_proj", "ffn_down", B_EMBD, B_FF},
};

/* A safetensors file being put together. */
struct build {
	char header[16384];
	size_t n_header;
	uint8_t data[1 << 18];
	size_t n_data;
};

/* Appends a tensor of n_bytes; n_rows 0: one dimension of n_cols. */
static inline void build_tensor(struct build *b, const char *name, const char *dtype, size_t n_rows, size_t n_cols,
                                const void *bytes, size_t n_bytes)
{
	char shape[64];

	if (n_rows)
		snprintf(shape, sizeof shape, "%zu,%zu", n_rows, n_cols);
	else
		snprintf(shape, sizeof shape, "%zu", n_cols);
	b->n_header += (size_t)snprintf(b->header + b->n_header, sizeof b->header - b->n_header,
	                                "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
	                                b->n_header ? "," : "{", name, dtype, shape, b->n_data, b->n_data + n_bytes);
	if (b->n_header + 2 > sizeof b->header || n_bytes > sizeof b->data - b->n_data)
		abort();
	memcpy(b->data + b->n_data, bytes, n_bytes);
	b->n_data += n_bytes;
}

static inline void build_floats(struct build *b, const char *name, size_t n_rows, size_t n_cols, const float *values)
{
	build_tensor(b, name, "F32", n_rows, n_cols, values, (n_rows ? n_rows : 1) * n_cols * sizeof *values);
}

/* n values around 1, as norms have. */
static inline void build_norm(struct build *b, const char *name, size_t n)
{
	float values[64];

	for (size_t i = 0; i < n; i++)
		values[i] = 1.0f + (float)(test_random() % 100) / 500.0f;
	build_floats(b, name, 0, n, values);
}

static inline void build_save(struct build *b, const char *file)
{
	FILE *out = fopen(scratch_path(file), "wb");
	uint64_t n = b->n_header + 1;

	b->header[b->n_header] = '}';
	if (!out || fwrite(&n, 8, 1, out) != 1 || fwrite(b->header, n, 1, out) != 1 ||
	    (b->n_data && fwrite(b->data, b->n_data, 1, out) != 1) || fclose(out) != 0)
		abort();
}

static inline void build_text(const char *file, const char *text)
{
	scratch_write(scratch_path(file), text, strlen(text));
}

/* What the tests vary. */
enum build_storage {
	BUILD_PACKED,
	BUILD_CODES,
	BUILD_MASTER,
	BUILD_TERNARY,
	BUILD_ROW_SHARDS,
	BUILD_GROUPS
};

struct build_options {
	enum build_storage storage;
	bool norms;       /* PROJ.rms_norm.weight */
	bool biases;      /* of q, k and v */
	bool lm_head;     /* packed, with a scale */
	const char *skip; /* leave this tensor out */
};

/* What is stored, as the weights that the network has: [projection][row * n_col + col]. */
static float b_weights[B_PROJECTIONS][48 * 48];

static inline int8_t build_code(void) { return (int8_t)((int)(test_random() % 3) - 1); }

static inline void build_bytes(struct build *b, const char *name, enum build_storage storage, size_t n_row,
                               size_t n_col, const int8_t *codes)
{
	static uint8_t packed[48 * 48];
	char scale_name[160];
	float scale = 4.0f;

	memset(packed, 0, sizeof packed);
	for (size_t r = 0; r < n_row; r++)
		for (size_t c = 0; c < n_col; c++)
			packed[r % (n_row / 4) * n_col + c] |=
			        (uint8_t)((codes[r * n_col + c] + 1) << (2 * (r / (n_row / 4))));
	if (storage == BUILD_PACKED)
		build_tensor(b, name, "U8", n_row / 4, n_col, packed, n_row / 4 * n_col);
	else
		build_tensor(b, name, "I8", n_row, n_col, codes, n_row * n_col);
	snprintf(scale_name, sizeof scale_name, "%s_scale", name);
	build_floats(b, scale_name, 0, 1, &scale);
}

/* One projection: fills its entry of b_weights and stores it. */
static inline void build_projection(struct build *b, const char *name, enum build_storage storage, size_t n_row,
                                    size_t n_col, float *weights)
{
	static int8_t codes[48 * 48];
	static float masters[48 * 48];
	double sum = 0.0;

	for (size_t i = 0; i < n_row * n_col; i++) {
		codes[i] = build_code();
		masters[i] = (float)((int)(test_random() % 2001) - 1000) / 10000.0f;
		sum += masters[i] < 0.0f ? -(double)masters[i] : (double)masters[i];
	}
	float mean = (float)(sum / (double)(n_row * n_col));
	for (size_t i = 0; i < n_row * n_col; i++) {
		size_t r = i / n_col, c = i % n_col;
		float scale = storage == BUILD_ROW_SHARDS ? (r < n_row / 2 ? 0.5f : 0.75f)
		              : storage == BUILD_GROUPS   ? 0.25f + (float)(r % 3) * 0.125f + (float)(c / 16) * 0.0625f
		                                          : 0.25f;
		weights[i] = (float)codes[i] * scale;
		if (storage ==
		    BUILD_MASTER) { /* no value is near half the mean, where it would be rounded either way */
			float code = masters[i] > mean / 2 ? 1.0f : masters[i] < -mean / 2 ? -1.0f : 0.0f;
			weights[i] = code * mean;
		}
	}
	if (storage == BUILD_PACKED || storage == BUILD_CODES)
		build_bytes(b, name, storage, n_row, n_col, codes);
	else
		build_floats(b, name, n_row, n_col, storage == BUILD_MASTER ? masters : weights);
}

static inline bool build_wants(const struct build_options *o, const char *name)
{
	return !o->skip || strcmp(o->skip, name) != 0;
}

static inline void build_norm_of(struct build *b, const struct build_options *o, const char *name, size_t n)
{
	if (build_wants(o, name))
		build_norm(b, name, n);
}

/* All tensors of the network. */
static inline void build_network(struct build *b, const struct build_options *o)
{
	static float embedding[B_VOCAB * B_EMBD], head[B_VOCAB * B_EMBD];
	char name[128];

	memset(b, 0, sizeof *b);
	for (size_t i = 0; i < B_VOCAB * B_EMBD; i++)
		embedding[i] = (float)((int)(test_random() % 2001) - 1000) / 1000.0f;
	if (build_wants(o, "model.embed_tokens.weight"))
		build_floats(b, "model.embed_tokens.weight", B_VOCAB, B_EMBD, embedding);
	build_norm_of(b, o, "model.norm.weight", B_EMBD);
	if (o->lm_head)
		build_projection(b, "lm_head.weight", BUILD_PACKED, B_VOCAB, B_EMBD, head);
	build_norm_of(b, o, "model.layers.0.input_layernorm.weight", B_EMBD);
	build_norm_of(b, o, "model.layers.0.post_attention_layernorm.weight", B_EMBD);
	for (size_t i = 0; i < B_PROJECTIONS; i++) {
		snprintf(name, sizeof name, "model.layers.0.%s.weight", b_projections[i].module);
		if (build_wants(o, name))
			build_projection(b, name, o->storage, b_projections[i].n_row, b_projections[i].n_col,
			                 b_weights[i]);
		snprintf(name, sizeof name, "model.layers.0.%s.rms_norm.weight", b_projections[i].module);
		if (o->norms)
			build_norm_of(b, o, name, b_projections[i].n_col);
		snprintf(name, sizeof name, "model.layers.0.%s.bias", b_projections[i].module);
		if (o->biases && i < 3)
			build_norm_of(b, o, name, b_projections[i].n_row);
	}
}

#define B_CONFIG_START                                                                                   \
	"{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":32,\"intermediate_size\":48,"         \
	"\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":1,\"vocab_size\":20," \
	"\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5"
#define B_BITNET ",\"quantization_config\":{\"quant_method\":\"bitnet\"}}"

static const char b_tokenizer[] =
        "{\"added_tokens\":[{\"id\":4,\"content\":\"<|end|>\",\"special\":true}],"
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3},\"merges\":[\"a b\"]}}";

/* A whole directory that converts. */
static inline void build_checkpoint(const struct build_options *o, const char *config)
{
	static struct build b;

	build_network(&b, o);
	build_save(&b, "model.safetensors");
	build_text("config.json", config);
	build_text("tokenizer.json", b_tokenizer);
}

#endif
