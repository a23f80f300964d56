/* Several sequences in one batch: computed together, each has the very bits it has alone, whatever the batch size, the
 * number of threads and the kernels; and what tern_engine_feed() refuses changes nothing. */
#include "kernels/kernels.h"
#include "test.h"

#include <string.h>
#include <tern.h>

enum {
	N_SEQUENCE = 3,
	N_STEP = 12, /* tokens decoded after the prompt */
	N_CTX = 2 * TERN_ATTENTION_BLOCK
};

/* Shorter than a batch, longer than one, longer than a block of attention. */
static const size_t n_prompt[N_SEQUENCE] = {5, 70, TERN_ATTENTION_BLOCK + 9};
static const enum tern_kv_type kv[N_SEQUENCE] = {TERN_KV_F16, TERN_KV_Q8, TERN_KV_F16};

static struct tern_error err;
static struct tern_model *model;
static size_t n_vocab;
static int32_t texts[N_SEQUENCE][N_CTX];
static float *alone[N_SEQUENCE]; /* [1 + N_STEP, n_vocab] logits after the prompt and after each token behind it */

/* The logits of each sequence by itself, one thread. */
static void compute_alone(void)
{
	for (size_t s = 0; s < N_SEQUENCE; s++) {
		struct tern_session_options options = {.n_ctx = N_CTX, .n_threads = 1, .kv = kv[s]};
		struct tern_session *session;

		alone[s] = malloc((1 + N_STEP) * n_vocab * sizeof **alone);
		CHECK(tern_session_new(&session, model, &options, &err) == TERN_OK, "%s", err.message);
		tern_session_feed(session, texts[s], n_prompt[s], NULL, &err);
		for (size_t i = 0; i <= N_STEP; i++) {
			memcpy(alone[s] + i * n_vocab, tern_session_logits(session), n_vocab * sizeof **alone);
			if (i < N_STEP)
				tern_session_feed(session, texts[s] + n_prompt[s] + i, 1, NULL, &err);
		}
		tern_session_free(session);
	}
}

static void check_logits(const float *logits, size_t sequence, size_t step, const char *what)
{
	CHECK(!memcmp(logits, alone[sequence] + step * n_vocab, n_vocab * sizeof *logits),
	      "%s: sequence %zu, %zu tokens after the prompt: other bits than alone", what, sequence, step);
}

/* All prompts in one call, then one token of each sequence at a time; once the middle one goes back in between. */
static void compute_together(struct tern_engine *engine, struct tern_sequence *const *sequences, const char *what)
{
	struct tern_feed feeds[N_SEQUENCE];
	float *logits = malloc(N_SEQUENCE * n_vocab * sizeof *logits);

	for (size_t s = 0; s < N_SEQUENCE; s++)
		feeds[s] = (struct tern_feed){sequences[s], texts[s], n_prompt[s]};
	CHECK(tern_engine_feed(engine, feeds, N_SEQUENCE, logits, &err) == TERN_OK, "%s", err.message);
	for (size_t s = 0; s < N_SEQUENCE; s++)
		check_logits(logits + s * n_vocab, s, 0, what);
	for (size_t i = 0; i < N_STEP; i++) {
		if (i == N_STEP / 2) {
			int n_keep = tern_sequence_rewind(sequences[1], 40);
			CHECK(n_keep == 40, "%d tokens left", n_keep);
		}
		for (size_t s = 0; s < N_SEQUENCE; s++) {
			int n_past = tern_sequence_n_past(sequences[s]);
			feeds[s].ids = texts[s] + n_past;
			feeds[s].n_ids = n_prompt[s] + i + 1 - (size_t)n_past;
		}
		/* Logits of every other step are asked for one by one. */
		bool at_once = i % 2;
		CHECK(tern_engine_feed(engine, feeds, N_SEQUENCE, at_once ? logits : NULL, &err) == TERN_OK, "%s",
		      err.message);
		for (size_t s = 0; s < N_SEQUENCE; s++)
			check_logits(at_once ? logits + s * n_vocab : tern_engine_logits(engine, sequences[s]), s,
			             i + 1, what);
	}
	free(logits);
}

/* What is refused leaves every sequence as it was. */
static void check_refusals(struct tern_engine *engine, struct tern_sequence *const *sequences)
{
	static const int32_t good[] = {1, 2, 3};
	const int32_t bad[] = {1, (int32_t)n_vocab};
	int n_past[N_SEQUENCE];
	const struct {
		struct tern_feed feeds[2];
		enum tern_status status;
		const char *what;
	} cases[] = {
	        {{{sequences[0], good, 3}, {sequences[0], good, 1}}, TERN_ERR_USAGE, "a sequence twice"},
	        {{{sequences[0], good, 3}, {sequences[1], bad, 2}}, TERN_ERR_USAGE, "an id out of range"},
	        {{{sequences[0], good, 3}, {sequences[1], good, 0}}, TERN_ERR_USAGE, "no tokens"},
	        {{{sequences[0], good, 3}, {sequences[1], texts[1], N_CTX}}, TERN_ERR_CONTEXT, "too many tokens"},
	};

	for (size_t s = 0; s < N_SEQUENCE; s++)
		n_past[s] = tern_sequence_n_past(sequences[s]);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum tern_status status = tern_engine_feed(engine, cases[i].feeds, 2, NULL, &err);
		CHECK(status == cases[i].status, "%s: status %d", cases[i].what, (int)status);
		for (size_t s = 0; s < N_SEQUENCE; s++)
			CHECK(tern_sequence_n_past(sequences[s]) == n_past[s], "%s: changed sequence %zu",
			      cases[i].what, s);
	}
}

static void check_engine(const char *isa, int n_threads, int n_batch)
{
	struct tern_engine_options options = {.n_threads = n_threads, .n_batch = n_batch};
	struct tern_engine *engine;
	struct tern_sequence *sequences[N_SEQUENCE];
	char what[80];

	snprintf(what, sizeof what, "%s, %d threads, batches of %d", isa, n_threads, n_batch);
	setenv("TERN_ISA", isa, 1);
	CHECK(tern_engine_new(&engine, model, &options, &err) == TERN_OK, "%s", err.message);
	for (size_t s = 0; s < N_SEQUENCE; s++) {
		struct tern_sequence_options wanted = {.n_ctx = N_CTX, .kv = kv[s]};
		CHECK(tern_sequence_new(&sequences[s], model, &wanted, &err) == TERN_OK, "%s", err.message);
		CHECK(tern_engine_logits(engine, sequences[s])[0] == 0, "no zeros before the first token");
	}
	compute_together(engine, sequences, what);
	check_refusals(engine, sequences);
	for (size_t s = 0; s < N_SEQUENCE; s++)
		tern_sequence_free(sequences[s]);
	tern_engine_free(engine);
}

/* A sequence of another model is refused, though its numbers are the same. */
static void check_other_model(const char *path)
{
	static const int32_t id = 1;
	struct tern_model *other;
	struct tern_engine *engine;
	struct tern_sequence *sequence;

	CHECK(tern_model_open(&other, path, NULL, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_engine_new(&engine, other, NULL, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_sequence_new(&sequence, model, NULL, &err) == TERN_OK, "%s", err.message);
	struct tern_feed feed = {sequence, &id, 1};
	CHECK(tern_engine_feed(engine, &feed, 1, NULL, &err) == TERN_ERR_USAGE, "a sequence of another model");
	CHECK(tern_sequence_n_past(sequence) == 0, "it was changed");
	CHECK(!tern_engine_logits(engine, sequence), "logits of a sequence of another model");
	tern_sequence_free(sequence);
	tern_engine_free(engine);
	tern_model_close(other);
}

int main(void)
{
	const char *path = getenv("MODEL");
	const struct tern_kernels *const *built = tern_kernels_built();
	struct tern_model_info info;

	if (!path || tern_model_open(&model, path, NULL, &err) != TERN_OK) {
		fprintf(stderr, "MODEL: %s\n", path ? err.message : "not set");
		return 1;
	}
	tern_model_get_info(model, &info);
	n_vocab = (size_t)info.n_vocab;
	for (size_t s = 0; s < N_SEQUENCE; s++)
		for (size_t i = 0; i < N_CTX; i++)
			texts[s][i] = (int32_t)(test_random() % n_vocab);
	compute_alone();
	for (size_t i = 0; built[i]; i++)
		if (tern_kernels_usable(built[i]))
			check_engine(built[i]->name, 2, 64);
	check_engine("portable", 1, 512);
	check_engine("portable", 3, 7);
	check_engine("portable", 2, 1);
	check_other_model(path);
	for (size_t s = 0; s < N_SEQUENCE; s++)
		free(alone[s]);
	tern_model_close(model);
	return test_summary();
}
