/* Weights in a basis that was rotated by Walsh-Hadamard transforms, as PrismML's Bonsai 2 files have them:
 *
 *     listed matrix:     y = W H(s x)      in place of W x; s: signs of that width, H: see tern_kernels.hadamard
 *     listed embedding:  x = s H(z)        of row z
 *
 * What a file says about it, checked: keys "prism.hadamard.*". A tensor that is listed and does not get its transform
 * when it is bound is an error. */
#ifndef TERN_MODEL_HADAMARD_H
#define TERN_MODEL_HADAMARD_H

#include "model/gguf.h"

#include <stdbool.h>

enum {
	TERN_MAX_SIGN_WIDTHS = 16
};

struct tern_hadamard {
	size_t block;      /* columns that are transformed together; 0: the file has no such weights */
	bool groups_heads; /* columns of delta nets' last projections: value heads of one key head side by side */
	uint8_t *listed;   /* [n_tensors] what the file lists and nothing has bound yet */
	float *signs;      /* of all widths, or NULL: all are 1. The caller's. */
	size_t n_sign, n_width;
	size_t widths[TERN_MAX_SIGN_WIDTHS];
};

/* *hadamard begins as {0} and is to be cleared. */
enum tern_status tern_hadamard_load(struct tern_hadamard *hadamard, const struct gguf *gguf, struct tern_error *err);
void tern_hadamard_clear(struct tern_hadamard *hadamard);

/* Whether a matrix is listed, as one that is multiplied or as one whose rows are looked up; it then counts as bound. */
bool tern_hadamard_take(struct tern_hadamard *hadamard, const struct gguf *gguf, const struct gguf_tensor *tensor);
bool tern_hadamard_take_rows(struct tern_hadamard *hadamard, const struct gguf *gguf, const struct gguf_tensor *tensor);

/* The signs [n_col] of matrices of that width; NULL: all are 1. */
const float *tern_hadamard_signs(const struct tern_hadamard *hadamard, size_t n_col);

/* Refuses a file with tensors that are listed and were not bound. */
enum tern_status tern_hadamard_check_bound(const struct tern_hadamard *hadamard, const struct gguf *gguf,
                                           struct tern_error *err);

#endif
