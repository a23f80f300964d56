/* Every operation's backward function next to finite differences of its forward function: for random d_y, the
 * derivative of sum(d_y * y) by a few random directions of each input. */
#include "test.h"

#include "model/rope.h"
#include "tune/ops.h"
#include "tune/product_select.h"

#include <math.h>
#include <string.h>

enum {
	MAX = 4096
};

static const struct tern_kernels *kernels;
static struct product product;

static float random_float(void) { return (float)((double)(test_random() >> 11) * 0x1p-52 - 1.0); }

static void fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = random_float();
}

static double dot(const float *a, const float *b, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

/* Checks the gradient d_x of the scalar that value() computes from x[n]. */
static void check_gradient(const char *what, double (*value)(void), float *x, const float *d_x, size_t n)
{
	const float h = 4e-3f;

	for (int round = 0; round < 5; round++) {
		float direction[MAX], old[MAX];
		memcpy(old, x, n * sizeof *x);
		fill(direction, n);
		for (size_t i = 0; i < n; i++)
			x[i] = old[i] + h * direction[i];
		double above = value();
		for (size_t i = 0; i < n; i++)
			x[i] = old[i] - h * direction[i];
		double below = value();
		memcpy(x, old, n * sizeof *x);
		double measured = (above - below) / (2.0 * (double)h), computed = dot(d_x, direction, n);
		double size = sqrt(dot(d_x, d_x, n));
		CHECK(fabs(measured - computed) < 2e-3 * (size + 0.1), "%s: measured %g, computed %g", what, measured,
		      computed);
	}
}

/* ---- RMSNorm ---- */

static float in[MAX], gain[MAX], up[MAX], out[MAX], d_y[MAX], d_in[MAX], d_gain[MAX], scratch[8 * MAX];

static double rms_value(void)
{
	rms_forward(kernels, out, in, gain, 1e-5f, 70);
	return dot(out, d_y, 70);
}

static void check_rms(void)
{
	const size_t n = 70;

	fill(in, n), fill(gain, n), fill(d_y, n);
	memset(d_in, 0, sizeof d_in), memset(d_gain, 0, sizeof d_gain);
	float r = rms_forward(kernels, out, in, gain, 1e-5f, n);
	rms_backward(d_in, d_gain, d_y, in, gain, r, n);
	check_gradient("RMSNorm by x", rms_value, in, d_in, n);
	check_gradient("RMSNorm by gain", rms_value, gain, d_gain, n);
}

/* ---- RoPE ---- */

static float cosine[20], sine[20];

static double rope_value(void)
{
	memcpy(out, in, 40 * sizeof *in);
	tern_rope_rotate(out, cosine, sine, 40, false);
	return dot(out, d_y, 40);
}

static void check_rope(void)
{
	for (size_t i = 0; i < 20; i++) {
		cosine[i] = cosf((float)i);
		sine[i] = sinf((float)i);
	}
	fill(in, 40), fill(d_y, 40);
	memcpy(d_in, d_y, sizeof d_in);
	rope_backward(d_in, cosine, sine, 40);
	check_gradient("RoPE", rope_value, in, d_in, 40);
}

/* ---- gates ---- */

static enum gate_function function;

static double gate_value(void)
{
	gate_forward(kernels, function, out, in, up, 50);
	return dot(out, d_y, 50);
}

static void check_gate(void)
{
	for (int f = GATE_SILU; f <= GATE_RELU2; f++) {
		function = (enum gate_function)f;
		fill(in, 50), fill(up, 50), fill(d_y, 50);
		in[3] = 0.0f;
		gate_backward(kernels, function, d_in, d_gain, d_y, in, up, scratch, 50);
		check_gradient(f ? "ReLU2 by gate" : "SiLU by gate", gate_value, in, d_in, 50);
		check_gradient(f ? "ReLU2 by up" : "SiLU by up", gate_value, up, d_gain, 50);
	}
}

/* ---- cross-entropy ---- */

static double entropy_value(void)
{
	memcpy(out, in, 77 * sizeof *in);
	return 0.25 * cross_entropy(out, 77, 9, 0.0f);
}

static void check_cross_entropy(void)
{
	fill(in, 77);
	memcpy(d_in, in, sizeof d_in);
	double loss = cross_entropy(d_in, 77, 9, 0.25f), sum = 0;
	for (size_t i = 0; i < 77; i++)
		sum += exp((double)in[i]);
	CHECK(fabs(loss - (log(sum) - (double)in[9])) < 1e-6, "cross-entropy %g", loss);
	check_gradient("cross-entropy", entropy_value, in, d_in, 77);
}

/* ---- attention: two query heads share keys and values; more tokens than rows are computed together ---- */

enum {
	TOKENS = 70,
	DIM = 8,
	N = TOKENS * DIM,
};
static float q[2 * N], k[N], v[N], o[2 * N], d_o[2 * N], d_q[2 * N], d_k[N], d_v[N], logs[2 * TOKENS];
static float scores_scratch[2 * ATTENTION_ROWS * TOKENS];

static struct attention head(size_t i)
{
	return (struct attention){.product = &product,
	                          .n_token = TOKENS,
	                          .head_dim = DIM,
	                          .q_stride = 2 * DIM,
	                          .kv_stride = DIM,
	                          .q = q + i * DIM,
	                          .k = k,
	                          .v = v,
	                          .o = o + i * DIM,
	                          .log_sum = logs + i,
	                          .log_stride = 2,
	                          .scratch = scores_scratch};
}

static double attention_value(void)
{
	for (size_t i = 0; i < 2; i++) {
		struct attention a = head(i);
		attention_forward(&a);
	}
	return dot(o, d_o, 2 * N);
}

static void check_attention(void)
{
	fill(q, 2 * N), fill(k, N), fill(v, N), fill(d_o, 2 * N);
	attention_value();
	for (size_t i = 0; i < 2; i++) {
		struct attention a = head(i);
		attention_backward(&a, d_o + i * DIM, d_q + i * DIM, d_k, d_v);
	}
	CHECK(memcmp(o, v, DIM * sizeof *o) == 0, "the first token sees more than itself");
	check_gradient("attention by q", attention_value, q, d_q, 2 * N);
	check_gradient("attention by k", attention_value, k, d_k, N);
	check_gradient("attention by v", attention_value, v, d_v, N);
}

/* ---- quantization: no gradient to check, but its values ---- */

static void check_quantization(void)
{
	float x[6] = {1.0f, -0.5f, 0.25f, 127.0f, 2.5f, -3.5f}, w[4] = {0.1f, -3.0f, 0.4f, 0.5f}, y[4];
	static const float rounded[6] = {1, 0, 0, 127, 2, -4};
	float half[6];
	int8_t codes[6];

	memcpy(half, x, sizeof x);
	quantize_activations(kernels, half, codes, 0.5f, 6);
	for (int i = 0; i < 6; i++)
		CHECK(fabsf(half[i] - (x[i] + 0.5f * (rounded[i] - x[i]))) < 1e-6f, "activation %d", i);
	struct ternary ternary = ternary_of(w, 4);
	CHECK(ternary.scale == 1.0f && ternary.limit == 0.5f, "mean %g", (double)ternary.scale);
	ternary = (struct ternary){0.8f, 0.4f};
	quantize_weights(y, w, ternary, 1.0f, 4);
	CHECK(y[0] == 0.0f && y[1] == -0.8f && y[2] == 0.0f && y[3] == 0.8f, "weights");
	quantize_weights(y, w, ternary, 0.0f, 4);
	CHECK(memcmp(y, w, sizeof w) == 0, "lambda 0 changes nothing");
}

int main(void)
{
	struct tern_error err;
	struct tern_pool *pool;

	kernels = tern_kernels_select(&err);
	if (!kernels || tern_pool_new(&pool, 1, &err) || !product_init(&product, product_kernel_of(kernels), pool))
		return 1;
	check_rms();
	check_rope();
	check_gate();
	check_cross_entropy();
	check_attention();
	check_quantization();
	product_free(&product);
	tern_pool_free(pool);
	return test_summary();
}
