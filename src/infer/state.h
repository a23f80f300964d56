/* What one sequence needs while it is computed: key/value cache, scratch memory, threads. The inside of a session,
 * shared by the files of infer/; session.h makes and uses it. */
#ifndef TERN_INFER_STATE_H
#define TERN_INFER_STATE_H

#include "base/cache.h"
#include "base/threads.h"
#include "infer/kv.h"
#include "infer/top.h"
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
	float *inverses;                     /* [n_token, n_group] 1 / scale, where anything has scales of groups */
};

/* What finding the largest logits of a Q8P head takes besides; in head_q8p.c. */
struct tern_pruning {
	int32_t *high;            /* [n_panel * 16] sums over the high nibbles */
	float *upper;             /* [n_panel] what no logit of the panel is expected to be above */
	uint32_t *panels;         /* [n_panel] those whose low nibbles are read next */
	struct tern_ranked *best; /* [n_panel] */
};

struct tern_session {
	const struct tern_model *model; /* whose session this is, for the API above; not looked into here */
	const struct tern_transformer *transformer;
	const struct tern_kernels *kernels;
	struct tern_pool *pool;
	size_t n_ctx, n_batch, n_past;
	int32_t *ids; /* [n_ctx] the first n_past of them are the context */
	struct tern_kv kv;
	/* Asked by tern_forward() whether to go on; NULL: always. When it said no, was_stopped is set and the context
	 * is as it was before the batch. */
	bool (*keep_going)(void *user);
	void *keep_going_user;
	bool was_stopped;

	/* Scratch for a batch of n_token <= n_batch tokens. */
	float *x;                   /* [n_token, n_embd] the residual stream */
	float *normed;              /* [n_token, n_embd] */
	float *q, *k, *v;           /* [n_token, n_head * head_dim], [n_token, n_head_kv * head_dim] twice */
	float *attended;            /* [n_token, n_head * head_dim] */
	float *gate, *up;           /* [n_token, n_ff] */
	float *rope_cos, *rope_sin; /* [n_token, n_rot / 2] */
	float *rope_cos_local, *rope_sin_local; /* the same of layers with rope_is_local, NULL if there are none */
	struct tern_quantized quantized[3];     /* q, k and v may each need their own */

	/* Logits of the last token fed, whose vector is x[last]; computed when asked for. */
	size_t last;
	float *logits;       /* [n_vocab] */
	size_t n_top_logits; /* how many of the largest are exact; n_vocab: all; 0: not computed */
	struct tern_pruning pruning;
	/* Panels of the head, summed over all computations of these logits, and those read as a whole; the others'
	 * low nibbles were left out. */
	uint64_t n_head_panel, n_low_panel;

	/* Scratch of attention.c: results of blocks; for each group of them, how many tasks are not done yet: counted
	 * by all threads, hence on cache lines of their own. */
	float *attention_results;
	struct tern_pending {
		_Alignas(TERN_CACHE_LINE) atomic_size_t n_task;
	} * attention_pending;

	/* Scratch of each thread: worker w's part starts at worker_scratch + w * worker_scratch_bytes. */
	uint8_t *worker_scratch;
	size_t worker_scratch_bytes;
};

/* 1 / sqrt(mean(x^2) + eps). */
float tern_inv_rms(const struct tern_kernels *kernels, const float *x, size_t n, float eps);

/* Runs task(session, chunk) over n_chunk chunks: by the pool if the work is worth waking it, i.e. if it takes at least
 * some tens of microseconds. work counts multiply-adds (or as much), of all chunks together. */
void tern_session_run(struct tern_session *session, tern_task task, void *context, size_t n_chunk, size_t work);

static inline void *tern_worker_scratch(const struct tern_session *session, int worker)
{
	return session->worker_scratch + (size_t)worker * session->worker_scratch_bytes;
}

#endif
