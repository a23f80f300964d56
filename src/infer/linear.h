/* Ternary projections over a batch of tokens: normalise and quantise the input, then multiply. */
#ifndef TERN_INFER_LINEAR_H
#define TERN_INFER_LINEAR_H

#include "infer/engine.h"

/* Quantises input [n_token, n_col] for a projection, with the projection's own norm. */
void tern_quantize_input(struct tern_engine *engine, struct tern_quantized *out, const struct tern_linear *linear,
                         const float *input, size_t n_token);

/* One matrix multiplication: out[t * n_row + r] = (or +=) y(t, r). */
struct tern_projection {
	const struct tern_linear *linear;
	const struct tern_quantized *input;
	float *out; /* [n_token, n_row] */
	bool add;   /* to what out holds: a residual connection */
};

/* Computes up to TERN_MAX_READ_LINEARS projections as one list of chunks; nothing after keep_going has refused. */
void tern_project(struct tern_engine *engine, const struct tern_projection *projections, size_t n_projection,
                  size_t n_token);

/* Bytes of scratch a worker needs. */
size_t tern_linear_scratch_bytes(void);

#endif
