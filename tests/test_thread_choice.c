/* The choice of how many threads compute, on a made-up machine with a clock of its own. */
#include "infer/thread_choice.h"
#include "test.h"

/* A machine with n_core cores, of which n_busy are shared with another program's thread: a step waits for the slowest
 * thread. A token takes one undisturbed thread 20 ms. */
struct machine {
	int n_core, n_busy;
};

/* Generates for some seconds; returns tokens per second. */
static double generate(struct tern_thread_choice *choice, struct machine m, double seconds)
{
	double elapsed = 0, n_token = 0;

	while (elapsed < seconds) {
		int n = choice->n_now, n_disturbed = n > m.n_core - m.n_busy ? n - (m.n_core - m.n_busy) : 0;
		double noise = 1 + (double)(test_random() % 100) / 2000;
		double wall = 0.020 / n * (n_disturbed ? 3 : 1) * noise;
		double cpu = wall * ((n - n_disturbed) * 0.99 + n_disturbed * 0.5);
		tern_thread_choice_record(choice, 1, (uint64_t)(wall * 1e9), (uint64_t)(cpu * 1e9));
		elapsed += wall;
		n_token++;
	}
	return n_token / elapsed;
}

static double best_of(struct machine m)
{
	int n_free = m.n_core - m.n_busy;
	double all = m.n_core / (m.n_busy ? 3.0 : 1.0);
	return 50 / 1.025 * (n_free > all ? n_free : all);
}

/* On a quiet machine all threads are used, beside another program the best number, and all again when it has ended. */
static void test_machine(struct machine m)
{
	struct machine quiet = {m.n_core, 0};
	struct tern_thread_choice choice;
	double speed;

	tern_thread_choice_init(&choice, m.n_core, m.n_core);
	generate(&choice, quiet, 5);
	CHECK(choice.n_now == m.n_core, "%d of %d threads on a quiet machine", choice.n_now, m.n_core);
	generate(&choice, m, 10); /* the other program starts */
	speed = generate(&choice, m, 60);
	CHECK(speed > 0.93 * best_of(m), "%d cores, %d busy: %.1f tokens/s of %.1f", m.n_core, m.n_busy, speed,
	      best_of(m));
	generate(&choice, quiet, 60); /* and ends */
	speed = generate(&choice, quiet, 20);
	CHECK(speed > 0.97 * best_of(quiet), "%d cores, quiet again: %.1f tokens/s of %.1f", m.n_core, speed,
	      best_of(quiet));
}

static void test_beginning_with_one(void)
{
	struct tern_thread_choice choice;
	int n_one = 0;

	for (int n_core = 2; n_core <= 64; n_core++) {
		struct machine m = {n_core, 0};
		tern_thread_choice_init(&choice, n_core, 1);
		generate(&choice, m, 20);
		double speed = generate(&choice, m, 20);
		CHECK(speed > 0.9 * best_of(m), "%d threads of %d after beginning with one", choice.n_now, n_core);
	}
	tern_thread_choice_init(&choice, 4, 1);
	for (size_t i = 0; i < 100000; i++) { /* of a tiny model */
		uint64_t ns = choice.n_now == 1 ? 40000 : 50000;
		n_one += choice.n_now == 1;
		tern_thread_choice_record(&choice, 1, ns, ns * (uint64_t)choice.n_now);
	}
	CHECK(n_one > 95000, "one thread for %d of 100000 short tokens", n_one);
}

/* A prompt that waits for the disk says nothing about threads. */
static void test_cold_prompt(void)
{
	struct tern_thread_choice choice;
	struct machine m = {16, 0};
	double speed;

	tern_thread_choice_init(&choice, 16, 16);
	tern_thread_choice_record(&choice, 12, 1200000000, 400000000);
	speed = generate(&choice, m, 3);
	CHECK(speed > 0.97 * best_of(m), "%.1f tokens/s of %.1f after a prompt from the disk", speed, best_of(m));
}

/* Phases of single tokens and of guesses, 17 tokens in the time of two, beside another program: one thread of two. */
static void test_sizes(void)
{
	struct tern_thread_choice choice;
	double elapsed = 0, wrong = 0, phase = 0;
	size_t n_token = 1;

	tern_thread_choice_init(&choice, 2, 2);
	while (elapsed < 120) {
		double wall = 0.020 * (choice.n_now == 2 ? 1.5 : 1) * (n_token > 1 ? 2 : 1);
		double cpu = wall * (choice.n_now == 2 ? 1.5 : 1);
		tern_thread_choice_record(&choice, n_token, (uint64_t)(wall * 1e9), (uint64_t)(cpu * 1e9));
		elapsed += wall;
		wrong += elapsed > 10 && choice.n_now == 2 ? wall : 0;
		if ((phase += wall) > 0.125) {
			phase = 0;
			n_token = 18 - n_token;
		}
	}
	CHECK(wrong < 0.05 * elapsed, "%.1f of %.1f s with the wrong number of threads", wrong, elapsed);
}

/* Two conversations at a time take the place of one. */
static void test_another_size(void)
{
	struct tern_thread_choice choice;

	tern_thread_choice_init(&choice, 2, 2);
	for (size_t i = 0; i < 1000; i++)
		tern_thread_choice_record(&choice, 1, 10000000, 20000000);
	CHECK(choice.n_now == 2, "%d threads", choice.n_now);
	for (size_t i = 0; i < 1000; i++) {
		uint64_t ns = choice.n_now == 2 ? 15000000 : 10000000;
		tern_thread_choice_record(&choice, 2, ns, ns);
	}
	CHECK(choice.n_now == 1, "%d threads for another size", choice.n_now);
}

int main(void)
{
	const struct machine machines[] = {{2, 0}, {2, 1},  {8, 0},  {8, 1},  {8, 3},
	                                   {4, 2}, {12, 3}, {16, 0}, {16, 3}, {32, 0}};
	struct tern_thread_choice one;

	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
		test_machine(machines[i]);
	test_beginning_with_one();
	test_cold_prompt();
	test_sizes();
	test_another_size();
	tern_thread_choice_init(&one, 1, 1);
	CHECK(tern_thread_choice_threads(&one, 1) == 1 && !tern_thread_choice_measures(&one, 1), "one is one");
	return test_summary();
}
