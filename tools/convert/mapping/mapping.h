/* From a checkpoint to GGUF: the tensors of the output, in order, and what each is made of. */
#ifndef CONVERT_MAPPING_MAPPING_H
#define CONVERT_MAPPING_MAPPING_H

#include "convert/checkpoint/matrix.h"
#include "model/gguf.h"
#include "model/names.h"

enum output_kind {
	OUTPUT_TERNARY,    /* a matrix as T2R16, or as T1R16 */
	OUTPUT_SCALE,      /* the scale or scales of the matrix before, written with it */
	OUTPUT_VECTOR,     /* a norm or bias as F32 */
	OUTPUT_TAPS,       /* of a convolution, as F32 [n_row, n_col] */
	OUTPUT_COPY,       /* a matrix in the checkpoint's precision; MLX's of 4 bits as F32 */
	OUTPUT_Q8P,        /* embedding or head in int8 */
	OUTPUT_ROW_SCALES, /* the scales of the rows of the Q8P matrix before, written with it */
	OUTPUT_ROPE_FREQS, /* Llama 3's divisors of the RoPE frequencies */
	OUTPUT_ROPE_SHORT, /* LongRoPE's two lists */
	OUTPUT_ROPE_LONG,
};

/* One tensor of the output. */
struct output_tensor {
	enum output_kind kind;
	char name[GGUF_MAX_NAME_LENGTH + 1];
	const struct tensor *source;          /* VECTOR, TAPS, COPY, Q8P */
	const struct tensor *scales, *biases; /* COPY, Q8P: with these the source is affine (checkpoint/matrix.h) */
	struct matrix *matrix;                /* TERNARY, SCALE */
	enum tern_matrix_kind which;          /* TERNARY */
	uint64_t n_row, n_col;                /* a vector has n_col values */
	uint64_t n_expert;                    /* TERNARY: whose matrices are one below the other; 0: it is one matrix */
	struct order order;                   /* VECTOR: of values; TAPS, COPY: of rows */
	float offset;                         /* VECTOR: added to each value */
	bool is_log_decay;                    /* VECTOR: value x becomes -exp(x) */
};

/* The type and dimensions of a tensor, once its matrix has been examined; returns the number of dimensions. */
int output_tensor_shape(const struct output_tensor *tensor, uint32_t *type, uint64_t dims[GGUF_MAX_DIMS]);

struct mapping {
	struct output_tensor *tensors;
	size_t n_tensors, capacity;
	struct matrix *matrices;
	size_t n_matrices;
	bool per_token;          /* tern.activation */
	const char *linear_norm; /* tern.linear_norm: "none", "weight" or "weightless" */
	double linear_norm_eps;
	bool has_linear_norm; /* of a layer's projections or of the head */
};

void mapping_free(struct mapping *mapping);

#endif
