#include "tune/ops.h"

#include "base/bytes.h"
#include "base/sizes.h"
#include "kernels/lanes.h"

#include <math.h>
#include <string.h>

/* Like tern_exp(), for loops that compilers turn into vectors; good to 2 units in the last place for x <= 0. */
static inline float vector_exp(float x)
{
	const float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f, magic = 12582912.0f;

	x = x < -87.0f ? -87.0f : x;
	float n = (x * log2_e + magic) - magic, r = (x - n * ln2_high) - n * ln2_low;
	float p = ((1.0f / 5040 * r + 1.0f / 720) * r + 1.0f / 120) * r + 1.0f / 24;
	p = (((p * r + 1.0f / 6) * r + 0.5f) * r + 1.0f) * r + 1.0f;
	return p * tern_f32_from_bits((uint32_t)((int32_t)n + 127) << 23);
}

/* x[i] = exp(x[i] - max), and their sum. */
static float exp_sum(float *x, float max, size_t n)
{
	float lanes[LANES] = {0};
	size_t i = 0;

	for (size_t j = 0; j < n; j++)
		x[j] = vector_exp(x[j] - max);
	for (; i + LANES <= n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			lanes[j] += x[i + j];
	for (size_t j = 0; i + j < n; j++)
		lanes[j] += x[i + j];
	return sum_of_lanes(lanes);
}

static float maximum(const float *x, size_t n)
{
	float max = x[0];

	for (size_t i = 1; i < n; i++)
		max = x[i] > max ? x[i] : max;
	return max;
}

/* ---- RMSNorm ---- */

float rms_forward(const struct tern_kernels *kernels, float *y, const float *x, const float *gain, float eps, size_t n)
{
	float r = 1.0f / sqrtf(kernels->sum_squares(x, n) / (float)n + eps);
	kernels->rms_scale(y, x, gain, r, n);
	return r;
}

/* y_i = x_i r g_i and dr/dx_j = -r^3 x_j / n, so
 *     d_x_j = r (g_j d_y_j - x_j r^2 / n * sum over i of d_y_i g_i x_i). */
void rms_backward(float *d_x, float *d_gain, const float *d_y, const float *x, const float *gain, float r, size_t n)
{
	float lanes[LANES] = {0};
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			lanes[j] += d_y[i + j] * gain[i + j] * x[i + j];
	for (size_t j = 0; i + j < n; j++)
		lanes[j] += d_y[i + j] * gain[i + j] * x[i + j];
	float along = sum_of_lanes(lanes) * r * r / (float)n;
	for (i = 0; i < n; i++) {
		d_x[i] += r * (d_y[i] * gain[i] - x[i] * along);
		d_gain[i] += d_y[i] * x[i] * r;
	}
}

/* ---- quantization ---- */

void quantize_activations(const struct tern_kernels *kernels, float *x, int8_t *q, float lambda, size_t n)
{
	struct tern_activation activation = kernels->norm_quantize(q, x, NULL, 1.0f, n);

	for (size_t i = 0; i < n; i++) {
		float rounded = (float)q[i] / activation.scale;
		x[i] = lambda == 1.0f ? rounded : x[i] + lambda * (rounded - x[i]);
	}
}

struct ternary ternary_of(const float *w, size_t n)
{
	const double least_mean = 1e-5;
	double lanes[LANES] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++)
		lanes[i % LANES] += fabs((double)w[i]);
	for (size_t i = 0; i < LANES; i++)
		sum += lanes[i];
	double mean = sum / (double)n > least_mean ? sum / (double)n : least_mean;
	float limit = (float)(mean / 2);
	if ((double)limit > mean / 2)
		limit = nextafterf(limit, 0.0f);
	return (struct ternary){.scale = (float)mean, .limit = limit};
}

void quantize_weights(float *y, const float *w, struct ternary ternary, float lambda, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float rounded = w[i] > ternary.limit ? ternary.scale : w[i] < -ternary.limit ? -ternary.scale : 0.0f;
		y[i] = lambda == 1.0f ? rounded : w[i] + lambda * (rounded - w[i]);
	}
}

/* ---- RoPE ---- */

/* The inverse of a rotation is its transpose. */
void rope_backward(float *d_x, const float *cosine, const float *sine, size_t n)
{
	float *d_y = d_x + n / 2;

	for (size_t i = 0; i < n / 2; i++) {
		float a = d_x[i], b = d_y[i];
		d_x[i] = a * cosine[i] + b * sine[i];
		d_y[i] = b * cosine[i] - a * sine[i];
	}
}

/* ---- the gate ---- */

void gate_forward(const struct tern_kernels *kernels, enum gate_function f, float *y, const float *gate,
                  const float *up, size_t n)
{
	memcpy(y, gate, n * sizeof *y);
	if (f == GATE_SILU)
		kernels->silu_mul(y, up, n);
	else
		kernels->relu2_mul(y, up, n);
}

/* With s = sigmoid(x): f = x s, f' = s + f (1 - s). */
static void silu_backward(const struct tern_kernels *kernels, float *d_gate, float *d_up, const float *d_y,
                          const float *gate, const float *up, float *scratch, size_t n)
{
	float *f = scratch, *ones = scratch + n;

	for (size_t i = 0; i < n; i++)
		ones[i] = 1.0f;
	memcpy(f, gate, n * sizeof *f);
	kernels->silu_mul(f, ones, n);
	for (size_t i = 0; i < n; i++) {
		float s = gate[i] == 0.0f ? 0.5f : f[i] / gate[i];
		d_gate[i] = d_y[i] * up[i] * (s + f[i] * (1.0f - s));
		d_up[i] = d_y[i] * f[i];
	}
}

void gate_backward(const struct tern_kernels *kernels, enum gate_function f, float *d_gate, float *d_up,
                   const float *d_y, const float *gate, const float *up, float *scratch, size_t n)
{
	if (f == GATE_SILU) {
		silu_backward(kernels, d_gate, d_up, d_y, gate, up, scratch, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		float positive = gate[i] > 0.0f ? gate[i] : 0.0f;
		d_gate[i] = d_y[i] * up[i] * (2.0f * positive);
		d_up[i] = d_y[i] * positive * positive;
	}
}

/* ---- cross-entropy ---- */

double cross_entropy(float *logits, size_t n, size_t target, float weight)
{
	float max = maximum(logits, n), chosen = logits[target], sum = exp_sum(logits, max, n);

	if (weight != 0.0f) {
		float scale = weight / sum;
		for (size_t i = 0; i < n; i++)
			logits[i] *= scale;
		logits[target] -= weight;
	}
	return log((double)sum) + (double)max - (double)chosen;
}

/* ---- attention ---- */

/* Rows of scores, first .. first + n - 1, over the tokens up to the last of them: s[i][j] = q_i k_j. Returns how many
 * columns there are. */
static size_t scores(const struct attention *a, float *s, size_t first, size_t n)
{
	size_t n_column = first + n;

	product_serial(a->product, a->worker, s, n_column, (struct view){a->q + first * a->q_stride, a->q_stride, 1},
	               (struct view){a->k, 1, a->kv_stride}, n, n_column, a->head_dim, false);
	return n_column;
}

static size_t rows_from(const struct attention *a, size_t first)
{
	return tern_smaller(a->n_token - first, ATTENTION_ROWS);
}

void attention_forward(const struct attention *a)
{
	float scale = 1.0f / sqrtf((float)a->head_dim), *s = a->scratch;

	for (size_t first = 0; first < a->n_token; first += ATTENTION_ROWS) {
		size_t n = rows_from(a, first), n_column = scores(a, s, first, n);
		for (size_t i = 0; i < n; i++) {
			float *row = s + i * n_column;
			size_t n_seen = first + i + 1;
			for (size_t j = 0; j < n_seen; j++)
				row[j] *= scale;
			float max = maximum(row, n_seen), sum = exp_sum(row, max, n_seen);
			for (size_t j = 0; j < n_seen; j++)
				row[j] /= sum;
			memset(row + n_seen, 0, (n_column - n_seen) * sizeof *row);
			a->log_sum[(first + i) * a->log_stride] = max + logf(sum);
		}
		product_serial(a->product, a->worker, a->o + first * a->q_stride, a->q_stride,
		               (struct view){s, n_column, 1}, (struct view){a->v, a->kv_stride, 1}, n, a->head_dim,
		               n_column, false);
	}
}

/* From p = softmax and d_p = d_o v^T to d_s = p (d_p - d_o . o) / sqrt(head_dim), into d_p. */
static void softmax_backward(const struct attention *a, const float *p, float *d_p, const float *d_o, size_t token,
                             float scale)
{
	const float *o = a->o + token * a->q_stride;
	float along = 0.0f;

	for (size_t i = 0; i < a->head_dim; i++)
		along += d_o[token * a->q_stride + i] * o[i];
	for (size_t j = 0; j <= token; j++)
		d_p[j] = p[j] * (d_p[j] - along) * scale;
}

void attention_backward(const struct attention *a, const float *d_o, float *d_q, float *d_k, float *d_v)
{
	float scale = 1.0f / sqrtf((float)a->head_dim);
	float *p = a->scratch, *d_p = p + ATTENTION_ROWS * a->n_token;

	for (size_t first = 0; first < a->n_token; first += ATTENTION_ROWS) {
		size_t n = rows_from(a, first), n_column = scores(a, p, first, n), head_dim = a->head_dim;
		const float *d_rows = d_o + first * a->q_stride, *q = a->q + first * a->q_stride;
		product_serial(a->product, a->worker, d_p, n_column, (struct view){d_rows, a->q_stride, 1},
		               (struct view){a->v, 1, a->kv_stride}, n, n_column, head_dim, false);
		for (size_t i = 0; i < n; i++) {
			float *row = p + i * n_column, log_sum = a->log_sum[(first + i) * a->log_stride];
			size_t n_seen = first + i + 1;
			for (size_t j = 0; j < n_seen; j++)
				row[j] = vector_exp(row[j] * scale - log_sum);
			softmax_backward(a, row, d_p + i * n_column, d_o, first + i, scale);
			memset(row + n_seen, 0, (n_column - n_seen) * sizeof *row);
			memset(d_p + i * n_column + n_seen, 0, (n_column - n_seen) * sizeof *row);
		}
		product_serial(a->product, a->worker, d_v, a->kv_stride, (struct view){p, 1, n_column},
		               (struct view){d_rows, a->q_stride, 1}, n_column, head_dim, n, true);
		product_serial(a->product, a->worker, d_q + first * a->q_stride, a->q_stride,
		               (struct view){d_p, n_column, 1}, (struct view){a->k, a->kv_stride, 1}, n, head_dim,
		               n_column, false);
		product_serial(a->product, a->worker, d_k, a->kv_stride, (struct view){d_p, 1, n_column},
		               (struct view){q, a->q_stride, 1}, n_column, head_dim, n, true);
	}
}
