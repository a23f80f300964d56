/* Matrices in the types of other engines, brought into the layouts the kernels compute on (layout.h) by all threads:
 *
 *     ternary matrices     I2_S, TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0, PTQ1_0, and F32, F16, BF16 with ternary values:
 *                          T2R16, but T1R16 from Q1_0
 *     dense output heads   Q4_0 ... Q8_0, Q4_K, Q5_K, Q6_K: Q8P
 *
 * A matrix costs its new size, and some MiB of the old one while it is worked on: pages of a mapped file are given
 * back. */
#ifndef TERN_MODEL_REPACK_H
#define TERN_MODEL_REPACK_H

#include "base/file.h"
#include "base/threads.h"
#include "model/gguf.h"

#include <tern.h>

struct tern_repacker {
	const struct gguf *gguf;
	const struct tern_file *file;      /* mapped, or NULL */
	struct tern_model_options options; /* threads, layout of I2_S, progress */
	struct tern_pool *pool;            /* NULL if there is nothing to do */
	uint64_t n_done, n_total;          /* bytes of tensors that have been, and are to be, repacked */
	struct tern_error *err;
};

/* Finds the tensors to repack, checks that memory suffices, and starts threads if there are any. options may be
 * NULL; file: whose pages may be given back, or NULL. gguf, file and err must outlive the repacker. */
enum tern_status tern_repacker_init(struct tern_repacker *repacker, const struct gguf *gguf,
                                    const struct tern_model_options *options, const struct tern_file *file,
                                    struct tern_error *err);
/* For callers that choose tensors themselves, one after the other: only starts threads. */
enum tern_status tern_repacker_start(struct tern_repacker *repacker, const struct tern_model_options *options,
                                     struct tern_error *err);
/* Sets the file of the tensors that follow; file: as for tern_repacker_init(). */
void tern_repacker_read(struct tern_repacker *repacker, const struct gguf *gguf, const struct tern_file *file);
void tern_repacker_clear(struct tern_repacker *repacker);

/* True for T2R16 and T1R16. */
bool tern_is_own_ternary(uint32_t type);

/* True for the types other than these that hold nothing but ternary weights. */
bool tern_is_foreign_ternary(uint32_t type);

/* The type that loading a model gives this tensor: T2R16, T1R16, Q8P, or its own if it stays as it is. */
uint32_t tern_repacked_type(const struct gguf *gguf, const struct gguf_tensor *tensor);

/* A ternary matrix as T2R16, or as T1R16. */
struct tern_ternary {
	size_t n_row, n_col;
	uint8_t *panels;
	bool is_binary;
	float scale;            /* of the whole matrix, if group is 0 */
	size_t group;           /* columns that share a scale */
	uint16_t *group_scales; /* f16 [n_panel, n_col / group, 16], or NULL */
};

/* Repacks a matrix [n_row, n_col] of a foreign ternary type or of floats, or the matrices of all experts, one below the
 * other; n_col is a multiple of 16. Magnitudes of floats that differ become scales of half precision. Scales that are
 * all equal become one, and those of a row that are, one for the row. x_group: columns that share an activation scale,
 * 0 for all; groups have to fit it. On success panels and group_scales are the caller's to free. Errors, by tensor and
 * type: a code that is no weight, a scale that is not finite or below 0, floats that are not ternary, memory, progress
 * refused. */
enum tern_status tern_repack_ternary(struct tern_repacker *repacker, const struct gguf_tensor *tensor, size_t x_group,
                                     struct tern_ternary *out);

/* Quantizes a matrix [n_row, n_col] of a type that tern_can_dequantize() to Q8P: *planes and *row_scales [n_row] are
 * then the caller's to free. Errors: values that are not finite, memory, progress refused. */
enum tern_status tern_repack_q8p(struct tern_repacker *repacker, const struct gguf_tensor *tensor, uint8_t **planes,
                                 float **row_scales);

#endif
