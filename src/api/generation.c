/* Generation. begin() and allow_guesses() prepare it; then next() says which tokens are to be computed, until there are
 * none, and computed() takes note when they are; end() shows what was held back, and frees. */
#include "api/guesses.h"
#include "api/inspect.h"
#include "api/model.h"
#include "api/sampler.h"
#include "api/session.h"
#include "api/stream.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "infer/head.h"

struct generation {
	const struct tern_model *model;
	struct tern_engine *engine; /* for logits */
	struct tern_sequence *sequence;
	struct tern_sampler *sampler;
	const struct tern_generate_options *options;
	struct tern_generate_result result;

	const int32_t *prompt; /* n_prompt tokens, of which result.n_prompt are computed */
	size_t n_prompt;
	int32_t ids[1 + TERN_MAX_GUESSES]; /* the token picked last, and n_guess guesses of those behind it */
	size_t n_guess;
	size_t n_next;      /* tokens that are being computed */
	bool is_generating; /* the prompt is computed */
	bool has_ended;     /* result.finish says why */
	struct tern_stream stream;
	uint64_t start_ns; /* of the prompt, then of what is generated */

	const int32_t *given; /* NULL; or tokens to take in place of what is picked, as many as options->n_predict */

	struct tern_guesses *guesses; /* NULL: none are made */
	size_t n_most_guesses;
	float *logits;                  /* [1 + n_most_guesses, n_vocab] of a batch with guesses */
	uint64_t batch_start, batch_ns; /* of the tokens that are being computed */
};

_Static_assert(1 + TERN_MAX_GUESSES <= TERN_KEPT_OUTPUTS, "a sequence can take all guesses back");

static double seconds_since(uint64_t start_ns) { return (double)(tern_clock_ns() - start_ns) * 1e-9; }

static void finish(struct generation *g, enum tern_finish reason)
{
	g->result.finish = reason;
	g->has_ended = true;
}

static const char *find_fault(const struct tern_generate_options *options)
{
	if (options->n_predict < 0)
		return "n_predict: expected at least 0";
	if (options->lookup < -1 || options->lookup > TERN_MAX_GUESSES)
		return "lookup: expected -1 to 16";
	for (size_t i = 0; i < options->n_stops; i++)
		if (!options->stops[i] || !options->stops[i][0])
			return "stops: a string is empty";
	return NULL;
}

/* The arguments must outlive the generation. Whatever it returns, end() may follow. */
static enum tern_status begin(struct generation *g, struct tern_session *session, struct tern_sampler *sampler,
                              const int32_t *prompt, size_t n_prompt, const struct tern_generate_options *options,
                              struct tern_error *err)
{
	struct tern_sequence *sequence = &session->sequence;
	size_t n_vocab = session->engine.transformer->hparams.n_vocab, n_sampled = tern_sampler_n_vocab(sampler);
	const char *fault = find_fault(options);

	*g = (struct generation){.model = session->model,
	                         .engine = &session->engine,
	                         .sequence = sequence,
	                         .sampler = sampler,
	                         .options = options,
	                         .prompt = prompt,
	                         .n_prompt = n_prompt,
	                         .stream = {.on_text = options->on_text,
	                                    .user = options->user,
	                                    .stops = options->stops,
	                                    .n_stops = options->n_stops},
	                         .start_ns = tern_clock_ns()};
	if (fault)
		return tern_fail(err, TERN_ERR_USAGE, "%s", fault);
	if (!n_prompt)
		return tern_fail(err, TERN_ERR_USAGE, "the prompt is empty");
	if (n_sampled != n_vocab)
		return tern_fail(err, TERN_ERR_USAGE,
		                 "the sampler is of a model with %zu tokens, the session's has %zu", n_sampled,
		                 n_vocab);
	if (n_prompt > sequence->n_ctx - sequence->n_past)
		return tern_fail(err, TERN_ERR_CONTEXT, "prompt is %zu tokens, context is %zu with %zu in use",
		                 n_prompt, sequence->n_ctx, sequence->n_past);
	return tern_sequence_check_ids(sequence, prompt, n_prompt, err);
}

/* Has the tokens that follow guessed, at most options->lookup at a time, where the sequence can take back those that
 * were wrong. guesses keeps its record from one generation to the next. */
static void allow_guesses(struct generation *g, struct tern_guesses *guesses)
{
	size_t n_vocab = g->engine->transformer->hparams.n_vocab, n_most = TERN_MAX_GUESSES;
	int wanted = g->options->lookup;

	if (wanted > 0)
		n_most = (size_t)wanted;
	n_most = tern_smaller(n_most, g->engine->n_batch - 1);
	if (wanted < 0 || n_most == 0 || g->sequence->state ||
	    !(g->logits = tern_alloc_aligned((1 + n_most) * n_vocab, sizeof *g->logits)))
		return;
	g->guesses = guesses;
	g->n_most_guesses = n_most;
	tern_guesses_follow(guesses, g->sequence->ids, g->sequence->n_past);
	for (size_t i = 0; i < g->n_prompt; i++)
		tern_guesses_append(guesses, g->prompt[i]);
}

/* How many of the largest logits decide the next token if n_guess guesses were right; on_token gets all. */
static size_t n_top_after(const struct generation *g, size_t n_guess)
{
	return g->options->on_token ? 0 : tern_sampler_n_top(g->sampler, g->ids + 1, n_guess);
}

/* Logits after the last token, and after each guess. The guesses leave the sequence: it is what it would be without. */
static const float *compute_logits(struct generation *g)
{
	size_t n_top[1 + TERN_MAX_GUESSES];

	if (g->n_guess == 0)
		return tern_top_logits(g->engine, g->sequence, n_top_after(g, 0));
	tern_sequence_take_back(g->sequence, g->n_guess);
	for (size_t i = 0; i <= g->n_guess; i++)
		n_top[i] = n_top_after(g, i);
	tern_top_logits_of(g->engine, g->sequence->last, g->n_guess + 1, n_top, g->logits);
	return g->logits;
}

/* Adds where it happened, which the sampler cannot know. */
static enum tern_status pick(struct generation *g, const float *logits, int32_t *id, struct tern_error *err)
{
	enum tern_status status = tern_sampler_pick(g->sampler, logits, id, err);

	if (status == TERN_ERR_FAILED)
		return tern_fail(
		        err, status,
		        "%s: logits are not finite at position %zu; the file is damaged or the model is not supported",
		        g->model->path, g->sequence->n_past);
	if (!status && g->options->on_token)
		g->options->on_token(g->options->user, *id,
		                     tern_token_probability(logits, g->engine->transformer->hparams.n_vocab, *id),
		                     logits);
	return status;
}

/* One token's text; a special token has none unless asked for. */
static enum tern_status show(struct generation *g, int32_t id, struct tern_error *err)
{
	const struct tern_tokenizer *tokenizer = g->model->text.tokenizer;
	struct tern_piece piece = tern_tokenizer_piece(tokenizer, id);

	if (tern_tokenizer_is_special(tokenizer, id) && !g->options->show_special)
		piece.length = 0;
	return tern_stream_push(&g->stream, piece.bytes, piece.length, err);
}

static bool ends(const struct generation *g, int32_t id)
{
	return !g->given && !g->options->ignore_end && tern_is_end(g->model, id);
}

/* Picks a token, shows it, and finds out whether it is the last. */
static enum tern_status generate_token(struct generation *g, const float *logits, int32_t *id, struct tern_error *err)
{
	const struct tern_generate_options *options = g->options;
	enum tern_status status = pick(g, logits, id, err);

	if (status)
		return status;
	if (g->given)
		*id = g->given[g->result.n_generated];
	if (ends(g, *id)) {
		finish(g, TERN_FINISH_STOP);
		return options->show_special ? show(g, *id, err) : TERN_OK;
	}
	tern_sampler_accept(g->sampler, *id);
	g->result.n_generated++;
	if (!g->given)
		status = show(g, *id, err);
	if (g->stream.found_stop)
		finish(g, TERN_FINISH_STOP_STRING);
	else if (g->stream.is_interrupted)
		finish(g, TERN_FINISH_INTERRUPTED);
	else if (options->n_predict > 0 && g->result.n_generated >= options->n_predict)
		finish(g, TERN_FINISH_LENGTH);
	else if (g->sequence->n_past == g->sequence->n_ctx)
		finish(g, TERN_FINISH_CONTEXT);
	return status;
}

/* Guesses what follows the token picked last, as far as it could become part of the text. */
static void guess(struct generation *g)
{
	size_t n_most = g->n_most_guesses, n_room = g->sequence->n_ctx - g->sequence->n_past - 1, n;

	if (g->options->n_predict > 0 && (size_t)(g->options->n_predict - g->result.n_generated) <= n_room)
		n_room = (size_t)(g->options->n_predict - g->result.n_generated) - 1;
	n = tern_guesses_make(g->guesses, g->ids + 1, tern_smaller(n_most, n_room));
	for (g->n_guess = 0; g->n_guess < n && !ends(g, g->ids[1 + g->n_guess]);)
		g->n_guess++;
	g->result.n_guessed += (int)g->n_guess;
}

/* Picks the token that the last one leads to, and those that right guesses lead to. */
static enum tern_status generate(struct generation *g, struct tern_error *err)
{
	size_t n_vocab = g->engine->transformer->hparams.n_vocab, n_guess = g->n_guess, n = 0;
	uint64_t start = tern_clock_ns();
	const float *logits = compute_logits(g);
	bool was_prompt = g->result.n_generated == 0, is_guessed = true;
	int32_t id = -1;

	g->batch_ns += tern_clock_ns() - start;
	for (; is_guessed && !g->has_ended; n++) {
		enum tern_status status = generate_token(g, logits + n * n_vocab, &id, err);
		if (status)
			return status;
		is_guessed = n < n_guess && id == g->ids[1 + n];
		g->result.n_accepted += is_guessed;
		if (is_guessed && !g->has_ended)
			tern_sequence_readmit(g->sequence);
		if (g->guesses && !g->has_ended)
			tern_guesses_append(g->guesses, id);
	}
	g->ids[0] = id;
	if (g->guesses && !was_prompt)
		tern_guesses_note_batch(g->guesses, n_guess, n, g->batch_ns);
	if (g->guesses && !g->has_ended)
		guess(g);
	return TERN_OK;
}

/* The tokens to compute next, behind the sequence's context: up to engine->n_batch of the prompt, or the one it has
 * picked and shown, with guesses behind it. None: it has ended. Valid until the next call. */
static enum tern_status next(struct generation *g, const int32_t **ids, size_t *n_ids, struct tern_error *err)
{
	size_t n_left = g->n_prompt - (size_t)g->result.n_prompt;
	enum tern_status status = TERN_OK;

	if (!g->is_generating) {
		*ids = g->prompt + g->result.n_prompt;
		g->n_next = tern_sequence_step(g->sequence, *ids, n_left, g->engine->n_batch);
	} else {
		if (!g->has_ended)
			status = generate(g, err);
		*ids = g->ids;
		g->n_next = 1 + g->n_guess;
	}
	if (g->has_ended || status)
		g->n_next = 0;
	*n_ids = g->n_next;
	g->batch_start = tern_clock_ns();
	return status;
}

/* Takes note that they are part of the sequence now, or that computing them was interrupted, which ends the
 * generation. */
static void computed(struct generation *g, bool was_completed)
{
	const struct tern_generate_options *options = g->options;

	g->batch_ns = tern_clock_ns() - g->batch_start;
	if (!was_completed)
		finish(g, TERN_FINISH_INTERRUPTED);
	if (!was_completed || g->is_generating)
		return;
	if (g->guesses)
		tern_guesses_note_prompt(g->guesses, g->n_next, g->batch_ns);
	for (size_t i = 0; i < g->n_next; i++)
		tern_sampler_accept(g->sampler, g->prompt[(size_t)g->result.n_prompt + i]);
	g->result.n_prompt += (int)g->n_next;
	if (options->on_prompt && !options->on_prompt(options->user, (size_t)g->result.n_prompt, g->n_prompt))
		finish(g, TERN_FINISH_INTERRUPTED);
	if (g->has_ended || (size_t)g->result.n_prompt < g->n_prompt)
		return;
	g->is_generating = true;
	g->result.prompt_seconds = seconds_since(g->start_ns);
	g->start_ns = tern_clock_ns();
}

static void end(struct generation *g)
{
	tern_free(g->logits);
	if (g->is_generating) {
		tern_sequence_mark(g->sequence);
		tern_stream_finish(&g->stream);
		g->result.generate_seconds = seconds_since(g->start_ns);
	} else {
		g->result.prompt_seconds = seconds_since(g->start_ns);
	}
}

/* Everything between begin and end. */
static enum tern_status run(struct generation *g, struct tern_session *session, struct tern_error *err)
{
	const int32_t *ids;
	size_t n_ids;
	enum tern_status status;

	allow_guesses(g, &session->guesses);
	while (!(status = next(g, &ids, &n_ids, err)) && n_ids)
		computed(g, tern_session_compute(session, ids, n_ids, g->options->keep_going, g->options->user));
	return status;
}

enum tern_status tern_generate(struct tern_session *session, struct tern_sampler *sampler, const int32_t *ids,
                               size_t n_ids, const struct tern_generate_options *options,
                               struct tern_generate_result *result, struct tern_error *err)
{
	struct tern_generate_options defaults = {0};
	struct generation g;
	enum tern_status status;

	options = options ? options : &defaults;
	status = begin(&g, session, sampler, ids, n_ids, options, err);
	if (!status && !(status = tern_model_need_text(session->model, err)))
		status = run(&g, session, err);
	end(&g);
	if (result)
		*result = g.result;
	return status;
}

enum tern_status tern_generate_given(struct tern_session *session, const int32_t *prompt, size_t n_prompt,
                                     const int32_t *ids, const struct tern_generate_options *options,
                                     struct tern_generate_result *result, struct tern_error *err)
{
	struct tern_sampler *sampler;
	struct generation g;
	enum tern_status status = tern_sampler_new(&sampler, session->model, NULL, err);

	if (status)
		return status;
	status = begin(&g, session, sampler, prompt, n_prompt, options, err);
	g.given = ids;
	if (!status)
		status = run(&g, session, err);
	end(&g);
	tern_sampler_free(sampler);
	*result = g.result;
	return status;
}
