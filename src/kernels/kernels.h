/* The numeric kernels: one table of function pointers per instruction set, all of which give the same bits.
 *
 * The portable table (portable.c) is the definition. Integer sums are exact. Floating-point work is pinned down:
 * every multiplication, addition, division and square root is one IEEE single-precision operation of its own, in the
 * order written there; sums over many terms run either in 16 lanes and one tree, or in order, as each kernel says;
 * exp is the polynomial of portable.c. So a kernel may use any instructions that round each step separately. It may use
 * fused multiply-adds where the product is exact, as in attention: see narrow().
 *
 * Input that is not finite gives results that are not finite, possibly other NaNs.
 *
 * Buffers: unless stated otherwise none may overlap, no alignment is needed, and nothing outside the stated shapes is
 * read or written. */
#ifndef TERN_KERNELS_KERNELS_H
#define TERN_KERNELS_KERNELS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
	TERN_PANEL_ROWS = 16,        /* rows of a panel, which are stored column by column: a SIMD lane is a row */
	TERN_TERNARY_TILE_COLS = 16, /* columns in one 64-byte tile of 2-bit codes */
	TERN_NIBBLE_TILE_COLS = 8,   /* columns in one 64-byte tile of 4-bit codes */
	TERN_BINARY_TILE_COLS = 32,  /* columns in one 64-byte tile of 1-bit codes */
	TERN_TILE_BYTES = 64,
	TERN_CACHE_PANEL = 16,      /* positions of a panel of keys, dimensions of a panel of values */
	TERN_ATTENTION_BLOCK = 256, /* positions per attention_block() call at most; a multiple of TERN_CACHE_PANEL */
};

/* Scale and sum of an activation vector that was quantized to int8. */
struct tern_activation {
	float scale; /* 127 / absolute maximum: q = round(x * scale) */
	int32_t sum; /* of all q. Corrects dot products for the +1 in ternary codes and the +128 in Q8P. */
};

/* How a kernel reads panels that it multiplies by a few tokens, so that reading takes the time. It changes the speed
 * only, never the results; what is fastest depends on the machine and on the panels. */
struct tern_streaming {
	size_t n_stream; /* panels read side by side: 1, 2 or 4; instruction sets that cannot read as many read fewer */
	size_t prefetch; /* distance in bytes, a multiple of TERN_TILE_BYTES; 0: none */
	/* Up to so many tokens are multiplied by tiles as they are stored, which separates a tile's codes anew for
	 * every few of them; for more, tiles are unpacked first. */
	size_t most_stored;
	/* 0: the panels follow each other, and streams are equal parts of them. Otherwise the panels are those of
	 * n_stream strips, whose first ones are strip_stride panels from each other; of one token only, n_panel a
	 * multiple of n_stream. Results are strip after strip. */
	size_t strip_stride;
	/* The first of the panels that are read after these, with the same distances, to be prefetched. NULL: the
	 * panels that follow in memory, in each strip. */
	const uint8_t *next;
};

enum {
	TERN_MAX_STREAMS = 4,
};

/* A panel of the matrix times vectors of int8, as raw sums over unsigned codes:
 *
 *     sums[t * n_panel * 16 + p * 16 + r] = sum over c < n_col of code(p, r, c) * x[t * x_stride + c]
 *
 * panels: panel p starts at panels + p * panel_stride bytes. n_col is a multiple of 16 (binary panels: 32), at most
 * 2^16. |x| <= 127 in practice, -128 is allowed. sums is [n_token, n_panel * 16]. */
typedef void tern_dot_panels(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                             size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming);

/* Positions first .. end - 1. */
struct tern_positions {
	size_t first, end;
};

/* Values of a block are panels of 16 dimensions, [ceil(head_dim / 16), TERN_ATTENTION_BLOCK, 16]: of dimension d of the
 * value at position j, the index. */
static inline size_t tern_value_index(size_t j, size_t d)
{
	return (d / TERN_CACHE_PANEL * TERN_ATTENTION_BLOCK + j) * TERN_CACHE_PANEL + d % TERN_CACHE_PANEL;
}

/* Attention of the queries of n_token tokens, n_query each (heads that share one key/value head), over one block of
 * positions, of which token t sees those in seen[t]:
 *
 *     score[j] = (sum over d, in order, of q[d] * k[j][d]) * scale
 *     max = maximum of the scores;  w[j] = exp(score[j] - max), rounded to 13 bits as by narrow()
 *     sum = the w[j] in 16 lanes (j mod 16) and a tree
 *     out[d] = sum over j, in order, of w[j] * v[j][d]
 *
 * with keys and values of f16, or, with scales, of int8; then
 *
 *     score[j] = ((sum over d, in order, of q[d] * k[j][d]) * k_scales[j]) * scale
 *     out[d] = sum over j, in order, of narrow(w[j] * v_scales[j]) * v[j][d]
 *
 * Arrays over positions have ceil(n_pos / 16) * 16 items. Of each panel of v the first n_pos rows are read; panels are
 * TERN_ATTENTION_BLOCK rows apart. Positions that no token sees may hold anything. Several tokens are computed
 * together, but none depends on what it does not see. */
struct tern_attention_block {
	size_t n_token, n_query, head_dim;
	size_t n_pos;                      /* at most TERN_ATTENTION_BLOCK */
	const struct tern_positions *seen; /* [n_token], none of them empty, all within n_pos */
	float scale;
	const float *q; /* [n_token, n_query, head_dim], narrow() */
	const void *k;  /* [ceil(n_pos / 16), head_dim, 16]: position j in panel j / 16, lane j mod 16 */
	const void *v;  /* see tern_value_index(); the padding to 16 dimensions may hold anything */
	const float *k_scales, *v_scales; /* of each position; NULL where k and v are f16 */
	const void *next;                 /* what is read after this, to prefetch its beginning; NULL: k once more */
	float *out;                       /* [n_token, n_query, head_dim rounded up to 16], zeros in the padding */
	float *max, *sum;                 /* [n_token, n_query] */
	float *scores;                    /* scratch, [n_token, n_query, TERN_ATTENTION_BLOCK] */
};

/* The scales for dot_groups(). A step is n_col columns, a multiple of 16, whose products are added up as integers; the
 * last step may be shorter. Several steps may share a scale. */
struct tern_groups {
	size_t n_col;
	/* Of the weights: half floats, finite and not negative. Those of panel p's 16 rows in step s start at
	 * scales + p * scales_stride + s / steps_per_scale * 16. NULL: the scale of all weights is matrix_scale. */
	const uint16_t *scales;
	size_t scales_stride, steps_per_scale;
	float matrix_scale;
	/* Of the activations: entry s / steps_per_x of token t, from x and x_inverse + t * x_stride on. x_inverse is
	 * 1 / x.scale. */
	const struct tern_activation *x;
	const float *x_inverse;
	size_t x_stride, steps_per_x;
	struct tern_streaming streaming;
};

/* The delta rule (arXiv 2412.06464) for 16 columns of a head's state S, token after token:
 *
 *     p[c] = sum over i, in order, of S[i][c] * k[i]
 *     d[c] = (v[c] - decay * p[c]) * beta
 *     S[i][c] = S[i][c] * decay + k[i] * d[c]
 *     out[c] = sum over i, in order, of S[i][c] * q[i], of the new S
 *
 * Sums begin with 0. */
struct tern_delta_rule {
	size_t n_token, n_key;     /* n_key: rows of S, which are values of a key */
	float *state;              /* [n_key, 16] S */
	const float *q, *k, *v;    /* [n_token] rows, qkv_stride apart: n_key values, n_key, 16 */
	const float *decay, *beta; /* [n_token], gate_stride apart */
	float *out;                /* [n_token] rows of 16, out_stride apart */
	size_t qkv_stride, gate_stride, out_stride;
};

struct tern_peak; /* peak.h */

struct tern_kernels {
	const char *name;             /* the value of TERN_ISA that selects it */
	const struct tern_peak *peak; /* loops that measure how fast these instructions can be */
	/* Tokens that are multiplied by a tile at a time, and always as it is stored; 0: for several tokens tiles are
	 * always unpacked, whatever tern_streaming.most_stored says. */
	size_t turn_tokens;

	/* Ternary panels (T2R16). A tile holds 16 rows x 16 columns; byte 4r + j holds in bits 2s, 2s+1 the code
	 * of row r, column 4s + j (s, j = 0..3):
	 *
	 *     byte 4r+j:   7 6 | 5 4 | 3 2 | 1 0
	 *     column:     12+j | 8+j | 4+j |  j
	 *
	 * A code is weight + 1, so 0, 1, 2; a 3 in a damaged file counts as 3. */
	tern_dot_panels *dot_ternary;

	/* Binary panels (T1R16): ternary ones without zero weights. A tile holds 16 rows x 32 columns; byte 4r + j
	 * holds in bit s column 4s + j of row r (s = 0..7). A bit stands for the ternary code 2 if it is set, else 0,
	 * so that the sums are those of the same weights in ternary panels. */
	tern_dot_panels *dot_binary;

	/* Nibble planes (Q8P). A tile holds 16 rows x 8 columns; byte 4r + j holds column j in its low and column
	 * 4 + j in its high nibble. Codes are 0..15. */
	tern_dot_panels *dot_nibble;

	/* Estimates logits from dot_nibble()'s sums over the high plane, high[]: one estimate per row, one upper bound
	 * per panel. With middle = 16 * high + offset and factor = row_scale * inverse, none of them a NaN:
	 *
	 *     estimates[row] = middle * factor
	 *     uppers[panel] = the largest of its rows' (middle + bound) * factor and (middle - bound) * factor
	 *
	 * as floats, each integer converted before it is multiplied. Either may be -0 where it is 0. */
	void (*estimate)(float *estimates, float *uppers, const int32_t *high, const float *row_scales, size_t n_panel,
	                 float inverse, int32_t offset, int32_t bound);

	/* Ternary panels as for dot_ternary, with scales for groups of columns:
	 *
	 *     y[t * n_panel * 16 + p * 16 + r] = the sum over the steps, in order, from 0 on, of
	 *             (float)(sum of (code - 1) * x over the step's columns) * (weight scale * x_inverse)
	 *
	 * or, where all steps share a weight scale, that scale times the sum of the products with x_inverse alone. */
	void (*dot_groups)(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
	                   size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups);

	/* The same with binary panels; the columns of a step and n_col are multiples of 32. */
	void (*dot_groups_binary)(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
	                          size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups);

	/* out[i] = (float)(sums[i] - offset) * factor */
	void (*dequantize_sums)(float *out, const int32_t *sums, int32_t offset, float factor, size_t n);

	/* Sum of x[i]^2 in 16 lanes (i mod 16), added up as a tree: lane i + lane i+8, then +4, +2, +1. */
	float (*sum_squares)(const float *x, size_t n);

	/* out[i] = (x[i] * inv_rms) * gain[i], or x[i] * inv_rms if gain is NULL. out may be x. */
	void (*rms_scale)(float *out, const float *x, const float *gain, float inv_rms, size_t n);

	/* Normalizes as rms_scale() does and quantizes: y = (x * inv_rms) * gain;
	 * scale = 127 / max(absolute maximum of y, 1e-5); q = round to even (y * scale).
	 * No clamp is needed: |y * scale| <= 127 * (1 + 2^-22), which rounds to at most 127.
	 * If some y is not finite, all q are 0 and scale is a NaN, which the caller's results then become too. */
	struct tern_activation (*norm_quantize)(int8_t *q, const float *x, const float *gain, float inv_rms, size_t n);

	/* Dot products in 16 lanes and a tree, like sum_squares. */
	float (*dot_f32)(const float *a, const float *x, size_t n);
	float (*dot_f16)(const uint16_t *a, const float *x, size_t n);
	float (*dot_bf16)(const uint16_t *a, const float *x, size_t n);

	/* The same of each of n_row rows and each of n_token vectors, [n_row, n] and [n_token, n]:
	 * out[t * out_stride + r] = dot(row r, vector t). n is a multiple of 16. */
	void (*dots_f32)(float *out, size_t out_stride, const float *rows, size_t n_row, const float *x, size_t n_token,
	                 size_t n);
	void (*dots_bf16)(float *out, size_t out_stride, const uint16_t *rows, size_t n_row, const float *x,
	                  size_t n_token, size_t n);

	/* out[i] = x[i] as a half float, rounded to even. */
	void (*to_f16)(uint16_t *out, const float *x, size_t n);

	/* Rounds x to 13 significant bits: c = x * 2049; x = c - (c - x). The product with a half float (11 bits, the
	 * lowest 2^-24 or above) or an int8 is then exact, unless it is too small or too large for a float; therefore
	 * x is 0 where |x| < 2^-112, and x * infinity where it is 2^112 or more. (Dekker, "A floating-point technique
	 * for extending the available precision", 1971.) */
	void (*narrow)(float *x, size_t n);

	/* gate[i] = f(gate[i]) * up[i], with f(x) = x / (1 + exp(-x)); max(x, 0)^2;
	 * x / (1 + exp(-2u)), u = 0.79788456 * (x + 0.044715 x^3) (GELU by tanh, rewritten without cancellation). */
	void (*silu_mul)(float *gate, const float *up, size_t n);
	void (*relu2_mul)(float *gate, const float *up, size_t n);
	void (*gelu_mul)(float *gate, const float *up, size_t n);

	/* silu_mul of min(gate[i], limit) and max(min(up[i], limit), -limit). A NaN stays one. */
	void (*clamped_silu_mul)(float *gate, const float *up, float limit, size_t n);

	/* gate[i] = x[i] / (1 + exp(-gate[i])) */
	void (*sigmoid_mul)(float *gate, const float *x, size_t n);

	/* out[i] = f(((x[0][i] * taps[i] + x[1][i] * taps[n + i]) + x[2][i] * taps[2 n + i]) + x[3][i] * taps[3 n + i])
	 * with f(x) = x / (1 + exp(-x)): a causal convolution of each channel over the last four tokens. */
	void (*conv_silu)(float *out, const float *const x[4], const float *taps, size_t n);

	/* out = H (signs * x) for each block of n values: n is a multiple of block, a power of two of at least 16.
	 * signs are 1 and -1, or NULL: all 1. H is the Walsh-Hadamard matrix in Sylvester's order over sqrt(block): the
	 * steps (a, b) -> (a + b, a - b) of values 1, 2, 4 ... block / 2 apart, then times 1 / sqrt(block). out may be
	 * x. */
	void (*hadamard)(float *out, const float *x, const float *signs, size_t n, size_t block);

	/* See struct tern_delta_rule. */
	void (*delta_rule)(const struct tern_delta_rule *rule);

	/* Attention of several queries over one block of positions, of f16 or of int8 with scales; see struct
	 * tern_attention_block. */
	void (*attention_block)(const struct tern_attention_block *block);
	void (*attention_block_q8)(const struct tern_attention_block *block);

	/* out[i] = out[i] * keep + more[i] * add: merges the results of two blocks, or adds to the residual stream. */
	void (*combine)(float *out, float keep, const float *more, float add, size_t n);
};

/* Every kernel of the table. The tables are filled from this list, and check_kernels walks it. */
/* clang-format off */
#define TERN_KERNEL_SLOTS(SLOT) \
	SLOT(dot_ternary) SLOT(dot_binary) SLOT(dot_nibble) SLOT(dot_groups) SLOT(dot_groups_binary) SLOT(estimate) \
	SLOT(dequantize_sums) SLOT(sum_squares) SLOT(rms_scale) SLOT(norm_quantize) \
	SLOT(dot_f32) SLOT(dot_f16) SLOT(dot_bf16) SLOT(dots_f32) SLOT(dots_bf16) SLOT(to_f16) SLOT(narrow) \
	SLOT(silu_mul) SLOT(relu2_mul) SLOT(gelu_mul) SLOT(clamped_silu_mul) SLOT(sigmoid_mul) \
	SLOT(conv_silu) SLOT(hadamard) SLOT(delta_rule) \
	SLOT(attention_block) SLOT(attention_block_q8) SLOT(combine)
/* clang-format on */
#define TERN_ONE_POINTER(name) +sizeof(void (*)(void))
_Static_assert(sizeof(struct tern_kernels) == 3 * sizeof(void *) TERN_KERNEL_SLOTS(TERN_ONE_POINTER),
               "every kernel of the struct is in TERN_KERNEL_SLOTS");

/* exp(x) as every kernel computes it: within 2 units in the last place of the true value for -77 <= x <= 88. Below -77
 * it is 0, so that every other result is above 2^-112, the limit of narrow(). x above 88 counts as 88. */
float tern_exp(float x);

/* Every table in this build, best last, NULL-terminated; [0] is portable. This CPU may not run all of them. */
const struct tern_kernels *const *tern_kernels_built(void);

/* True if this CPU and operating system can run the table. */
int tern_kernels_usable(const struct tern_kernels *kernels);

/* The best usable table, or the one that the environment variable TERN_ISA names; NULL with err set if it names
 * one that is unknown, not built for this architecture, or not usable here. */
const struct tern_kernels *tern_kernels_select(struct tern_error *err);

extern const struct tern_kernels tern_kernels_portable;
#define X86_ISA(name, features, flags) extern const struct tern_kernels tern_kernels_##name;
#define ARM_ISA(name, features, flags) extern const struct tern_kernels tern_kernels_##name;
#include "kernels/isa_list.h"

#endif
