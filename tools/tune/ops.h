/* The operations of the network, forward and backward side by side, each for one token or one head and by one thread.
 *
 * A backward function takes d_y, the gradient of the loss by its result, and gives the gradients by its inputs. It adds
 * to them where the comment says "adds", since several uses of a value, or several tokens, contribute.
 * Sums run in 16 lanes and a tree, or in order: no result depends on threads. */
#ifndef TUNE_OPS_H
#define TUNE_OPS_H

#include "kernels/kernels.h"
#include "tune/product.h"

/* ---- RMSNorm: y = x * r * gain, r = 1 / sqrt(mean(x^2) + eps) ---- */

/* Returns r. */
float rms_forward(const struct tern_kernels *kernels, float *y, const float *x, const float *gain, float eps, size_t n);
/* Adds to d_x and d_gain. */
void rms_backward(float *d_x, float *d_gain, const float *d_y, const float *x, const float *gain, float r, size_t n);

/* ---- quantization, blended: y = x + lambda * (Q(x) - x); the gradient passes straight through: d_x = d_y ---- */

/* Activations of a token, to int8 with one scale, in place: Q(x) = round(x s) / s, s = 127 / max|x|, as the engine
 * does. q is scratch [n]. */
void quantize_activations(const struct tern_kernels *kernels, float *x, int8_t *q, float lambda, size_t n);
/* A matrix as ternary: Q(w) = clamp(round(w / mean), -1, 1) * mean with mean = mean|w|, at least 1e-5, as tern-convert
 * computes it. Ties round to 0, so that Q(w) is not 0 where |w| > limit. */
struct ternary {
	float scale; /* mean */
	float limit; /* the largest float that is not above mean / 2 */
};

struct ternary ternary_of(const float *w, size_t n);
/* A part of the matrix. */
void quantize_weights(float *y, const float *w, struct ternary ternary, float lambda, size_t n);

/* ---- RoPE, in place: forward is tern_rope_rotate() ---- */

/* cosine, sine: [n / 2]. */
void rope_backward(float *d_x, const float *cosine, const float *sine, size_t n);

/* ---- the gate: y = f(gate) * up, f = SiLU or the square of ReLU ---- */

enum gate_function {
	GATE_SILU,
	GATE_RELU2
};
void gate_forward(const struct tern_kernels *kernels, enum gate_function f, float *y, const float *gate,
                  const float *up, size_t n);
/* scratch: [2n]. */
void gate_backward(const struct tern_kernels *kernels, enum gate_function f, float *d_gate, float *d_up,
                   const float *d_y, const float *gate, const float *up, float *scratch, size_t n);

/* ---- cross-entropy: -log softmax(logits)[target] ---- */

/* Returns the loss; with `weight` not 0 the logits become the gradient of weight * loss by them. */
double cross_entropy(float *logits, size_t n, size_t target, float weight);

/* ---- causal attention of one query head over the n_token tokens of a segment ---- */

enum {
	ATTENTION_ROWS = 64 /* queries whose scores are computed together */
};

struct attention {
	const struct product *product;
	int worker;
	size_t n_token, head_dim;
	/* Rows of a token: queries and outputs are q_stride floats apart, keys and values kv_stride. */
	size_t q_stride, kv_stride;
	const float *q, *k, *v;
	float *o;
	float *log_sum; /* [n_token], log_stride floats apart: log of the sum of exp of the scores */
	size_t log_stride;
	float *scratch; /* [2 * ATTENTION_ROWS * n_token] */
};

/* o = softmax(q k^T / sqrt(head_dim)) v */
void attention_forward(const struct attention *attention);
/* Sets d_q; adds to d_k and d_v, which other query heads share. */
void attention_backward(const struct attention *attention, const float *d_o, float *d_q, float *d_k, float *d_v);

#endif
