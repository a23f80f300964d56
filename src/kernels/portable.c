/* The kernels in plain C. They define the result of every kernel bit for bit, and run on CPUs without a better set.
 * Loops are in the order of the definition. Where that is 16 lanes, the lanes are an array, which compilers turn into
 * vectors without changing a bit. */
#include "base/bytes.h"
#include "kernels/kernels.h"
#include "kernels/lanes.h"
#include "kernels/panels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Rounds to the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no bits for a fraction. */
static float round_even(float x)
{
	const float magic = 12582912.0f;
	return (x + magic) - magic;
}

/* x = n ln 2 + r with |r| <= ln(2) / 2; exp(r) by its Taylor series to r^7 (the rest is below 6e-9); 2^n by its
 * exponent bits. ln 2 is split in two so that n * ln2_high is exact. */
float tern_exp(float x)
{
	const float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;

	if (x < -77.0f)
		return 0.0f;
	x = x > 88.0f ? 88.0f : x; /* a NaN stays */
	float n = round_even(x * log2_e);
	float r = (x - n * ln2_high) - n * ln2_low;
	float p = 1.0f / 5040;
	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	if (!(n >= -126.0f)) /* only a NaN gets here */
		return p;
	return p * tern_f32_from_bits((uint32_t)((int32_t)n + 127) << 23);
}

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming)
{
	struct stream_parts parts = share_panels(n_panel, streaming);

	for (size_t t = 0; t < n_token; t++) {
		for (size_t p = 0; p < n_panel; p++) {
			const uint8_t *tile = panels + panel_at(&parts, p) * panel_stride;
			int32_t sum[TERN_PANEL_ROWS] = {0};
			for (size_t c = 0; c < n_col; c += TERN_TERNARY_TILE_COLS, tile += TERN_TILE_BYTES) {
				const int8_t *xc = x + t * x_stride + c;
				for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
					for (size_t j = 0; j < 4; j++) {
						uint8_t codes = tile[4 * r + j];
						sum[r] += (codes & 3) * xc[j] + (codes >> 2 & 3) * xc[4 + j] +
						          (codes >> 4 & 3) * xc[8 + j] + (codes >> 6) * xc[12 + j];
					}
			}
			memcpy(sums + (t * n_panel + p) * TERN_PANEL_ROWS, sum, sizeof sum);
		}
	}
}

static void dot_binary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming)
{
	struct stream_parts parts = share_panels(n_panel, streaming);

	for (size_t t = 0; t < n_token; t++) {
		for (size_t p = 0; p < n_panel; p++) {
			const uint8_t *tile = panels + panel_at(&parts, p) * panel_stride;
			int32_t sum[TERN_PANEL_ROWS] = {0};
			for (size_t c = 0; c < n_col; c += TERN_BINARY_TILE_COLS, tile += TERN_TILE_BYTES) {
				const int8_t *xc = x + t * x_stride + c;
				for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
					for (size_t j = 0; j < 4; j++) {
						uint8_t bits = tile[4 * r + j];
						int32_t half = (bits & 1) * xc[j] + (bits >> 1 & 1) * xc[4 + j] +
						               (bits >> 2 & 1) * xc[8 + j] +
						               (bits >> 3 & 1) * xc[12 + j];
						half += (bits >> 4 & 1) * xc[16 + j] + (bits >> 5 & 1) * xc[20 + j] +
						        (bits >> 6 & 1) * xc[24 + j] + (bits >> 7) * xc[28 + j];
						sum[r] += 2 * half;
					}
			}
			memcpy(sums + (t * n_panel + p) * TERN_PANEL_ROWS, sum, sizeof sum);
		}
	}
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming)
{
	struct stream_parts parts = share_panels(n_panel, streaming);

	for (size_t t = 0; t < n_token; t++) {
		for (size_t p = 0; p < n_panel; p++) {
			const uint8_t *tile = panels + panel_at(&parts, p) * panel_stride;
			int32_t sum[TERN_PANEL_ROWS] = {0};
			for (size_t c = 0; c < n_col; c += TERN_NIBBLE_TILE_COLS, tile += TERN_TILE_BYTES) {
				const int8_t *xc = x + t * x_stride + c;
				for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
					for (size_t j = 0; j < 4; j++)
						sum[r] += (tile[4 * r + j] & 15) * xc[j] +
						          (tile[4 * r + j] >> 4) * xc[4 + j];
			}
			memcpy(sums + (t * n_panel + p) * TERN_PANEL_ROWS, sum, sizeof sum);
		}
	}
}

static void estimate(float *estimates, float *uppers, const int32_t *high, const float *row_scales, size_t n_panel,
                     float inverse, int32_t offset, int32_t bound)
{
	for (size_t row = 0; row < n_panel * TERN_PANEL_ROWS; row++) {
		int32_t middle = 16 * high[row] + offset;
		float factor = row_scales[row] * inverse, *upper = &uppers[row / TERN_PANEL_ROWS];
		float above = (float)(middle + bound) * factor, below = (float)(middle - bound) * factor;
		float largest = above > below ? above : below; /* below if the scale is negative */
		estimates[row] = (float)middle * factor;
		*upper = row % TERN_PANEL_ROWS && *upper > largest ? *upper : largest;
	}
}

/* dot_groups() of panels whose tiles have tile_cols columns and whose sums dot() computes. */
struct steps {
	const struct tern_groups *groups;
	tern_dot_panels *dot;
	size_t tile_cols;
};

static float weight_scale(const struct tern_groups *g, size_t panel, size_t step, size_t row)
{
	return g->scales ? tern_f32_from_f16(g->scales[panel * g->scales_stride +
	                                               step / g->steps_per_scale * TERN_PANEL_ROWS + row])
	                 : g->matrix_scale;
}

/* The 16 results of panel p, tiles, and one token whose first entry is x_inverse. */
static void sum_steps(float y[TERN_PANEL_ROWS], const struct steps *s, const uint8_t *tiles, size_t p, const int8_t *x,
                      size_t n_col, const float *x_inverse)
{
	const struct tern_groups *g = s->groups;
	bool has_rows = has_row_scales(g, n_col);

	memset(y, 0, TERN_PANEL_ROWS * sizeof *y);
	for (size_t c = 0, step = 0; c < n_col; c += g->n_col, step++) {
		size_t n = tern_smaller(n_col - c, g->n_col);
		int32_t sums[TERN_PANEL_ROWS], x_sum = 0;
		float inverse = x_inverse[step / g->steps_per_x];
		for (size_t k = c; k < c + n; k++)
			x_sum += x[k];
		s->dot(sums, tiles + c / s->tile_cols * TERN_TILE_BYTES, 0, 1, x + c, 0, 1, n, g->streaming);
		for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
			y[r] += (float)(sums[r] - x_sum) * (has_rows ? inverse : weight_scale(g, p, step, r) * inverse);
	}
	for (size_t r = 0; has_rows && r < TERN_PANEL_ROWS; r++)
		y[r] *= weight_scale(g, p, 0, r);
}

static void dot_steps(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                      size_t x_stride, size_t n_token, size_t n_col, const struct steps *steps)
{
	const struct tern_groups *g = steps->groups;
	struct stream_parts parts = share_panels(n_panel, g->streaming);

	for (size_t t = 0; t < n_token; t++)
		for (size_t i = 0; i < n_panel; i++, y += TERN_PANEL_ROWS) {
			size_t p = panel_at(&parts, i);
			sum_steps(y, steps, panels + p * panel_stride, p, x + t * x_stride, n_col,
			          g->x_inverse + t * g->x_stride);
		}
}

static void dot_groups(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups)
{
	const struct steps steps = {groups, dot_ternary, TERN_TERNARY_TILE_COLS};
	dot_steps(y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &steps);
}

static void dot_groups_binary(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                              size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups)
{
	const struct steps steps = {groups, dot_binary, TERN_BINARY_TILE_COLS};
	dot_steps(y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &steps);
}

static void dequantize_sums(float *out, const int32_t *sums, int32_t offset, float factor, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float)(sums[i] - offset) * factor;
}

static float sum_squares(const float *x, size_t n)
{
	float lanes[LANES] = {0};
	for (size_t i = 0; i < n; i++)
		lanes[i % LANES] += x[i] * x[i];
	return sum_of_lanes(lanes);
}

static void rms_scale(float *out, const float *x, const float *gain, float inv_rms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = gain ? (x[i] * inv_rms) * gain[i] : x[i] * inv_rms;
}

static struct tern_activation norm_quantize(int8_t *q, const float *x, const float *gain, float inv_rms, size_t n)
{
	struct tern_activation activation = {0};
	uint32_t max_bits = 0; /* of |y|: floats without sign order as integers do, infinities and NaNs last */

	for (size_t i = 0; i < n; i++) {
		float y = gain ? (x[i] * inv_rms) * gain[i] : x[i] * inv_rms;
		uint32_t bits = tern_bits_from_f32(y) & 0x7fffffff;
		max_bits = bits > max_bits ? bits : max_bits;
	}
	float max = tern_f32_from_bits(max_bits);
	if (max_bits >= 0x7f800000) {
		memset(q, 0, n);
		activation.scale = NAN;
		return activation;
	}
	activation.scale = 127.0f / (max > 1e-5f ? max : 1e-5f);
	for (size_t i = 0; i < n; i++) {
		float y = gain ? (x[i] * inv_rms) * gain[i] : x[i] * inv_rms;
		q[i] = (int8_t)round_even(y * activation.scale);
		activation.sum += q[i];
	}
	return activation;
}

static float dot_f32(const float *a, const float *x, size_t n)
{
	float lanes[LANES] = {0};
	for (size_t i = 0; i < n; i++)
		lanes[i % LANES] += a[i] * x[i];
	return sum_of_lanes(lanes);
}

static float dot_f16(const uint16_t *a, const float *x, size_t n)
{
	float lanes[LANES] = {0};
	for (size_t i = 0; i < n; i++)
		lanes[i % LANES] += tern_f32_from_f16(a[i]) * x[i];
	return sum_of_lanes(lanes);
}

static float dot_bf16(const uint16_t *a, const float *x, size_t n)
{
	float lanes[LANES] = {0};
	for (size_t i = 0; i < n; i++)
		lanes[i % LANES] += tern_f32_from_bf16(a[i]) * x[i];
	return sum_of_lanes(lanes);
}

static void dots_f32(float *out, size_t out_stride, const float *rows, size_t n_row, const float *x, size_t n_token,
                     size_t n)
{
	for (size_t t = 0; t < n_token; t++)
		for (size_t r = 0; r < n_row; r++)
			out[t * out_stride + r] = dot_f32(rows + r * n, x + t * n, n);
}

static void dots_bf16(float *out, size_t out_stride, const uint16_t *rows, size_t n_row, const float *x, size_t n_token,
                      size_t n)
{
	for (size_t t = 0; t < n_token; t++)
		for (size_t r = 0; r < n_row; r++)
			out[t * out_stride + r] = dot_bf16(rows + r * n, x + t * n, n);
}

static void to_f16(uint16_t *out, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = tern_f16_from_f32(x[i]);
}

/* narrow() of what is neither too small nor too large. */
static float round_to_13_bits(float x)
{
	float c = x * 2049.0f;
	return c - (c - x);
}

static void narrow(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = fabsf(x[i]) < 0x1p-112f  ? 0.0f
		       : fabsf(x[i]) < 0x1p112f ? round_to_13_bits(x[i])
		                                : x[i] * INFINITY; /* a NaN stays */
}

static void silu_mul(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gate[i] = gate[i] / (1.0f + tern_exp(-gate[i])) * up[i];
}

static void relu2_mul(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float x = gate[i] < 0.0f ? 0.0f : gate[i]; /* a NaN stays */
		gate[i] = (x * x) * up[i];
	}
}

static void gelu_mul(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float x = gate[i];
		float u = (x + ((x * x) * x) * 0.044715f) * 0.79788456f;
		gate[i] = x / (1.0f + tern_exp(u * -2.0f)) * up[i];
	}
}

static void clamped_silu_mul(float *gate, const float *up, float limit, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float x = gate[i] > limit ? limit : gate[i], y = up[i] > limit ? limit : up[i];
		y = y < -limit ? -limit : y;
		gate[i] = x / (1.0f + tern_exp(-x)) * y;
	}
}

static void sigmoid_mul(float *gate, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gate[i] = x[i] / (1.0f + tern_exp(-gate[i]));
}

static void conv_silu(float *out, const float *const x[4], const float *taps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float y = x[0][i] * taps[i] + x[1][i] * taps[n + i];
		y = y + x[2][i] * taps[2 * n + i];
		y = y + x[3][i] * taps[3 * n + i];
		out[i] = y / (1.0f + tern_exp(-y));
	}
}

static void hadamard(float *out, const float *x, const float *signs, size_t n, size_t block)
{
	float factor = 1.0f / sqrtf((float)block);

	for (size_t i = 0; i < n; i++)
		out[i] = signs ? x[i] * signs[i] : x[i];
	for (size_t step = 1; step < block; step *= 2)
		for (size_t i = 0; i < n; i++)
			if (!(i & step)) {
				float a = out[i], b = out[i + step];
				out[i] = a + b;
				out[i + step] = a - b;
			}
	for (size_t i = 0; i < n; i++)
		out[i] *= factor;
}

static void delta_rule(const struct tern_delta_rule *rule)
{
	for (size_t t = 0; t < rule->n_token; t++) {
		const float *q = rule->q + t * rule->qkv_stride, *k = rule->k + t * rule->qkv_stride;
		const float *v = rule->v + t * rule->qkv_stride;
		float decay = rule->decay[t * rule->gate_stride], beta = rule->beta[t * rule->gate_stride];
		float p[LANES] = {0}, d[LANES], *out = rule->out + t * rule->out_stride;
		for (size_t i = 0; i < rule->n_key; i++)
			for (size_t c = 0; c < LANES; c++)
				p[c] += rule->state[i * LANES + c] * k[i];
		for (size_t c = 0; c < LANES; c++) {
			d[c] = (v[c] - decay * p[c]) * beta;
			out[c] = 0.0f;
		}
		for (size_t i = 0; i < rule->n_key; i++)
			for (size_t c = 0; c < LANES; c++) {
				float *s = &rule->state[i * LANES + c];
				*s = *s * decay + k[i] * d[c];
				out[c] += *s * q[i];
			}
	}
}

/* Turns the scores of the positions seen into weights exp(score - max) in place. */
static void softmax_weights(float *scores, struct tern_positions seen, float *max, float *sum)
{
	float lanes[LANES] = {0};

	*max = scores[seen.first];
	for (size_t j = seen.first + 1; j < seen.end; j++)
		*max = scores[j] > *max ? scores[j] : *max;
	for (size_t j = seen.first; j < seen.end; j++) {
		scores[j] = round_to_13_bits(tern_exp(scores[j] - *max));
		lanes[j % LANES] += scores[j];
	}
	*sum = sum_of_lanes(lanes);
}

static float element(const void *elements, size_t i, bool is_q8)
{
	return is_q8 ? (float)((const int8_t *)elements)[i] : tern_f32_from_f16(((const uint16_t *)elements)[i]);
}

/* One query's weights and their sum. */
static void weigh_positions(const struct tern_attention_block *b, size_t query, bool is_q8)
{
	float *scores = b->scores + query * TERN_ATTENTION_BLOCK;
	struct tern_positions seen = b->seen[query / b->n_query];

	for (size_t j = seen.first; j < seen.end; j++) {
		size_t key = j / TERN_CACHE_PANEL * b->head_dim * TERN_CACHE_PANEL + j % TERN_CACHE_PANEL;
		float score = 0.0f;
		for (size_t d = 0; d < b->head_dim; d++)
			score += b->q[query * b->head_dim + d] * element(b->k, key + d * TERN_CACHE_PANEL, is_q8);
		scores[j] = is_q8 ? (score * b->k_scales[j]) * b->scale : score * b->scale;
	}
	softmax_weights(scores, seen, &b->max[query], &b->sum[query]);
}

static void attention(const struct tern_attention_block *b, bool is_q8)
{
	size_t value_stride = (b->head_dim + LANES - 1) / LANES * LANES;

	for (size_t i = 0; i < b->n_token * b->n_query; i++) {
		const float *weights = b->scores + i * TERN_ATTENTION_BLOCK;
		struct tern_positions seen = b->seen[i / b->n_query];
		float *out = b->out + i * value_stride;
		weigh_positions(b, i, is_q8);
		memset(out, 0, value_stride * sizeof *out);
		for (size_t j = seen.first; j < seen.end; j++) {
			float weight = weights[j];
			if (is_q8) {
				weight *= b->v_scales[j];
				narrow(&weight, 1);
			}
			for (size_t d = 0; d < b->head_dim; d++)
				out[d] += weight * element(b->v, tern_value_index(j, d), is_q8);
		}
	}
}

static void attention_block(const struct tern_attention_block *block) { attention(block, false); }
static void attention_block_q8(const struct tern_attention_block *block) { attention(block, true); }

static void combine(float *out, float keep, const float *more, float add, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = out[i] * keep + more[i] * add;
}

/* ---- the peak ------------------------------------------------------------------------------------------------ */

#define PEAK_READ_BYTES 16
#include "kernels/peak_read_template.h"

enum {
	PEAK_TERMS = 1024,
};

/* Products of numbers that stay in the L1 cache, of 16 bits, which compilers vectorize on every CPU. The empty asm
 * hides that the numbers are the same in every round. */
static uint32_t peak_multiply(size_t n_round)
{
	int16_t codes[PEAK_TERMS], x[PEAK_TERMS];
	uint32_t result = 0;

	for (size_t i = 0; i < PEAK_TERMS; i++) {
		codes[i] = (int16_t)(i % 3);
		x[i] = (int16_t)(i % 255) - 127;
	}
	for (size_t round = 0; round < n_round; round++) {
		int32_t sum = 0;
		__asm__ volatile("" : : "r"(codes), "r"(x) : "memory");
		for (size_t i = 0; i < PEAK_TERMS; i++)
			sum += codes[i] * x[i];
		result += (uint32_t)sum;
	}
	return result;
}

static const struct tern_peak peak = {
        .instruction = "plain C",
        .read = peak_read,
        .multiply = peak_multiply,
        .macs_per_round = PEAK_TERMS,
};

#define FILL(slot) .slot = slot,
const struct tern_kernels tern_kernels_portable = {.name = "portable", .peak = &peak, TERN_KERNEL_SLOTS(FILL)};
