/* Guesses with a clock of the test's own: where none is ever right they cost next to nothing, whatever batches cost;
 * where a text repeats itself they save time; and what is guessed is what followed in the text. */
#include "api/guesses.h"
#include "test.h"

enum {
	TOKEN_NS = 20000000,
	N_TOKENS = 3000,
	N_PROMPT = 200
};

/* A machine: the cost of a batch of n tokens next to that of one, and the share of batches that are disturbed, which
 * take three times as long. */
struct machine {
	const char *name;
	double costs[TERN_MAX_GUESSES + 2], one_of_prompt;
	uint32_t one_in; /* is disturbed; 0: none */
	double gain;     /* that a text which repeats itself has to have at least */
};

static const struct machine machines[] = {
        {"reads slowly", {0, 1, 0.95, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0.01, 0, 8},
        {"two cores",
         {0, 1, 1.13, 1.34, 1.38, 1.5, 1.75, 2.2, 2.35, 2.5, 2.7, 2.9, 3.2, 4, 4.5, 5, 5.4, 5.5},
         0.25,
         0,
         2.5},
        {"two cores, disturbed",
         {0, 1, 1.13, 1.34, 1.38, 1.5, 1.75, 2.2, 2.35, 2.5, 2.7, 2.9, 3.2, 4, 4.5, 5, 5.4, 5.5},
         0.25,
         20,
         2},
        {"two cores, AVX2",
         {0, 1, 1.94, 2.27, 2.65, 3.2, 3.64, 4.2, 5, 5.3, 5.6, 5.9, 6.3, 6.7, 7.1, 7.4, 7.7, 7.9},
         0.42,
         0,
         1.3},
        {"multiplies slowly", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, 1, 0, 0.98},
        {"knows no batches", {0, 1, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34}, 0.1, 0, 0.97},
};

/* A run: the guesses, and the time that they took and would have taken without. */
struct run {
	const struct machine *machine;
	struct tern_guesses guesses;
	int32_t next[TERN_MAX_GUESSES];
	size_t n_guess, n_right, n_guessed;
	double ns, plain_ns;
};

static double time_of(const struct machine *m, size_t n)
{
	return m->costs[n] * TOKEN_NS * (m->one_in && test_random() % m->one_in == 0 ? 3 : 1);
}

static void start(struct run *run, const struct machine *machine)
{
	*run = (struct run){.machine = machine};
	run->ns = run->plain_ns = N_PROMPT * machine->one_of_prompt * TOKEN_NS;
	tern_guesses_note_prompt(&run->guesses, N_PROMPT, (uint64_t)run->ns);
}

/* The next token of the text; the batch under way ends with it unless it was guessed. */
static void take(struct run *run, int32_t id)
{
	bool is_right = run->n_right < run->n_guess && run->next[run->n_right] == id;

	tern_guesses_append(&run->guesses, id);
	run->plain_ns += time_of(run->machine, 1);
	if (is_right) {
		run->n_right++;
		return;
	}
	double ns = time_of(run->machine, 1 + run->n_guess);
	run->ns += ns;
	tern_guesses_note_batch(&run->guesses, run->n_guess, 1 + run->n_right, (uint64_t)ns);
	run->n_guess = tern_guesses_make(&run->guesses, run->next, TERN_MAX_GUESSES);
	run->n_guessed += run->n_guess;
	run->n_right = 0;
}

/* Text that is never what its suffixes suggest, of few different tokens. */
static void check_loss(const struct machine *machine)
{
	struct run run;

	start(&run, machine);
	for (size_t i = 0; i < N_TOKENS; i++) {
		struct tern_suffix_match match = tern_suffixes_match(&run.guesses.text);
		int32_t id = (int32_t)(test_random() % 50);
		if (match.length && run.guesses.text.ids[match.next] == id)
			id = (id + 1) % 50;
		take(&run, id);
		if (!machine->one_in) /* what no record can foresee is the cost of the first batch */
			CHECK(run.ns <= 1.02 * run.plain_ns + TOKEN_NS * (machine->costs[2] - 1),
			      "%s: %.3f after %zu tokens", machine->name, run.ns / run.plain_ns, i + 1);
	}
	if (getenv("VERBOSE"))
		printf("%s: loss: %zu guessed, %.4f\n", machine->name, run.n_guessed, run.ns / run.plain_ns);
	tern_guesses_free(&run.guesses);
}

/* A text of few tokens, then the same with one in 20 changed. */
static void check_gain(const struct machine *machine)
{
	struct run run;
	int32_t text[N_TOKENS / 2];

	start(&run, machine);
	for (size_t i = 0; i < N_TOKENS / 2; i++)
		text[i] = (int32_t)(test_random() % 50);
	tern_guesses_follow(&run.guesses, text, N_TOKENS / 2);
	for (size_t i = 0; i < N_TOKENS / 2; i++)
		take(&run, i % 20 == 19 ? (text[i] + 1) % 50 : text[i]);
	if (getenv("VERBOSE"))
		printf("%s: gain: %zu guessed, %.4f\n", machine->name, run.n_guessed, run.plain_ns / run.ns);
	CHECK(run.plain_ns >= machine->gain * run.ns, "%s: %.2f times as fast, expected %.2f", machine->name,
	      run.plain_ns / run.ns, machine->gain);
	tern_guesses_free(&run.guesses);
}

int main(void)
{
	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
		check_loss(&machines[i]);
		check_gain(&machines[i]);
	}
	return test_summary();
}
