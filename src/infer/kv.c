#include "infer/kv.h"

#include "base/bytes.h"
#include "base/machine.h"
#include "base/memory.h"
#include "kernels/kernels.h"

/* Half floats for keys and for values of the whole context; false if they cannot be counted. */
static bool measure(struct tern_kv *kv, const struct tern_hparams *h, size_t n_ctx, size_t *n_keys, size_t *n_values,
                    uint64_t *n_bytes)
{
	size_t n_panel = (n_ctx + TERN_KEY_PANEL - 1) / TERN_KEY_PANEL, n_head = h->n_layer * h->n_head_kv, n_sum;

	*kv = (struct tern_kv){.n_head_kv = h->n_head_kv, .head_dim = h->head_dim};
	kv->value_stride = (h->head_dim + 15) / 16 * 16;
	if (!tern_mul_size(n_panel * TERN_KEY_PANEL, h->head_dim, &kv->keys_per_head) ||
	    !tern_mul_size(n_ctx, kv->value_stride, &kv->values_per_head) ||
	    !tern_mul_size(n_head, kv->keys_per_head, n_keys) ||
	    !tern_mul_size(n_head, kv->values_per_head, n_values) || !tern_add_size(*n_keys, *n_values, &n_sum))
		return false;
	return tern_mul_u64(n_sum, sizeof *kv->keys, n_bytes);
}

enum tern_status tern_kv_init(struct tern_kv *kv, const struct tern_hparams *h, size_t n_ctx, struct tern_error *err)
{
	size_t n_keys, n_values;
	uint64_t n_bytes = UINT64_MAX, available = tern_available_memory();

	/* Systems that overcommit would kill the process later instead of refusing now. */
	if (!measure(kv, h, n_ctx, &n_keys, &n_values, &n_bytes) || n_bytes > available)
		return tern_fail(err, TERN_ERR_FAILED,
		                 "a context of %zu tokens needs %llu MiB of memory, %llu MiB are available", n_ctx,
		                 (unsigned long long)(n_bytes >> 20), (unsigned long long)(available >> 20));
	kv->keys = tern_alloc_aligned(n_keys, sizeof *kv->keys);
	kv->values = tern_alloc_aligned(n_values, sizeof *kv->values);
	if (!kv->keys || !kv->values) {
		tern_kv_free(kv);
		return tern_fail(err, TERN_ERR_FAILED, "out of memory for a context of %zu tokens (%llu MiB)", n_ctx,
		                 (unsigned long long)(n_bytes >> 20));
	}
	return TERN_OK;
}

void tern_kv_free(struct tern_kv *kv)
{
	tern_free(kv->keys);
	tern_free(kv->values);
	*kv = (struct tern_kv){0};
}

void tern_kv_store(const struct tern_kv *kv, size_t layer, size_t head, size_t position, const float *key,
                   const float *value)
{
	uint16_t *k = tern_kv_keys(kv, layer, head) + position / TERN_KEY_PANEL * TERN_KEY_PANEL * kv->head_dim +
	              position % TERN_KEY_PANEL;
	uint16_t *v = tern_kv_values(kv, layer, head) + position * kv->value_stride;

	for (size_t d = 0; d < kv->head_dim; d++) {
		k[d * TERN_KEY_PANEL] = tern_f16_from_f32(key[d]);
		v[d] = tern_f16_from_f32(value[d]);
	}
}
