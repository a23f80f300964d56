/* Ternary projections over a batch of tokens: normalize and quantize the input, then multiply. */
#ifndef TERN_INFER_LINEAR_H
#define TERN_INFER_LINEAR_H

#include "infer/engine.h"
#include "infer/row_chunks.h"

/* Quantizes input [n_token, n_col] for a projection, with the projection's own norm; before that, unless gain is NULL,
 * it goes through an RMSNorm with the model's rms_eps. */
void tern_quantize_input(struct tern_engine *engine, struct tern_quantized *out, const struct tern_linear *linear,
                         const float *input, const float *gain, size_t n_token);

/* One matrix multiplication: out[t * n_row + r] = (or +=) y(t, r). */
struct tern_projection {
	const struct tern_linear *linear;
	const struct tern_quantized *input;
	float *out; /* [n_token, n_row] */
	bool add;   /* to what out holds: a residual connection */
	/* Or, unless NULL, row tokens[t] of out += weights[t] * y(t, r). */
	const uint32_t *tokens;
	const float *weights;
};

/* The kernel that multiplies the matrix's panels, without scales. */
static inline tern_dot_panels *tern_linear_dot(const struct tern_engine *engine, const struct tern_linear *linear)
{
	return linear->is_binary ? engine->kernels->dot_binary : engine->kernels->dot_ternary;
}

/* Some panels of a matrix times some vectors of the input. next: the panels that the worker reads after the last of
 * these, to prefetch; NULL: those behind it. worker: whose scratch to use. */
void tern_project_panels(const struct tern_engine *engine, const struct tern_projection *projection,
                         struct tern_panel_range panels, size_t first_token, size_t n_token, const uint8_t *next,
                         int worker);

/* Quantizes one vector for a projection as tern_quantize_input() does, as vector `index` of out. */
void tern_quantize_vector(const struct tern_engine *engine, struct tern_quantized *out, size_t index,
                          const struct tern_linear *linear, const float *x, const float *gain, int worker);

/* Copies vector `from` to `to`, both of n_col columns. */
void tern_quantized_copy(const struct tern_engine *engine, struct tern_quantized *quantized, size_t to, size_t from,
                         size_t n_col);

/* Memory for n_vector vectors of up to n_col columns. False: out of memory; tern_quantized_free() what there is. */
bool tern_quantized_alloc(const struct tern_engine *engine, struct tern_quantized *quantized, size_t n_vector,
                          size_t n_col);
void tern_quantized_free(struct tern_quantized *quantized);

/* Computes up to TERN_MAX_READ_LINEARS projections as one list of chunks; nothing after keep_going has refused. */
void tern_project(struct tern_engine *engine, const struct tern_projection *projections, size_t n_projection,
                  size_t n_token);

/* Bytes of scratch a worker needs. */
size_t tern_linear_scratch_bytes(void);

#endif
