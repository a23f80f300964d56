/* Compares every kernel of every instruction set with the portable one, bit for bit, and the portable ones with
 * mathematics in double precision. Walks the tables that the engine uses, so a kernel that ships is checked.
 *
 *     check_kernels [--seed N] [--isa NAME] [--bench]
 *
 * Shapes are small, odd, one off a register and large; buffers lie at every misalignment and against unmapped pages;
 * values are ordinary or extreme. The seed, printed, repeats a run. --bench then times what was checked. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "base/bytes.h"
#include "check_bench.h"
#include "check_buffers.h"
#include "check_portable.h"
#include "kernels/kernels.h"
#include "test.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/* ---- what is running, for failures and crashes -------------------------------------------------------------- */

static uint64_t seed;
static char running[512]; /* "avx2 silu_mul: n 17, denormals" */
static size_t running_prefix;

static void run_kernel(const char *isa, const char *slot)
{
	running_prefix = (size_t)snprintf(running, sizeof running, "%s %s: ", isa, slot);
}

static __attribute__((format(printf, 1, 2))) void run_case(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(running + running_prefix, sizeof running - running_prefix, format, args);
	va_end(args);
}

static void put(const char *text)
{
	if (write(2, text, strlen(text)) < 0)
		_exit(1);
}

static void on_crash(int signal)
{
	put(signal == SIGILL ? "illegal instruction in " : signal == SIGFPE ? "SIGFPE in " : "memory fault in ");
	put(running);
	put("\n");
	_exit(1);
}

static void catch_crashes(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
	struct sigaction action = {.sa_handler = on_crash};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
}

/* ---- comparing ----------------------------------------------------------------------------------------------- */

/* All NaNs are one. */
static int same_float(float a, float b)
{
	return tern_bits_from_f32(a) == tern_bits_from_f32(b) || (isnan(a) && isnan(b));
}

static int same_floats(const char *what, const float *got, const float *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int same = same_float(got[i], expected[i]);
		CHECK(same, "%s: %s[%zu] is %a, portable has %a (--seed %llu)", running, what, i, (double)got[i],
		      (double)expected[i], (unsigned long long)seed);
		if (!same)
			return 0;
	}
	return 1;
}

static int same_halves(const char *what, const uint16_t *got, const uint16_t *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int same = same_float(tern_f32_from_f16(got[i]), tern_f32_from_f16(expected[i]));
		CHECK(same, "%s: %s[%zu] is %04x, portable has %04x (--seed %llu)", running, what, i, got[i],
		      expected[i], (unsigned long long)seed);
		if (!same)
			return 0;
	}
	return 1;
}

static int same_integers(const char *what, const int32_t *got, const int32_t *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CHECK(got[i] == expected[i], "%s: %s[%zu] is %d, portable has %d (--seed %llu)", running, what, i,
		      got[i], expected[i], (unsigned long long)seed);
		if (got[i] != expected[i])
			return 0;
	}
	return 1;
}

static int rooms_intact(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int intact = is_intact(&rooms[i]);
		CHECK(intact, "%s: wrote outside buffer %zu (--seed %llu)", running, i, (unsigned long long)seed);
		if (!intact)
			return 0;
	}
	return 1;
}

/* ---- shapes and values --------------------------------------------------------------------------------------- */

static size_t below(size_t n) { return (size_t)(test_random() % n); }

static size_t pick(const size_t *choices, size_t n) { return choices[below(n)]; }
#define PICK(...) pick((const size_t[]){__VA_ARGS__}, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static size_t vector_length(void)
{
	return below(2) ? below(200) : PICK(0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64, 255, 576, 2560, 6912, 6913);
}

enum fill {
	NORMAL,
	WIDE,
	ANY_FINITE,
	ZEROS,
	DENORMALS,
	LARGE,
	WITH_SPECIALS,
	N_FILL,
};
static const char *const fill_names[N_FILL] = {"normal",    "wide",  "any finite",           "zeros",
                                               "denormals", "large", "with NaN and infinity"};

static float random_float(enum fill fill)
{
	uint64_t r = test_random();
	uint32_t sign = (uint32_t)r & 0x80000000, exponent;

	switch (fill) {
	case ZEROS:
		return tern_f32_from_bits(sign);
	case DENORMALS:
		return tern_f32_from_bits((uint32_t)r & 0x807fffff);
	case LARGE:
		return tern_f32_from_bits(sign | 0x7f000000 | ((uint32_t)r & 0x7fffff));
	case WIDE:
		return ldexpf((float)((int32_t)r), (int)(r >> 32) % 24 - 31);
	case WITH_SPECIALS:
		if (r >> 32 & 31)
			break;
		return r >> 40 & 1 ? NAN : tern_f32_from_bits(sign | 0x7f800000);
	case ANY_FINITE:
		exponent = (uint32_t)r >> 23 & 0xff;
		return tern_f32_from_bits(exponent == 0xff ? 0 : (uint32_t)r);
	default:
		break;
	}
	return (float)(int32_t)r * 0x1p-30f; /* -2 .. 2 */
}

static float *fill_floats(float *x, size_t n, enum fill fill)
{
	for (size_t i = 0; i < n; i++)
		x[i] = random_float(fill);
	return x;
}

static uint16_t *fill_halves(uint16_t *x, size_t n, enum fill fill)
{
	for (size_t i = 0; i < n; i++) {
		uint16_t bits = (uint16_t)test_random();
		int special = (bits & 0x7c00) == 0x7c00;
		x[i] = fill == NORMAL          ? tern_f16_from_f32(random_float(NORMAL))
		       : fill == ZEROS         ? bits & 0x8000
		       : fill == DENORMALS     ? bits & 0x83ff
		       : fill == WITH_SPECIALS ? bits
		       : special               ? 0
		                               : bits;
	}
	return x;
}

static enum fill pick_fill(int round) { return (enum fill)(round % N_FILL); }

/* ---- integer kernels ----------------------------------------------------------------------------------------- */

static void fill_bytes(uint8_t *x, size_t n, int fill)
{
	static const uint8_t constants[] = {0x00, 0x55, 0xaa, 0xff, 0x33, 0xf0};

	for (size_t i = 0; i < n; i++)
		x[i] = fill < 6 ? constants[fill] : (uint8_t)test_random();
}

static void fill_activations(int8_t *x, size_t n, int fill)
{
	static const int8_t constants[] = {127, -127, -128};

	for (size_t i = 0; i < n; i++)
		x[i] = fill < 3    ? constants[fill]
		       : fill == 3 ? (int8_t)(test_random() & 1 ? 127 : -128)
		                   : (int8_t)test_random();
}

/* tile_cols: columns of a tile. */
static int check_dot(tern_dot_panels *kernel, tern_dot_panels *reference, int round, size_t tile_cols)
{
	size_t n_col = below(3) ? 16 * (1 + below(40)) : 16 * PICK(1, 2, 5, 10, 11, 20, 21, 22, 41, 160, 432);
	size_t n_panel = 1 + below(4), n_token = below(3) ? 1 + below(14) : PICK(1, 1, 2, 6, 7, 30, 37);
	int codes_fill = (int)below(9), x_fill = (int)below(6);

	if (round < 48) { /* first the extremes of 16-bit sums: each constant with each kind of x, one token and some */
		codes_fill = round / 2 % 6;
		x_fill = round / 12;
		n_token = round % 2 ? 2 + below(7) : 1;
		n_col = 16 * (22 + below(40));
	} else if (round < 50) { /* then the longest rows, where 32-bit sums are largest */
		codes_fill = 3;
		x_fill = 2;
		n_token = round % 2 ? 7 : 1;
		n_col = 65536;
	}
	if (n_token > 14)
		n_col = n_col < 640 ? n_col : 640;
	n_col = (n_col + tile_cols - 1) / tile_cols * tile_cols;
	if (n_col <= 640 && below(4) == 0) /* more panels than kernels take at once, in odd numbers too */
		n_panel = 5 + below(15);

	size_t panel_bytes = n_col / tile_cols * TERN_TILE_BYTES;
	size_t panel_stride = panel_bytes + (below(2) ? 0 : below(100)), x_stride = n_col + (below(2) ? 0 : below(100));
	size_t n_sum = n_token * n_panel * TERN_PANEL_ROWS;
	int32_t *sums = place(&rooms[0], n_sum, sizeof *sums);
	uint8_t *panels = place(&rooms[1], (n_panel - 1) * panel_stride + panel_bytes, 1);
	int8_t *x = place(&rooms[2], (n_token - 1) * x_stride + n_col, 1);
	int32_t *expected = malloc(n_sum * sizeof *expected);

	if (!expected)
		exit(1);
	fill_bytes(panels, rooms[1].size, codes_fill);
	fill_activations(x, rooms[2].size, x_fill);
	run_case("n_panel %zu stride %zu, n_token %zu stride %zu, n_col %zu, fills %d %d", n_panel, panel_stride,
	         n_token, x_stride, n_col, codes_fill, x_fill);
	kernel(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col);
	reference(expected, panels, panel_stride, n_panel, x, x_stride, n_token, n_col);
	int ok = same_integers("sums", sums, expected, n_sum) && rooms_intact(3);
	free(expected);
	return ok;
}

static int check_dot_ternary(const struct tern_kernels *kernels, int round)
{
	return check_dot(kernels->dot_ternary, tern_kernels_portable.dot_ternary, round, TERN_TERNARY_TILE_COLS);
}

static int check_dot_nibble(const struct tern_kernels *kernels, int round)
{
	return check_dot(kernels->dot_nibble, tern_kernels_portable.dot_nibble, round, TERN_NIBBLE_TILE_COLS);
}

static int check_dot_binary(const struct tern_kernels *kernels, int round)
{
	return check_dot(kernels->dot_binary, tern_kernels_portable.dot_binary, round, TERN_BINARY_TILE_COLS);
}

/* Scales for a matrix of n_step steps of columns; `whole` is one for all. */
static void make_groups(struct tern_groups *g, size_t n_panel, size_t n_token, size_t n_step)
{
	bool is_whole = below(4) == 0;

	g->steps_per_scale = 1 + below(3);
	g->steps_per_x = 1 + below(3);
	g->scales_stride = (n_step + g->steps_per_scale - 1) / g->steps_per_scale * TERN_PANEL_ROWS;
	g->x_stride = (n_step + g->steps_per_x - 1) / g->steps_per_x + below(3);
	g->whole = 0.37f;
	uint16_t *scales = place(&rooms[3], n_panel * g->scales_stride, sizeof *scales);
	float *x_inverse = place(&rooms[4], n_token * g->x_stride, sizeof *x_inverse);
	for (size_t i = 0; i < n_panel * g->scales_stride; i++)
		scales[i] = (uint16_t)below(0x7c00);
	for (size_t i = 0; i < n_token * g->x_stride; i++)
		x_inverse[i] = (float)(1 + below(1000)) * 1e-3f;
	g->scales = is_whole ? NULL : scales;
	g->x_inverse = x_inverse;
}

/* The sums of the activations, of every step that has an entry of its own. */
static void sum_steps(struct tern_activation *sums, const struct tern_groups *g, const int8_t *x, size_t x_stride,
                      size_t n_token, size_t n_col)
{
	for (size_t t = 0; t < n_token; t++)
		for (size_t c = 0; c < n_col; c++)
			sums[t * g->x_stride + c / g->n_col / g->steps_per_x].sum += x[t * x_stride + c];
}

typedef void dot_groups_kernel(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                               size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups);

static int check_groups(dot_groups_kernel *kernel, dot_groups_kernel *reference, int round, size_t tile_cols)
{
	struct tern_groups g = {.n_col = tile_cols * (1 + below(round % 2 ? 8 : 20))};
	size_t n_panel = 1 + below(11), n_token = round % 4 ? 1 + below(32) : 1, n_col = tile_cols * (1 + below(40));
	size_t panel_bytes = n_col / tile_cols * TERN_TILE_BYTES,
	       panel_stride = panel_bytes + (below(2) ? 0 : below(100));
	size_t x_stride = n_col + (below(2) ? 0 : below(100)), n_y = n_token * n_panel * TERN_PANEL_ROWS;
	float *y = place(&rooms[0], n_y, sizeof *y), *expected = malloc(n_y * sizeof *expected);
	uint8_t *panels = place(&rooms[1], (n_panel - 1) * panel_stride + panel_bytes, 1);
	int8_t *x = place(&rooms[2], (n_token - 1) * x_stride + n_col, 1);

	make_groups(&g, n_panel, n_token, (n_col + g.n_col - 1) / g.n_col);
	g.next = below(2) ? panels : NULL;
	struct tern_activation *sums = calloc(n_token * g.x_stride, sizeof *sums);
	if (!expected || !sums)
		exit(1);
	fill_bytes(panels, rooms[1].size, round % 3 ? 0 : 1);
	fill_activations(x, rooms[2].size, round % 5 ? 0 : 1);
	sum_steps(sums, &g, x, x_stride, n_token, n_col);
	g.x = sums;
	run_case("n_panel %zu stride %zu, n_token %zu stride %zu, n_col %zu, steps of %zu, %zu a scale, %zu an x",
	         n_panel, panel_stride, n_token, x_stride, n_col, g.n_col, g.steps_per_scale, g.steps_per_x);
	kernel(y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &g);
	reference(expected, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &g);
	int ok = same_floats("y", y, expected, n_y) && rooms_intact(5);
	free(expected);
	free(sums);
	return ok;
}

static int check_dot_groups(const struct tern_kernels *kernels, int round)
{
	return check_groups(kernels->dot_groups, tern_kernels_portable.dot_groups, round, TERN_TERNARY_TILE_COLS);
}

static int check_dot_groups_binary(const struct tern_kernels *kernels, int round)
{
	return check_groups(kernels->dot_groups_binary, tern_kernels_portable.dot_groups_binary, round,
	                    TERN_BINARY_TILE_COLS);
}

/* ---- dot products and sums ----------------------------------------------------------------------------------- */

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

/* ---- norms and gates ----------------------------------------------------------------------------------------- */

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

/* ---- delta nets ---------------------------------------------------------------------------------------------- */

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

/* ---- attention ----------------------------------------------------------------------------------------------- */

struct attention_case {
	size_t n_query, n_skip, n_pos, head_dim;
	float scale;
	float *q;
	void *k, *v;
	float *k_scales, *v_scales; /* NULL: f16 */
};

/* Runs both tables on the case, outputs in rooms 3 to 6, and compares. */
static int compare_attention(const struct tern_kernels *kernels, const struct attention_case *c)
{
	size_t value_stride = (c->head_dim + 15) / 16 * 16, n_out = c->n_query * value_stride;
	float *expected = malloc((n_out + c->n_query * (2 + TERN_ATTENTION_BLOCK)) * sizeof *expected);
	struct tern_attention_block block = {
	        .n_query = c->n_query,
	        .head_dim = c->head_dim,
	        .n_skip = c->n_skip,
	        .n_pos = c->n_pos,
	        .scale = c->scale,
	        .q = c->q,
	        .k = c->k,
	        .v = c->v,
	        .k_scales = c->k_scales,
	        .v_scales = c->v_scales,
	        .next = below(2) ? c->k : NULL,
	        .out = place(&rooms[3], n_out, sizeof(float)),
	        .max = place(&rooms[4], c->n_query, sizeof(float)),
	        .sum = place(&rooms[5], c->n_query, sizeof(float)),
	        .scores = place(&rooms[6], c->n_query * TERN_ATTENTION_BLOCK, sizeof(float)),
	};
	float *out = block.out, *max = block.max, *sum = block.sum, *expected_max, *expected_sum;

	if (!expected)
		exit(1);
	tern_kernels_portable.narrow(c->q, c->n_query * c->head_dim);
	(c->k_scales ? kernels->attention_block_q8 : kernels->attention_block)(&block);
	block.out = expected;
	block.max = expected_max = expected + n_out;
	block.sum = expected_sum = expected_max + c->n_query;
	block.scores = expected_sum + c->n_query;
	(c->k_scales ? tern_kernels_portable.attention_block_q8 : tern_kernels_portable.attention_block)(&block);
	int ok = same_floats("max", max, expected_max, c->n_query) &&
	         same_floats("sum", sum, expected_sum, c->n_query) && same_floats("out", out, expected, n_out) &&
	         rooms_intact(c->k_scales ? 9 : 7);
	free(expected);
	return ok;
}

/* Two positions with scores 0 and q and values 0 and 1 come out as exp(q): the whole range, many at a time. */
static int check_attention_exp(const struct tern_kernels *kernels)
{
	struct attention_case c = {.n_query = 512, .n_pos = 2, .head_dim = 1, .scale = 1.0f};
	uint16_t *k = memset(place(&rooms[1], 16, sizeof *k), 0, 16 * sizeof *k);
	uint16_t *v = memset(place(&rooms[2], 32, sizeof *v), 0, 32 * sizeof *v);

	c.q = place(&rooms[0], c.n_query, sizeof *c.q);
	c.k = k;
	c.v = v;
	k[1] = v[16] = tern_f16_from_f32(1.0f);
	for (size_t i = 0; i < c.n_query; i++) /* -110 .. 0, and finely around where exp is cut off */
		c.q[i] = i % 4 ? -(float)below(1u << 31) * 0x1.b8p-25f : -76.5f - (float)below(1u << 24) * 0x1p-24f;
	run_case("exp");
	return compare_attention(kernels, &c);
}

/* Scores that are negative or, by underflow, zeros of either sign: the first zero is the maximum. */
static int check_attention_zeros(const struct tern_kernels *kernels)
{
	struct attention_case c = {.n_query = 1, .n_pos = 2 + below(40), .head_dim = 1, .scale = 1e-44f};
	uint16_t *k = place(&rooms[1], 48, sizeof *k);

	c.q = place(&rooms[0], 1, sizeof *c.q);
	c.k = k;
	c.v = fill_halves(place(&rooms[2], c.n_pos * 16, sizeof(uint16_t)), c.n_pos * 16, NORMAL);
	c.q[0] = 1.0f;
	for (size_t j = 0; j < 48; j++)
		k[j] = tern_f16_from_f32(below(4) ? -30000.0f : below(2) ? 0.01f : -0.01f);
	run_case("zeros as scores, n_pos %zu", c.n_pos);
	return compare_attention(kernels, &c);
}

static void pick_attention_shape(struct attention_case *c, int round)
{
	c->n_query = 1 + below(12);
	c->n_pos = below(2) ? 1 + below(TERN_ATTENTION_BLOCK) : PICK(1, 15, 16, 17, 64, 65, 255, 256);
	c->head_dim = below(2) ? 1 + below(40) : PICK(1, 8, 16, 32, 64, 80, 96, 128, 256);
	if (round % 16 && c->n_pos * c->head_dim > 4096)
		c->n_pos = 1 + 4096 / c->head_dim;
	c->n_skip = below(2) ? 0 : below(c->n_pos < TERN_KEY_PANEL ? c->n_pos : TERN_KEY_PANEL);
	c->scale = random_float(NORMAL);
}

static int check_attention_block(const struct tern_kernels *kernels, int round)
{
	struct attention_case c = {.n_query = 0};
	enum fill fill = pick_fill(round);
	uint16_t *k, *v;

	if (round % 4 == 3)
		return round % 8 == 3 ? check_attention_exp(kernels) : check_attention_zeros(kernels);
	pick_attention_shape(&c, round);

	size_t n_key = (c.n_pos + 15) / 16 * 16 * c.head_dim, value_stride = (c.head_dim + 15) / 16 * 16;
	c.q = fill_floats(place(&rooms[0], c.n_query * c.head_dim, sizeof *c.q), c.n_query * c.head_dim, fill);
	c.k = k = place(&rooms[1], n_key, sizeof *k);
	c.v = v = place(&rooms[2], c.n_pos * value_stride, sizeof *v);
	fill_halves(k, n_key, WITH_SPECIALS); /* anything, for the padding */
	fill_halves(v, c.n_pos * value_stride, WITH_SPECIALS);
	for (size_t j = c.n_skip; j < c.n_pos; j++) {
		for (size_t d = 0; d < c.head_dim; d++)
			fill_halves(&k[(j / 16 * c.head_dim + d) * 16 + j % 16], 1, below(8) ? NORMAL : fill);
		fill_halves(&v[j * value_stride], c.head_dim, fill);
	}
	run_case("n_query %zu, positions %zu to %zu, head_dim %zu, %s", c.n_query, c.n_skip, c.n_pos, c.head_dim,
	         fill_names[fill]);
	return compare_attention(kernels, &c);
}

static int check_attention_block_q8(const struct tern_kernels *kernels, int round)
{
	struct attention_case c = {.n_query = 0};
	enum fill fill = pick_fill(round);

	pick_attention_shape(&c, round);
	size_t n_padded = (c.n_pos + 15) / 16 * 16, value_stride = (c.head_dim + 15) / 16 * 16;
	c.q = fill_floats(place(&rooms[0], c.n_query * c.head_dim, sizeof *c.q), c.n_query * c.head_dim, fill);
	c.k = place(&rooms[1], n_padded * c.head_dim, 1);
	c.v = place(&rooms[2], c.n_pos * value_stride, 1);
	c.k_scales = fill_floats(place(&rooms[7], n_padded, sizeof(float)), n_padded, WITH_SPECIALS);
	c.v_scales = fill_floats(place(&rooms[8], n_padded, sizeof(float)), n_padded, WITH_SPECIALS);
	fill_activations(c.k, n_padded * c.head_dim, (int)below(8));
	fill_activations(c.v, c.n_pos * value_stride, (int)below(8));
	fill_floats(c.k_scales + c.n_skip, c.n_pos - c.n_skip, below(2) ? NORMAL : fill);
	fill_floats(c.v_scales + c.n_skip, c.n_pos - c.n_skip, below(2) ? NORMAL : fill);
	run_case("n_query %zu, positions %zu to %zu, head_dim %zu, %s", c.n_query, c.n_skip, c.n_pos, c.head_dim,
	         fill_names[fill]);
	return compare_attention(kernels, &c);
}

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

/* ---- the walk over tables and slots -------------------------------------------------------------------------- */

struct slot {
	const char *name;
	size_t offset; /* in struct tern_kernels */
	int (*check)(const struct tern_kernels *kernels, int round);
	int n_round;
};

#define SLOT(name) #name, offsetof(struct tern_kernels, name), check_##name
static const struct slot slots[] = {
        {SLOT(dot_ternary), 200},      {SLOT(dot_nibble), 200},
        {SLOT(dot_groups), 300},       {SLOT(sum_squares), 200},
        {SLOT(dot_binary), 200},       {SLOT(dot_groups_binary), 300},
        {SLOT(rms_scale), 200},        {SLOT(norm_quantize), 400},
        {SLOT(dot_f32), 200},          {SLOT(dot_f16), 200},
        {SLOT(dot_bf16), 200},         {SLOT(silu_mul), 400},
        {SLOT(relu2_mul), 200},        {SLOT(gelu_mul), 400},
        {SLOT(attention_block), 400},  {SLOT(attention_block_q8), 300},
        {SLOT(to_f16), 300},           {SLOT(narrow), 300},
        {SLOT(combine), 300},          {SLOT(estimate), 300},
        {SLOT(sigmoid_mul), 300},      {SLOT(conv_silu), 300},
        {SLOT(hadamard), 300},         {SLOT(delta_rule), 300},
        {SLOT(dots_f32), 200},         {SLOT(dots_bf16), 200},
        {SLOT(clamped_silu_mul), 400},
};
enum {
	N_SLOT = sizeof slots / sizeof *slots,
};
_Static_assert(sizeof(struct tern_kernels) == 2 * sizeof(char *) + N_SLOT * sizeof(void (*)(void)),
               "every kernel has a line in slots");

static int is_null(const struct tern_kernels *kernels, const struct slot *slot)
{
	void (*kernel)(void);
	memcpy(&kernel, (const char *)kernels + slot->offset, sizeof kernel);
	return kernel == NULL;
}

static void check_table(const struct tern_kernels *kernels)
{
	for (size_t s = 0; s < N_SLOT; s++) {
		const struct slot *slot = &slots[s];
		int round = 0, missing = is_null(kernels, slot);
		CHECK(!missing, "%s has no %s", kernels->name, slot->name);
		test_seed = seed * 64 + s; /* the same cases for every table, whichever are checked */
		run_kernel(kernels->name, slot->name);
		while (!missing && round < slot->n_round && slot->check(kernels, round))
			round++;
	}
}

struct arguments {
	const char *isa; /* NULL: all */
	int bench;
};

static int usage(void)
{
	fprintf(stderr, "usage: check_kernels [--seed N] [--isa NAME] [--bench]\n");
	return 2;
}

static int parse(struct arguments *arguments, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *end = NULL;
		if (!strcmp(argv[i], "--bench"))
			arguments->bench = 1;
		else if (!strcmp(argv[i], "--isa") && i + 1 < argc)
			arguments->isa = argv[++i];
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc && (seed = strtoull(argv[++i], &end, 10), !*end))
			continue;
		else
			return 0;
	}
	return 1;
}

/* Checks the tables asked for that run here; returns how many that were, portable included. */
static int check_tables(const char *isa)
{
	int n_run = 0;

	for (const struct tern_kernels *const *built = tern_kernels_built(); *built; built++) {
		if (isa && strcmp(isa, (*built)->name))
			continue;
		if (!tern_kernels_usable(*built)) {
			printf("%s: not on this CPU, skipped\n", (*built)->name);
			continue;
		}
		n_run++;
		if (*built == &tern_kernels_portable)
			check_portable();
		check_table(*built);
		printf("%s: %d checks so far, %d failed\n", (*built)->name, test_n_checks, test_n_failed);
		fflush(stdout);
	}
	return n_run;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};

	seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 16;
	if (!parse(&arguments, argc, argv))
		return usage();
	printf("check_kernels --seed %llu\n", (unsigned long long)seed);
	open_rooms();
	catch_crashes();
	if (!check_tables(arguments.isa)) {
		fprintf(stderr, "check_kernels: %s: nothing to check; this build has",
		        arguments.isa ? arguments.isa : "all");
		for (size_t i = 0; tern_kernels_built()[i]; i++)
			fprintf(stderr, " %s", tern_kernels_built()[i]->name);
		fprintf(stderr, "\n");
		return 1;
	}
	if (arguments.bench)
		bench_tables(arguments.isa);
	return test_summary();
}
