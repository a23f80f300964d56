/* infer/embedding.h and infer/head.h against plain computation: embedding rows and logits of every type, with a
 * vocabulary that is no multiple of 16 and more tokens than one tile takes. */
#include "base/bytes.h"
#include "infer/embedding.h"
#include "infer/engine_init.h"
#include "infer/head.h"
#include "model/layout.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum {
	N_VOCAB = 301,
	N_PADDED = 304,
	N_EMBD = 48,
	N_TOKEN = 20
};

static float rows[N_PADDED][N_EMBD]; /* what the matrix stands for, exactly */
static float output_norm[N_EMBD];
static float row_scales[N_VOCAB];
static _Alignas(64) uint8_t data[N_PADDED * N_EMBD * 4];

static float random_float(void) { return (float)((int64_t)(test_random() % 20001) - 10000) * 1e-4f; }

static void make_q8p(void)
{
	size_t panel_bytes = tern_q8p_panel_bytes(N_EMBD);
	int8_t q[N_PADDED][N_EMBD] = {{0}};

	for (size_t r = 0; r < N_VOCAB; r++) {
		tern_q8p_quantize_row(q[r], &row_scales[r], rows[r], N_EMBD);
		for (size_t c = 0; c < N_EMBD; c++)
			rows[r][c] = (float)q[r][c] * row_scales[r];
	}
	for (size_t p = 0; p < N_PADDED / 16; p++)
		tern_q8p_pack_panel(data + p * panel_bytes, data + (N_PADDED / 16 + p) * panel_bytes, q[16 * p],
		                    N_EMBD);
}

static void make_ternary(float scale)
{
	int8_t weights[N_PADDED][N_EMBD] = {{0}};

	for (size_t r = 0; r < N_VOCAB; r++)
		for (size_t c = 0; c < N_EMBD; c++) {
			weights[r][c] = (int8_t)(test_random() % 3) - 1;
			rows[r][c] = (float)weights[r][c] * scale;
		}
	for (size_t p = 0; p < N_PADDED / 16; p++)
		tern_t2r16_pack_panel(data + p * tern_t2r16_panel_bytes(N_EMBD), weights[16 * p], N_EMBD);
}

/* Random rows in `data` as this type has them, and their values in `rows`. */
static void make(uint32_t type)
{
	for (size_t r = 0; r < N_VOCAB; r++)
		for (size_t c = 0; c < N_EMBD; c++) {
			size_t at = r * N_EMBD + c;
			float value = random_float();
			uint16_t half = tern_f16_from_f32(value), brain = (uint16_t)(tern_bits_from_f32(value) >> 16);
			if (type == GGUF_TENSOR_F32)
				memcpy(data + 4 * at, &value, 4);
			else if (type == GGUF_TENSOR_F16)
				memcpy(data + 2 * at, &half, 2);
			else if (type == GGUF_TENSOR_BF16)
				memcpy(data + 2 * at, &brain, 2);
			rows[r][c] = type == GGUF_TENSOR_F16    ? tern_f32_from_f16(half)
			             : type == GGUF_TENSOR_BF16 ? tern_f32_from_bf16(brain)
			                                        : value;
		}
	if (type == GGUF_TENSOR_Q8P)
		make_q8p();
	if (type == GGUF_TENSOR_T2R16)
		make_ternary(0.25f);
}

static void check_embedding(struct tern_engine *engine, uint32_t type)
{
	const int32_t ids[] = {0, 1, 15, 16, 255, 256, N_VOCAB - 1};
	size_t n = sizeof ids / sizeof *ids;

	for (size_t i = 0; i < n; i++)
		engine->tokens[i].id = ids[i];
	engine->n_token = n;
	tern_embed(engine);
	for (size_t i = 0; i < n; i++)
		CHECK(!memcmp(engine->x + i * N_EMBD, rows[ids[i]], sizeof rows[0]), "%s: row %d",
		      tern_gguf_type_name(type), ids[i]);
}

/* What the head multiplies by: the normed vector, or its int8 for integer heads. */
static double head_input(const struct tern_engine *engine, const double *normed, size_t token, size_t c,
                         bool is_quantized)
{
	const struct tern_quantized *quantized = &engine->quantized[0];

	if (!is_quantized)
		return normed[c];
	double scale = (double)quantized->activations[token].scale, steps = quantized->q[token * N_EMBD + c];
	CHECK(fabs(steps - normed[c] * scale) < 0.5001, "token %zu, column %zu: %g for %g", token, c, steps,
	      normed[c] * scale);
	return steps / scale;
}

static void check_logits(struct tern_engine *engine, uint32_t type, size_t first, size_t n_token)
{
	static float logits[N_TOKEN * N_VOCAB];
	bool is_quantized = type == GGUF_TENSOR_Q8P || type == GGUF_TENSOR_T2R16;
	size_t n_wrong = 0;

	for (size_t i = 0; i < (first + n_token) * N_EMBD; i++)
		engine->x[i] = 3 * random_float();
	tern_head(engine, engine->x + first * N_EMBD, n_token, logits);
	for (size_t t = 0; t < n_token; t++) {
		const float *x = engine->x + (first + t) * N_EMBD;
		double squares = 0, in[N_EMBD];
		for (size_t c = 0; c < N_EMBD; c++)
			squares += (double)x[c] * (double)x[c];
		for (size_t c = 0; c < N_EMBD; c++)
			in[c] = (double)x[c] / sqrt(squares / N_EMBD + 1e-5) * (double)output_norm[c];
		for (size_t c = 0; c < N_EMBD; c++)
			in[c] = head_input(engine, in, t, c, is_quantized);
		for (size_t r = 0; r < N_VOCAB; r++) {
			double sum = 0;
			for (size_t c = 0; c < N_EMBD; c++)
				sum += in[c] * (double)rows[r][c];
			n_wrong += !(fabs((double)logits[t * N_VOCAB + r] - sum) < 2e-5);
		}
	}
	CHECK(n_wrong == 0, "%s: %zu logits of %zu tokens wrong", tern_gguf_type_name(type), n_wrong, n_token);
}

static void check_type(uint32_t type)
{
	struct tern_transformer t = {.hparams = {.n_layer = 1,
	                                         .n_embd = N_EMBD,
	                                         .n_head = 1,
	                                         .n_head_kv = 1,
	                                         .head_dim = 16,
	                                         .n_ff = 16,
	                                         .n_vocab = N_VOCAB,
	                                         .n_rot = 16,
	                                         .rms_eps = 1e-5f,
	                                         .embedding_scale = 1.0f,
	                                         .logit_divisor = 1.0f},
	                             .output_norm = output_norm};
	struct tern_engine engine;
	struct tern_error err;

	make(type);
	t.head_is_ternary = type == GGUF_TENSOR_T2R16;
	t.head = t.embedding = (struct tern_matrix){type, N_VOCAB, N_EMBD, data, row_scales};
	t.ternary_head = (struct tern_linear){.n_row = N_VOCAB, .n_col = N_EMBD, .panels = data, .scale = 0.25f};
	if (tern_engine_init(&engine, &t, 2, 64, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	if (!t.head_is_ternary)
		check_embedding(&engine, type);
	check_logits(&engine, type, 0, N_TOKEN);
	check_logits(&engine, type, 7, 1);
	tern_engine_clear(&engine);
}

int main(void)
{
	static const uint32_t types[] = {GGUF_TENSOR_F32, GGUF_TENSOR_F16, GGUF_TENSOR_BF16, GGUF_TENSOR_Q8P,
	                                 GGUF_TENSOR_T2R16};

	for (size_t c = 0; c < N_EMBD; c++)
		output_norm[c] = random_float();
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		check_type(types[i]);
	return test_summary();
}
