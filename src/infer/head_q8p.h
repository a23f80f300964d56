/* Output heads of type Q8P: int8 rows in two planes of nibbles (model/layout.h), q = 16 h + l - 128. */
#ifndef TERN_INFER_HEAD_Q8P_H
#define TERN_INFER_HEAD_Q8P_H

#include "infer/engine.h"

/* Logits [n_token, n_vocab] of the vectors engine->normed [n_token, n_embd]. */
void tern_q8p_logits(struct tern_engine *engine, size_t n_token, float *logits);

/* The n_top[i] largest logits [n_token, n_vocab] of each vector i of engine->normed, n_token <= TERN_KEPT_OUTPUTS, from
 * fewer bytes: the high plane of all rows, once, and for each vector the low plane of those which that leaves in
 * question. There is a T not above the n_top-th largest logit: all logits from T on are the same bits as
 * tern_q8p_logits() gives, and all others are estimates below T. head_q8p.c says how sure that is. n_top is at least 1
 * and at most the number of panels; what a vector gets does not depend on the others. */
void tern_q8p_top_logits(struct tern_engine *engine, size_t n_token, const size_t *n_top, float *logits);

/* The largest n_top for which this is the quicker way; 0: none. */
size_t tern_q8p_max_top(const struct tern_transformer *transformer);

/* Memory for tern_q8p_top_logits(); nothing, and true, if the head is of another type. False: out of memory. */
bool tern_q8p_init(struct tern_pruning *pruning, const struct tern_transformer *transformer);
void tern_q8p_clear(struct tern_pruning *pruning);

/* Bytes of scratch a worker needs. */
size_t tern_q8p_scratch_bytes(void);

#endif
