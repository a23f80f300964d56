/* One answer: the logits of the shipped model are the same bits with every kernel set this CPU can run, any number of
 * threads, any split of the prompt into batches and however the weights are streamed; and, by the hash below, on every
 * machine. What is generated is the same with guesses and without. */
#include "api/session.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "kernels/kernels.h"
#include "test.h"
#include "where.h"

#include <stdbool.h>
#include <string.h>
#include <tern.h>

/* Longer than one block of attention. */
enum {
	N_TOKENS = TERN_ATTENTION_BLOCK + 20
};

/* FNV-1a over the bits of all logits. It changes when the arithmetic, the file format's rounding or the shipped model
 * does, and then has to be the same again in every build. */
static const uint64_t expected_hash = 0xd8a650e2452beb63;

static struct tern_error err;
static struct tern_model *model;
static size_t n_vocab;

static uint64_t hash_floats(const float *values, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325u;
	const unsigned char *bytes = (const unsigned char *)values;

	for (size_t i = 0; i < n * sizeof *values; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

/* The logits of all tokens, fed in pieces of at most n_piece. */
static uint64_t run(const int32_t *ids, const char *isa, int n_threads, int n_batch, size_t n_piece)
{
	struct tern_session_options options = {.n_ctx = N_TOKENS, .n_threads = n_threads, .n_batch = n_batch};
	struct tern_session *session;
	float *logits = malloc(N_TOKENS * n_vocab * sizeof *logits);
	uint64_t hash = 0;

	setenv("TERN_ISA", isa, 1);
	if (tern_session_new(&session, model, &options, &err) == TERN_OK) {
		for (size_t at = 0; at < N_TOKENS; at += n_piece) {
			size_t n = tern_smaller(N_TOKENS - at, n_piece);
			CHECK(tern_session_feed(session, ids + at, n, logits + at * n_vocab, &err) == TERN_OK, "%s",
			      err.message);
		}
		hash = hash_floats(logits, N_TOKENS * n_vocab);
		CHECK(!memcmp(tern_session_logits(session), logits + (N_TOKENS - 1) * n_vocab,
		              n_vocab * sizeof *logits),
		      "the last row is not what tern_session_logits() gives");
	} else {
		CHECK(false, "%s", err.message);
	}
	tern_session_free(session);
	free(logits);
	return hash;
}

/* What is kept when a session goes back is as good as computed anew. */
static void check_rewind(const int32_t *ids)
{
	struct tern_session_options options = {.n_ctx = N_TOKENS, .n_threads = 2};
	struct tern_session *session;
	float *before = malloc(n_vocab * sizeof *before);

	CHECK(tern_session_new(&session, model, &options, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_session_logits(session)[0] == 0 && tern_session_logits(session)[n_vocab - 1] == 0,
	      "no zeros before the first token");
	tern_session_feed(session, ids, 100, NULL, &err);
	memcpy(before, tern_session_logits(session), n_vocab * sizeof *before);
	tern_session_rewind(session, 40);
	CHECK(tern_session_n_past(session) == 40, "%d", tern_session_n_past(session));
	tern_session_feed(session, ids + 150, 60, NULL, &err); /* something else */
	CHECK(memcmp(tern_session_logits(session), before, n_vocab * sizeof *before), "other tokens, same logits");
	tern_session_rewind(session, 40);
	tern_session_feed(session, ids + 40, 60, NULL, &err);
	tern_session_rewind(session, 90);
	CHECK(!memcmp(tern_session_logits(session), before, n_vocab * sizeof *before), "rewinding changed the logits");
	tern_session_feed(session, ids + 90, 10, NULL, &err);
	CHECK(!memcmp(tern_session_logits(session), before, n_vocab * sizeof *before), "rewinding changed the answer");
	CHECK(tern_session_feed(session, ids, N_TOKENS - 99, NULL, &err) == TERN_ERR_CONTEXT,
	      "overfull context accepted");
	CHECK(tern_session_n_past(session) == 100, "a refused call changed the context");
	const int32_t bad[] = {(int32_t)n_vocab}, negative[] = {-1};
	CHECK(tern_session_feed(session, bad, 1, NULL, &err) == TERN_ERR_USAGE, "token out of range accepted");
	CHECK(tern_session_feed(session, negative, 1, NULL, &err) == TERN_ERR_USAGE, "negative token accepted");
	tern_session_free(session);
	free(before);
	options.kv = (enum tern_kv_type)2;
	CHECK(tern_session_new(&session, model, &options, &err) == TERN_ERR_USAGE, "an unknown kind of cache accepted");
}

/* The context after another text that begins alike. */
static void check_rewind_to(const int32_t *ids)
{
	struct tern_session_options options = {.n_ctx = N_TOKENS, .n_threads = 2};
	struct tern_session *session;
	int32_t other[100];

	memcpy(other, ids, sizeof other);
	other[60] = (other[60] + 1) % (int32_t)n_vocab;
	CHECK(tern_session_new(&session, model, &options, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_session_rewind_to(session, ids, 100) == 0, "an empty context has something in common");
	tern_session_feed(session, ids, 100, NULL, &err);
	CHECK(tern_session_rewind_to(session, ids, 200) == 100, "a longer text keeps all");
	CHECK(tern_session_rewind_to(session, ids, 100) == 99, "the last token is fed again");
	CHECK(tern_session_rewind_to(session, other, 100) == 60, "the texts part at 60");
	CHECK(tern_session_n_past(session) == 60, "%d", tern_session_n_past(session));
	CHECK(tern_session_rewind_to(session, other, 0) == 0, "no text keeps nothing");
	tern_session_free(session);
}

/* A record by which guesses always pay: single tokens took a year. */
static void encourage(struct tern_guesses *guesses)
{
	tern_guesses_note_prompt(guesses, 1, 1);
	tern_guesses_note_batch(guesses, 0, 1, (uint64_t)365 * 86400 * 1000000000);
}

struct patience {
	int n_asked, limit;
};

static bool is_patient(void *user)
{
	struct patience *patience = user;
	return patience->n_asked++ < patience->limit;
}

/* Stopped anywhere, the work leaves a context that goes on as if nothing had been. */
static void check_stopping(const int32_t *ids)
{
	static const int limits[] = {0, 5, 31, 60, 100, 400};
	struct tern_session_options options = {.n_ctx = N_TOKENS, .n_threads = 2, .n_batch = 32};
	struct tern_session *session;
	struct tern_sampler *sampler;
	float *wanted = malloc(n_vocab * sizeof *wanted);

	CHECK(tern_session_new(&session, model, &options, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_sampler_new(&sampler, model, NULL, &err) == TERN_OK, "%s", err.message);
	tern_session_feed(session, ids, 100, NULL, &err);
	memcpy(wanted, tern_session_logits(session), n_vocab * sizeof *wanted);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct patience patience = {0, limits[i]};
		struct tern_generate_options settings = {
		        .ignore_end = true, .keep_going = is_patient, .user = &patience};
		struct tern_generate_result result;
		encourage(&session->guesses);
		tern_session_rewind(session, 0);
		CHECK(tern_generate(session, sampler, ids, 100, &settings, &result, &err) == TERN_OK, "%s",
		      err.message);
		CHECK(result.finish == TERN_FINISH_INTERRUPTED && patience.n_asked == limits[i] + 1,
		      "limit %d: finish %d after %d questions", limits[i], result.finish, patience.n_asked);
		if (result.n_prompt == 100 && result.n_generated == 0)
			CHECK(!memcmp(tern_session_logits(session), wanted, n_vocab * sizeof *wanted),
			      "limit %d: other logits than those of the last token", limits[i]);
		int n_past = tern_session_n_past(session), n_keep = tern_session_rewind_to(session, ids, 100);
		CHECK(n_past == result.n_prompt + result.n_generated - (result.n_generated > 0), "%d tokens of %d + %d",
		      n_past, result.n_prompt, result.n_generated);
		tern_session_feed(session, ids + n_keep, (size_t)(100 - n_keep), NULL, &err);
		CHECK(!memcmp(tern_session_logits(session), wanted, n_vocab * sizeof *wanted),
		      "limit %d: stopping changed the answer", limits[i]);
	}
	tern_sampler_free(sampler);
	tern_session_free(session);
	free(wanted);
}

/* Every kernel set that streams, token by token and a few at a time, with each number of streams; many, as tiles are
 * stored and unpacked. */
static void check_streaming(const int32_t *ids)
{
	static const char *const choices[] = {"1:0",    "1:16384", "2:2048",   "2:8192",
	                                      "4:1536", "4:4096",  "1:2048:0", "4:2048:128"};
	const struct tern_kernels *const *built = tern_kernels_built();

	for (size_t i = 1; built[i]; i++)
		for (size_t k = SANITIZED ? 3 : 0;
		     k < sizeof choices / sizeof *choices && tern_kernels_usable(built[i]); k++) {
			uint64_t hash;
			setenv("TERN_STREAMING", choices[k], 1);
			hash = run(ids, built[i]->name, 1 + (int)k % 3, 64,
			           strlen(choices[k]) > 7 ? 40
			           : k % 2                ? 5
			                                  : 1);
			CHECK(hash == expected_hash, "%s, streaming %s: hash 0x%016llx", built[i]->name, choices[k],
			      (unsigned long long)hash);
		}
	setenv("TERN_STREAMING", "3:100", 1);
	tern_session_new(&(struct tern_session *){NULL}, model, NULL, &err);
	CHECK(err.status == TERN_ERR_USAGE && strstr(err.message, "TERN_STREAMING=3:100"), "%s", err.message);
	unsetenv("TERN_STREAMING");
}

/* ---- lookup on and off ---- */

/* A generation, and all that comes of it. */
struct outcome {
	int lookup;
	char text[8192];
	size_t n_text;
	int n_texts, max_texts; /* calls of on_text; the last one returns false */
	uint64_t token_hash;    /* of what on_token got */
	struct tern_generate_result result;
	int32_t ids[512], drawn[4]; /* the context; what the sampler draws next from the logits at the end */
	uint64_t logits_hash;
};

static bool on_text(void *user, const char *text, size_t n_bytes)
{
	struct outcome *o = user;

	if (o->n_text + n_bytes <= sizeof o->text)
		memcpy(o->text + o->n_text, text, n_bytes);
	o->n_text += n_bytes;
	return ++o->n_texts != o->max_texts;
}

static void on_token(void *user, int32_t id, float probability, const float *logits)
{
	struct outcome *o = user;

	o->token_hash = o->token_hash * 31 + hash_floats(logits, n_vocab) + hash_floats(&probability, 1) + (uint64_t)id;
}

/* A way to generate. */
struct way {
	const char *name;
	struct tern_sampler_options sampler;
	struct tern_generate_options options;
	int n_ctx, max_texts;
};

/* Generates twice, the second time behind what the first has said. */
static void generate(struct outcome *o, const struct way *way, const int32_t *prompt, size_t n_prompt)
{
	struct tern_session_options options = {.n_ctx = way->n_ctx, .n_threads = 1, .n_batch = 64};
	struct tern_generate_options settings = way->options;
	struct tern_session *session;
	struct tern_sampler *sampler;

	CHECK(!tern_session_new(&session, model, &options, &err), "%s", err.message);
	CHECK(!tern_sampler_new(&sampler, model, &way->sampler, &err), "%s", err.message);
	encourage(&session->guesses);
	o->max_texts = way->max_texts;
	settings.lookup = o->lookup;
	settings.on_text = on_text;
	settings.on_token = way->options.on_token;
	settings.user = o;
	for (int i = 0; i < 2; i++)
		if (tern_session_n_past(session) + (int)n_prompt <= way->n_ctx)
			CHECK(!tern_generate(session, sampler, prompt, n_prompt, &settings, &o->result, &err), "%s: %s",
			      way->name, err.message);
	o->result.n_prompt = tern_session_n_past(session);
	memcpy(o->ids, session->sequence.ids, (size_t)o->result.n_prompt * sizeof *o->ids);
	o->logits_hash = hash_floats(tern_session_logits(session), n_vocab);
	for (size_t i = 0; i < sizeof o->drawn / sizeof *o->drawn; i++) {
		tern_sampler_pick(sampler, tern_session_logits(session), &o->drawn[i], &err);
		tern_sampler_accept(sampler, o->drawn[i]);
	}
	tern_sampler_free(sampler);
	tern_session_free(session);
}

static int check_way(const struct way *way, const int32_t *prompt, size_t n_prompt)
{
	static const int lookups[] = {1, 4, 8, 16, 0};
	static struct outcome plain, looked_up;
	int n_accepted = 0;

	plain = (struct outcome){.lookup = -1};
	generate(&plain, way, prompt, n_prompt);
	CHECK(plain.result.n_guessed == 0, "%s: %d guesses", way->name, plain.result.n_guessed);
	for (size_t i = SANITIZED ? 3 : 0; i < sizeof lookups / sizeof *lookups; i++) {
		looked_up = (struct outcome){.lookup = lookups[i]};
		generate(&looked_up, way, prompt, n_prompt);
		n_accepted += looked_up.result.n_accepted;
		CHECK(looked_up.n_text == plain.n_text && looked_up.n_texts == plain.n_texts &&
		              !memcmp(looked_up.text, plain.text, sizeof plain.text),
		      "%s, lookup %d: another text", way->name, lookups[i]);
		CHECK(looked_up.result.finish == plain.result.finish &&
		              looked_up.result.n_generated == plain.result.n_generated &&
		              looked_up.result.n_prompt == plain.result.n_prompt &&
		              looked_up.result.n_accepted <= looked_up.result.n_guessed,
		      "%s, lookup %d: finish %d after %d tokens of %d", way->name, lookups[i],
		      (int)looked_up.result.finish, looked_up.result.n_generated, looked_up.result.n_prompt);
		CHECK(!memcmp(looked_up.ids, plain.ids, sizeof plain.ids) &&
		              looked_up.logits_hash == plain.logits_hash && looked_up.token_hash == plain.token_hash &&
		              !memcmp(looked_up.drawn, plain.drawn, sizeof plain.drawn),
		      "%s, lookup %d: another state at the end", way->name, lookups[i]);
	}
	return n_accepted;
}

/* A string that a greedy answer comes to after a while. */
static void find_stop(char stop[8], const struct way *way, const int32_t *prompt, size_t n_prompt)
{
	static struct outcome plain;

	plain = (struct outcome){.lookup = -1};
	generate(&plain, way, prompt, n_prompt);
	CHECK(plain.n_text > 100, "%zu bytes", plain.n_text);
	memcpy(stop, plain.text + 80, 7);
}

static void check_lookup(void)
{
	static const char text[] = "Tell me a story about a fox. Tell me a story about a penguin. Tell me a story.";
	const struct tern_message question = {.role = "user", .content = text};
	char stop[8] = "";
	const char *const stops[] = {"\xff", stop};
	const struct tern_sampler_options greedy = {.top_p = 1.0f, .repeat_penalty = 1.0f};
	const struct tern_generate_options go_on = {.ignore_end = true, .n_predict = 120};
	struct tern_sampler_options drawn = tern_sampler_defaults(), penal = drawn, cold = drawn, all = drawn;
	struct tern_generate_options all_tokens = go_on;
	int n_accepted = 0;
	size_t n_ids;
	int32_t *ids;

	drawn.seed = 7;
	penal.repeat_penalty = 1.2f;
	penal.repeat_last_n = 20;
	cold.temperature = 0.3f;
	cold.repeat_penalty = 0.8f;
	all.top_k = 0;
	all_tokens.on_token = on_token;
	const struct way ways[] = {
	        {"greedy", greedy, go_on, 512, 0},
	        {"drawn", drawn, go_on, 512, 0},
	        {"drawn with a penalty", penal, go_on, 512, 0},
	        {"cold, repetitions preferred", cold, go_on, 512, 0},
	        {"drawn from all", all, go_on, 512, 0},
	        {"all logits", cold, all_tokens, 512, 0},
	        {"a few tokens", cold, {.ignore_end = true, .n_predict = 3}, 512, 0},
	        {"one token", cold, {.ignore_end = true, .n_predict = 1}, 512, 0},
	        {"stop strings", greedy, {.ignore_end = true, .stops = stops, .n_stops = 2}, 512, 0},
	        {"a full context", cold, {.ignore_end = true}, 200, 0},
	        {"stopped by a callback", cold, go_on, 512, 93},
	};
	CHECK(!tern_tokenize(model, text, strlen(text), TERN_TOKENIZE_BOS, &ids, &n_ids, &err), "%s", err.message);
	find_stop(stop, &ways[0], ids, n_ids);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		n_accepted += check_way(&ways[i], ids, n_ids);
	CHECK(n_accepted > 100, "%d guesses were right", n_accepted);
	tern_free(ids);
	CHECK(!tern_chat_tokenize(model, &question, 1, TERN_CHAT_GENERATE, &ids, &n_ids, &err), "%s", err.message);
	check_way(&(struct way){"to the end", cold, {.n_predict = 0}, 512, 0}, ids, n_ids);
	tern_free(ids);
}

int main(void)
{
	static const struct {
		int n_threads, n_batch;
		size_t n_piece;
	} splits[] = {{2, 512, N_TOKENS}, {3, 7, N_TOKENS}, {1, 512, 100}, {2, 512, 1}};
	const char *path = getenv("MODEL");
	struct tern_model_info info;
	int32_t ids[N_TOKENS];

	if (!path || tern_model_open(&model, path, NULL, &err) != TERN_OK) {
		fprintf(stderr, "MODEL: %s\n", path ? err.message : "not set");
		return 1;
	}
	tern_model_get_info(model, &info);
	n_vocab = (size_t)info.n_vocab;
	for (size_t i = 0; i < N_TOKENS; i++)
		ids[i] = (int32_t)(test_random() % n_vocab);

	const struct tern_kernels *const *built = tern_kernels_built();
	const char *last = "portable";
	for (size_t i = 0; built[i]; i++)
		if (tern_kernels_usable(built[i])) {
			uint64_t hash = run(ids, built[i]->name, 2, 64, N_TOKENS);
			CHECK(hash == expected_hash, "%s: hash 0x%016llx, expected 0x%016llx", built[i]->name,
			      (unsigned long long)hash, (unsigned long long)expected_hash);
			last = built[i]->name;
		}
	for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
		uint64_t hash = run(ids, last, splits[i].n_threads, splits[i].n_batch, splits[i].n_piece);
		CHECK(hash == expected_hash, "%d threads, batches of %d, pieces of %zu: hash 0x%016llx",
		      splits[i].n_threads, splits[i].n_batch, splits[i].n_piece, (unsigned long long)hash);
	}
	if (is_emulated())
		puts("skipped: ways of streaming, guesses: an emulator would take minutes");
	else
		check_streaming(ids);
	check_rewind(ids);
	check_rewind_to(ids);
	check_stopping(ids);
	if (!is_emulated())
		check_lookup();
	tern_model_close(model);
	return test_summary();
}
