/* Checks of the float kernels except attention, for check_kernels. */
#ifndef TESTS_CHECK_FLOATS_H
#define TESTS_CHECK_FLOATS_H

#include "check_cases.h"

#include <stdlib.h>

/* ---- dot products and sums --------------------------------------------------------------------------------------- */

/* The difference of sums and offset is an int32. */
static int check_dequantize_sums(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	int32_t *sums = place(&rooms[0], n, sizeof *sums), offset = (int32_t)test_random() / 2;
	float *out = place(&rooms[1], n, sizeof *out), *expected = malloc((n + 1) * sizeof *expected);
	float factor = random_float(pick_fill(round));

	if (!expected)
		exit(1);
	offset = below(2) ? offset : offset % 1024;
	for (size_t i = 0; i < n; i++)
		sums[i] = (int32_t)test_random() / (below(2) ? 2 : 1 << 16);
	run_case("n %zu, %s", n, fill_names[pick_fill(round)]);
	tern_kernels_portable.dequantize_sums(expected, sums, offset, factor, n);
	kernels->dequantize_sums(out, sums, offset, factor, n);
	int ok = same_floats("out", out, expected, n) && rooms_intact(2);
	free(expected);
	return ok;
}

static int check_sum_squares(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *x = fill_floats(place(&rooms[0], n, sizeof *x), n, fill);

	run_case("n %zu, %s", n, fill_names[fill]);
	float got = kernels->sum_squares(x, n), expected = tern_kernels_portable.sum_squares(x, n);
	return same_floats("sum", &got, &expected, 1) && rooms_intact(1);
}

static int check_dot_f32(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *a = fill_floats(place(&rooms[0], n, sizeof *a), n, fill);
	float *x = fill_floats(place(&rooms[1], n, sizeof *x), n, below(2) ? NORMAL : fill);

	run_case("n %zu, %s", n, fill_names[fill]);
	float got = kernels->dot_f32(a, x, n), expected = tern_kernels_portable.dot_f32(a, x, n);
	return same_floats("sum", &got, &expected, 1) && rooms_intact(2);
}

typedef float dot_halves(const uint16_t *, const float *, size_t);

static int check_dot_halves(dot_halves *kernel, dot_halves *reference, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	uint16_t *a = fill_halves(place(&rooms[0], n, sizeof *a), n, fill);
	float *x = fill_floats(place(&rooms[1], n, sizeof *x), n, below(2) ? NORMAL : fill);

	run_case("n %zu, %s", n, fill_names[fill]);
	float got = kernel(a, x, n), expected = reference(a, x, n);
	return same_floats("sum", &got, &expected, 1) && rooms_intact(2);
}

static int check_dot_f16(const struct tern_kernels *kernels, int round)
{
	return check_dot_halves(kernels->dot_f16, tern_kernels_portable.dot_f16, round);
}

static int check_dot_bf16(const struct tern_kernels *kernels, int round)
{
	return check_dot_halves(kernels->dot_bf16, tern_kernels_portable.dot_bf16, round);
}

static float *copy_floats(const float *x, size_t n)
{
	float *copy = malloc((n + 1) * sizeof *copy);

	if (!copy)
		exit(1);
	memcpy(copy, x, n * sizeof *copy);
	return copy;
}

/* Rows and vectors of either type, into every out_stride-th place. */
static int check_dots(const struct tern_kernels *kernels, bool is_bf16, int round)
{
	size_t n = 16 * below(20), n_row = 1 + below(9), n_token = 1 + below(6), stride = n_row + below(4);
	size_t n_out = (n_token - 1) * stride + n_row;
	enum fill fill = pick_fill(round);
	uint16_t *halves =
	        fill_halves(place(&rooms[0], is_bf16 ? n_row * n : 0, sizeof *halves), is_bf16 ? n_row * n : 0, fill);
	float *floats =
	        fill_floats(place(&rooms[1], is_bf16 ? 0 : n_row * n, sizeof *floats), is_bf16 ? 0 : n_row * n, fill);
	float *x = fill_floats(place(&rooms[2], n_token * n, sizeof *x), n_token * n, below(2) ? NORMAL : fill);
	float *out = fill_floats(place(&rooms[3], n_out, sizeof *out), n_out, NORMAL),
	      *expected = copy_floats(out, n_out);

	run_case("n %zu, %zu rows, %zu tokens, %s", n, n_row, n_token, fill_names[fill]);
	if (is_bf16) {
		tern_kernels_portable.dots_bf16(expected, stride, halves, n_row, x, n_token, n);
		kernels->dots_bf16(out, stride, halves, n_row, x, n_token, n);
	} else {
		tern_kernels_portable.dots_f32(expected, stride, floats, n_row, x, n_token, n);
		kernels->dots_f32(out, stride, floats, n_row, x, n_token, n);
	}
	int ok = same_floats("out", out, expected, n_out) && rooms_intact(4);
	free(expected);
	return ok;
}

static int check_dots_f32(const struct tern_kernels *kernels, int round) { return check_dots(kernels, false, round); }
static int check_dots_bf16(const struct tern_kernels *kernels, int round) { return check_dots(kernels, true, round); }

/* ---- norms and gates --------------------------------------------------------------------------------------------- */

static int check_rms_scale(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *x = fill_floats(place(&rooms[0], n, sizeof *x), n, fill);
	float *gain = fill_floats(place(&rooms[1], n, sizeof *gain), n, below(2) ? NORMAL : fill);
	float *out = place(&rooms[2], n, sizeof *out), *expected = copy_floats(x, n), inv_rms = random_float(WIDE);

	gain = below(3) ? gain : NULL;
	out = below(2) ? out : x;
	run_case("n %zu, %s%s%s", n, fill_names[fill], gain ? "" : ", no gain", out == x ? ", in place" : "");
	tern_kernels_portable.rms_scale(expected, x, gain, inv_rms, n);
	kernels->rms_scale(out, x, gain, inv_rms, n);
	int ok = same_floats("out", out, expected, n) && rooms_intact(3);
	free(expected);
	return ok;
}

static int check_norm_quantize(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *x = fill_floats(place(&rooms[0], n, sizeof *x), n, fill);
	float *gain = fill_floats(place(&rooms[1], n, sizeof *gain), n, NORMAL);
	float inv_rms = below(2) ? 1.0f : random_float(WIDE);
	int8_t *q = place(&rooms[2], n, 1), *expected_q = malloc(n + 1);
	struct tern_activation got, expected;

	if (!expected_q)
		exit(1);
	gain = below(3) ? gain : NULL;
	run_case("n %zu, %s%s", n, fill_names[fill], gain ? "" : ", no gain");
	expected = tern_kernels_portable.norm_quantize(expected_q, x, gain, inv_rms, n);
	got = kernels->norm_quantize(q, x, gain, inv_rms, n);
	int ok = same_floats("scale", &got.scale, &expected.scale, 1) &&
	         same_integers("sum", &got.sum, &expected.sum, 1) && rooms_intact(3);
	CHECK(!memcmp(q, expected_q, n), "%s: q differs from portable's (--seed %llu)", running,
	      (unsigned long long)seed);
	ok = ok && !memcmp(q, expected_q, n);
	free(expected_q);
	return ok;
}

typedef void gate_kernel(float *, const float *, size_t);

static int check_gate(gate_kernel *kernel, gate_kernel *reference, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *gate = fill_floats(place(&rooms[0], n, sizeof *gate), n, fill), *expected = copy_floats(gate, n);
	float *up = fill_floats(place(&rooms[1], n, sizeof *up), n, below(2) ? NORMAL : fill);

	run_case("n %zu, %s", n, fill_names[fill]);
	reference(expected, up, n);
	kernel(gate, up, n);
	int ok = same_floats("gate", gate, expected, n) && rooms_intact(2);
	free(expected);
	return ok;
}

static int check_silu_mul(const struct tern_kernels *kernels, int round)
{
	return check_gate(kernels->silu_mul, tern_kernels_portable.silu_mul, round);
}

static int check_relu2_mul(const struct tern_kernels *kernels, int round)
{
	return check_gate(kernels->relu2_mul, tern_kernels_portable.relu2_mul, round);
}

static int check_gelu_mul(const struct tern_kernels *kernels, int round)
{
	return check_gate(kernels->gelu_mul, tern_kernels_portable.gelu_mul, round);
}

static int check_clamped_silu_mul(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *gate = fill_floats(place(&rooms[0], n, sizeof *gate), n, fill), *expected = copy_floats(gate, n);
	float *up = fill_floats(place(&rooms[1], n, sizeof *up), n, below(2) ? NORMAL : fill);
	float limit = below(2) ? 7.0f : 0.5f;

	run_case("n %zu, %s, limit %g", n, fill_names[fill], (double)limit);
	tern_kernels_portable.clamped_silu_mul(expected, up, limit, n);
	kernels->clamped_silu_mul(gate, up, limit, n);
	int ok = same_floats("gate", gate, expected, n) && rooms_intact(2);
	free(expected);
	return ok;
}

static int check_sigmoid_mul(const struct tern_kernels *kernels, int round)
{
	return check_gate(kernels->sigmoid_mul, tern_kernels_portable.sigmoid_mul, round);
}

/* ---- rounding, merging, estimates -------------------------------------------------------------------------------- */

/* Numbers of which many are halfway between two halves, subnormal as halves, or too large. */
static int check_to_f16(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *x = fill_floats(place(&rooms[0], n, sizeof *x), n, fill);
	uint16_t *got = place(&rooms[1], n, sizeof *got);
	uint16_t *expected = place(&rooms[2], n, sizeof *expected);

	for (size_t i = 0; i < n; i += 2)
		x[i] = ldexpf((float)below(1 << 13), (int)below(46) - 38);
	run_case("n %zu, %s", n, fill_names[fill]);
	kernels->to_f16(got, x, n);
	tern_kernels_portable.to_f16(expected, x, n);
	return same_halves("out", got, expected, n) && rooms_intact(3);
}

/* Among them numbers just below and above the limits, and halfway between two of 13 bits. */
static int check_narrow(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *got = fill_floats(place(&rooms[0], n, sizeof *got), n, fill);
	float *expected = place(&rooms[1], n, sizeof *expected);
	const float limits[] = {1.0f, 0x1.fffffep-1f, 0x1.fffp-1f};

	for (size_t i = 0; i < n; i += 2)
		got[i] = below(2) ? ldexpf((float)below(1 << 15), (int)below(40) - 20)
		                  : ldexpf(limits[below(3)], below(2) ? -112 : 112);
	memcpy(expected, got, n * sizeof *got);
	run_case("n %zu, %s", n, fill_names[fill]);
	kernels->narrow(got, n);
	tern_kernels_portable.narrow(expected, n);
	return same_floats("out", got, expected, n) && rooms_intact(2);
}

static int check_combine(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *got = fill_floats(place(&rooms[0], n, sizeof *got), n, fill);
	float *more = fill_floats(place(&rooms[1], n, sizeof *more), n, fill);
	float *expected = place(&rooms[2], n, sizeof *expected);
	float keep = below(2) ? 1.0f : random_float(fill), add = below(2) ? 1.0f : random_float(fill);

	memcpy(expected, got, n * sizeof *got);
	run_case("n %zu, %s, keep %a, add %a", n, fill_names[fill], (double)keep, (double)add);
	kernels->combine(got, keep, more, add, n);
	tern_kernels_portable.combine(expected, keep, more, add, n);
	return same_floats("out", got, expected, n) && rooms_intact(3);
}

/* Sums as a head of up to 65,536 columns makes them. */
static int check_estimate(const struct tern_kernels *kernels, int round)
{
	size_t n_panel = 1 + below(20), n = n_panel * 16;
	int32_t *high = place(&rooms[0], n, sizeof *high), offset = (int32_t)below(1 << 24) - (1 << 23);
	float *row_scales = fill_floats(place(&rooms[1], n, sizeof *row_scales), n, NORMAL);
	float *got = place(&rooms[2], n, sizeof *got), *got_upper = place(&rooms[3], n_panel, sizeof *got_upper);
	float *expected = place(&rooms[4], n, sizeof *expected), inverse = fabsf(random_float(NORMAL));
	float *expected_upper = place(&rooms[5], n_panel, sizeof *expected_upper);
	int32_t bound = (int32_t)below(1 << 20);

	(void)round;
	for (size_t i = 0; i < n; i++)
		high[i] = (int32_t)below(1 << 26) - (1 << 25);
	run_case("%zu panels, offset %d, bound %d", n_panel, offset, bound);
	kernels->estimate(got, got_upper, high, row_scales, n_panel, inverse, offset, bound);
	tern_kernels_portable.estimate(expected, expected_upper, high, row_scales, n_panel, inverse, offset, bound);
	for (size_t i = 0; i < n; i++) /* either zero */
		got[i] += 0.0f, expected[i] += 0.0f;
	for (size_t p = 0; p < n_panel; p++)
		got_upper[p] += 0.0f, expected_upper[p] += 0.0f;
	return same_floats("estimate", got, expected, n) && same_floats("upper", got_upper, expected_upper, n_panel) &&
	       rooms_intact(6);
}

/* ---- delta nets -------------------------------------------------------------------------------------------------- */

static int check_conv_silu(const struct tern_kernels *kernels, int round)
{
	size_t n = vector_length();
	enum fill fill = pick_fill(round);
	float *taps = fill_floats(place(&rooms[4], 4 * n, sizeof *taps), 4 * n, below(2) ? NORMAL : fill);
	float *out = place(&rooms[5], n, sizeof *out), *expected = place(&rooms[6], n, sizeof *expected);
	const float *x[4];

	for (size_t i = 0; i < 4; i++)
		x[i] = fill_floats(place(&rooms[i], n, sizeof **x), n, fill);
	run_case("n %zu, %s", n, fill_names[fill]);
	kernels->conv_silu(out, x, taps, n);
	tern_kernels_portable.conv_silu(expected, x, taps, n);
	return same_floats("out", out, expected, n) && rooms_intact(7);
}

static int check_hadamard(const struct tern_kernels *kernels, int round)
{
	size_t block = (size_t)16 << below(8), n = block * (1 + below(5));
	enum fill fill = pick_fill(round);
	float *x = fill_floats(place(&rooms[0], n, sizeof *x), n, fill);
	float *signs = place(&rooms[1], n, sizeof *signs);
	float *out = place(&rooms[2], n, sizeof *out), *expected = place(&rooms[3], n, sizeof *expected);

	for (size_t i = 0; i < n; i++)
		signs[i] = below(2) ? 1.0f : -1.0f;
	signs = below(3) ? signs : NULL;
	out = below(2) ? out : x;
	run_case("n %zu, block %zu, %s%s%s", n, block, fill_names[fill], signs ? "" : ", no signs",
	         out == x ? ", in place" : "");
	tern_kernels_portable.hadamard(expected, x, signs, n, block);
	kernels->hadamard(out, x, signs, n, block);
	return same_floats("out", out, expected, n) && rooms_intact(4);
}

static int check_delta_rule(const struct tern_kernels *kernels, int round)
{
	size_t n_token = 1 + below(9), n_key = 1 + below(200), qkv = 2 * n_key + 16 + below(9), gates = 1 + below(5);
	size_t out_stride = 16 + below(9);
	enum fill fill = pick_fill(round);
	float *state = fill_floats(place(&rooms[0], n_key * 16, sizeof *state), n_key * 16, fill);
	float *x = fill_floats(place(&rooms[1], n_token * qkv, sizeof *x), n_token * qkv, below(2) ? NORMAL : fill);
	float *decay = fill_floats(place(&rooms[2], n_token * gates, sizeof *decay), n_token * gates, NORMAL);
	float *beta = fill_floats(place(&rooms[3], n_token * gates, sizeof *beta), n_token * gates, NORMAL);
	size_t n_out = (n_token - 1) * out_stride + 16;
	float *out = place(&rooms[4], n_out, sizeof *out), *expected = place(&rooms[5], n_out, sizeof *out);
	float *expected_state = place(&rooms[6], n_key * 16, sizeof *state);
	struct tern_delta_rule rule = {n_token, n_key, state, x,   x + n_key, x + 2 * n_key,
	                               decay,   beta,  out,   qkv, gates,     out_stride};

	memset(out, 0, n_out * sizeof *out); /* between the rows nothing is written */
	memset(expected, 0, n_out * sizeof *out);
	memcpy(expected_state, state, n_key * 16 * sizeof *state);
	run_case("%zu tokens, %zu keys, %s", n_token, n_key, fill_names[fill]);
	kernels->delta_rule(&rule);
	rule.state = expected_state;
	rule.out = expected;
	tern_kernels_portable.delta_rule(&rule);
	return same_floats("out", out, expected, n_out) && same_floats("state", state, expected_state, n_key * 16) &&
	       rooms_intact(7);
}

#endif
