/* The tensors of the output, in order, and where each comes from. */
#ifndef CONVERT_PLAN_H
#define CONVERT_PLAN_H

#include "convert/matrix.h"
#include "model/gguf.h"

enum step_kind {
	STEP_TERNARY,    /* a matrix as T2R16 */
	STEP_SCALE,      /* its scale, or scales */
	STEP_VECTOR,     /* a norm or bias as F32 */
	STEP_COPY,       /* embedding or head in the checkpoint's precision */
	STEP_Q8P,        /* embedding or head in int8 */
	STEP_ROW_SCALES, /* the scales of the rows of a Q8P matrix, the step before */
	STEP_ROPE_FREQS, /* Llama 3's divisors of the RoPE frequencies */
};

/* The projections of a layer, and the matrices of the vocabulary. */
enum projection {
	PROJECTION_Q,
	PROJECTION_K,
	PROJECTION_V,
	PROJECTION_O,
	PROJECTION_GATE,
	PROJECTION_UP,
	PROJECTION_DOWN,
	PROJECTION_HEAD,
	PROJECTION_EMBEDDING, /* where it is ternary */
	N_PROJECTIONS,
};

/* One tensor of the output. */
struct step {
	enum step_kind kind;
	char name[GGUF_MAX_NAME_LENGTH + 1];
	const struct tensor *source; /* VECTOR, COPY, Q8P */
	struct matrix *matrix;       /* TERNARY, SCALE */
	enum projection projection;  /* TERNARY */
	uint64_t n_row, n_col;       /* a vector has n_col values */
	uint64_t head_dim, n_rot;    /* VECTOR: reordering of a bias as in struct matrix */
	float offset;                /* VECTOR: what is added to each value */
};

struct plan {
	struct step *steps;
	size_t n_steps, step_capacity;
	struct matrix *matrices;
	size_t n_matrices;
	bool per_token;          /* tern.activation */
	const char *linear_norm; /* tern.linear_norm: "none", "weight" or "weightless" */
	double linear_norm_eps;
	bool has_linear_norm; /* of a layer's projections or of the head */
	bool is_tied, head_is_ternary;
};

void plan_free(struct plan *plan);

/* The type and dimensions of a step's tensor, once its matrix is known; returns the number of dimensions. */
int step_shape(const struct step *step, uint32_t *type, uint64_t dims[GGUF_MAX_DIMS]);

/* A projection's name in the output, "attn_q" ... "ffn_down", "output", "token_embd", and below a layer of the
 * checkpoint, "self_attn.q_proj" ... "mlp.down_proj", "lm_head", "embed_tokens". */
const char *projection_name(enum projection projection);
const char *projection_module(enum projection projection);

#endif
