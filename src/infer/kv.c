#include "infer/kv.h"

#include "base/bytes.h"
#include "base/cache.h"
#include "base/memory.h"
#include "base/sizes.h"

static size_t element_size(enum tern_kv_type type) { return type == TERN_KV_Q8 ? sizeof(int8_t) : sizeof(uint16_t); }

/* Sets the sizes of everything; false if they cannot be counted. */
static bool measure(struct tern_kv *kv, const struct tern_hparams *h, enum tern_kv_type type, size_t n_ctx)
{
	const size_t n_pos = TERN_ATTENTION_BLOCK, n_scale = type == TERN_KV_Q8 ? 2 : 0;
	size_t n_block = tern_divide_up(n_ctx, n_pos), n_cell;

	*kv = (struct tern_kv){
	        .type = type, .n_layer = h->n_layer_kv, .n_head_kv = h->n_head_kv, .head_dim = h->head_dim};
	kv->value_stride = tern_value_stride(h);
	if (!tern_mul_size(h->head_dim, n_pos * element_size(type), &kv->key_bytes) ||
	    !tern_mul_size(kv->value_stride, n_pos * element_size(type), &kv->value_bytes) ||
	    !tern_add_size(kv->key_bytes, kv->value_bytes, &kv->cell_bytes) ||
	    !tern_add_size(kv->cell_bytes, n_scale * n_pos * sizeof(float), &kv->cell_bytes) ||
	    !tern_mul_size(n_block, h->n_layer_kv, &n_cell) || !tern_mul_size(n_cell, h->n_head_kv, &n_cell))
		return false;
	return tern_mul_size(n_cell, kv->cell_bytes, &kv->n_bytes);
}

bool tern_kv_bytes(const struct tern_hparams *h, enum tern_kv_type type, size_t n_ctx, size_t *n_bytes)
{
	struct tern_kv kv;
	bool is_countable = measure(&kv, h, type, n_ctx);

	*n_bytes = kv.n_bytes;
	return is_countable;
}

enum tern_status tern_kv_init(struct tern_kv *kv, const struct tern_hparams *h, enum tern_kv_type type, size_t n_ctx,
                              struct tern_error *err)
{
	if (!measure(kv, h, type, n_ctx))
		kv->n_bytes = SIZE_MAX;
	else
		kv->cells = tern_alloc_huge(kv->n_bytes, 1);
	if (!kv->cells)
		return tern_fail(err, TERN_ERR_FAILED, "out of memory for a context of %zu tokens (%zu MiB)", n_ctx,
		                 kv->n_bytes >> 20);
	return TERN_OK;
}

void tern_kv_free(struct tern_kv *kv)
{
	tern_free(kv->cells);
	*kv = (struct tern_kv){0};
}

uint64_t tern_kv_position_bytes(const struct tern_hparams *h, enum tern_kv_type type)
{
	size_t n_scale = type == TERN_KV_Q8 ? 2 : 0;
	return (uint64_t)h->n_layer_kv * h->n_head_kv *
	       ((h->head_dim + tern_value_stride(h)) * element_size(type) + n_scale * sizeof(float));
}

static uint8_t *cell_of(const struct tern_kv *kv, size_t layer, size_t head, size_t position)
{
	size_t block = position / TERN_ATTENTION_BLOCK;
	return kv->cells + ((block * kv->n_layer + layer) * kv->n_head_kv + head) * kv->cell_bytes;
}

/* The scales of keys; those of values follow. NULL if there are none. */
static float *scales_of(const struct tern_kv *kv, uint8_t *cell)
{
	return kv->type == TERN_KV_Q8 ? (float *)(void *)(cell + kv->key_bytes + kv->value_bytes) : NULL;
}

void tern_kv_locate(const struct tern_kv *kv, size_t layer, size_t head, size_t position,
                    struct tern_attention_block *block)
{
	uint8_t *cell = cell_of(kv, layer, head, position);
	float *scales = scales_of(kv, cell);
	size_t i = position % TERN_ATTENTION_BLOCK;

	block->k = cell + tern_kv_key_bytes(kv, i);
	block->v = cell + kv->key_bytes + tern_value_index(i, 0) * element_size(kv->type);
	block->k_scales = scales ? scales + i : NULL;
	block->v_scales = scales ? scales + TERN_ATTENTION_BLOCK + i : NULL;
}

size_t tern_kv_key_bytes(const struct tern_kv *kv, size_t n_pos)
{
	return n_pos * kv->head_dim * element_size(kv->type);
}

static void store_f16(uint16_t *k, uint16_t *v, size_t n, const struct tern_kernels *kernels, const float *key,
                      const float *value, uint16_t *scratch)
{
	kernels->to_f16(scratch, key, n);
	for (size_t d = 0; d < n; d++)
		k[d * TERN_CACHE_PANEL] = scratch[d];
	kernels->to_f16(scratch, value, n);
	for (size_t d = 0; d < n; d++)
		v[tern_value_index(0, d)] = scratch[d];
}

/* The element is x * scale, rounded, so that the largest is 127; what is kept is the factor that leads back. */
static void store_q8(int8_t *k, int8_t *v, float *k_scale, float *v_scale, size_t n, const struct tern_kernels *kernels,
                     const float *key, const float *value, int8_t *scratch)
{
	*k_scale = 1.0f / kernels->norm_quantize(scratch, key, NULL, 1.0f, n).scale;
	for (size_t d = 0; d < n; d++)
		k[d * TERN_CACHE_PANEL] = scratch[d];
	*v_scale = 1.0f / kernels->norm_quantize(scratch, value, NULL, 1.0f, n).scale;
	for (size_t d = 0; d < n; d++)
		v[tern_value_index(0, d)] = scratch[d];
}

/* Where the key and the value of a position go. */
static void locate_one(const struct tern_kv *kv, uint8_t *cell, size_t position, uint8_t **key, uint8_t **value)
{
	size_t i = position % TERN_ATTENTION_BLOCK, lane = position % TERN_CACHE_PANEL;

	*key = cell + tern_kv_key_bytes(kv, i - lane) + lane * element_size(kv->type);
	*value = cell + kv->key_bytes + tern_value_index(i, 0) * element_size(kv->type);
}

void tern_kv_prefetch(const struct tern_kv *kv, size_t layer, size_t head, size_t position)
{
	uint8_t *key, *value;

	locate_one(kv, cell_of(kv, layer, head, position), position, &key, &value);
	for (size_t d = 0; d < kv->head_dim; d += TERN_CACHE_LINE / (TERN_CACHE_PANEL * element_size(kv->type)))
		__builtin_prefetch(key + d * TERN_CACHE_PANEL * element_size(kv->type), 1);
	for (size_t d = 0; d < kv->head_dim; d += TERN_CACHE_PANEL)
		__builtin_prefetch(value + tern_value_index(0, d) * element_size(kv->type), 1);
}

void tern_kv_store(const struct tern_kv *kv, const struct tern_kernels *kernels, size_t layer, size_t head,
                   size_t position, const float *key, const float *value, void *scratch)
{
	uint8_t *cell = cell_of(kv, layer, head, position), *k, *v;
	size_t i = position % TERN_ATTENTION_BLOCK;
	float *scales = scales_of(kv, cell);

	locate_one(kv, cell, position, &k, &v);
	if (scales)
		store_q8((int8_t *)k, (int8_t *)v, scales + i, scales + TERN_ATTENTION_BLOCK + i, kv->head_dim, kernels,
		         key, value, scratch);
	else
		store_f16((uint16_t *)(void *)k, (uint16_t *)(void *)v, kv->head_dim, kernels, key, value, scratch);
}
