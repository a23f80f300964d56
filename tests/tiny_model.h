/* Writes a GGUF model of some 25 KB: one layer, 16 wide, 258 byte-level tokens, weights from test_random(). Any key or
 * tensor can be left out or changed, to see what opening it says. */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include "model/gguf_parse.h"
#include "model/gguf_write.h"
#include "model/layout.h"
#include "test.h"

#include <string.h>

enum {
	TINY_EMBD = 16,
	TINY_HEADS = 2,
	TINY_HEADS_KV = 1,
	TINY_HEAD_DIM = 8,
	TINY_FF = 32,
	TINY_VOCAB = 258
};

/* Names of changes that are no key's or tensor's. */
#define TINY_NOTHING "nothing"
#define TINY_EXTRA   "an extra key or tensor" /* `text` is its name */

/* One change. Keys: TINY_STRING makes it a string, TINY_NUMBER a number of the usual type. Tensors: TINY_WIDER doubles
 * the columns, TINY_VALUE is the first number, TINY_TYPE the type; TINY_GROUPS makes a scale two groups of scales for
 * one panel, of which the first has these bits. Of TINY_EXTRA, TINY_WIDER adds a tensor, TINY_NUMBER a key. */
struct tiny_change {
	const char *name; /* of the key or tensor; NULL ends a list */
	enum {
		TINY_SKIP,
		TINY_NUMBER,
		TINY_STRING,
		TINY_WIDER,
		TINY_VALUE,
		TINY_TYPE,
		TINY_GROUPS
	} kind;
	double number;
	const char *text;
};

struct tiny_build {
	struct gguf_writer *writer;
	const struct tiny_change *changes; /* may be NULL */
	const char *end;                   /* the EOS token; NULL: "<|eos|>" */
	struct tern_error err;
	bool failed;
	struct {
		const char *name;
		uint32_t type;
		uint64_t n_bytes;
	} tensors[32];
	size_t n_tensors;
	char names[32][GGUF_MAX_NAME_LENGTH];
};

static inline const struct tiny_change *tiny_find(const struct tiny_build *b, const char *name)
{
	for (const struct tiny_change *c = b->changes; c && c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static inline void tiny_note(struct tiny_build *b, enum tern_status status) { b->failed = b->failed || status; }

static inline bool tiny_changed_key(struct tiny_build *b, const char *key)
{
	const struct tiny_change *c = tiny_find(b, key);
	if (c && c->kind == TINY_STRING)
		tern_gguf_put_string(b->writer, key, c->text, strlen(c->text));
	return c && c->kind != TINY_NUMBER;
}

static inline void tiny_u32(struct tiny_build *b, const char *key, uint32_t value)
{
	const struct tiny_change *c = tiny_find(b, key);
	if (!tiny_changed_key(b, key))
		tern_gguf_put_u32(b->writer, key, c ? (uint32_t)(int64_t)c->number : value);
}

static inline void tiny_f32(struct tiny_build *b, const char *key, float value)
{
	const struct tiny_change *c = tiny_find(b, key);
	if (!tiny_changed_key(b, key))
		tern_gguf_put_f32(b->writer, key, c ? (float)c->number : value);
}

static inline void tiny_string(struct tiny_build *b, const char *key, const char *value)
{
	if (!tiny_changed_key(b, key))
		tern_gguf_put_string(b->writer, key, value, strlen(value));
}

static inline void tiny_tensor(struct tiny_build *b, const char *name, uint32_t type, uint64_t cols, uint64_t rows)
{
	const struct tiny_change *c = tiny_find(b, name);
	uint64_t dims[GGUF_MAX_DIMS] = {cols, rows ? rows : 1, 1, 1};
	int n_dims = rows ? 2 : 1;

	if (c && c->kind == TINY_SKIP)
		return;
	if (c && c->kind == TINY_WIDER)
		dims[0] *= 2;
	if (c && c->kind == TINY_TYPE)
		type = (uint32_t)c->number;
	if (c && c->kind == TINY_GROUPS) {
		type = GGUF_TENSOR_F16;
		n_dims = 3;
		dims[0] = TERN_PANEL_ROWS;
		dims[1] = 2;
	}
	strcpy(b->names[b->n_tensors], name);
	b->tensors[b->n_tensors].name = b->names[b->n_tensors];
	b->tensors[b->n_tensors].type = type;
	b->failed = b->failed || !tern_gguf_tensor_bytes(type, n_dims, dims, &b->tensors[b->n_tensors].n_bytes);
	b->n_tensors++;
	tern_gguf_add_tensor(b->writer, name, type, n_dims, dims);
}

static inline void tiny_data(struct tiny_build *b, size_t i)
{
	const struct tiny_change *c = tiny_find(b, b->tensors[i].name);
	size_t n = (size_t)b->tensors[i].n_bytes;
	uint8_t *bytes = malloc(n);

	for (size_t k = 0; k < n; k++) /* ternary codes 0..2 */
		bytes[k] = (uint8_t)((test_random() % 3) | (test_random() % 3) << 2 | (test_random() % 3) << 4 |
		                     (test_random() % 3) << 6);
	if (b->tensors[i].type == GGUF_TENSOR_I2_S) { /* 0.5, after the codes */
		const float scale = 0.5f;
		memcpy(bytes + n - 32, &scale, 4);
	}
	if (b->tensors[i].type == GGUF_TENSOR_F32)
		for (size_t k = 0; k + 4 <= n; k += 4) { /* 0.5 .. 1.5 */
			float value = 0.5f + (float)(test_random() % 1024) / 1024.0f;
			if (c && c->kind == TINY_VALUE && k == 0)
				value = (float)c->number;
			memcpy(bytes + k, &value, 4);
		}
	if (c && c->kind == TINY_GROUPS)
		for (size_t k = 0; k + 2 <= n; k += 2) { /* 1, but for the first */
			uint16_t value = k ? 0x3c00 : (uint16_t)c->number;
			memcpy(bytes + k, &value, 2);
		}
	tiny_note(b, tern_gguf_write_data(b->writer, bytes, n, &b->err));
	free(bytes);
}

/* Changes that put all projections into another engine's type, so that opening repacks them. */
static inline const struct tiny_change *tiny_foreign(void)
{
	static const struct tiny_change changes[] = {{"blk.0.attn_q.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL},
	                                             {"blk.0.attn_k.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL},
	                                             {"blk.0.attn_v.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL},
	                                             {"blk.0.attn_output.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL},
	                                             {"blk.0.ffn_gate.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL},
	                                             {"blk.0.ffn_up.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL},
	                                             {"blk.0.ffn_down.weight", TINY_TYPE, GGUF_TENSOR_I2_S, NULL},
	                                             {0}};
	return changes;
}

static inline void tiny_vocabulary(struct tiny_build *b)
{
	static char text[TINY_VOCAB][16];
	static const char *const merges[] = {"t h", "th e"};
	struct gguf_string tokens[TINY_VOCAB], merge_strings[2];
	int32_t types[TINY_VOCAB];
	int extra = 256;

	/* GPT-2's alphabet: printable bytes are themselves, the others characters from U+0100 on. */
	for (int byte = 0; byte < 256; byte++) {
		bool is_printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
		int code = is_printable ? byte : extra++;
		if (code < 128)
			snprintf(text[byte], sizeof text[byte], "%c", code);
		else
			snprintf(text[byte], sizeof text[byte], "%c%c", (char)(0xc0 | code >> 6),
			         (char)(0x80 | (code & 63)));
	}
	strcpy(text[0x00], "th"); /* two bytes make room for merged pieces */
	strcpy(text[0x01], "the");
	strcpy(text[256], "<|bos|>");
	snprintf(text[257], sizeof text[257], "%s", b->end ? b->end : "<|eos|>");
	for (int i = 0; i < TINY_VOCAB; i++) {
		tokens[i] = (struct gguf_string){text[i], strlen(text[i])};
		types[i] = i < 256 ? 1 : 3;
	}
	for (int i = 0; i < 2; i++)
		merge_strings[i] = (struct gguf_string){merges[i], strlen(merges[i])};
	tiny_string(b, "tokenizer.ggml.model", "gpt2");
	tiny_string(b, "tokenizer.ggml.pre", "llama-bpe");
	if (!tiny_changed_key(b, "tokenizer.ggml.tokens"))
		tern_gguf_put_strings(b->writer, "tokenizer.ggml.tokens", tokens, TINY_VOCAB);
	const struct tiny_change *c = tiny_find(b, "tokenizer.ggml.token_type");
	size_t n_types = c && c->kind == TINY_NUMBER ? (size_t)c->number : TINY_VOCAB;
	tern_gguf_put_array(b->writer, "tokenizer.ggml.token_type", GGUF_I32, types, n_types);
	tern_gguf_put_strings(b->writer, "tokenizer.ggml.merges", merge_strings, 2);
	tiny_u32(b, "tokenizer.ggml.bos_token_id", 256);
	tiny_u32(b, "tokenizer.ggml.eos_token_id", 257);
}

static inline void tiny_extra_keys(struct tiny_build *b)
{
	for (const struct tiny_change *c = b->changes; c && c->name; c++)
		if (!strcmp(c->name, TINY_EXTRA) && c->kind == TINY_NUMBER)
			tern_gguf_put_u32(b->writer, c->text, (uint32_t)c->number);
}

static inline void tiny_hyperparameters(struct tiny_build *b)
{
	tiny_string(b, "general.architecture", "llama");
	tiny_u32(b, "llama.block_count", 1);
	tiny_u32(b, "llama.context_length", 64);
	tiny_u32(b, "llama.embedding_length", TINY_EMBD);
	tiny_u32(b, "llama.feed_forward_length", TINY_FF);
	tiny_u32(b, "llama.attention.head_count", TINY_HEADS);
	tiny_u32(b, "llama.attention.head_count_kv", TINY_HEADS_KV);
	tiny_u32(b, "llama.attention.key_length", TINY_HEAD_DIM);
	tiny_u32(b, "llama.attention.value_length", TINY_HEAD_DIM);
	tiny_u32(b, "llama.rope.dimension_count", TINY_HEAD_DIM);
	tiny_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
	tiny_f32(b, "llama.rope.freq_base", 10000.0f);
	tiny_string(b, "llama.rope.scaling.type", "none");
	tiny_string(b, "tern.activation", "per_token");
	tiny_string(b, "tern.linear_norm", "weight");
	tiny_f32(b, "tern.linear_norm_eps", 1e-6f);
}

static inline void tiny_tensors(struct tiny_build *b)
{
	static const char *const linears[] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
	                                      "ffn_gate", "ffn_up", "ffn_down"};
	const uint64_t q = TINY_HEADS * TINY_HEAD_DIM, kv = TINY_HEADS_KV * TINY_HEAD_DIM;
	const uint64_t cols[] = {TINY_EMBD, TINY_EMBD, TINY_EMBD, q, TINY_EMBD, TINY_EMBD, TINY_FF};
	const uint64_t rows[] = {q, kv, kv, TINY_EMBD, TINY_FF, TINY_FF, TINY_EMBD};
	char name[GGUF_MAX_NAME_LENGTH];

	tiny_tensor(b, "token_embd.weight", GGUF_TENSOR_F32, TINY_EMBD, TINY_VOCAB);
	tiny_tensor(b, "output_norm.weight", GGUF_TENSOR_F32, TINY_EMBD, 0);
	tiny_tensor(b, "blk.0.attn_norm.weight", GGUF_TENSOR_F32, TINY_EMBD, 0);
	tiny_tensor(b, "blk.0.ffn_norm.weight", GGUF_TENSOR_F32, TINY_EMBD, 0);
	for (size_t i = 0; i < 7; i++) {
		snprintf(name, sizeof name, "blk.0.%s.weight", linears[i]);
		tiny_tensor(b, name, GGUF_TENSOR_T2R16, cols[i], rows[i]);
		snprintf(name, sizeof name, "blk.0.%s.scale", linears[i]);
		tiny_tensor(b, name, GGUF_TENSOR_F32, 1, 0);
		snprintf(name, sizeof name, "blk.0.%s_norm_in.weight", linears[i]);
		tiny_tensor(b, name, GGUF_TENSOR_F32, cols[i], 0);
	}
	for (const struct tiny_change *c = b->changes; c && c->name; c++)
		if (!strcmp(c->name, TINY_EXTRA) && c->kind == TINY_WIDER)
			tiny_tensor(b, c->text, GGUF_TENSOR_F32, TINY_EMBD, 0);
}

/* False, with the reason in *err, if the writer refused anything since it was created. */
static inline bool tiny_end(struct tiny_build *b, struct tern_error *err)
{
	*err = b->err;
	if (b->failed) {
		tern_gguf_abort(b->writer);
		return false;
	}
	return tern_gguf_commit(b->writer, err) == TERN_OK;
}

/* False, with the reason in *err, if the writer refused. */
static inline bool tiny_model_write(const char *path, const struct tiny_change *changes, struct tern_error *err)
{
	struct tiny_build b = {.changes = changes};

	tiny_note(&b, tern_gguf_create(&b.writer, path, true, &b.err));
	tiny_hyperparameters(&b);
	tiny_extra_keys(&b);
	tiny_vocabulary(&b);
	tiny_tensors(&b);
	tiny_note(&b, tern_gguf_begin_data(b.writer, &b.err));
	for (size_t i = 0; i < b.n_tensors && !b.failed; i++)
		tiny_data(&b, i);
	return tiny_end(&b, err);
}

#endif
