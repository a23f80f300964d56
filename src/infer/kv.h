/* The key/value cache, laid out as the attention kernels read it (see kernels.h): of half floats, or of int8 with one
 * scale for each key and each value.
 *
 * Keys of one layer and head: panels of 16 positions, [n_panel, head_dim, 16]. Values: [n_ctx, value_stride].
 * Memory is reserved for the whole context but touched only as it fills. */
#ifndef TERN_INFER_KV_H
#define TERN_INFER_KV_H

#include "base/error.h"
#include "kernels/kernels.h"
#include "model/transformer.h"

#include <stddef.h>
#include <stdint.h>
#include <tern.h>

struct tern_kv {
	enum tern_kv_type type;
	size_t n_head_kv, head_dim, value_stride;               /* value_stride: head_dim rounded up to 16 */
	size_t keys_per_head, values_per_head, scales_per_head; /* elements; scales: positions rounded up to 16 */
	uint8_t *keys, *values;                                 /* [n_layer, n_head_kv, ...] */
	float *key_scales, *value_scales;                       /* [n_layer, n_head_kv, scales_per_head]; q8 only */
};

/* Of the values of one head. */
static inline size_t tern_value_stride(const struct tern_hparams *hparams)
{
	return (hparams->head_dim + 15) / 16 * 16;
}

/* TERN_ERR_FAILED, saying what is needed and what there is, if the whole context would not fit in memory. */
enum tern_status tern_kv_init(struct tern_kv *kv, const struct tern_hparams *hparams, enum tern_kv_type type,
                              size_t n_ctx, struct tern_error *err);
void tern_kv_free(struct tern_kv *kv);

/* Bytes that attention reads of one position, in all layers. */
uint64_t tern_kv_position_bytes(const struct tern_hparams *hparams, enum tern_kv_type type);

/* Sets k, v and the scales of an attention block to what is stored from a position on (a multiple of
 * TERN_KEY_PANEL). */
void tern_kv_locate(const struct tern_kv *kv, size_t layer, size_t head, size_t position,
                    struct tern_attention_block *block);

/* Stores the key and value ([head_dim] each) of one head at a position. scratch: of head_dim half floats. */
void tern_kv_store(const struct tern_kv *kv, const struct tern_kernels *kernels, size_t layer, size_t head,
                   size_t position, const float *key, const float *value, void *scratch);

#endif
