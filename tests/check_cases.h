/* What the checks of all kernels share: which case is running, for failures and crashes; comparing with the portable
 * kernel; random shapes and values. For check_kernels. */
#ifndef TESTS_CHECK_CASES_H
#define TESTS_CHECK_CASES_H

#include "base/bytes.h"
#include "check_buffers.h"
#include "kernels/kernels.h"
#include "test.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

/* ---- what is running, for failures and crashes ------------------------------------------------------------------- */

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

/* ---- comparing --------------------------------------------------------------------------------------------------- */

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

/* ---- shapes and values ------------------------------------------------------------------------------------------- */

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

/* Six constant fills, then random ones; of activations, three constants, then the extremes, then random ones. */
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

#endif
