/* A ternary matrix in the checkpoint, however it is stored there, read as panels of 16 rows of codes -1, 0, +1 in the
 * order of the output file.
 *
 *     packed          uint8 [n_row/4, n_col]: byte (r, c) holds in bits 2i, 2i+1 the code + 1 of row i * n_row/4 + r
 *     codes           int8 [n_row, n_col] of -1, 0, +1
 *     master weights  floats; code = clamp(round(w / mean|w|), -1, +1), ties to even; scale = mean|w|, at least 1e-5
 *     ternary floats  floats that are -s, 0 or s, with one s for all or one for each group of columns of a row
 *     words           MLX's uint32 [n_row, n_col/16] of codes + 1, the lowest bits first, and a scale for each row
 *
 * Packed weights and codes have a weight_scale, which multiplies or divides (see struct quantization). The values alone
 * decide which of the two kinds floats are; ternarizing floats that are ternary already would change their scale.
 *
 * Embeddings and heads are matrices of floats; MLX's are affine: uint32 [n_row, n_col/8] of codes 0 to 15, the lowest
 * bits first, value = code * scale + bias with a scale and a bias for each 64 columns of a row. */
#ifndef CONVERT_CHECKPOINT_MATRIX_H
#define CONVERT_CHECKPOINT_MATRIX_H

#include "convert/checkpoint/floats.h"
#include "convert/checkpoint/order.h"
#include "model/layout.h"
#include "model/ternary_floats.h"

enum storage {
	STORAGE_PACKED,
	STORAGE_CODES,
	STORAGE_FLOATS, /* not looked at yet */
	STORAGE_MASTER,
	STORAGE_TERNARY,
	STORAGE_WORDS,
	STORAGE_AFFINE,
};

enum {
	ACTIVATION_GROUP = 128, /* tern.activation_group; groups of columns with a scale divide it or are a multiple */
	WORD_CODES = 16,        /* in a word of MLX's ternary matrices, */
	AFFINE_WORD_CODES = 8,  /* and of its affine ones, */
	AFFINE_GROUP = 64,      /* which have a scale for so many columns */
};

struct matrix {
	const struct checkpoint *ckpt;
	const struct tensor *weight;
	const struct tensor *scales, *biases; /* words: a scale for each row; affine: both for each group of a row */
	uint64_t n_row, n_col;
	enum storage storage;
	bool may_be_master; /* the model was trained with ternarized master weights; else floats have to be ternary */
	float scale;        /* of the matrix; multiplies */
	double mean;        /* of |w|, for master weights */
	uint64_t group;     /* columns that share a scale; 0: `scale` is for all */
	bool is_binary;     /* ternary floats without zeros, for T1R16 */

	struct order rows, columns; /* columns: of value heads only */

	struct tern_group_sizes group_sizes; /* that floats may have */
};

/* Fills group_sizes, once n_col is set. */
void matrix_list_group_sizes(struct matrix *matrix);

/* Work space of one thread. */
struct matrix_scratch {
	uint8_t *raw;  /* [16 * n_col * 8] */
	float *floats; /* [16, n_col] */
	int8_t *codes; /* [16, n_col] */
};
/* For matrices of up to n_col columns. False when memory runs out; free in either case. */
bool matrix_scratch_init(struct matrix_scratch *scratch, size_t n_col);
void matrix_scratch_free(struct matrix_scratch *scratch);

/* Reads a panel of a matrix of floats into scratch->floats; rows past the last are zero. Values that are not finite are
 * an error. */
enum tern_status matrix_read_floats(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                    struct tern_error *err);

/* What was found in a panel, or in all panels together, of a matrix of floats. */
struct matrix_facts {
	double sum_abs;
	bool has_zeros;
	struct tern_float_facts values;
};

/* Start with this, merge the facts of all panels in order (so the sum does not depend on threads), conclude. */
struct matrix_facts matrix_no_facts(void);
enum tern_status matrix_look(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                             struct matrix_facts *facts, struct tern_error *err);
void matrix_merge_facts(struct matrix_facts *all, const struct matrix_facts *panel);
/* Sets storage, scale, mean, group and is_binary of a matrix of floats. An error if it is not ternary and has to be. */
enum tern_status matrix_conclude(struct matrix *matrix, const struct matrix_facts *all, struct tern_error *err);

/* Reads a panel into scratch->codes; rows past the last are zero. *n_zeros counts the zeros of real rows. If the matrix
 * has groups, group_scales receives f16 [n_col / group, 16]. Fails for codes other than -1, 0 and 1 and for values that
 * are not finite. */
enum tern_status matrix_read_panel(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                   uint16_t *group_scales, uint64_t *n_zeros, struct tern_error *err);

#endif
