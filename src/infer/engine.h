/* An engine: kernels, threads and the scratch memory of one batch. It computes batches of any sequences of its model;
 * engine_init.h makes it. */
#ifndef TERN_INFER_ENGINE_H
#define TERN_INFER_ENGINE_H

#include "base/cache.h"
#include "base/threads.h"
#include "infer/sequence.h"
#include "infer/stored_choice.h"
#include "infer/thread_choice.h"
#include "infer/top.h"
#include "infer/tuner.h"
#include "kernels/kernels.h"
#include "model/transformer.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

/* Inputs of projections as the integer kernels want them: one int8 vector a token, with one scale per group of
 * columns (one group: the whole vector, unless the model asks for smaller ones). */
struct tern_quantized {
	int8_t *q;                           /* [n_token, n_col] */
	struct tern_activation *activations; /* [n_token, n_group] */
	float *inverses;                     /* [n_token, n_group] 1 / scale */
};

/* Scratch for finding the largest logits of a Q8P head; see head_q8p.c. */
struct tern_pruning {
	int32_t *high;            /* [n_panel * 16] for each vector, sums over the high nibbles */
	float *upper;             /* [n_panel] for each, which the panel's logits are expected not to exceed */
	uint32_t *panels;         /* [n_panel] those whose low nibbles are read next */
	struct tern_ranked *best; /* [n_panel] */
	bool *is_narrow;          /* [n_panel] whether a row's weights are too small to be estimated; if knows_narrow */
	bool knows_narrow;
};

struct tern_engine {
	const struct tern_transformer *transformer;
	const struct tern_kernels *kernels;
	struct tern_pool *pool;
	struct tern_prefetch_range *prefetch_ranges; /* [n_thread], see prefetch.h */
	struct tern_thread_choice thread_choice;
	struct tern_tuner tuner;
	struct tern_stored_choice stored_choices[TERN_STORED_KERNELS];
	struct tern_streaming streaming; /* of the read that is going on, as chosen: tern_engine_start_read() */

	/* While a batch is computed: asked before each projection whether to go on; NULL: always. After a refusal
	 * is_stopped is true, projections do nothing, and the batch is dropped. */
	bool (*keep_going)(void *user);
	void *keep_going_user;
	bool is_stopped;

	/* The batch that is computed, n_token <= n_batch. Tokens of one sequence are adjacent. */
	size_t n_batch, n_token;
	size_t n_expected;         /* the most tokens that tern_engine_expect() was told of */
	struct tern_token *tokens; /* [n_batch] */

	/* Scratch for a batch. */
	float *x;         /* [n_token, n_embd] the residual stream */
	float *normed;    /* [n_token, n_embd] */
	float *q, *k, *v; /* [n_token, n_head * head_dim], [n_token, n_head_kv * head_dim] twice */
	float *attended;  /* [n_token, n_head * head_dim], or of a delta net [n_token, n_value] */
	float *gate, *up; /* [n_token, n_ff] */
	float *q_gate;    /* [n_token, n_head * 2 * head_dim] each head's query and gate, with gates_attention */
	/* Of delta nets: what goes into the convolution, and comes out of it; gates of the output; of the state. */
	float *delta_raw, *delta_qkv;           /* [n_token, n_convolved] */
	float *delta_gate;                      /* [n_token, n_value] */
	float *delta_beta, *delta_decay;        /* [n_token, n_head] */
	float *rope_cos, *rope_sin;             /* [n_token, n_rot / 2] */
	float *rope_cos_local, *rope_sin_local; /* the same of layers with rope_is_local, NULL if there are none */
	struct tern_quantized quantized[TERN_MAX_READ_LINEARS]; /* projections of one input may each need their own */

	struct tern_expert_scratch *experts; /* of router.c and experts.c; NULL if the model has none */
	struct tern_pruning pruning;
	/* Panels of the head, summed over all computations of largest logits, and those whose low plane was read. */
	uint64_t n_head_panel, n_low_panel;

	/* Scratch of attention.c: partial results, and for each range of queries how many items are not done yet. All
	 * threads count these down, hence cache lines of their own. */
	float *attention_results;
	struct tern_pending {
		_Alignas(TERN_CACHE_LINE) atomic_size_t n_item;
	} * attention_pending;

	/* Scratch of each thread: worker w's part starts at worker_scratch + w * worker_scratch_bytes. */
	uint8_t *worker_scratch;
	size_t worker_scratch_bytes;
};

enum {
	/* Multiply-adds: below so many (2 to 20 microseconds of one core) sharing them costs more than it saves. */
	TERN_MIN_PARALLEL_WORK = 1 << 19
};

/* What steps between products take for a value, in multiply-adds of a product: estimates. */
enum {
	TERN_WORK_NORM = 8,
	TERN_WORK_ROTATE = 16,
	TERN_WORK_QUANTIZE = 16, /* after a norm */
	TERN_WORK_EXP = 32,      /* an exponential and what is done with it */
};

/* Runs task(context, chunk, worker) over n_chunk chunks: by the pool if the work is worth sharing. work counts
 * multiply-adds (or as much), of all chunks together. */
void tern_engine_run(struct tern_engine *engine, tern_task task, void *context, size_t n_chunk, size_t work);

/* Sets engine->streaming for a read whose weights `dot` multiplies by at most n_token tokens: dot_ternary, dot_binary
 * or dot_nibble, which stand for the kernels of groups too. If is_tuned, the tuner times the read, and
 * tern_tuner_stop() has to follow; otherwise it is read as for one token. */
void tern_engine_start_read(struct tern_engine *engine, struct tern_read_extent read, size_t n_token,
                            tern_dot_panels *dot, bool is_tuned);

/* Whether keep_going lets the batch go on; asked by the calling thread only. */
bool tern_engine_may_go_on(struct tern_engine *engine);

static inline void *tern_worker_scratch(const struct tern_engine *engine, int worker)
{
	return engine->worker_scratch + (size_t)worker * engine->worker_scratch_bytes;
}

#endif
