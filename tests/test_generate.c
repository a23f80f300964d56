/* What tern_generate() tells of the tokens it picks, and the probabilities behind it. */
#include "scratch.h"
#include "test.h"
#include "tiny_model.h"

#include "api/sampler.h"

#include <math.h>
#include <tern.h>

static struct tern_error err;

static double softmax(const float *logits, size_t n, size_t at)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += exp((double)logits[i] - (double)logits[at]);
	return 1.0 / sum;
}

static void check_probabilities(void)
{
	const float logits[6] = {-3.0f, 2.0f, 0.5f, 2.0f, -80.0f, 1.0f};
	const int order[6] = {1, 3, 5, 2, 0, 4}; /* of equals the lower id comes first */
	struct tern_candidate top[8];
	double sum = 0.0;

	for (int32_t i = 0; i < 6; i++)
		CHECK(fabs(tern_token_probability(logits, 6, i) - softmax(logits, 6, (size_t)i)) < 1e-6, "token %d", i);
	for (size_t n_top = 0; n_top <= 8; n_top++) {
		size_t n = tern_top_tokens(logits, 6, top, n_top);
		CHECK(n == (n_top < 6 ? n_top : 6), "%zu of %zu", n, n_top);
		for (size_t i = 0; i < n; i++)
			CHECK(top[i].id == order[i] &&
			              top[i].probability == tern_token_probability(logits, 6, order[i]),
			      "place %zu of %zu: token %d, %g", i, n_top, (int)top[i].id, (double)top[i].probability);
	}
	for (size_t i = 0; i < 6; i++)
		sum += (double)top[i].probability;
	CHECK(fabs(sum - 1.0) < 1e-6, "sum %g", sum);
}

/* What the callbacks saw. */
struct seen {
	int32_t ids[32];
	int n_tokens, n_texts;
	int32_t likeliest[32];
};

static void on_token(void *user, int32_t id, float probability, const float *logits)
{
	struct seen *seen = user;
	struct tern_candidate best;

	CHECK(seen->n_tokens == seen->n_texts, "token %d before the text of the last one", seen->n_tokens);
	CHECK(probability == tern_token_probability(logits, TINY_VOCAB, id), "probability %g", (double)probability);
	CHECK(fabs((double)probability - softmax(logits, TINY_VOCAB, (size_t)id)) < 1e-6, "softmax");
	CHECK(tern_top_tokens(logits, TINY_VOCAB, &best, 1) == 1, "top");
	seen->likeliest[seen->n_tokens] = best.id;
	seen->ids[seen->n_tokens++] = id;
}

static bool on_text(void *user, const char *text, size_t n_bytes)
{
	struct seen *seen = user;

	(void)text;
	(void)n_bytes;
	CHECK(seen->n_tokens > 0, "text before the first token");
	seen->n_texts = seen->n_tokens;
	return true;
}

/* Greedy generation picks what on_token says is likeliest, and listening changes nothing. */
static void check_callbacks(const struct tern_model *model)
{
	const struct tern_sampler_options greedy = {.top_p = 1.0f, .repeat_penalty = 1.0f};
	const struct tern_session_options small = {.n_ctx = 32, .n_threads = 1};
	const int32_t prompt[] = {1, 5, 3};
	struct seen seen = {.n_tokens = 0}, silent = {.n_tokens = 0};
	struct tern_generate_options options = {
	        .n_predict = 20, .ignore_end = true, .on_token = on_token, .on_text = on_text, .user = &seen};
	struct tern_generate_result result;
	struct tern_session *session = NULL;
	struct tern_sampler *sampler = NULL;

	CHECK(!tern_session_new(&session, model, &small, &err) && !tern_sampler_new(&sampler, model, &greedy, &err),
	      "%s", err.message);
	CHECK(!tern_generate(session, sampler, prompt, 3, &options, &result, &err), "%s", err.message);
	CHECK(seen.n_tokens == result.n_generated && result.n_generated == 20, "%d of %d tokens told", seen.n_tokens,
	      result.n_generated);
	for (int i = 0; i < seen.n_tokens; i++)
		CHECK(seen.ids[i] == seen.likeliest[i], "token %d: %d, likeliest %d", i, (int)seen.ids[i],
		      (int)seen.likeliest[i]);

	/* Fed by hand without callbacks: the same tokens. */
	tern_session_rewind(session, 0);
	CHECK(!tern_session_feed(session, prompt, 3, NULL, &err), "%s", err.message);
	for (int i = 0; i < seen.n_tokens; i++) {
		int32_t id = -1;
		CHECK(!tern_sampler_pick(sampler, tern_session_logits(session), &id, &err) &&
		              !tern_session_feed(session, &id, 1, NULL, &err),
		      "%s", err.message);
		silent.ids[i] = id;
	}
	CHECK(!memcmp(silent.ids, seen.ids, sizeof seen.ids), "other tokens without callbacks");

	static const char *const stops[] = {"x", ""};
	const struct tern_generate_options refused[] = {
	        {.n_predict = -1}, {.lookup = -2}, {.lookup = 17}, {.stops = stops, .n_stops = 2}};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		CHECK(tern_generate(session, sampler, prompt, 3, &refused[i], NULL, &err) == TERN_ERR_USAGE,
		      "options %zu", i);
	tern_sampler_free(sampler);
	tern_session_free(session);
}

/* A sampler of another model would read past the logits. */
static void check_foreign_sampler(const struct tern_model *model)
{
	const struct tern_session_options small = {.n_ctx = 32, .n_threads = 1};
	const int32_t prompt[] = {1, 5, 3};
	struct tern_session *session = NULL;
	struct tern_sampler *sampler = NULL;

	CHECK(!tern_session_new(&session, model, &small, &err) && !tern_sampler_create(&sampler, 100000, NULL, &err),
	      "%s", err.message);
	CHECK(tern_generate(session, sampler, prompt, 3, NULL, NULL, &err) == TERN_ERR_USAGE &&
	              strstr(err.message, "100000"),
	      "%s", err.message);
	CHECK(tern_session_n_past(session) == 0, "%d tokens were read", tern_session_n_past(session));
	tern_sampler_free(sampler);
	tern_session_free(session);
}

int main(void)
{
	struct tern_model *model = NULL;

	check_probabilities();
	scratch_begin();
	CHECK(tiny_model_write(scratch_path("model.gguf"), NULL, &err) &&
	              !tern_model_open(&model, scratch_path("model.gguf"), NULL, &err),
	      "%s", err.message);
	check_callbacks(model);
	check_foreign_sampler(model);
	tern_model_close(model);
	scratch_end();
	return test_summary();
}
