/* A mixture of experts, once its router has chosen: f(gate h) * up h, then down, of each expert and the tokens that use
 * it. An expert's matrices are read once for all of them, and not at all if there are none. */
#ifndef TERN_INFER_EXPERTS_H
#define TERN_INFER_EXPERTS_H

#include "infer/router.h"

/* engine->x += weight * expert(engine->normed), for every token and the experts that it uses, in the order of their
 * indices. After tern_route(). */
void tern_experts(struct tern_engine *engine, const struct tern_expert_weights *weights);

/* Memory in engine->experts, if the model has experts: about tern_experts_token_bytes() for each token of a batch.
 * False: out of memory. */
bool tern_experts_init(struct tern_engine *engine);
size_t tern_experts_token_bytes(const struct tern_hparams *hparams);
void tern_experts_clear(struct tern_engine *engine);

/* A batch of n_token tokens comes; see tern_engine_expect(). */
void tern_experts_expect(struct tern_engine *engine, size_t n_token);

#endif
