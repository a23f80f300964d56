/* Finding the tensors of a GGUF file that a network needs, checking them, and counting them as used: what the files
 * that fill struct tern_transformer share. */
#ifndef TERN_MODEL_BIND_H
#define TERN_MODEL_BIND_H

#include "model/arch.h"
#include "model/hadamard.h"
#include "model/repack.h"
#include "model/transformer.h"

struct tern_binder {
	struct tern_transformer *transformer;
	const struct gguf *gguf;
	const struct tern_arch *arch;
	bool *used; /* [gguf->n_tensors] */
	size_t n_linear, n_linear_with_gain;
	struct tern_repacker repacker;
	struct tern_hadamard hadamard;
	struct tern_error *err;
};

/* "FILE: tensor 'name': ...", TERN_ERR_FILE. */
enum tern_status tern_bind_fail(const struct tern_binder *b, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The tensor, now used, or NULL. */
const struct gguf_tensor *tern_bind_take(struct tern_binder *b, const char *name);

/* Makes a block live as long as the transformer; frees it if that fails. NULL is fine, and fails. */
bool tern_bind_adopt(struct tern_binder *b, void *block, size_t n_bytes);

/* Zeroed memory that lives as long as the transformer, or NULL. */
void *tern_bind_own(struct tern_binder *b, size_t n_items, size_t item_size);

/* A vector of n floats, all finite: in place when it is F32 and aligned, else a converted copy. *values is NULL if the
 * tensor is absent and not required. */
enum tern_status tern_bind_floats(struct tern_binder *b, const char *name, size_t n, bool required,
                                  const float **values);

/* A tensor's data where it is if its items are aligned there, else in a copy. NULL when memory runs out. */
const void *tern_bind_aligned(struct tern_binder *b, const struct gguf_tensor *tensor, size_t item_size);

#endif
