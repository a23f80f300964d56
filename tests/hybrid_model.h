/* Writes a GGUF model of architecture qwen35 of some 300 KB: four layers, the last with attention, random ternary
 * weights. Its numbers are kept in the order of the checkpoint, value heads that share a key head side by side; the
 * file gets them in the order of llama.cpp. HYBRID_SIZE 64, defined before, makes a file of 2 MB, of whose state 1 MiB
 * holds few snapshots. */
#ifndef TESTS_HYBRID_MODEL_H
#define TESTS_HYBRID_MODEL_H

#include "tiny_model.h"

#include <math.h>

#ifndef HYBRID_SIZE
#define HYBRID_SIZE 16
#endif

enum {
	EMBD = 64,
	FF = 64,
	VOCAB = TINY_VOCAB,
	LAYERS = 4,
	PERIOD = 4, /* the last layer of each is attention */
	HEADS = 4,
	HEADS_KV = 2,
	DIM = 32, /* of heads of attention */
	WIDTH = HEADS * DIM,
	ROT = 8,
	SECTIONS_ROT = 4, /* twice the first section of M-RoPE */
	KEYS = 2,         /* heads of a delta net */
	VALUES = 6,
	REP = VALUES / KEYS,
	SIZE = HYBRID_SIZE, /* of these heads */
	N_KEY = KEYS * SIZE,
	N_VALUE = VALUES * SIZE,
	CONV = 2 * N_KEY + N_VALUE,
	TAPS = 4,
	BLOCK = 32, /* of the Hadamard transform */
};

static const double rope_base = 100.0;

struct hybrid_layer {
	float attn_norm[EMBD], ffn_norm[EMBD], ffn_gate[FF * EMBD], ffn_up[FF * EMBD], ffn_down[EMBD * FF];
	/* attention */
	float q[2 * WIDTH * EMBD], k[HEADS_KV * DIM * EMBD], v[HEADS_KV * DIM * EMBD], o[EMBD * WIDTH];
	float q_norm[DIM], k_norm[DIM];
	/* delta net */
	float qkv[CONV * EMBD], gate[N_VALUE * EMBD], beta[VALUES * EMBD], alpha[VALUES * EMBD], out[EMBD * N_VALUE];
	float conv[CONV * TAPS], decay[VALUES], bias[VALUES], norm[SIZE];
};

static struct hybrid {
	float embedding[VOCAB * EMBD], head[VOCAB * EMBD], output_norm[EMBD];
	struct hybrid_layer layers[LAYERS];
	/* Signs of the transforms, by width. */
	float signs_embd[EMBD], signs_value[N_VALUE], signs_width[WIDTH];
} net;

/* Names of changes that are no key's, whatever their kind. */
#define HYBRID_TERNARY_GATE    "a ternary gate"
#define HYBRID_FLOAT_EMBEDDING "a float embedding"
#define HYBRID_SIGN            "a sign"       /* `number` is one of the signs */
#define HYBRID_OTHER_NAME      "another name" /* `text` is, in place of the last, that of a folded weight */
#define HYBRID_NAME_LESS       "a name less"  /* of the folded weights */

/* What is written. */
struct hybrid_kind {
	bool is_folded, is_tied, has_mtp;
	/* TINY_SKIP, TINY_NUMBER or TINY_STRING of a key, or one of the names above; may be NULL. */
	const struct tiny_change *changes;
	const char *end; /* the EOS token; NULL: that of tiny_model.h */
};

static float hybrid_uniform(float low, float high)
{
	return low + (high - low) * (float)(test_random() % 65536) / 65536.0f;
}

static void fill_uniform(float *x, size_t n, float low, float high)
{
	for (size_t i = 0; i < n; i++)
		x[i] = hybrid_uniform(low, high);
}

static void fill_ternary(float *w, size_t n_row, size_t n_col, float size)
{
	for (size_t i = 0; i < n_row * n_col; i++)
		w[i] = (float)((int)(test_random() % 3) - 1) * size / sqrtf((float)n_col);
}

static void fill_signs(float *signs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		signs[i] = test_random() % 2 ? 1.0f : -1.0f;
}

static void hybrid_fill(void)
{
	fill_ternary(net.embedding, VOCAB, EMBD, sqrtf(EMBD));
	fill_ternary(net.head, VOCAB, EMBD, 1.0f);
	fill_uniform(net.output_norm, EMBD, 0.5f, 1.5f);
	fill_signs(net.signs_embd, EMBD);
	fill_signs(net.signs_value, N_VALUE);
	fill_signs(net.signs_width, WIDTH);
	for (size_t i = 0; i < LAYERS; i++) {
		struct hybrid_layer *l = &net.layers[i];
		fill_uniform(l->attn_norm, EMBD, 0.5f, 1.5f);
		fill_uniform(l->ffn_norm, EMBD, 0.5f, 1.5f);
		fill_ternary(l->ffn_gate, FF, EMBD, 1.2f);
		fill_ternary(l->ffn_up, FF, EMBD, 1.2f);
		fill_ternary(l->ffn_down, EMBD, FF, 1.2f);
		fill_ternary(l->q, 2 * WIDTH, EMBD, 2.0f);
		fill_ternary(l->k, HEADS_KV * DIM, EMBD, 1.2f);
		fill_ternary(l->v, HEADS_KV * DIM, EMBD, 1.2f);
		fill_ternary(l->o, EMBD, WIDTH, 4.0f);
		fill_uniform(l->q_norm, DIM, 0.7f, 1.7f);
		fill_uniform(l->k_norm, DIM, 0.7f, 1.7f);
		fill_ternary(l->qkv, CONV, EMBD, 1.2f);
		fill_ternary(l->gate, N_VALUE, EMBD, 1.2f);
		fill_uniform(l->beta, VALUES * EMBD, -0.3f, 0.3f); /* these two are not ternary */
		fill_uniform(l->alpha, VALUES * EMBD, -0.3f, 0.3f);
		fill_ternary(l->out, EMBD, N_VALUE, 1.2f);
		fill_uniform(l->conv, CONV * TAPS, -1.0f, 1.0f);
		fill_uniform(l->decay, VALUES, -1.5f, -0.2f);
		fill_uniform(l->bias, VALUES, -2.0f, 1.0f);
		fill_uniform(l->norm, SIZE, 0.5f, 1.5f);
	}
}

/* ---- the file ---- */

/* Where head or channel number `tiled` of a file comes from. */
static size_t head_of(size_t tiled) { return tiled % KEYS * REP + tiled / KEYS; }

static size_t channel_of(size_t tiled)
{
	return tiled < 2 * N_KEY ? tiled
	                         : 2 * N_KEY + head_of((tiled - 2 * N_KEY) / SIZE) * SIZE + (tiled - 2 * N_KEY) % SIZE;
}

static size_t value_of(size_t tiled) { return head_of(tiled / SIZE) * SIZE + tiled % SIZE; }

/* Two passes over the same tensors: the first declares them, the second writes their data. */
struct hybrid_pass {
	struct tiny_build *build;
	bool writes;
};

static void put_rows(struct hybrid_pass *p, const char *name, const float *w, size_t n_row, size_t n_col,
                     size_t (*row_of)(size_t), size_t (*col_of)(size_t))
{
	const uint64_t dims[GGUF_MAX_DIMS] = {n_col, n_row ? n_row : 1, 1, 1};
	size_t n = (n_row ? n_row : 1) * n_col;
	float *copy;

	if (!p->writes) {
		tern_gguf_add_tensor(p->build->writer, name, GGUF_TENSOR_F32, n_row ? 2 : 1, dims);
		return;
	}
	if (!(copy = malloc(n * sizeof *copy)))
		exit(1);
	for (size_t i = 0; i < n; i++) {
		size_t row = i / n_col, col = i % n_col;
		copy[i] = w[(row_of ? row_of(row) : row) * n_col + (col_of ? col_of(col) : col)];
	}
	tiny_note(p->build, tern_gguf_write_data(p->build->writer, copy, n * sizeof *copy, &p->build->err));
	free(copy);
}

/* A matrix of up to VOCAB rows in tern's type: that of a vocabulary would else stay floats. */
static void put_ternary(struct hybrid_pass *p, const char *stem, const float *w, size_t n_row)
{
	static uint8_t panels[(VOCAB + 15) / 16 * 16 * EMBD / 4];
	const uint64_t dims[GGUF_MAX_DIMS] = {EMBD, n_row, 1, 1};
	size_t n_bytes = (n_row + 15) / 16 * tern_t2r16_panel_bytes(EMBD);
	uint8_t codes[EMBD];
	char name[GGUF_MAX_NAME_LENGTH];
	float scale = 0.0f;

	for (size_t i = 0; i < n_row * EMBD; i++)
		scale = w[i] > scale ? w[i] : scale;
	memset(panels, 0, sizeof panels);
	for (size_t row = 0; row < n_row; row++) {
		for (size_t c = 0; c < EMBD; c++)
			codes[c] = (uint8_t)(w[row * EMBD + c] > 0.0f ? 2 : w[row * EMBD + c] < 0.0f ? 0 : 1);
		tern_t2r16_pack_row(panels + row / 16 * tern_t2r16_panel_bytes(EMBD), row % 16, codes, EMBD);
	}
	snprintf(name, sizeof name, "%s.weight", stem);
	if (p->writes)
		tiny_note(p->build, tern_gguf_write_data(p->build->writer, panels, n_bytes, &p->build->err));
	else
		tern_gguf_add_tensor(p->build->writer, name, GGUF_TENSOR_T2R16, 2, dims);
	snprintf(name, sizeof name, "%s.scale", stem);
	put_rows(p, name, &scale, 0, 1, NULL, NULL);
}

static void put_matrix(struct hybrid_pass *p, size_t layer, const char *what, const float *w, size_t n_row,
                       size_t n_col, size_t (*row_of)(size_t), size_t (*col_of)(size_t))
{
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "blk.%zu.%s", layer, what);
	put_rows(p, name, w, n_row, n_col, row_of, col_of);
}

static void put_vector(struct hybrid_pass *p, size_t layer, const char *what, const float *x, size_t n,
                       size_t (*item_of)(size_t))
{
	put_matrix(p, layer, what, x, 0, n, NULL, item_of);
}

static void put_attention(struct hybrid_pass *p, size_t i, const struct hybrid_layer *l)
{
	put_matrix(p, i, "attn_q.weight", l->q, 2 * WIDTH, EMBD, NULL, NULL);
	put_matrix(p, i, "attn_k.weight", l->k, HEADS_KV * DIM, EMBD, NULL, NULL);
	put_matrix(p, i, "attn_v.weight", l->v, HEADS_KV * DIM, EMBD, NULL, NULL);
	put_matrix(p, i, "attn_output.weight", l->o, EMBD, WIDTH, NULL, NULL);
	put_vector(p, i, "attn_q_norm.weight", l->q_norm, DIM, NULL);
	put_vector(p, i, "attn_k_norm.weight", l->k_norm, DIM, NULL);
}

static void put_delta(struct hybrid_pass *p, size_t i, const struct hybrid_layer *l, bool is_folded)
{
	put_matrix(p, i, "attn_qkv.weight", l->qkv, CONV, EMBD, channel_of, NULL);
	put_matrix(p, i, "attn_gate.weight", l->gate, N_VALUE, EMBD, value_of, NULL);
	if (i == 0 && tiny_find(p->build, HYBRID_TERNARY_GATE))
		put_ternary(p, "blk.0.ssm_beta", l->beta, VALUES);
	else
		put_matrix(p, i, "ssm_beta.weight", l->beta, VALUES, EMBD, head_of, NULL);
	put_matrix(p, i, "ssm_alpha.weight", l->alpha, VALUES, EMBD, head_of, NULL);
	put_matrix(p, i, "ssm_conv1d.weight", l->conv, CONV, TAPS, channel_of, NULL);
	put_vector(p, i, "ssm_a", l->decay, VALUES, head_of);
	put_vector(p, i, "ssm_dt.bias", l->bias, VALUES, head_of);
	put_vector(p, i, "ssm_norm.weight", l->norm, SIZE, NULL);
	put_matrix(p, i, "ssm_out.weight", l->out, EMBD, N_VALUE, NULL, is_folded ? NULL : value_of);
}

static void put_mtp(struct hybrid_pass *p)
{
	const struct hybrid_layer *l = &net.layers[0]; /* any numbers will do */

	put_attention(p, LAYERS, l);
	put_matrix(p, LAYERS, "nextn.eh_proj.weight", l->q, EMBD, 2 * EMBD, NULL, NULL);
	put_vector(p, LAYERS, "nextn.enorm.weight", l->attn_norm, EMBD, NULL);
	put_vector(p, LAYERS, "nextn.hnorm.weight", l->attn_norm, EMBD, NULL);
	put_vector(p, LAYERS, "nextn.shared_head_norm.weight", l->attn_norm, EMBD, NULL);
}

static void put_tensors(struct hybrid_pass *p, const struct hybrid_kind *kind)
{
	if (tiny_find(p->build, HYBRID_FLOAT_EMBEDDING))
		put_rows(p, "token_embd.weight", net.embedding, VOCAB, EMBD, NULL, NULL);
	else
		put_ternary(p, "token_embd", net.embedding, VOCAB);
	if (!kind->is_tied)
		put_ternary(p, "output", net.head, VOCAB);
	put_rows(p, "output_norm.weight", net.output_norm, 0, EMBD, NULL, NULL);
	for (size_t i = 0; i < LAYERS; i++) {
		const struct hybrid_layer *l = &net.layers[i];
		if ((i + 1) % PERIOD == 0)
			put_attention(p, i, l);
		else
			put_delta(p, i, l, kind->is_folded);
		put_vector(p, i, "attn_norm.weight", l->attn_norm, EMBD, NULL);
		put_vector(p, i, "post_attention_norm.weight", l->ffn_norm, EMBD, NULL);
		put_matrix(p, i, "ffn_gate.weight", l->ffn_gate, FF, EMBD, NULL, NULL);
		put_matrix(p, i, "ffn_up.weight", l->ffn_up, FF, EMBD, NULL, NULL);
		put_matrix(p, i, "ffn_down.weight", l->ffn_down, EMBD, FF, NULL, NULL);
	}
	if (kind->has_mtp)
		put_mtp(p);
}

static void put_numbers(struct tiny_build *b, const struct hybrid_kind *kind)
{
	const int32_t sections[] = {SECTIONS_ROT / 2, 1, ROT / 2 - SECTIONS_ROT / 2 - 1, 0};

	tiny_string(b, "general.architecture", "qwen35");
	tiny_u32(b, "qwen35.block_count", LAYERS + kind->has_mtp);
	if (kind->has_mtp)
		tiny_u32(b, "qwen35.nextn_predict_layers", 1);
	tiny_u32(b, "qwen35.context_length", 1024);
	tiny_u32(b, "qwen35.embedding_length", EMBD);
	tiny_u32(b, "qwen35.feed_forward_length", FF);
	tiny_u32(b, "qwen35.attention.head_count", HEADS);
	tiny_u32(b, "qwen35.attention.head_count_kv", HEADS_KV);
	tiny_u32(b, "qwen35.attention.key_length", DIM);
	tiny_u32(b, "qwen35.attention.value_length", DIM);
	tiny_u32(b, "qwen35.rope.dimension_count", ROT);
	tiny_f32(b, "qwen35.rope.freq_base", (float)rope_base);
	tiny_f32(b, "qwen35.attention.layer_norm_rms_epsilon", 1e-6f);
	tiny_u32(b, "qwen35.ssm.conv_kernel", TAPS);
	tiny_u32(b, "qwen35.ssm.state_size", SIZE);
	tiny_u32(b, "qwen35.ssm.group_count", KEYS);
	tiny_u32(b, "qwen35.ssm.time_step_rank", VALUES);
	tiny_u32(b, "qwen35.ssm.inner_size", N_VALUE);
	tiny_u32(b, "qwen35.full_attention_interval", PERIOD);
	if (!tiny_changed_key(b, "qwen35.rope.dimension_sections"))
		tern_gguf_put_array(b->writer, "qwen35.rope.dimension_sections", GGUF_I32, sections, 4);
	/* Small groups, so that rounding activations hides nothing. */
	tiny_string(b, "tern.activation", "per_group");
	tiny_u32(b, "tern.activation_group", 16);
}

static void put_names(struct tiny_build *b, bool is_tied)
{
	static const char *const delta[] = {"attn_qkv", "attn_gate", "ssm_out"};
	static const char *const attention[] = {"attn_q", "attn_k", "attn_v", "attn_output"};
	static const char *const ffn[] = {"ffn_gate", "ffn_up", "ffn_down"};
	static const struct gguf_string rows = {"token_embd.weight", 17};
	char text[LAYERS * 7 + 1][GGUF_MAX_NAME_LENGTH];
	struct gguf_string names[LAYERS * 7 + 1];
	size_t n = 0;

	for (size_t i = 0; i < LAYERS; i++) {
		bool is_attention = (i + 1) % PERIOD == 0;
		for (size_t k = 0; k < (is_attention ? 4 : 3); k++)
			snprintf(text[n++], GGUF_MAX_NAME_LENGTH, "blk.%zu.%s.weight", i,
			         is_attention ? attention[k] : delta[k]);
		for (size_t k = 0; k < 3; k++)
			snprintf(text[n++], GGUF_MAX_NAME_LENGTH, "blk.%zu.%s.weight", i, ffn[k]);
	}
	if (!is_tied) /* else the embedding is listed for its rows alone */
		snprintf(text[n++], GGUF_MAX_NAME_LENGTH, "output.weight");
	const struct tiny_change *other = tiny_find(b, HYBRID_OTHER_NAME);
	for (size_t i = 0; i < n; i++)
		names[i] = (struct gguf_string){text[i], strlen(text[i])};
	if (other)
		names[n - 1] = (struct gguf_string){other->text, strlen(other->text)};
	if (tiny_find(b, HYBRID_NAME_LESS))
		n--;
	tern_gguf_put_strings(b->writer, "prism.hadamard.weight_names", names, n);
	if (!tiny_changed_key(b, "prism.hadamard.inverse_weight_names"))
		tern_gguf_put_strings(b->writer, "prism.hadamard.inverse_weight_names", &rows, 1);
}

static void put_transform(struct tiny_build *b, bool is_tied)
{
	const int32_t widths[] = {EMBD, N_VALUE, WIDTH};
	const float *signs[] = {net.signs_embd, net.signs_value, net.signs_width};
	int8_t values[EMBD + N_VALUE + WIDTH], *value = values;

	for (size_t i = 0; i < 3; i++)
		for (int32_t k = 0; k < widths[i]; k++)
			*value++ = (int8_t)signs[i][k];
	const struct tiny_change *sign = tiny_find(b, HYBRID_SIGN);
	if (sign)
		values[5] = (int8_t)sign->number;
	tiny_u32(b, "prism.hadamard.version", is_tied ? 2 : 1);
	tiny_string(b, "prism.hadamard.transform", "normalized-sylvester-walsh-hadamard");
	tiny_string(b, "prism.hadamard.axis", "input-last-dimension");
	tiny_u32(b, "prism.hadamard.block_size", BLOCK);
	tiny_string(b, "prism.hadamard.sign_mode", "explicit");
	if (!tiny_changed_key(b, "prism.hadamard.sign_widths"))
		tern_gguf_put_array(b->writer, "prism.hadamard.sign_widths", GGUF_I32, widths, 3);
	if (!tiny_changed_key(b, "prism.hadamard.sign_values"))
		tern_gguf_put_array(b->writer, "prism.hadamard.sign_values", GGUF_I8, values, sizeof values);
	if (!tiny_changed_key(b, "prism.hadamard.gdn_v_grouped"))
		tern_gguf_put_bool(b->writer, "prism.hadamard.gdn_v_grouped", true);
	if (is_tied && !tiny_changed_key(b, "prism.hadamard.tied_output"))
		tern_gguf_put_bool(b->writer, "prism.hadamard.tied_output", true);
	put_names(b, is_tied);
}

/* False, with the reason in *err, if the writer refused. */
static bool hybrid_write(const char *path, const struct hybrid_kind *kind, struct tern_error *err)
{
	struct tiny_build b = {.changes = kind->changes, .end = kind->end};
	struct hybrid_pass declare = {&b, false}, write = {&b, true};

	tiny_note(&b, tern_gguf_create(&b.writer, path, true, &b.err));
	put_numbers(&b, kind);
	if (kind->is_folded)
		put_transform(&b, kind->is_tied);
	tiny_extra_keys(&b);
	tiny_vocabulary(&b);
	put_tensors(&declare, kind);
	tiny_note(&b, tern_gguf_begin_data(b.writer, &b.err));
	put_tensors(&write, kind);
	return tiny_end(&b, err);
}

#endif
