/* Up to how many tokens weights are multiplied as they are stored (infer/stored_choice.h): found with kernels that only
 * take time, and never more often than needed. */
#include "infer/stored_choice.h"
#include "test.h"

#include "base/clock.h"

/* A kernel that takes as long for each token as this says, in nanoseconds; unpacking takes time once a call. */
static uint64_t stored_ns, token_ns, unpacking_ns;
static size_t n_call;

static void take_time(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                      size_t x_stride, size_t n_token, size_t n_col, struct tern_streaming streaming)
{
	uint64_t end = tern_clock_ns() +
	               (n_token <= streaming.most_stored ? n_token * stored_ns : n_token * token_ns + unpacking_ns);

	(void)sums, (void)panels, (void)panel_stride, (void)n_panel, (void)x, (void)x_stride, (void)n_col;
	n_call++;
	while (tern_clock_ns() < end)
		continue;
}

static const struct tern_kernels kernels = {.turn_tokens = 6, .dot_ternary = take_time};

static size_t find(size_t n_token)
{
	struct tern_stored_choice choices[TERN_STORED_KERNELS] = {{0}};
	return tern_most_stored(choices, &kernels, take_time, n_token);
}

/* Unpacking costs 20 tokens' time of what it saves: twice as fast per token, it is worth it from 40 on. */
static void check_limits(void)
{
	stored_ns = 2000, token_ns = 1000, unpacking_ns = 20000;
	CHECK(find(500) == 16, "%zu", find(500)); /* for 32 it is 1.23 times as fast, less 5 % */
	stored_ns = 1000;
	CHECK(find(500) == 64, "stored tiles are as fast for each token: %zu", find(500));
	stored_ns = 9000;
	CHECK(find(500) == 0, "unpacking is faster at once: %zu", find(500));
}

/* Nothing is measured for tokens of one turn, for kernels that have no choice, or twice. */
static void check_effort(void)
{
	struct tern_stored_choice choices[TERN_STORED_KERNELS] = {{0}};
	const struct tern_kernels without = {.dot_ternary = take_time};

	stored_ns = token_ns = unpacking_ns = 1000;
	n_call = 0;
	CHECK(tern_most_stored(choices, &kernels, take_time, 6) == 6 && n_call == 0, "%zu calls", n_call);
	CHECK(tern_most_stored(choices, &without, take_time, 50) == 0 && n_call == 0, "%zu calls", n_call);
	CHECK(tern_most_stored(choices, &kernels, take_time, 7) == 8 && n_call > 0, "%zu calls", n_call);
	n_call = 0;
	CHECK(tern_most_stored(choices, &kernels, take_time, 8) == 8 && n_call == 0, "%zu calls", n_call);
	CHECK(tern_most_stored(choices, &kernels, take_time, 30) == 32 && n_call > 0, "%zu calls", n_call);
	CHECK(tern_most_stored(choices, &kernels, take_time, 1000) == 64, "more than are tried");
	n_call = 0;
	CHECK(tern_most_stored(choices, &kernels, take_time, 1000) == 64 && n_call == 0, "%zu calls", n_call);
}

int main(void)
{
	check_limits();
	check_effort();
	return test_summary();
}
