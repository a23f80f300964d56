#include "api/generation.h"

#include "api/sampler.h"
#include "api/session.h"
#include "base/clock.h"
#include "infer/head.h"

static double seconds_since(uint64_t start_ns) { return (double)(tern_clock_ns() - start_ns) * 1e-9; }

static void finish(struct tern_generation *g, enum tern_finish reason)
{
	g->result.finish = reason;
	g->has_ended = true;
}

enum tern_status tern_generation_begin(struct tern_generation *g, const struct tern_model *model,
                                       struct tern_engine *engine, struct tern_sequence *sequence,
                                       struct tern_sampler *sampler, const int32_t *prompt, size_t n_prompt,
                                       const struct tern_generate_options *options, struct tern_error *err)
{
	size_t n_vocab = engine->transformer->hparams.n_vocab, n_sampled = tern_sampler_n_vocab(sampler);
	enum tern_status status = tern_model_need_text(model, err);

	*g = (struct tern_generation){.model = model,
	                              .engine = engine,
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
	if (!n_prompt)
		return tern_fail(err, TERN_ERR_USAGE, "the prompt is empty");
	if (status)
		return status;
	if (n_sampled != n_vocab)
		return tern_fail(err, TERN_ERR_USAGE,
		                 "the sampler is of a model with %zu tokens, the session's has %zu", n_sampled,
		                 n_vocab);
	if (n_prompt > sequence->n_ctx - sequence->n_past)
		return tern_fail(err, TERN_ERR_CONTEXT, "prompt is %zu tokens, context is %zu with %zu in use",
		                 n_prompt, sequence->n_ctx, sequence->n_past);
	return tern_sequence_begin(sequence, prompt, n_prompt, err);
}

/* Adds where it happened, which the sampler cannot know. */
static enum tern_status pick(struct tern_generation *g, struct tern_error *err)
{
	size_t n_top = g->options->on_token ? 0 : tern_sampler_n_top(g->sampler); /* on_token gets all logits */
	const float *logits = tern_top_logits(g->engine, g->sequence, n_top);
	enum tern_status status = tern_sampler_pick(g->sampler, logits, &g->id, err);

	if (status == TERN_ERR_FAILED)
		return tern_fail(
		        err, status,
		        "%s: logits are not finite at position %zu; the file is damaged or the model is not supported",
		        g->model->path, g->sequence->n_past);
	if (!status && g->options->on_token)
		g->options->on_token(g->options->user, g->id,
		                     tern_token_probability(logits, g->engine->transformer->hparams.n_vocab, g->id),
		                     logits);
	return status;
}

/* One token's text; a special token has none unless asked for. */
static enum tern_status show(struct tern_generation *g, struct tern_error *err)
{
	const struct tern_tokenizer *tokenizer = g->model->text.tokenizer;
	struct tern_piece piece = tern_tokenizer_piece(tokenizer, g->id);

	if (tern_tokenizer_is_special(tokenizer, g->id) && !g->options->show_special)
		piece.length = 0;
	return tern_stream_push(&g->stream, piece.bytes, piece.length, err);
}

/* Picks a token, shows it, and finds out whether it is the last. */
static enum tern_status generate_token(struct tern_generation *g, struct tern_error *err)
{
	const struct tern_generate_options *options = g->options;
	enum tern_status status = pick(g, err);

	if (status)
		return status;
	if (tern_is_end(g->model, g->id) && !options->ignore_end) {
		finish(g, TERN_FINISH_STOP);
		return options->show_special ? show(g, err) : TERN_OK;
	}
	tern_sampler_accept(g->sampler, g->id);
	g->result.n_generated++;
	status = show(g, err);
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

enum tern_status tern_generation_next(struct tern_generation *g, const int32_t **ids, size_t *n_ids,
                                      struct tern_error *err)
{
	size_t n_left = g->n_prompt - (size_t)g->result.n_prompt;
	enum tern_status status = TERN_OK;

	if (!g->is_generating) {
		*ids = g->prompt + g->result.n_prompt;
		g->n_next = tern_sequence_step(g->sequence, *ids, n_left, g->engine->n_batch);
	} else {
		if (!g->has_ended)
			status = generate_token(g, err);
		*ids = &g->id;
		g->n_next = 1;
	}
	if (g->has_ended || status)
		g->n_next = 0;
	*n_ids = g->n_next;
	return status;
}

void tern_generation_computed(struct tern_generation *g, bool was_completed)
{
	const struct tern_generate_options *options = g->options;

	if (!was_completed)
		finish(g, TERN_FINISH_INTERRUPTED);
	if (!was_completed || g->is_generating)
		return;
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

void tern_generation_end(struct tern_generation *g)
{
	if (g->is_generating) {
		tern_sequence_mark(g->sequence);
		tern_stream_finish(&g->stream);
		g->result.generate_seconds = seconds_since(g->start_ns);
	} else {
		g->result.prompt_seconds = seconds_since(g->start_ns);
	}
}

enum tern_status tern_generate(struct tern_session *session, struct tern_sampler *sampler, const int32_t *ids,
                               size_t n_ids, const struct tern_generate_options *options,
                               struct tern_generate_result *result, struct tern_error *err)
{
	struct tern_generate_options defaults = {0};
	struct tern_generation g;
	const int32_t *next;
	size_t n_next;

	options = options ? options : &defaults;
	enum tern_status status = tern_generation_begin(&g, session->model, &session->engine, &session->sequence,
	                                                sampler, ids, n_ids, options, err);
	while (!status && !(status = tern_generation_next(&g, &next, &n_next, err)) && n_next)
		tern_generation_computed(
		        &g, tern_session_compute(session, next, n_next, options->keep_going, options->user));
	tern_generation_end(&g);
	if (result)
		*result = g.result;
	return status;
}
