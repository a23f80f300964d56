/* Going back: whatever was fed, taken back and interrupted before, and wherever a snapshot of the state was taken or
 * restored, the logits are bit for bit those of the same tokens fed at once. */
#define HYBRID_SIZE 64
#include "api/inspect.h"
#include "api/session.h"
#include "base/memory.h"
#include "hybrid_model.h"
#include "scratch.h"
#include "test.h"
#include "where.h"

#include <string.h>
#include <tern.h>

enum {
	N_IDS = 200,
	N_CTX = 256
};

static struct tern_error err;
static struct tern_model *model;
static size_t n_vocab;
static int32_t ids[N_IDS];
static float *expected; /* [N_IDS, n_vocab] of ids fed at once */

/* Tokens of which every 23rd ends a turn, if the model has such a token. */
static void fill_ids(void)
{
	int32_t end = -1;

	for (int32_t id = 0; id < (int32_t)n_vocab && end < 0; id++)
		end = tern_is_end(model, id) ? id : -1;
	for (size_t i = 0; i < N_IDS; i++)
		ids[i] = i % 23 == 22 && end >= 0 ? end : (int32_t)(test_random() % n_vocab);
}

static struct tern_session *open_session(int n_threads, int n_batch, int state_cache)
{
	struct tern_session_options options = {
	        .n_ctx = N_CTX, .n_threads = n_threads, .n_batch = n_batch, .state_cache = state_cache};
	struct tern_session *session = NULL;

	if (tern_session_new(&session, model, &options, &err)) {
		printf("%s\n", err.message);
		exit(1);
	}
	return session;
}

static void check_logits(struct tern_session *session, const char *when)
{
	size_t n = (size_t)tern_session_n_past(session);

	if (n > 0)
		CHECK(!memcmp(tern_session_logits(session), expected + (n - 1) * n_vocab, n_vocab * sizeof *expected),
		      "%s: other logits after %zu tokens", when, n);
}

/* Feeds ids up to `end`. */
static void feed_to(struct tern_session *session, size_t end)
{
	size_t n = (size_t)tern_session_n_past(session);

	if (end > n && tern_session_feed(session, ids + n, end - n, NULL, &err))
		CHECK(false, "%s", err.message);
}

/* Feeds something else, so that only a state that was restored can be right. */
static void feed_others(struct tern_session *session)
{
	int32_t others[20];

	for (size_t i = 0; i < 20; i++)
		others[i] = (int32_t)(test_random() % n_vocab);
	if (tern_session_n_past(session) + 20 <= N_CTX && tern_session_feed(session, others, 20, NULL, &err))
		CHECK(false, "%s", err.message);
}

/* Random feeds and rewinds; the context is always a beginning of ids when logits are looked at. */
static void check_walk(int n_threads, int n_batch, int state_cache)
{
	struct tern_session *session = open_session(n_threads, n_batch, state_cache);

	for (int i = 0; i < (is_emulated() ? 10 : 40); i++) {
		size_t n_keep = test_random() % ((size_t)tern_session_n_past(session) + 1);
		int n_left;
		if (test_random() % 2) {
			feed_others(session);
			n_left = tern_session_rewind_to(session, ids, n_keep + 1);
		} else {
			n_left = tern_session_rewind(session, (int)n_keep);
		}
		CHECK(n_left == tern_session_n_past(session) && n_left <= (int)n_keep, "%d are left of %zu", n_left,
		      n_keep);
		feed_to(session, (size_t)n_left + test_random() % (size_t)(N_IDS - n_left + 1));
		if (tern_session_n_past(session) > n_left)
			check_logits(session, "a walk");
	}
	tern_session_free(session);
}

/* A prompt that is interrupted in a batch. */
static bool count_down(void *user) { return --*(int *)user > 0; }

static void check_interrupted(int n_calls)
{
	struct tern_session *session = open_session(2, 64, 1);
	struct tern_generate_options options = {.n_predict = 1, .keep_going = count_down, .user = &n_calls};
	struct tern_generate_result result;
	struct tern_sampler *sampler;

	if (tern_sampler_new(&sampler, model, NULL, &err) ||
	    tern_generate(session, sampler, ids, N_IDS, &options, &result, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	CHECK(result.finish == TERN_FINISH_INTERRUPTED, "it was not interrupted");
	tern_session_rewind_to(session, ids, N_IDS);
	feed_to(session, N_IDS);
	check_logits(session, "after an interruption");
	tern_sampler_free(sampler);
	tern_session_free(session);
}

/* Only what can go back guesses. */
static void check_lookup(bool can_go_back)
{
	struct tern_session *session = open_session(1, 64, 1);
	struct tern_generate_options options = {.n_predict = 60, .lookup = 4};
	struct tern_generate_result result = {0};
	int32_t repeated[60];

	for (size_t i = 0; i < 60; i++)
		repeated[i] = ids[i % 10];
	tern_guesses_note_prompt(&session->guesses, 1, 1);
	tern_guesses_note_batch(&session->guesses, 0, 1, 1000000000000000);
	CHECK(!tern_generate_given(session, repeated, 60, repeated, &options, &result, &err), "%s", err.message);
	CHECK(can_go_back ? result.n_accepted > 20 : result.n_guessed == 0, "%d of %d guesses were right",
	      result.n_accepted, result.n_guessed);
	CHECK(tern_session_n_past(session) == 119, "%d tokens", tern_session_n_past(session));
	tern_session_free(session);
}

/* Two sequences in the same batches, one of them taken back in between. */
static void check_sequences(void)
{
	struct tern_engine_options options = {.n_threads = 2, .n_batch = 48};
	struct tern_sequence_options context = {.n_ctx = N_CTX, .state_cache = 1};
	struct tern_engine *engine;
	struct tern_sequence *sequences[2];
	float *logits = tern_alloc(2 * n_vocab, sizeof *logits);

	if (!logits || tern_engine_new(&engine, model, &options, &err) ||
	    tern_sequence_new(&sequences[0], model, &context, &err) ||
	    tern_sequence_new(&sequences[1], model, &context, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	for (size_t n = 10, before[2]; n <= N_IDS; n += 38) {
		before[0] = (size_t)tern_sequence_n_past(sequences[0]);
		before[1] = (size_t)tern_sequence_rewind(sequences[1], (int)(n / 2));
		struct tern_feed feeds[2] = {{sequences[0], ids + before[0], n - before[0]},
		                             {sequences[1], ids + before[1], n - before[1]}};
		CHECK(!tern_engine_feed(engine, feeds, 2, logits, &err), "%s", err.message);
		for (size_t i = 0; i < 2; i++)
			CHECK(!memcmp(logits + i * n_vocab, expected + (n - 1) * n_vocab, n_vocab * sizeof *logits),
			      "sequence %zu: other logits after %zu tokens", i, n);
	}
	tern_sequence_free(sequences[0]);
	tern_sequence_free(sequences[1]);
	tern_engine_free(engine);
	tern_free(logits);
}

static void check_file(const char *path, bool has_state)
{
	struct tern_session *session;
	struct tern_model_info info;

	if (tern_model_open(&model, path, NULL, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	tern_model_get_info(model, &info);
	n_vocab = (size_t)info.n_vocab;
	fill_ids();
	session = open_session(1, 256, -1);
	expected = tern_alloc(N_IDS * n_vocab, sizeof *expected);
	if (!expected || tern_session_feed(session, ids, N_IDS, expected, &err))
		exit(1);
	tern_session_free(session);
	check_walk(1, 256, 0);
	check_walk(2, 1, 1);
	check_walk(3, 17, 1);
	check_walk(2, 64, -1);
	for (int n_calls = 2; n_calls < 14; n_calls += 3)
		check_interrupted(n_calls);
	check_sequences();
	check_lookup(!has_state);
	tern_free(expected);
	tern_model_close(model);
}

int main(void)
{
	scratch_begin();
	CHECK(tiny_model_write(scratch_path("tiny.gguf"), NULL, &err), "%s", err.message);
	check_file(scratch_path("tiny.gguf"), false);
	hybrid_fill();
	CHECK(hybrid_write(scratch_path("hybrid.gguf"), &(struct hybrid_kind){.end = "<|im_end|>"}, &err), "%s",
	      err.message);
	check_file(scratch_path("hybrid.gguf"), true);
	scratch_end();
	return test_summary();
}
