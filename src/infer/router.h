/* The router of a mixture of experts: which experts each token uses, and how much. All in floats, from the token's own
 * vector h alone, in this order of operations:
 *
 *     logit[e] = dot_f32(row e of the router, h), or dot_bf16(): kernels.h
 *     the n_expert_used largest logits are chosen; of equal ones, that of the lower index
 *     w[k] = exp(logit of choice k - the largest logit), by tern_exp()
 *     sum = w[0] + w[1] + ..., of the choices, the largest first, if the model normalizes_experts; else the same terms
 *           of all experts, by index
 *     weight[k] = w[k] / sum * expert_scale
 *
 * which is the softmax over all experts and, normalized, its largest values divided by their sum. */
#ifndef TERN_INFER_ROUTER_H
#define TERN_INFER_ROUTER_H

#include "infer/engine.h"

/* One expert that the batch uses. */
struct tern_expert_use {
	size_t index;
	size_t first_slot, n_slot;        /* its tokens, in their order */
	size_t first_chunk, chunk_panels; /* of experts.c */
};

/* A slot is one token's use of one expert. They are in the order of experts, so that each computes its tokens as a
 * batch of its own. */
struct tern_expert_scratch {
	float *logits;                /* [n_token, n_expert] */
	uint32_t *choices;            /* [n_token, n_expert_used] the heaviest first */
	float *weights;               /* [n_token, n_expert_used] */
	uint32_t *slots;              /* [n_token, n_expert_used] of each choice */
	uint32_t *slot_tokens;        /* [n_slot] */
	float *slot_weights;          /* [n_slot] */
	struct tern_expert_use *uses; /* [n_use + 1], the last one holds the totals: first_slot and first_chunk */
	size_t n_use;

	struct tern_quantized input, hidden; /* [n_slot, n_embd], [n_slot, n_ff_expert] */
	float *gate, *up;                    /* [n_slot, n_ff_expert] */
};

/* Routes the tokens engine->normed: choices, weights, slots and uses in engine->experts. */
void tern_route(struct tern_engine *engine, const struct tern_expert_weights *weights);

#endif
