/* infer/kv.h: every key and value is found where it was put, in both kinds of cache, and stays there as the
 * context grows. */
#include "base/bytes.h"
#include "base/sizes.h"
#include "infer/kv.h"
#include "test.h"

#include <math.h>

enum {
	N_LAYER = 3,
	N_HEAD = 9,
	DIM = 120, /* values are padded to 128 */
	N_POS = 4 * TERN_ATTENTION_BLOCK + 30,
	N_CTX = N_POS + 10,
};

/* A vector that says where it belongs, in numbers that half floats hold exactly. */
static void fill(float *x, size_t layer, size_t head, size_t position, bool is_value)
{
	for (size_t d = 0; d < DIM; d++)
		x[d] = (float)((d + head) % 7);
	x[0] = (float)(layer + 10 * is_value);
	x[1] = (float)head;
	x[2] = (float)(position / 256);
	x[3] = (float)(position % 256);
}

static void store_all(const struct tern_kv *kv, size_t first, size_t end)
{
	const struct tern_kernels *kernels = &tern_kernels_portable;
	float key[DIM], value[DIM];
	uint16_t scratch[DIM];

	for (size_t position = first; position < end; position++)
		for (size_t layer = 0; layer < N_LAYER; layer++)
			for (size_t head = 0; head < N_HEAD; head++) {
				fill(key, layer, head, position, false);
				fill(value, layer, head, position, true);
				tern_kv_store(kv, kernels, layer, head, position, key, value, scratch);
			}
}

/* Element i of an int8 vector with that scale, or of halves. */
static float element(const void *elements, size_t i, const float *scale)
{
	return scale ? (float)((const int8_t *)elements)[i] * *scale
	             : tern_f32_from_f16(((const uint16_t *)elements)[i]);
}

static size_t count_wrong(const struct tern_kv *kv, size_t layer, size_t head, size_t position)
{
	struct tern_attention_block block;
	size_t lane = position % TERN_CACHE_PANEL, n_wrong = 0;
	float key[DIM], value[DIM];

	tern_kv_locate(kv, layer, head, position - lane, &block);
	fill(key, layer, head, position, false);
	fill(value, layer, head, position, true);
	for (size_t d = 0; d < DIM; d++) {
		const float *k_scale = block.k_scales ? &block.k_scales[lane] : NULL;
		const float *v_scale = block.v_scales ? &block.v_scales[lane] : NULL;
		float k = element(block.k, d * TERN_CACHE_PANEL + lane, k_scale);
		float v = element(block.v, tern_value_index(lane, d), v_scale);
		n_wrong += fabsf(k - key[d]) > (k_scale ? 0.51f * *k_scale : 0.0f);
		n_wrong += fabsf(v - value[d]) > (v_scale ? 0.51f * *v_scale : 0.0f);
	}
	return n_wrong;
}

static void check_all(const struct tern_kv *kv, size_t end, const char *when)
{
	size_t n_wrong = 0;

	for (size_t layer = 0; layer < N_LAYER; layer++)
		for (size_t head = 0; head < N_HEAD; head++)
			for (size_t position = 0; position < end; position++)
				n_wrong += count_wrong(kv, layer, head, position);
	CHECK(n_wrong == 0, "%s: %zu elements are not what was stored", when, n_wrong);
}

static void test_type(enum tern_kv_type type)
{
	const struct tern_hparams hparams = {.n_layer_kv = N_LAYER, .n_head_kv = N_HEAD, .head_dim = DIM};
	struct tern_kv kv;
	struct tern_error err;

	if (tern_kv_init(&kv, &hparams, type, N_CTX, &err) != TERN_OK) {
		CHECK(false, "%s", err.message);
		return;
	}
	for (size_t first = 0; first < N_POS; first += 100)
		store_all(&kv, first, tern_smaller(first + 100, N_POS));
	check_all(&kv, N_POS, "at the end");
	store_all(&kv, TERN_ATTENTION_BLOCK, N_CTX);
	check_all(&kv, N_CTX, "after going back");
	tern_kv_free(&kv);
}

int main(void)
{
	test_type(TERN_KV_F16);
	test_type(TERN_KV_Q8);
	return test_summary();
}
