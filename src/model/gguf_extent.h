/* Types whose number has two meanings: the size of a tensor, up to where the next one begins, tells which.
 *
 *     42     Q2_0 in blocks of 64; in files that PrismML made before the type was official, blocks of 128, which
 *            they now call PQ2_0 (142)
 *     142    PQ2_0; once a 2-bit type of ik_llama.cpp, which is smaller
 *     143    PTQ1_0; once a 1.6-bit type of ik_llama.cpp, which is smaller */
#ifndef TERN_MODEL_GGUF_EXTENT_H
#define TERN_MODEL_GGUF_EXTENT_H

#include "model/gguf.h"

/* Changes the type of tensors of type 42 to PQ2_0 if they fit their places only in blocks of 128, all of a file or
 * none. Tensors have their sizes, and their offsets from the start of the data, of which the file holds data_bytes.
 * *odd is a tensor of type 142 or 143 that reaches into the next one, or NULL; *odd_extent is its room. False when
 * memory runs out. */
bool tern_gguf_resolve_types(struct gguf *gguf, uint64_t data_bytes, const struct gguf_tensor **odd,
                             uint64_t *odd_extent);

/* Orders tensors (struct gguf_tensor, by index) by their places in the file, for tern_sort_indices(). */
int tern_gguf_compare_offsets(const void *tensors, uint32_t a, uint32_t b);

#endif
