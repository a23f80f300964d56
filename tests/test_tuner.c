/* The tuner on a made-up machine: it finds the fastest way of reading within a few dozen reads, keeps to it in spite of
 * noise, and changes over when the machine does. */
#include "infer/tuner.h"
#include "test.h"

#include <stdbool.h>

enum {
	N_READ = 30,         /* a token's reads of one kind */
	TOURNAMENT = 158,    /* reads: 2 of each of 11 choices, 4 of 6, 16 of 3 and 32 of 2 */
	SETTLED_TOKENS = 7,  /* after so many the choice is made */
	CHANGE_TOKENS = 400, /* after so many more it follows the machine */
};

/* Nanoseconds of a read: `fast` takes 100 us, others up to half as much again; with noise of some per cent, and now and
 * then a disturbance. */
static uint64_t time_of(struct tern_streaming streaming, struct tern_streaming fast)
{
	uint64_t ns = 100000;

	if (streaming.n_stream != fast.n_stream)
		ns += 25000;
	if (streaming.prefetch != fast.prefetch)
		ns += 10000 + (streaming.prefetch + fast.prefetch) % 15000;
	ns += test_random() % 4000;
	return test_random() % 10 ? ns : ns + 300000;
}

static bool is_same(struct tern_streaming a, struct tern_streaming b)
{
	return a.n_stream == b.n_stream && a.prefetch == b.prefetch;
}

/* Returns how many reads were not done in the fastest way. */
static int generate(struct tern_tuner *tuner, int n_token, struct tern_streaming fast)
{
	static const char weights[N_READ];
	int n_other = 0;

	for (int t = 0; t < n_token; t++)
		for (int i = 0; i < N_READ; i++) {
			struct tern_read_extent read = {weights + i, 10240, 1 << 20};
			struct tern_streaming streaming = tern_tuner_start(tuner, read, 1);
			n_other += !is_same(streaming, fast);
			tern_tuner_record(tuner, time_of(streaming, fast));
		}
	return n_other;
}

/* An output head, read once a token, is read like the layers as soon as they are settled. */
static void check_head(void)
{
	static const char head[1];
	const struct tern_read_extent read = {head, 20480, 160 << 20};
	const struct tern_streaming fast = {.n_stream = 2, .prefetch = 4096};
	struct tern_tuner tuner;
	struct tern_error err;

	CHECK(tern_tuner_init(&tuner, &err) == TERN_OK, "%s", err.message);
	for (int t = 0; t < SETTLED_TOKENS; t++) {
		generate(&tuner, 1, fast);
		tern_tuner_start(&tuner, read, 1);
		tern_tuner_record(&tuner, 5000000);
	}
	CHECK(is_same(tern_tuner_choice(&tuner, read, 1), fast), "the head is read in another way than the layers");
}

/* Reads are measured from the second token's second one on. */
static void check_tournament(void)
{
	static const char weights[N_READ];
	const struct tern_streaming fast = {.n_stream = 1, .prefetch = 4096};
	struct tern_tuner tuner;
	struct tern_error err;
	int n = 0;

	CHECK(tern_tuner_init(&tuner, &err) == TERN_OK, "%s", err.message);
	do {
		struct tern_read_extent read = {weights + n++ % N_READ, 10240, 1 << 20};
		tern_tuner_record(&tuner, time_of(tern_tuner_start(&tuner, read, 1), fast));
	} while (!tern_tuner_kind(&tuner, 0)->is_settled && n < 1000);
	CHECK(n == N_READ + 1 + TOURNAMENT, "%d reads until one way is left", n);
}

static void check_machine(struct tern_streaming first, struct tern_streaming then)
{
	struct tern_tuner tuner;
	struct tern_error err;
	int n_other;

	CHECK(tern_tuner_init(&tuner, &err) == TERN_OK, "%s", err.message);
	generate(&tuner, SETTLED_TOKENS, first);
	const struct tern_read_kind *kind = tern_tuner_kind(&tuner, 0);
	CHECK(kind && kind->is_settled && !tern_tuner_kind(&tuner, 1), "not settled after %d tokens", SETTLED_TOKENS);
	if (!kind)
		return;
	CHECK(is_same(tern_tuner_best(kind), first), "%zu:%zu is chosen where %zu:%zu is fastest",
	      tern_tuner_best(kind).n_stream, tern_tuner_best(kind).prefetch, first.n_stream, first.prefetch);
	n_other = generate(&tuner, 1000, first);
	CHECK(n_other < 1000 * N_READ / 50, "%d of %d reads were done in another way", n_other, 1000 * N_READ);
	generate(&tuner, CHANGE_TOKENS, then);
	CHECK(is_same(tern_tuner_best(kind), then), "%zu:%zu is chosen where %zu:%zu has become fastest",
	      tern_tuner_best(kind).n_stream, tern_tuner_best(kind).prefetch, then.n_stream, then.prefetch);
}

static void check_what_is_tuned(void)
{
	struct tern_tuner tuner;
	struct tern_error err;
	struct tern_read_extent small = {"", 64, 4096}, large = {"", 10240, 1 << 20};

	tern_tuner_init(&tuner, &err);
	tern_tuner_start(&tuner, small, 1);
	tern_tuner_start(&tuner, large, 500);
	CHECK(!tern_tuner_kind(&tuner, 0), "a small read or one for many tokens is tuned");
	for (size_t i = 0; i < 2 * TERN_TUNER_KINDS; i++) {
		large.n_bytes++;
		tern_tuner_start(&tuner, large, 1 + i % 2);
		tern_tuner_stop(&tuner);
	}
	CHECK(tern_tuner_kind(&tuner, TERN_TUNER_KINDS - 1) && !tern_tuner_kind(&tuner, TERN_TUNER_KINDS),
	      "more kinds than there is room for");
}

int main(void)
{
	const struct tern_streaming one = {.n_stream = 1, .prefetch = 8192}, two = {.n_stream = 2, .prefetch = 4096},
	                            four = {.n_stream = 4, .prefetch = 2048};

	unsetenv("TERN_STREAMING");
	for (int i = 0; i < 20; i++) {
		check_machine(four, one);
		check_machine(one, two);
		check_machine(two, four);
	}
	check_tournament();
	check_head();
	check_what_is_tuned();
	return test_summary();
}
