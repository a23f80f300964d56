/* The network of a model: its numbers and where its weights are. Immutable once loaded (load.h). */
#ifndef TERN_MODEL_TRANSFORMER_H
#define TERN_MODEL_TRANSFORMER_H

#include "model/layer.h"

enum {
	TERN_MAX_READ_LINEARS = 4
};

/* What a token reads in one step: matrices that are multiplied together, the keys and values of a layer, or a router,
 * which says what is read next. */
struct tern_read {
	const struct tern_attention_weights *attention; /* whose keys and values, or NULL: the matrices */
	const struct tern_matrix *router;               /* or NULL */
	const struct tern_linear *linears[TERN_MAX_READ_LINEARS];
	size_t n_linear;
};

struct tern_transformer {
	struct tern_hparams hparams;
	bool embedding_is_ternary; /* in panels */
	struct tern_matrix embedding;
	struct tern_linear ternary_embedding; /* if embedding_is_ternary */
	/* An embedding in a rotated basis: its rows are transformed, then multiplied by signs. See model/hadamard.h. */
	size_t embedding_block;       /* 0: it is not */
	const float *embedding_signs; /* [n_embd], or NULL: all are 1 */
	struct tern_layer *layers;    /* [n_layer] */
	const float *output_norm;     /* [n_embd] */
	bool head_is_ternary;
	struct tern_matrix head;         /* of the embedding's values when tied */
	struct tern_linear ternary_head; /* if head_is_ternary */
	uint64_t n_params;
	uint64_t n_mapped_bytes; /* of the weights that are read in a mapped file: memory that is not used yet */
	bool overcommits;        /* sequences need not fit in the memory that is available */

	/* The order in which a token reads the layers, so that each step can prefetch what the next one reads. */
	struct tern_read *reads; /* [n_read], then one without anything */
	size_t n_read;

	/* Copies of tensors that could not stay as they are in the file. */
	struct tern_owned {
		void *block;
		size_t n_bytes;
	} * owned;
	size_t n_owned, owned_capacity;
};

/* Fills in reads, and next_read of each matrix, for layers whose kinds are set. False: out of memory. */
bool tern_transformer_order_reads(struct tern_transformer *transformer);

void tern_transformer_free(struct tern_transformer *transformer);

#endif
