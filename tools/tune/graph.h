/* The network computed forward and backward over a batch, with everything kept that the backward pass needs.
 *
 * Activations are matrices [n_token, width]. The gradient by the residual stream runs backward through the layers in
 * one buffer; gradients by parameters are added up in graph->gradients, in the places of network->values. */
#ifndef TUNE_GRAPH_H
#define TUNE_GRAPH_H

#include "tune/network.h"
#include "tune/product.h"

enum {
	TOKEN_CHUNK = 32 /* tokens of a task; sums over tokens add up chunk by chunk, whoever computed them */
};

/* Consecutive tokens that see each other. */
struct segment {
	size_t first, n_token;
};

struct batch {
	size_t n_token, n_segment, n_target;
	int32_t *ids;     /* [n_token] */
	int32_t *targets; /* [n_token] the next token, or -1 where nothing is to be learned; n_target are not */
	uint32_t *positions;
	struct segment *segments;
};

/* How far the network has gone over to ternary weights. */
struct blend {
	const float *lambdas;   /* [n_layer] 0: full precision, 1: quantized */
	bool keeps_activations; /* weights alone are quantized */
};

/* What the forward pass of a layer leaves behind. Of the four places where projections get their inputs, `inverse_rms`
 * is what RMSNorm multiplied by. */
enum place {
	PLACE_ATTENTION, /* q, k, v */
	PLACE_OUTPUT,    /* o */
	PLACE_FFN,       /* gate, up */
	PLACE_DOWN,
	N_PLACES,
};

struct saved {
	float *inputs[TUNE_N_PROJECTIONS]; /* normalized and quantized: [n_token, n_col] */
	float *inverse_rms[N_PLACES];      /* [n_token], of the extra norms */
	float *input_rms, *post_rms;       /* [n_token], of the layer's norms */
	float *normed, *post_normed;       /* [n_token, n_embd] */
	float *q_raw, *k_raw;              /* before their norms; NULL without */
	float *q_rms, *k_rms;              /* [n_token, heads] */
	float *q, *k, *v, *attended;
	float *log_sums; /* [n_token, n_head] */
	float *middle;   /* the residual stream between attention and feed-forward */
	float *gate, *up, *gated;
};

/* Where a side of a layer, attention or feed-forward, takes its input from the residual stream: through the layer's
 * norm to the projections first..last. */
struct entry {
	enum tern_matrix_kind first, last;
	enum place place;
	int norm;
	float *rms;    /* [n_token] */
	float *normed; /* [n_token, n_embd] */
};

struct graph {
	const struct network *network;
	const struct tern_kernels *kernels;
	struct tern_pool *pool;
	struct product product;
	size_t max_tokens, max_segment;

	float *memory;       /* what all of the following points into, but for gradients and quantized */
	float **stream;      /* [n_layer + 1] the residual stream before each layer and after the last */
	struct saved *saved; /* [n_layer] */
	float *last;         /* [n_token, n_embd] after the last norm */
	float *last_rms;
	float *logits;       /* [n_logit_rows, n_vocab] */
	size_t n_logit_rows; /* tokens whose logits are computed together */
	double *losses;      /* [n_token] */

	float *gradients; /* [n_floats]; NULL: forward only */
	float *quantized; /* [n_floats] matrices blended with their quantized values */
	float *d_stream, *d_last, *d_inputs[3], *d_gate, *d_up, *d_q, *d_k, *d_v, *d_attended;
	float *partial; /* [n_chunk, partial_width] sums over the tokens of a chunk */
	size_t partial_width;
	float *scratch; /* [threads, scratch_width] */
	size_t scratch_width;
};

/* For batches of up to max_tokens tokens in segments of up to max_segment. Without `backward` only the residual
 * streams are kept. Free in either case. */
enum tern_status graph_init(struct graph *graph, const struct network *network, const struct tern_kernels *kernels,
                            struct tern_pool *pool, size_t max_tokens, size_t max_segment, bool backward,
                            struct tern_error *err);
void graph_free(struct graph *graph);
/* Bytes that graph_init() allocates. */
uint64_t graph_bytes(const struct network *network, size_t n_threads, size_t max_tokens, size_t max_segment,
                     bool backward);

/* Computes the matrices that this blend multiplies with. To be called again when values or blend change. */
void graph_quantize(struct graph *graph, const struct blend *blend);

/* The residual streams of a batch. */
void graph_forward(struct graph *graph, const struct batch *batch, const struct blend *blend);
/* After graph_forward(): the mean cross-entropy over the targets, and graph->losses of each. */
double graph_loss(struct graph *graph, const struct batch *batch);

/* A teacher's residual streams to follow: adds weight * mean over layers of mean((h - t)^2) / mean(t^2) to the loss. */
struct distillation {
	float *const *streams; /* NULL: none */
	float weight;
};

/* After graph_forward(): computes the loss and sets graph->gradients. *distilled is the part of the loss that
 * distillation adds. */
double graph_backward(struct graph *graph, const struct batch *batch, const struct blend *blend,
                      const struct distillation *distillation, double *distilled);

/* ---- between graph.c, forward.c and backward.c ---- */

/* Runs task(context, chunk, worker) for every TOKEN_CHUNK tokens. */
void graph_run(const struct graph *graph, tern_task task, void *context, const struct batch *batch);
/* The tokens of a chunk: from *first on, to the one before the result. */
size_t graph_tokens(const struct batch *batch, size_t chunk, size_t *first);
struct entry graph_attention_entry(const struct layer *layer, const struct saved *saved);
struct entry graph_ffn_entry(const struct layer *layer, const struct saved *saved);
const float *graph_matrix(const struct graph *graph, const struct linear *linear, float lambda);
/* Sequence and key/value head of a chunk of attention; fills `attention` for the first of the head's queries. */
void graph_attention(const struct graph *graph, const struct batch *batch, const struct saved *saved, size_t chunk,
                     int worker, struct attention *attention);

#endif
