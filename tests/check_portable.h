/* The portable kernels against plain mathematics in double precision, for check_kernels. Tolerances are derived: u is
 * half a unit in the last place of 1.0f, what one rounding can be off by, relatively; exp is off by 2 units, 4 u. */
#ifndef TESTS_CHECK_PORTABLE_H
#define TESTS_CHECK_PORTABLE_H

#include "base/bytes.h"
#include "kernels/kernels.h"
#include "model/layout.h"
#include "test.h"

#include <math.h>
#include <string.h>

static const double u = 0x1p-24;
static const struct tern_kernels *const portable = &tern_kernels_portable;

/* Uniform in -1 .. 1. */
static float uniform(void) { return (float)((int64_t)test_random() >> 32) * 0x1p-31f; }

static float *uniform_floats(size_t n, float scale)
{
	float *x = malloc(n * sizeof *x);

	if (!x)
		exit(1);
	for (size_t i = 0; i < n; i++)
		x[i] = uniform() * scale;
	return x;
}

/* ---- exp and what is made of it ------------------------------------------------------------------------------ */

/* How far off tern_exp(x) is, in units in the last place of the true value. */
static double exp_error(float x)
{
	double exact = exp((double)x);
	return fabs((double)tern_exp(x) - exact) / ldexp(1.0, ilogb(exact) - 23);
}

static void check_exp(void)
{
	double worst = 0.0;
	float worst_x = 0.0f;

	for (uint32_t bits = 0; bits < 0x429a0000 /* 77 */; bits += 1009)
		for (uint32_t sign = 0; sign < 2; sign++) {
			float x = tern_f32_from_bits(bits | sign << 31);
			double error = exp_error(x);
			worst_x = error > worst ? x : worst_x;
			worst = error > worst ? error : worst;
		}
	CHECK(worst <= 2.0, "tern_exp(%a) is off by %.3f units in the last place", (double)worst_x, worst);
	printf("exp: at most %.3f units in the last place off\n", worst);
	CHECK(tern_exp(0.0f) == 1.0f && tern_exp(-0.0f) == 1.0f, "exp(0) is %a", (double)tern_exp(0.0f));
	CHECK(tern_exp(-77.00001f) == 0.0f && tern_exp(-INFINITY) == 0.0f, "exp vanishes below -77");
	CHECK(tern_exp(-77.0f) > 0x1p-112f && tern_exp(88.0f) < INFINITY, "exp from -77 to 88");
	CHECK(tern_exp(1e30f) == tern_exp(88.0f) && tern_exp(INFINITY) == tern_exp(88.0f), "exp stays at exp(88)");
	CHECK(isnan(tern_exp(NAN)), "exp(NaN) is %a", (double)tern_exp(NAN));
}

/* x / (1 + exp(-z)) times up, where z is off by z_error: exp by z_error + 4 u relatively, which counts less for the
 * sum the smaller exp is; three more roundings. */
static void check_sigmoid(const char *name, float got, double x, double z, double z_error, double up)
{
	double e = exp(-z), exact = x / (1.0 + e) * up;
	double tolerance = fabs(exact) * (e / (1.0 + e) * (z_error + 4 * u) + 3 * u) * 1.01 + 0x1p-149;

	CHECK(fabs((double)got - exact) <= tolerance, "%s(%a) is %a, not %a +- %a", name, x, (double)got, exact,
	      tolerance);
}

static void check_gates(void)
{
	for (int i = 0; i < 20000; i++) {
		float x = uniform() * (i % 2 ? 4.0f : 80.0f), up = uniform(), silu = x, gelu, relu2 = x;
		portable->silu_mul(&silu, &up, 1);
		check_sigmoid("silu", silu, (double)x, (double)x, 0.0, (double)up);
		float clamped = x, limit = 3.0f, far = up * 8.0f;
		double below = fmin((double)x, 3.0);
		portable->clamped_silu_mul(&clamped, &far, limit, 1);
		check_sigmoid("clamped silu", clamped, below, below, 0.0, fmax(fmin((double)far, 3.0), -3.0));
		portable->relu2_mul(&relu2, &up, 1);
		double square = x > 0.0f ? (double)x * (double)x * (double)up : 0.0;
		CHECK(fabs((double)relu2 - square) <= fabs(square) * 2.01 * u, "relu2(%a) is %a", (double)x,
		      (double)relu2);

		float gate = x;
		portable->sigmoid_mul(&gate, &up, 1);
		check_sigmoid("sigmoid", gate, 1.0, (double)x, 0.0, (double)up);

		x = x < -9.0f ? x * 0.1f : x; /* below -10 the exponential is cut off */
		gelu = x;
		portable->gelu_mul(&gelu, &up, 1);
		/* z = 2 sqrt(2/pi) (x + 0.044715 x^3): the cube's term has 5 roundings of its own and of 0.044715,
		 * and shares the sum's, the product's and 0.79788456's */
		double z = 2.0 * sqrt(2.0 / 3.14159265358979323846) * ((double)x + 0.044715 * pow((double)x, 3.0));
		check_sigmoid("gelu", gelu, (double)x, z, fabs(z) * 7 * u, (double)up);
	}
}

/* ---- norms ---------------------------------------------------------------------------------------------------- */

static void check_rms(void)
{
	enum {
		N = 777,
	};
	float *x = uniform_floats(N, 3.0f), *gain = uniform_floats(N, 2.0f), *out = uniform_floats(N, 1.0f);
	float inv_rms = 0.6180339f;

	portable->rms_scale(out, x, gain, inv_rms, N);
	for (size_t i = 0; i < N; i++) {
		double exact = (double)x[i] * (double)inv_rms * (double)gain[i];
		CHECK(fabs((double)out[i] - exact) <= fabs(exact) * 2.01 * u, "rms_scale: %a, not %a", (double)out[i],
		      exact);
	}
	portable->rms_scale(out, x, NULL, inv_rms, N);
	for (size_t i = 0; i < N; i++) {
		double exact = (double)x[i] * (double)inv_rms;
		CHECK(fabs((double)out[i] - exact) <= fabs(exact) * 1.01 * u, "rms_scale: %a, not %a", (double)out[i],
		      exact);
	}
	free(x);
	free(gain);
	free(out);
}

static void check_quantize(float magnitude)
{
	enum {
		N = 1000,
	};
	float *x = uniform_floats(N, magnitude), *gain = uniform_floats(N, 2.0f), inv_rms = 0.75f;
	int8_t q[N];
	double max = 0.0, scale;
	int32_t sum = 0;
	struct tern_activation activation = portable->norm_quantize(q, x, gain, inv_rms, N);

	for (size_t i = 0; i < N; i++) {
		double y = fabs((double)x[i] * (double)inv_rms * (double)gain[i]);
		max = y > max ? y : max;
	}
	scale = 127.0 / fmax(max, 1e-5);
	CHECK(fabs((double)activation.scale - scale) <= scale * 4 * u, "scale %a, not %a", (double)activation.scale,
	      scale);
	for (size_t i = 0; i < N; i++) { /* y is off by 2 u, its maximum by 2, the scale by 1 more, the product by 1 */
		double exact = (double)x[i] * (double)inv_rms * (double)gain[i] * scale;
		CHECK(fabs(q[i] - exact) <= 0.5 + 127 * 6.1 * u, "q[%zu] is %d, not %f rounded", i, q[i], exact);
		sum += q[i];
	}
	CHECK(sum == activation.sum, "sum %d, not %d", activation.sum, sum);
	x[N / 2] = INFINITY;
	activation = portable->norm_quantize(q, x, gain, inv_rms, N);
	CHECK(isnan(activation.scale) && !q[0] && !memcmp(q, q + 1, N - 1), "infinity: scale %f",
	      (double)activation.scale);
	free(x);
	free(gain);
}

/* ---- sums ------------------------------------------------------------------------------------------------------ */

/* Each of n / 16 additions in a lane, 4 in the tree and the product round once: u of the magnitudes' sum each. */
static void check_sum(const char *name, float got, double exact, double magnitude, size_t n)
{
	double tolerance = ((double)n / 16 + 6) * u * magnitude;

	CHECK(fabs((double)got - exact) <= tolerance, "%s is %a, not %a +- %a", name, (double)got, exact, tolerance);
	CHECK(tolerance < 1e-4 * magnitude, "%s: nothing would be noticed", name);
}

static void check_sums(size_t n)
{
	float *a = uniform_floats(n, 2.0f), *x = uniform_floats(n, 1.0f);
	uint16_t *f16 = malloc(n * sizeof *f16), *bf16 = malloc(n * sizeof *bf16);
	double exact[4] = {0}, magnitude[4] = {0};

	if (!f16 || !bf16)
		exit(1);
	for (size_t i = 0; i < n; i++) {
		f16[i] = tern_f16_from_f32(a[i]);
		bf16[i] = (uint16_t)(tern_bits_from_f32(a[i]) >> 16);
		double products[4] = {(double)x[i] * (double)x[i], (double)a[i] * (double)x[i],
		                      (double)tern_f32_from_f16(f16[i]) * (double)x[i],
		                      (double)tern_f32_from_bf16(bf16[i]) * (double)x[i]};
		for (size_t k = 0; k < 4; k++) {
			exact[k] += products[k];
			magnitude[k] += fabs(products[k]);
		}
	}
	check_sum("sum_squares", portable->sum_squares(x, n), exact[0], magnitude[0], n);
	check_sum("dot_f32", portable->dot_f32(a, x, n), exact[1], magnitude[1], n);
	check_sum("dot_f16", portable->dot_f16(f16, x, n), exact[2], magnitude[2], n);
	check_sum("dot_bf16", portable->dot_bf16(bf16, x, n), exact[3], magnitude[3], n);
	free(a);
	free(x);
	free(f16);
	free(bf16);
}

/* What attention multiplies: narrow() floats from one end of their range to the other with half floats. */
static void check_exact_products(void)
{
	for (int i = 0; i < 100000; i++) {
		float x = tern_f32_from_bits((uint32_t)test_random()), narrow = x, half;
		uint16_t bits = (uint16_t)test_random();
		portable->narrow(&narrow, 1);
		if (!isfinite(narrow) || (bits & 0x7c00) == 0x7c00)
			continue;
		half = tern_f32_from_f16(bits);
		CHECK(narrow == 0.0f ? fabsf(x) < 0x1p-112f : fabsf(narrow - x) <= fabsf(x) * 0x1p-13f,
		      "narrow(%a) is %a", (double)x, (double)narrow);
		CHECK((double)narrow * (double)half == (double)(narrow * half), "%a * %a is not exact", (double)narrow,
		      (double)half);
	}
}

/* ---- attention ------------------------------------------------------------------------------------------------- */

enum {
	MATH_POS = 100,
	MATH_DIM = 40,
	MATH_STRIDE = 48,
	MATH_PANELS = 7,
};

struct attention_math {
	float q[MATH_DIM];
	uint16_t k[MATH_PANELS * MATH_DIM * 16], v[MATH_STRIDE * TERN_ATTENTION_BLOCK];
	double score[MATH_POS], max, score_error; /* exact scores, and what the kernel's may be off by */
};

static void make_attention(struct attention_math *m, float scale)
{
	m->max = -INFINITY;
	for (size_t d = 0; d < MATH_DIM; d++)
		m->q[d] = uniform() * 2.0f;
	portable->narrow(m->q, MATH_DIM);
	for (size_t i = 0; i < sizeof m->k / sizeof *m->k; i++)
		m->k[i] = tern_f16_from_f32(uniform() * 2.0f);
	for (size_t i = 0; i < sizeof m->v / sizeof *m->v; i++)
		m->v[i] = tern_f16_from_f32(uniform());
	for (size_t j = 0; j < MATH_POS; j++) {
		double magnitude = 0.0;
		m->score[j] = 0.0;
		for (size_t d = 0; d < MATH_DIM; d++) {
			double product = (double)m->q[d] *
			                 (double)tern_f32_from_f16(m->k[(j / 16 * MATH_DIM + d) * 16 + j % 16]);
			m->score[j] += product * (double)scale;
			magnitude += fabs(product * (double)scale);
		}
		m->max = fmax(m->max, m->score[j]);
		m->score_error = fmax(m->score_error, magnitude * (MATH_DIM + 2) * u);
	}
}

/* Weights are off by twice the scores' error (a score, the maximum), a subtraction of at most |score - max| u, exp's
 * 4 u, and 2^-13 from being rounded to 13 bits; sums of n by n u more. */
static void check_attention_math(float scale)
{
	struct attention_math m = {.score_error = 0.0};
	float out[MATH_STRIDE], max, sum, scores[TERN_ATTENTION_BLOCK];
	double exact_sum = 0.0, weight_error, range = 0.0;

	make_attention(&m, scale);
	struct tern_attention_block block = {.n_token = 1,
	                                     .n_query = 1,
	                                     .head_dim = MATH_DIM,
	                                     .n_pos = MATH_POS,
	                                     .seen = &(struct tern_positions){0, MATH_POS},
	                                     .scale = scale,
	                                     .q = m.q,
	                                     .k = m.k,
	                                     .v = m.v,
	                                     .out = out,
	                                     .max = &max,
	                                     .sum = &sum,
	                                     .scores = scores};
	portable->attention_block(&block);
	for (size_t j = 0; j < MATH_POS; j++) {
		exact_sum += exp(m.score[j] - m.max);
		range = fmax(range, m.max - m.score[j]);
	}
	weight_error = 2 * m.score_error + range * u + 4.01 * u + 0x1p-13;
	CHECK(weight_error < 1e-3, "attention: nothing would be noticed");
	CHECK(fabs((double)max - m.max) <= m.score_error, "attention: max %a, not %a", (double)max, m.max);
	CHECK(fabs((double)sum - exact_sum) <= exact_sum * (weight_error + (MATH_POS / 16 + 6) * u),
	      "attention: sum %a, not %a", (double)sum, exact_sum);
	for (size_t d = 0; d < MATH_DIM; d++) {
		double exact = 0.0, magnitude = 0.0;
		for (size_t j = 0; j < MATH_POS; j++) {
			double product =
			        exp(m.score[j] - m.max) * (double)tern_f32_from_f16(m.v[tern_value_index(j, d)]);
			exact += product;
			magnitude += fabs(product);
		}
		CHECK(fabs((double)out[d] - exact) <= magnitude * (weight_error + (MATH_POS + 1) * u),
		      "attention: out[%zu] is %a, not %a", d, (double)out[d], exact);
	}
	for (size_t d = MATH_DIM; d < MATH_STRIDE; d++)
		CHECK(out[d] == 0.0f, "attention: padding %zu is %a", d, (double)out[d]);
}

/* Integers times powers of two are exact as half floats, too: both kernels have to give the same. */
static void check_attention_q8(void)
{
	enum {
		N_KEY = MATH_PANELS * MATH_DIM * 16,
		N_VALUE = MATH_STRIDE * TERN_ATTENTION_BLOCK
	};
	struct attention_math m = {.score_error = 0.0};
	int8_t k[N_KEY], v[N_VALUE];
	float k_scales[MATH_PANELS * 16], v_scales[TERN_ATTENTION_BLOCK], max, sum, scores[TERN_ATTENTION_BLOCK];
	float out[MATH_STRIDE], expected[MATH_STRIDE];
	struct tern_attention_block block = {.n_token = 1,
	                                     .n_query = 1,
	                                     .head_dim = MATH_DIM,
	                                     .n_pos = MATH_POS,
	                                     .seen = &(struct tern_positions){5, MATH_POS},
	                                     .scale = 0.158113883f,
	                                     .q = m.q,
	                                     .k = m.k,
	                                     .v = m.v,
	                                     .out = expected,
	                                     .max = &max,
	                                     .sum = &sum,
	                                     .scores = scores};

	make_attention(&m, 1.0f);
	for (size_t j = 0; j < MATH_PANELS * 16; j++)
		k_scales[j] = j % 2 ? 0x1p-6f : 0x1p-8f;
	for (size_t j = 0; j < TERN_ATTENTION_BLOCK; j++)
		v_scales[j] = j % 3 ? 0x1p-7f : 0x1p-5f;
	for (size_t i = 0; i < N_KEY; i++) {
		k[i] = (int8_t)test_random();
		m.k[i] = tern_f16_from_f32((float)k[i] * k_scales[i / 16 / MATH_DIM * 16 + i % 16]);
	}
	for (size_t i = 0; i < N_VALUE; i++) {
		v[i] = (int8_t)test_random();
		m.v[i] = tern_f16_from_f32((float)v[i] * v_scales[i / 16 % TERN_ATTENTION_BLOCK]);
	}
	portable->attention_block(&block);
	block.k = k;
	block.v = v;
	block.k_scales = k_scales;
	block.v_scales = v_scales;
	block.out = out;
	portable->attention_block_q8(&block);
	for (size_t d = 0; d < MATH_STRIDE; d++)
		CHECK(tern_bits_from_f32(out[d]) == tern_bits_from_f32(expected[d]),
		      "attention of int8: out[%zu] is %a, that of halves %a", d, (double)out[d], (double)expected[d]);
}

/* ---- packed matrices -------------------------------------------------------------------------------------------- */

enum {
	PACK_COLS = 112,
};

static void check_ternary_layout(void)
{
	int8_t weights[16 * PACK_COLS], unpacked[16 * PACK_COLS], x[PACK_COLS];
	uint8_t panel[16 * PACK_COLS / 4];
	int32_t sums[16], sum_x = 0;

	for (size_t i = 0; i < sizeof weights; i++)
		weights[i] = (int8_t)((int)(test_random() % 3) - 1);
	for (size_t c = 0; c < PACK_COLS; c++) {
		x[c] = (int8_t)test_random();
		sum_x += x[c];
	}
	CHECK(tern_t2r16_panel_bytes(PACK_COLS) == sizeof panel, "T2R16 panel: %zu bytes",
	      tern_t2r16_panel_bytes(PACK_COLS));
	tern_t2r16_pack_panel(panel, weights, PACK_COLS);
	tern_t2r16_unpack_panel(unpacked, panel, PACK_COLS);
	CHECK(!memcmp(weights, unpacked, sizeof weights), "T2R16: unpacking gives other weights");
	portable->dot_ternary(sums, panel, sizeof panel, 1, x, PACK_COLS, 1, PACK_COLS,
	                      (struct tern_streaming){.n_stream = 1});
	for (size_t r = 0; r < 16; r++) {
		int32_t exact = 0;
		for (size_t c = 0; c < PACK_COLS; c++)
			exact += weights[r * PACK_COLS + c] * x[c];
		CHECK(sums[r] - sum_x == exact, "dot_ternary: row %zu is %d, not %d", r, sums[r] - sum_x, exact);
	}
}

static void check_binary_layout(void)
{
	enum {
		COLS = 96
	};
	int8_t weights[16 * COLS], unpacked[16 * COLS], x[COLS];
	uint8_t panel[16 * COLS / 8], ternary[16 * COLS / 4], codes[COLS];
	int32_t sums[16], ternary_sums[16];

	for (size_t i = 0; i < sizeof weights; i++)
		weights[i] = test_random() % 2 ? 1 : -1;
	for (size_t c = 0; c < COLS; c++)
		x[c] = (int8_t)test_random();
	CHECK(tern_t1r16_panel_bytes(COLS) == sizeof panel, "T1R16 panel: %zu bytes", tern_t1r16_panel_bytes(COLS));
	tern_t1r16_pack_panel(panel, weights, COLS);
	for (size_t r = 0; r < 16; r++)
		tern_t1r16_unpack_row(unpacked + r * COLS, panel, r, COLS);
	CHECK(!memcmp(weights, unpacked, sizeof weights), "T1R16: unpacking gives other weights");
	CHECK((panel[4 * 5 + 2] >> 3 & 1) == (weights[5 * COLS + 14] > 0), "T1R16: row 5, column 14 is elsewhere");
	tern_t2r16_pack_panel(ternary, weights, COLS);
	portable->dot_binary(sums, panel, sizeof panel, 1, x, COLS, 1, COLS, (struct tern_streaming){.n_stream = 1});
	portable->dot_ternary(ternary_sums, ternary, sizeof ternary, 1, x, COLS, 1, COLS,
	                      (struct tern_streaming){.n_stream = 1});
	CHECK(!memcmp(sums, ternary_sums, sizeof sums), "dot_binary: not the sums of the same ternary weights");
	CHECK(tern_t2r16_is_binary(ternary, 16, COLS), "T2R16 without zeros is taken to have some");
	for (size_t c = 0; c < COLS; c++)
		codes[c] = c == 40 ? 1 : 2;
	CHECK(!tern_t1r16_pack_row(panel, 3, codes, COLS), "T1R16 takes a zero");
	weights[15 * COLS + 95] = 0;
	tern_t2r16_pack_panel(ternary, weights, COLS);
	CHECK(!tern_t2r16_is_binary(ternary, 16, COLS) && tern_t2r16_is_binary(ternary, 15, COLS),
	      "a zero in the last row, or one in padding");
}

/* n_row rows, not a multiple of 16: quantized, packed panel by panel, read back by row, and multiplied by plane. */
static void check_int8_layout(void)
{
	enum {
		ROWS = 21,
		PANELS = 2,
		PANEL_BYTES = 16 * PACK_COLS / 2,
	};
	static int8_t q[PANELS * 16 * PACK_COLS], row[PACK_COLS];
	static uint8_t tensor[2 * PANELS * PANEL_BYTES];
	int32_t high[PANELS * 16], low[PANELS * 16], sum_x = 0;
	int8_t x[PACK_COLS];

	memset(q, 0, sizeof q);
	for (size_t r = 0; r < ROWS; r++) {
		float *floats = uniform_floats(PACK_COLS, r == 5 ? 0.0f : 4.0f), scale;
		tern_q8p_quantize_row(q + r * PACK_COLS, &scale, floats, PACK_COLS);
		for (size_t c = 0; c < PACK_COLS; c++) /* the quotient rounds once more: 127 u */
			CHECK(fabs((double)floats[c] - (double)scale * q[r * PACK_COLS + c]) <=
			              (double)scale * (0.5 + 130 * u),
			      "Q8P: %a became %d * %a", (double)floats[c], q[r * PACK_COLS + c], (double)scale);
		free(floats);
	}
	CHECK(tern_q8p_panel_bytes(PACK_COLS) == PANEL_BYTES && tern_panel_count(ROWS) == PANELS, "Q8P: panel size");
	for (size_t p = 0; p < PANELS; p++)
		tern_q8p_pack_panel(tensor + p * PANEL_BYTES, tensor + (PANELS + p) * PANEL_BYTES,
		                    q + p * 16 * PACK_COLS, PACK_COLS);
	for (size_t r = 0; r < ROWS; r++) {
		tern_q8p_unpack_row(row, tensor, ROWS, PACK_COLS, r);
		CHECK(!memcmp(row, q + r * PACK_COLS, PACK_COLS), "Q8P: row %zu is unpacked to other values", r);
	}
	for (size_t c = 0; c < PACK_COLS; c++) {
		x[c] = (int8_t)test_random();
		sum_x += x[c];
	}
	portable->dot_nibble(high, tensor, PANEL_BYTES, PANELS, x, PACK_COLS, 1, PACK_COLS,
	                     (struct tern_streaming){.n_stream = 1});
	portable->dot_nibble(low, tensor + PANELS * PANEL_BYTES, PANEL_BYTES, PANELS, x, PACK_COLS, 1, PACK_COLS,
	                     (struct tern_streaming){.n_stream = 1});
	for (size_t r = 0; r < ROWS; r++) {
		int32_t exact = 0, got = 16 * high[r] + low[r] - 128 * sum_x;
		for (size_t c = 0; c < PACK_COLS; c++)
			exact += q[r * PACK_COLS + c] * x[c];
		CHECK(got == exact, "dot_nibble: row %zu is %d, not %d", r, got, exact);
	}
}

/* ---- delta nets ------------------------------------------------------------------------------------------------ */

static void check_hadamard_math(void)
{
	enum {
		N = 256,
		BLOCK = 64
	};
	float *x = uniform_floats(N, 3.0f), *signs = uniform_floats(N, 1.0f), *out = uniform_floats(N, 1.0f);

	for (size_t i = 0; i < N; i++)
		signs[i] = signs[i] < 0.0f ? -1.0f : 1.0f;
	portable->hadamard(out, x, signs, N, BLOCK);
	for (size_t r = 0; r < N; r++) {
		size_t start = r / BLOCK * BLOCK;
		double exact = 0.0;
		for (size_t c = 0; c < BLOCK; c++)
			exact += (__builtin_popcount((unsigned)(r % BLOCK & c)) % 2 ? -1.0 : 1.0) *
			         (double)signs[start + c] * (double)x[start + c];
		exact /= sqrt((double)BLOCK);
		CHECK(fabs((double)out[r] - exact) <= 3.0 * 8.0 * 8 * u, "hadamard: value %zu is %a, not %a", r,
		      (double)out[r], exact);
	}
	portable->hadamard(out, out, NULL, N, BLOCK); /* it is its own inverse, but for the signs */
	for (size_t i = 0; i < N; i++)
		CHECK(fabs((double)out[i] - (double)(x[i] * signs[i])) <= 3.0 * 8.0 * 16 * u,
		      "hadamard twice: value %zu is %a, not %a", i, (double)out[i], (double)(x[i] * signs[i]));
	free(x);
	free(signs);
	free(out);
}

/* Three tokens, worked out in double precision by hand: keys of 2 values, of which the first two columns count. */
static void check_delta_math(void)
{
	static const float qkv[3][20] = {{0.42426407f, 0.56568542f, 1.0f, 0.0f, 1.0f, 2.0f},
	                                 {0.70710678f, 0.0f, 0.8f, 0.6f, -1.0f, 0.5f},
	                                 {0.0f, 0.70710678f, 0.0f, 1.0f, 0.25f, -3.0f}};
	static const double expected[3][2] = {
	        {0.2121320344, 0.4242640687}, {-0.4181939106, 0.4364043848}, {-0.3046165041, -0.5261824989}};
	static const double expected_state[2][2] = {{-0.5797046886, 0.6049482347}, {-0.4307927915, -0.7441344262}};
	const float decay[3] = {0.904837418f, 0.606530660f, 0.980198673f}, beta[3] = {0.5f, 0.9f, 0.25f};
	float state[2][16] = {{0}}, out[3][16];
	struct tern_delta_rule rule = {3, 2, state[0], qkv[0], qkv[0] + 2, qkv[0] + 4, decay, beta, out[0], 20, 1, 16};

	portable->delta_rule(&rule);
	for (size_t i = 0; i < 6; i++)
		CHECK(fabs((double)out[i / 2][i % 2] - expected[i / 2][i % 2]) < 1e-6, "delta_rule: token %zu gives %a",
		      i / 2, (double)out[i / 2][i % 2]);
	for (size_t i = 0; i < 4; i++)
		CHECK(fabs((double)state[i / 2][i % 2] - expected_state[i / 2][i % 2]) < 1e-6,
		      "delta_rule: the state ends as %a in row %zu", (double)state[i / 2][i % 2], i / 2);
}

static void check_portable(void)
{
	static const float scales[] = {1.0f, 0.158113883f, 0.01f};

	check_exp();
	check_gates();
	check_rms();
	check_quantize(3.0f);
	check_quantize(1e-6f); /* where the maximum is held at 1e-5 */
	check_sums(1);
	check_sums(1000);
	check_sums(6913);
	check_exact_products();
	for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
		check_attention_math(scales[i]);
	check_attention_q8();
	check_ternary_layout();
	check_binary_layout();
	check_int8_layout();
	check_hadamard_math();
	check_delta_math();
}

#endif
