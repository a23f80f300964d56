/* Making an engine: kernels for this CPU, threads, and scratch memory for batches. */
#ifndef TERN_INFER_ENGINE_INIT_H
#define TERN_INFER_ENGINE_INIT_H

#include "infer/engine.h"

/* For batches of up to n_batch tokens. On failure nothing is left. The transformer must outlive the engine. */
enum tern_status tern_engine_init(struct tern_engine *engine, const struct tern_transformer *transformer, int n_threads,
                                  size_t n_batch, struct tern_error *err);
void tern_engine_clear(struct tern_engine *engine);

/* A batch of n_token tokens comes: if none was as large, the scratch that it needs gets huge pages. The products of
 * many tokens are written row by row, so that with small pages nearly every write would need another page table entry.
 */
void tern_engine_expect(struct tern_engine *engine, size_t n_token);

#endif
