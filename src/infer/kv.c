#include "infer/kv.h"

#include "base/bytes.h"
#include "base/machine.h"
#include "base/memory.h"

static size_t element_size(enum tern_kv_type type) { return type == TERN_KV_Q8 ? sizeof(int8_t) : sizeof(uint16_t); }

/* How many elements and scales the whole context has. */
struct extent {
	size_t n_keys, n_values, n_scales; /* n_scales: of keys, and of values */
	uint64_t n_bytes;
};

/* False if they cannot be counted. */
static bool measure(struct tern_kv *kv, const struct tern_hparams *h, enum tern_kv_type type, size_t n_ctx,
                    struct extent *extent)
{
	size_t n_padded = (n_ctx + TERN_KEY_PANEL - 1) / TERN_KEY_PANEL * TERN_KEY_PANEL;
	size_t n_head = h->n_layer * h->n_head_kv, n_elements, n_bytes, n_scale_bytes;

	*kv = (struct tern_kv){.type = type, .n_head_kv = h->n_head_kv, .head_dim = h->head_dim};
	kv->value_stride = tern_value_stride(h);
	kv->scales_per_head = type == TERN_KV_Q8 ? n_padded : 0;
	if (!tern_mul_size(n_padded, h->head_dim, &kv->keys_per_head) ||
	    !tern_mul_size(n_ctx, kv->value_stride, &kv->values_per_head) ||
	    !tern_mul_size(n_head, kv->keys_per_head, &extent->n_keys) ||
	    !tern_mul_size(n_head, kv->values_per_head, &extent->n_values) ||
	    !tern_mul_size(n_head, kv->scales_per_head, &extent->n_scales) ||
	    !tern_add_size(extent->n_keys, extent->n_values, &n_elements) ||
	    !tern_mul_size(n_elements, element_size(type), &n_bytes) ||
	    !tern_mul_size(extent->n_scales, 2 * sizeof(float), &n_scale_bytes))
		return false;
	return tern_add_u64(n_bytes, n_scale_bytes, &extent->n_bytes);
}

enum tern_status tern_kv_init(struct tern_kv *kv, const struct tern_hparams *h, enum tern_kv_type type, size_t n_ctx,
                              struct tern_error *err)
{
	struct extent extent = {.n_bytes = UINT64_MAX};
	uint64_t available = tern_available_memory();

	/* Systems that overcommit would kill the process later instead of refusing now. */
	if (!measure(kv, h, type, n_ctx, &extent) || extent.n_bytes > available)
		return tern_fail(err, TERN_ERR_FAILED,
		                 "a context of %zu tokens needs %llu MiB of memory, %llu MiB are available", n_ctx,
		                 (unsigned long long)(extent.n_bytes >> 20), (unsigned long long)(available >> 20));
	kv->keys = tern_alloc_aligned(extent.n_keys, element_size(type));
	kv->values = tern_alloc_aligned(extent.n_values, element_size(type));
	kv->key_scales = tern_alloc_aligned(extent.n_scales, sizeof *kv->key_scales);
	kv->value_scales = tern_alloc_aligned(extent.n_scales, sizeof *kv->value_scales);
	if (!kv->keys || !kv->values || !kv->key_scales || !kv->value_scales) {
		tern_kv_free(kv);
		return tern_fail(err, TERN_ERR_FAILED, "out of memory for a context of %zu tokens (%llu MiB)", n_ctx,
		                 (unsigned long long)(extent.n_bytes >> 20));
	}
	return TERN_OK;
}

void tern_kv_free(struct tern_kv *kv)
{
	tern_free(kv->keys);
	tern_free(kv->values);
	tern_free(kv->key_scales);
	tern_free(kv->value_scales);
	*kv = (struct tern_kv){0};
}

uint64_t tern_kv_position_bytes(const struct tern_hparams *h, enum tern_kv_type type)
{
	size_t n_scale = type == TERN_KV_Q8 ? 2 : 0;
	return (uint64_t)h->n_layer * h->n_head_kv *
	       ((h->head_dim + tern_value_stride(h)) * element_size(type) + n_scale * sizeof(float));
}

void tern_kv_locate(const struct tern_kv *kv, size_t layer, size_t head, size_t position,
                    struct tern_attention_block *block)
{
	size_t index = layer * kv->n_head_kv + head;

	block->k = kv->keys + (index * kv->keys_per_head + position * kv->head_dim) * element_size(kv->type);
	block->v = kv->values + (index * kv->values_per_head + position * kv->value_stride) * element_size(kv->type);
	block->k_scales = kv->type == TERN_KV_Q8 ? kv->key_scales + index * kv->scales_per_head + position : NULL;
	block->v_scales = kv->type == TERN_KV_Q8 ? kv->value_scales + index * kv->scales_per_head + position : NULL;
}

static void store_f16(uint16_t *k, uint16_t *v, size_t n, const struct tern_kernels *kernels, const float *key,
                      const float *value, uint16_t *scratch)
{
	kernels->to_f16(scratch, key, n);
	kernels->to_f16(v, value, n);
	for (size_t d = 0; d < n; d++)
		k[d * TERN_KEY_PANEL] = scratch[d];
}

/* The element is x * scale, rounded, so that the largest is 127; what is kept is the factor that leads back. */
static void store_q8(int8_t *k, int8_t *v, float *k_scale, float *v_scale, size_t n, const struct tern_kernels *kernels,
                     const float *key, const float *value, int8_t *scratch)
{
	*k_scale = 1.0f / kernels->norm_quantize(scratch, key, NULL, 1.0f, n).scale;
	*v_scale = 1.0f / kernels->norm_quantize(v, value, NULL, 1.0f, n).scale;
	for (size_t d = 0; d < n; d++)
		k[d * TERN_KEY_PANEL] = scratch[d];
}

void tern_kv_store(const struct tern_kv *kv, const struct tern_kernels *kernels, size_t layer, size_t head,
                   size_t position, const float *key, const float *value, void *scratch)
{
	size_t index = layer * kv->n_head_kv + head, lane = position % TERN_KEY_PANEL;
	size_t k = index * kv->keys_per_head + (position - lane) * kv->head_dim + lane;
	size_t v = index * kv->values_per_head + position * kv->value_stride;
	size_t scale = index * kv->scales_per_head + position;

	if (kv->type == TERN_KV_Q8)
		store_q8((int8_t *)kv->keys + k, (int8_t *)kv->values + v, kv->key_scales + scale,
		         kv->value_scales + scale, kv->head_dim, kernels, key, value, scratch);
	else
		store_f16((uint16_t *)(void *)kv->keys + k, (uint16_t *)(void *)kv->values + v, kv->head_dim, kernels,
		          key, value, scratch);
}
