/* The key/value cache: half floats, laid out as the attention kernel reads them (see kernels.h).
 *
 * Keys of one layer and head: panels of 16 positions, [n_panel, head_dim, 16]. Values: [n_ctx, value_stride].
 * Memory is reserved for the whole context but touched only as it fills. */
#ifndef TERN_INFER_KV_H
#define TERN_INFER_KV_H

#include "base/error.h"
#include "model/transformer.h"

#include <stddef.h>
#include <stdint.h>

struct tern_kv {
	size_t n_head_kv, head_dim, value_stride; /* value_stride: head_dim rounded up to 16 */
	size_t keys_per_head, values_per_head;    /* half floats */
	uint16_t *keys, *values;                  /* [n_layer, n_head_kv, ...] */
};

/* TERN_ERR_FAILED, saying what is needed and what there is, if the whole context would not fit in memory. */
enum tern_status tern_kv_init(struct tern_kv *kv, const struct tern_hparams *hparams, size_t n_ctx,
                              struct tern_error *err);
void tern_kv_free(struct tern_kv *kv);

static inline uint16_t *tern_kv_keys(const struct tern_kv *kv, size_t layer, size_t head)
{
	return kv->keys + (layer * kv->n_head_kv + head) * kv->keys_per_head;
}

static inline uint16_t *tern_kv_values(const struct tern_kv *kv, size_t layer, size_t head)
{
	return kv->values + (layer * kv->n_head_kv + head) * kv->values_per_head;
}

/* Stores the key and value ([head_dim] each) of one head at a position. */
void tern_kv_store(const struct tern_kv *kv, size_t layer, size_t head, size_t position, const float *key,
                   const float *value);

#endif
