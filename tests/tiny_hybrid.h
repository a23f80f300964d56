/* Writes a GGUF model of architecture qwen35 of some 1.3 MB: four layers, of which the last is attention; 128 wide; two
 * key and four value heads of 64; a tied head; weights from test_random(). Matrices are floats with ternary values. Of
 * the tokens of Qwen's chat formats there is <|im_end|>. */
#ifndef TESTS_TINY_HYBRID_H
#define TESTS_TINY_HYBRID_H

#include "tiny_model.h"

#include <math.h>

enum {
	HYBRID_LAYERS = 4,
	HYBRID_EMBD = 128,
	HYBRID_FF = 128,
	HYBRID_HEADS = 2,
	HYBRID_HEADS_KV = 1,
	HYBRID_HEAD_DIM = 64,
	HYBRID_STATE = 64, /* of a head of the delta net: keys and values */
	HYBRID_KEYS = 2 * HYBRID_STATE,
	HYBRID_VALUE_HEADS = 4,
	HYBRID_VALUES = HYBRID_VALUE_HEADS * HYBRID_STATE,
	HYBRID_CHANNELS = 2 * HYBRID_KEYS + HYBRID_VALUES,
	HYBRID_MAX_TENSORS = 64
};

enum hybrid_values {
	HYBRID_TERNARY,
	HYBRID_DENSE, /* the embedding */
	HYBRID_GAIN,
	HYBRID_CONV,
	HYBRID_DECAY,
	HYBRID_DT
};

struct hybrid_tensor {
	char name[GGUF_MAX_NAME_LENGTH];
	uint64_t cols, rows; /* rows 0: one dimension */
	enum hybrid_values values;
};

struct hybrid_tensors {
	struct hybrid_tensor items[HYBRID_MAX_TENSORS];
	size_t n;
};

static inline float hybrid_uniform(float from, float to)
{
	return from + (to - from) * (float)(test_random() % 65536) / 65536.0f;
}

static inline float hybrid_value(const struct hybrid_tensor *tensor)
{
	float scale = 1.0f / sqrtf((float)tensor->cols);

	switch (tensor->values) {
	case HYBRID_TERNARY:
		return scale * (float)((int)(test_random() % 3) - 1);
	case HYBRID_DENSE:
		return hybrid_uniform(-1, 1);
	case HYBRID_GAIN:
		return hybrid_uniform(0.8f, 1.2f);
	case HYBRID_CONV:
		return hybrid_uniform(-0.8f, 0.8f);
	case HYBRID_DECAY:
		return -hybrid_uniform(0.05f, 4);
	case HYBRID_DT:
		return hybrid_uniform(-2, 1);
	}
	return 0;
}

/* layer: -1 for tensors of no layer. */
static inline void hybrid_add(struct hybrid_tensors *t, int layer, const char *name, uint64_t cols, uint64_t rows,
                              enum hybrid_values values)
{
	struct hybrid_tensor *tensor = &t->items[t->n++];

	if (layer < 0)
		snprintf(tensor->name, sizeof tensor->name, "%s", name);
	else
		snprintf(tensor->name, sizeof tensor->name, "blk.%d.%s", layer, name);
	tensor->cols = cols;
	tensor->rows = rows;
	tensor->values = values;
}

static inline void hybrid_add_mixer(struct hybrid_tensors *t, int i)
{
	if ((i + 1) % 4 == 0) {
		uint64_t q = HYBRID_HEADS * HYBRID_HEAD_DIM, kv = HYBRID_HEADS_KV * HYBRID_HEAD_DIM;
		hybrid_add(t, i, "attn_q.weight", HYBRID_EMBD, 2 * q, HYBRID_TERNARY); /* and the gate */
		hybrid_add(t, i, "attn_k.weight", HYBRID_EMBD, kv, HYBRID_TERNARY);
		hybrid_add(t, i, "attn_v.weight", HYBRID_EMBD, kv, HYBRID_TERNARY);
		hybrid_add(t, i, "attn_output.weight", q, HYBRID_EMBD, HYBRID_TERNARY);
		hybrid_add(t, i, "attn_q_norm.weight", HYBRID_HEAD_DIM, 0, HYBRID_GAIN);
		hybrid_add(t, i, "attn_k_norm.weight", HYBRID_HEAD_DIM, 0, HYBRID_GAIN);
		return;
	}
	hybrid_add(t, i, "attn_qkv.weight", HYBRID_EMBD, HYBRID_CHANNELS, HYBRID_TERNARY);
	hybrid_add(t, i, "attn_gate.weight", HYBRID_EMBD, HYBRID_VALUES, HYBRID_TERNARY);
	hybrid_add(t, i, "ssm_beta.weight", HYBRID_EMBD, HYBRID_VALUE_HEADS, HYBRID_TERNARY);
	hybrid_add(t, i, "ssm_alpha.weight", HYBRID_EMBD, HYBRID_VALUE_HEADS, HYBRID_TERNARY);
	hybrid_add(t, i, "ssm_conv1d.weight", 4, HYBRID_CHANNELS, HYBRID_CONV);
	hybrid_add(t, i, "ssm_a", HYBRID_VALUE_HEADS, 0, HYBRID_DECAY);
	hybrid_add(t, i, "ssm_dt.bias", HYBRID_VALUE_HEADS, 0, HYBRID_DT);
	hybrid_add(t, i, "ssm_norm.weight", HYBRID_STATE, 0, HYBRID_GAIN);
	hybrid_add(t, i, "ssm_out.weight", HYBRID_VALUES, HYBRID_EMBD, HYBRID_TERNARY);
}

static inline void hybrid_list(struct hybrid_tensors *t)
{
	hybrid_add(t, -1, "token_embd.weight", HYBRID_EMBD, TINY_VOCAB, HYBRID_DENSE);
	hybrid_add(t, -1, "output_norm.weight", HYBRID_EMBD, 0, HYBRID_GAIN);
	for (int i = 0; i < HYBRID_LAYERS; i++) {
		hybrid_add(t, i, "attn_norm.weight", HYBRID_EMBD, 0, HYBRID_GAIN);
		hybrid_add(t, i, "post_attention_norm.weight", HYBRID_EMBD, 0, HYBRID_GAIN);
		hybrid_add_mixer(t, i);
		hybrid_add(t, i, "ffn_gate.weight", HYBRID_EMBD, HYBRID_FF, HYBRID_TERNARY);
		hybrid_add(t, i, "ffn_up.weight", HYBRID_EMBD, HYBRID_FF, HYBRID_TERNARY);
		hybrid_add(t, i, "ffn_down.weight", HYBRID_FF, HYBRID_EMBD, HYBRID_TERNARY);
	}
}

static inline void hybrid_keys(struct tiny_build *b)
{
	static const int32_t sections[4] = {3, 3, 2, 0};

	tiny_string(b, "general.architecture", "qwen35");
	tiny_u32(b, "qwen35.block_count", HYBRID_LAYERS);
	tiny_u32(b, "qwen35.context_length", 1024);
	tiny_u32(b, "qwen35.embedding_length", HYBRID_EMBD);
	tiny_u32(b, "qwen35.feed_forward_length", HYBRID_FF);
	tiny_u32(b, "qwen35.attention.head_count", HYBRID_HEADS);
	tiny_u32(b, "qwen35.attention.head_count_kv", HYBRID_HEADS_KV);
	tiny_u32(b, "qwen35.attention.key_length", HYBRID_HEAD_DIM);
	tiny_u32(b, "qwen35.attention.value_length", HYBRID_HEAD_DIM);
	tiny_u32(b, "qwen35.rope.dimension_count", HYBRID_HEAD_DIM / 4);
	tern_gguf_put_array(b->writer, "qwen35.rope.dimension_sections", GGUF_I32, sections, 4);
	tiny_f32(b, "qwen35.attention.layer_norm_rms_epsilon", 1e-6f);
	tiny_f32(b, "qwen35.rope.freq_base", 1e7f);
	tiny_u32(b, "qwen35.ssm.conv_kernel", 4);
	tiny_u32(b, "qwen35.ssm.state_size", HYBRID_STATE);
	tiny_u32(b, "qwen35.ssm.group_count", HYBRID_KEYS / HYBRID_STATE);
	tiny_u32(b, "qwen35.ssm.time_step_rank", HYBRID_VALUE_HEADS);
	tiny_u32(b, "qwen35.ssm.inner_size", HYBRID_VALUES);
	tiny_u32(b, "qwen35.full_attention_interval", 4);
	tiny_vocabulary(b);
}

/* False, with the reason in *err, if the writer refused. Of the changes those of keys are made. */
static inline bool tiny_hybrid_write(const char *path, const struct tiny_change *changes, struct tern_error *err)
{
	struct hybrid_tensors tensors = {.n = 0};
	struct tiny_build b = {.changes = changes, .end = "<|im_end|>"};

	tiny_note(&b, tern_gguf_create(&b.writer, path, true, &b.err));
	if (b.failed) {
		*err = b.err;
		return false;
	}
	hybrid_keys(&b);
	hybrid_list(&tensors);
	for (size_t i = 0; i < tensors.n; i++) {
		const struct hybrid_tensor *t = &tensors.items[i];
		uint64_t dims[GGUF_MAX_DIMS] = {t->cols, t->rows ? t->rows : 1, 1, 1};
		tern_gguf_add_tensor(b.writer, t->name, GGUF_TENSOR_F32, t->rows ? 2 : 1, dims);
	}
	tiny_note(&b, tern_gguf_begin_data(b.writer, &b.err));
	for (size_t i = 0; i < tensors.n && !b.failed; i++) {
		const struct hybrid_tensor *t = &tensors.items[i];
		for (uint64_t k = 0; k < t->cols * (t->rows ? t->rows : 1) && !b.failed; k++) {
			float value = hybrid_value(t);
			tiny_note(&b, tern_gguf_write_data(b.writer, &value, sizeof value, &b.err));
		}
	}
	*err = b.err;
	if (b.failed) {
		tern_gguf_abort(b.writer);
		return false;
	}
	return tern_gguf_commit(b.writer, err) == TERN_OK;
}

#endif
