/* infer/linear.h against plain sums in double precision: scales of the whole matrix and of groups of columns, int8
 * activations per token and per group, own norms and norms in front of them, biases, residuals; every kernel set gives
 * the same bits. */
#include "base/bytes.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "model/layout.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum {
	MAX_ROW = 320,
	MAX_COL = 1040,
	MAX_TOKEN = 40
};

struct shape {
	size_t n_row, n_col, n_token;
	size_t scale_group, activation_group; /* 0: the whole matrix, the whole vector */
	enum {
		NO_NORM,
		GAIN,
		WEIGHTLESS
	} norm;
	bool has_bias, add;
};

/* One projection and its input, all random. */
static struct tern_transformer transformer;
static struct tern_engine engine = {.transformer = &transformer};
static struct tern_linear linear;
static int8_t weights[MAX_ROW * MAX_COL];
static uint8_t panels[MAX_ROW * MAX_COL / 4];
static uint16_t scales[MAX_ROW * MAX_COL / 16];
static float gain[MAX_COL], bias[MAX_ROW], input[MAX_TOKEN * MAX_COL], old[MAX_TOKEN * MAX_ROW];
static int8_t q[MAX_TOKEN * MAX_COL];
static struct tern_activation activations[MAX_TOKEN * MAX_COL / 16];
static float inverses[MAX_TOKEN * MAX_COL / 16];
static struct tern_quantized quantized = {q, activations, inverses};

static float random_float(void) { return (float)((int64_t)(test_random() % 20001) - 10000) * 1e-4f; }

static void fill(float *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		values[i] = random_float();
}

static void make(const struct shape *s)
{
	size_t n_panel = tern_panel_count(s->n_row), panel_bytes = tern_t2r16_panel_bytes(s->n_col);

	memset(weights, 0, sizeof weights);
	for (size_t i = 0; i < s->n_row * s->n_col; i++)
		weights[i] = (int8_t)(test_random() % 3) - 1;
	for (size_t p = 0; p < n_panel; p++)
		tern_t2r16_pack_panel(panels + p * panel_bytes, weights + p * TERN_PANEL_ROWS * s->n_col, s->n_col);
	for (size_t i = 0; s->scale_group && i < n_panel * TERN_PANEL_ROWS * (s->n_col / s->scale_group); i++)
		scales[i] = tern_f16_from_f32(0.01f + fabsf(random_float()));
	fill(gain, s->n_col);
	fill(bias, s->n_row);
	fill(input, s->n_token * s->n_col);
	fill(old, s->n_token * s->n_row);
	transformer.hparams.activation_group = s->activation_group;
	transformer.hparams.rms_eps = 1e-5f;
	linear = (struct tern_linear){.n_row = s->n_row,
	                              .n_col = s->n_col,
	                              .panels = panels,
	                              .scale = 0.37f,
	                              .scale_group = s->scale_group,
	                              .group_scales = s->scale_group ? scales : NULL,
	                              .bias = s->has_bias ? bias : NULL,
	                              .has_norm = s->norm != NO_NORM,
	                              .norm_gain = s->norm == GAIN ? gain : NULL,
	                              .norm_eps = 1e-6f};
}

/* One scale's n int8 are the normalized input y to half a step. */
static void check_group(const struct tern_activation *a, const int8_t *steps, const double *y, size_t n)
{
	double max = 1e-5;
	int32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		double distance = fabs(steps[i] - y[i] * (double)a->scale);
		CHECK(distance < 0.5001, "%d for %g", steps[i], y[i] * (double)a->scale);
		max = fmax(max, fabs(y[i]));
		sum += steps[i];
	}
	CHECK(fabs((double)a->scale * max / 127 - 1) < 1e-6, "scale %g, maximum %g", (double)a->scale, max);
	CHECK(a->sum == sum, "sum %d, expected %d", a->sum, sum);
}

static void check_quantized(const struct shape *s, size_t token)
{
	size_t group = s->activation_group ? s->activation_group : s->n_col, n_group = tern_divide_up(s->n_col, group);
	const float *x = input + token * s->n_col;
	double y[MAX_COL], squares = 0, inv_rms = 1;

	for (size_t c = 0; c < s->n_col; c++)
		squares += (double)x[c] * (double)x[c];
	if (s->norm != NO_NORM)
		inv_rms = 1 / sqrt(squares / (double)s->n_col + 1e-6);
	for (size_t c = 0; c < s->n_col; c++)
		y[c] = (double)x[c] * inv_rms * (s->norm == GAIN ? (double)gain[c] : 1.0);
	for (size_t g = 0; g < n_group; g++) {
		size_t c = g * group, n = tern_smaller(s->n_col - c, group);
		check_group(&activations[token * n_group + g], q + token * s->n_col + c, y + c, n);
	}
}

/* Scale of row r in column c, by the definition of the layout. */
static double scale_at(const struct shape *s, size_t r, size_t c)
{
	if (!s->scale_group)
		return (double)linear.scale;
	size_t n_group = s->n_col / s->scale_group;
	return (double)tern_f32_from_f16(scales[(r / 16 * n_group + c / s->scale_group) * 16 + r % 16]);
}

static void check_products(const struct shape *s, const float *out)
{
	size_t group = s->activation_group ? s->activation_group : s->n_col, n_group = tern_divide_up(s->n_col, group);
	size_t n_wrong = 0;

	for (size_t t = 0; t < s->n_token; t++)
		for (size_t r = 0; r < s->n_row; r++) {
			double y = 0, size = 0;
			for (size_t c = 0; c < s->n_col; c++) {
				double x = q[t * s->n_col + c] / (double)activations[t * n_group + c / group].scale;
				y += weights[r * s->n_col + c] * x * scale_at(s, r, c);
				size += fabs(x * scale_at(s, r, c));
			}
			y += s->has_bias ? (double)bias[r] : 0.0;
			y += s->add ? (double)old[t * s->n_row + r] : 0.0;
			n_wrong += !(fabs((double)out[t * s->n_row + r] - y) <= 1e-6 * (size + 1));
		}
	CHECK(n_wrong == 0, "%zu x %zu, %zu tokens, groups of %zu and %zu: %zu outputs wrong", s->n_row, s->n_col,
	      s->n_token, s->scale_group, s->activation_group, n_wrong);
}

/* A norm in front gives the bits of one whose result is quantized. */
static void check_norm_in_front(const struct shape *s, const char *isa)
{
	static float in_front[MAX_COL], normed[MAX_TOKEN * MAX_COL];
	static int8_t expected[MAX_TOKEN * MAX_COL];
	static struct tern_activation expected_activations[MAX_TOKEN * MAX_COL / 16];
	size_t group = s->activation_group ? s->activation_group : s->n_col;
	size_t n_activation = tern_divide_up(s->n_col, group) * s->n_token;

	fill(in_front, s->n_col);
	tern_rms_norm(&engine, normed, input, in_front, s->n_col, s->n_token);
	tern_quantize_input(&engine, &quantized, &linear, normed, NULL, s->n_token);
	memcpy(expected, q, s->n_token * s->n_col);
	memcpy(expected_activations, activations, n_activation * sizeof *activations);
	tern_quantize_input(&engine, &quantized, &linear, input, in_front, s->n_token);
	CHECK(!memcmp(q, expected, s->n_token * s->n_col) &&
	              !memcmp(activations, expected_activations, n_activation * sizeof *activations),
	      "%s, %zu columns: a norm in front gives other bits", isa, s->n_col);
}

static void check_shape(const struct shape *s)
{
	static float out[MAX_TOKEN * MAX_ROW], first[MAX_TOKEN * MAX_ROW];
	const struct tern_kernels *const *built = tern_kernels_built();
	struct tern_projection projection = {&linear, &quantized, out, .add = s->add};
	size_t n_bytes = s->n_token * s->n_row * sizeof *out;

	make(s);
	for (size_t i = 0; built[i]; i++) {
		if (!tern_kernels_usable(built[i]))
			continue;
		engine.kernels = built[i];
		memcpy(out, old, n_bytes);
		tern_quantize_input(&engine, &quantized, &linear, input, NULL, s->n_token);
		tern_project(&engine, &projection, 1, s->n_token);
		if (i == 0) {
			memcpy(first, out, n_bytes);
			for (size_t t = 0; t < s->n_token; t++)
				check_quantized(s, t);
			check_products(s, out);
		}
		CHECK(!memcmp(out, first, n_bytes), "%s differs from %s", built[i]->name, built[0]->name);
		check_norm_in_front(s, built[i]->name);
	}
}

int main(void)
{
	static const struct shape shapes[] = {
	        {48, 64, 3, 0, 0, NO_NORM, false, false},
	        {37, 80, 1, 0, 0, GAIN, true, false},
	        {300, 1040, 40, 0, 0, WEIGHTLESS, true, true},
	        {128, 256, 33, 0, 0, GAIN, false, true},
	        {40, 512, 5, 64, 128, NO_NORM, false, false},
	        {40, 512, 5, 128, 128, NO_NORM, true, false},
	        {40, 512, 5, 256, 128, NO_NORM, false, true},
	        {130, 320, 3, 64, 128, NO_NORM, false, false}, /* last of 64 */
	        {130, 144, 2, 0, 128, NO_NORM, true, false},   /* last of 16 */
	        {37, 192, 2, 64, 0, GAIN, true, true},
	        {37, 192, 2, 192, 64, WEIGHTLESS, false, false},
	        {17, 16, 2, 16, 16, NO_NORM, false, false},
	        {16, 96, 1, 16, 128, NO_NORM, false, false}, /* one short group */
	        {300, 1040, 2, 208, 208, GAIN, true, true},
	};
	struct tern_error err;

	engine.worker_scratch_bytes = tern_linear_scratch_bytes();
	CHECK(tern_pool_new(&engine.pool, 2, &err) == TERN_OK, "%s", err.message);
	engine.worker_scratch = tern_alloc_aligned(2, engine.worker_scratch_bytes);
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		check_shape(&shapes[i]);
	tern_free(engine.worker_scratch);
	tern_pool_free(engine.pool);
	return test_summary();
}
