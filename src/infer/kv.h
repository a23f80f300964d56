/* The key/value cache of a sequence, laid out as the attention kernels read it (see kernels.h): of half floats, or of
 * int8 with one scale for each key and each value. Layers are numbered as attention->cache_index says.
 *
 * A cell is what one head keeps of a block of TERN_ATTENTION_BLOCK positions: keys, [16 panels, head_dim, 16
 * positions]; values, [value_stride / 16 panels, 256 positions, 16 dimensions]; and of int8 the scales of both, [256]
 * each. The cells are [n_block, n_layer, n_head_kv]: memory is reserved for the whole context, and used block by block,
 * in huge pages where the system has them. With small pages, the page tables that a token walks through cost more than
 * reading the keys. */
#ifndef TERN_INFER_KV_H
#define TERN_INFER_KV_H

#include "base/error.h"
#include "base/sizes.h"
#include "kernels/kernels.h"
#include "model/transformer.h"

#include <stddef.h>
#include <stdint.h>
#include <tern.h>

struct tern_kv {
	enum tern_kv_type type;
	size_t n_layer;                            /* those with attention */
	size_t n_head_kv, head_dim, value_stride;  /* value_stride: head_dim rounded up to TERN_CACHE_PANEL */
	size_t key_bytes, value_bytes, cell_bytes; /* of a cell */
	uint8_t *cells;
	size_t n_bytes; /* of all cells */
};

/* Of the values of one head. */
static inline size_t tern_value_stride(const struct tern_hparams *hparams)
{
	return tern_divide_up(hparams->head_dim, TERN_CACHE_PANEL) * TERN_CACHE_PANEL;
}

/* Bytes of the cache of n_ctx positions; false if they cannot be counted. */
bool tern_kv_bytes(const struct tern_hparams *hparams, enum tern_kv_type type, size_t n_ctx, size_t *n_bytes);

/* TERN_ERR_FAILED if there is not enough memory. */
enum tern_status tern_kv_init(struct tern_kv *kv, const struct tern_hparams *hparams, enum tern_kv_type type,
                              size_t n_ctx, struct tern_error *err);
void tern_kv_free(struct tern_kv *kv);

/* Bytes that attention reads of one position, in all layers. */
uint64_t tern_kv_position_bytes(const struct tern_hparams *hparams, enum tern_kv_type type);

/* Sets k, v and the scales of an attention block to what is stored from a position on (a multiple of
 * TERN_CACHE_PANEL). */
void tern_kv_locate(const struct tern_kv *kv, size_t layer, size_t head, size_t position,
                    struct tern_attention_block *block);

/* Bytes of the keys of n_pos positions of a block, a multiple of TERN_CACHE_PANEL. */
size_t tern_kv_key_bytes(const struct tern_kv *kv, size_t n_pos);

/* Prefetches what tern_kv_store() will write. */
void tern_kv_prefetch(const struct tern_kv *kv, size_t layer, size_t head, size_t position);

/* Stores the key and value ([head_dim] each) of one head at a position. scratch: of head_dim half floats. */
void tern_kv_store(const struct tern_kv *kv, const struct tern_kernels *kernels, size_t layer, size_t head,
                   size_t position, const float *key, const float *value, void *scratch);

#endif
