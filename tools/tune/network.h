/* The network that is tuned: its shape, its parameters by name, and their values as one array of floats, which
 * gradients and the optimizer's moments follow item by item. */
#ifndef TUNE_NETWORK_H
#define TUNE_NETWORK_H

#include "convert/checkpoint/checkpoint.h"
#include "convert/config/config.h"
#include "model/names.h"
#include "tune/ops.h"

enum {
	TUNE_N_PROJECTIONS = TERN_FFN_DOWN + 1 /* the kinds of matrices from TERN_ATTN_Q on */
};

struct parameter {
	char name[96];       /* in the checkpoint */
	size_t offset, n;    /* floats */
	size_t n_row, n_col; /* a vector has one row */
	bool is_matrix;      /* decays */
};

/* Numbers of parameters; NONE: there is no such parameter. */
enum {
	NONE = -1
};

struct linear {
	int weight, gain, bias;
	size_t n_row, n_col;
};

struct layer {
	int input_norm, post_norm, q_norm, k_norm;
	struct linear projections[TUNE_N_PROJECTIONS];
};

struct network {
	size_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab, n_ctx;
	float rms_eps, linear_norm_eps; /* of the network's norms; of those in front of projections */
	bool has_extra_norm, is_tied;
	enum gate_function gate;
	int embedding, norm, head; /* parameters; a tied head is the embedding */
	struct layer *layers;      /* [n_layer] */
	struct parameter *parameters;
	size_t n_parameters, capacity, n_floats;
	struct rope rope;
	float *values;        /* [n_floats] */
	float *cosine, *sine; /* [n_ctx, head_dim / 2] */
};

enum norms {
	NORMS_OF_CHECKPOINT, /* those that have gains or that config.json speaks of, whose gains may be absent and are 1
	                      */
	NORMS_EXTRA,         /* one in front of every projection: with gain 1 where the checkpoint has none */
};

/* Shape and parameters, by config.json; positions up to n_ctx. Refuses what tern-tune cannot train. values and
 * angles are not allocated. Free in either case. */
enum tern_status network_init(struct network *network, const struct config *config, const struct checkpoint *ckpt,
                              enum norms norms, size_t n_ctx, struct tern_error *err);
/* Bytes that values and angles take. */
uint64_t network_bytes(const struct network *network);
/* Reads the values, and marks their tensors as used; matrices have to be floats. */
enum tern_status network_read(struct network *network, const struct checkpoint *ckpt, struct tern_error *err);
/* Random values for training from nothing: matrices normal with deviation 0.02, in front of the residual stream less
 * by sqrt(2 n_layer) (GPT-2's), norms 1, biases 0. */
enum tern_status network_randomize(struct network *network, uint64_t seed, struct tern_error *err);
/* TERN_ERR_FAILED for a value that is not finite. */
enum tern_status network_check_finite(const struct network *network, struct tern_error *err);
void network_free(struct network *network);

static inline float *network_value(const struct network *network, int parameter)
{
	return parameter == NONE ? NULL : network->values + network->parameters[parameter].offset;
}

#endif
