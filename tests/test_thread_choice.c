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

int main(void)
{
	const struct machine machines[] = {{2, 0}, {2, 1}, {8, 0}, {8, 1}, {8, 3}, {4, 2}};
	struct tern_thread_choice choice;
	int n_one = 0;

	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
		struct machine m = machines[i], quiet = {m.n_core, 0};
		tern_thread_choice_init(&choice, m.n_core, m.n_core);
		generate(&choice, quiet, 5);
		CHECK(choice.n_now == m.n_core, "%d of %d threads on a quiet machine", choice.n_now, m.n_core);
		generate(&choice, m, 10); /* the other program starts */
		double speed = generate(&choice, m, 60);
		CHECK(speed > 0.93 * best_of(m), "%d cores, %d busy: %.1f tokens/s of %.1f", m.n_core, m.n_busy, speed,
		      best_of(m));
		generate(&choice, quiet, 60); /* and ends */
		speed = generate(&choice, quiet, 20);
		CHECK(speed > 0.97 * best_of(quiet), "%d cores, quiet again: %.1f tokens/s of %.1f", m.n_core, speed,
		      best_of(quiet));
	}
	struct machine m = {4, 0};
	tern_thread_choice_init(&choice, 4, 1);
	generate(&choice, m, 10);
	CHECK(choice.n_now == 4, "%d of 4 threads after beginning with one", choice.n_now);
	tern_thread_choice_init(&choice, 4, 1);
	for (size_t i = 0; i < 100000; i++) { /* of a tiny model */
		uint64_t ns = choice.n_now == 1 ? 40000 : 50000;
		n_one += choice.n_now == 1;
		tern_thread_choice_record(&choice, 1, ns, ns * (uint64_t)choice.n_now);
	}
	CHECK(n_one > 95000, "one thread for %d of 100000 short tokens", n_one);
	tern_thread_choice_init(&choice, 1, 1);
	CHECK(tern_thread_choice_start(&choice, 1) == 1, "one thread is one thread");
	tern_thread_choice_stop(&choice, 1);
	return test_summary();
}
