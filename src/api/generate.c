/* The generation loop: read the prompt, then pick, show, feed. */
#include "api/model.h"
#include "api/stream.h"
#include "base/clock.h"
#include "infer/sampler.h"
#include "infer/session.h"

/* Says where it happened; the sampler cannot know. */
static enum tern_status pick(struct tern_sampler *sampler, struct tern_session *session,
                             const struct tern_generate_options *options, int32_t *id, struct tern_error *err)
{
	size_t n_top = options->on_token ? 0 : tern_sampler_n_top(sampler); /* on_token gets all logits */
	enum tern_status status = tern_sampler_pick(sampler, tern_session_top_logits(session, n_top), id, err);

	if (status == TERN_ERR_FAILED)
		return tern_fail(
		        err, status,
		        "%s: logits are not finite at position %zu; the file is damaged or the model is not supported",
		        session->model->path, session->n_past);
	return status;
}

static enum tern_status read_prompt(struct tern_session *session, struct tern_sampler *sampler, const int32_t *ids,
                                    size_t n_ids, const struct tern_generate_options *options,
                                    struct tern_generate_result *result, struct tern_error *err)
{
	if (n_ids > session->n_ctx - session->n_past)
		return tern_fail(err, TERN_ERR_CONTEXT, "prompt is %zu tokens, context is %zu with %zu in use", n_ids,
		                 session->n_ctx, session->n_past);
	for (size_t done = 0; done < n_ids;) {
		size_t n = n_ids - done < session->n_batch ? n_ids - done : session->n_batch;
		enum tern_status status = tern_session_feed(session, ids + done, n, NULL, err);
		if (status)
			return status;
		if (session->was_stopped) {
			result->finish = TERN_FINISH_INTERRUPTED;
			break;
		}
		for (size_t i = 0; i < n; i++)
			tern_sampler_accept(sampler, ids[done + i]);
		done += n;
		result->n_prompt = (int)done;
		if (options->on_prompt && !options->on_prompt(options->user, done, n_ids)) {
			result->finish = TERN_FINISH_INTERRUPTED;
			break;
		}
	}
	return TERN_OK;
}

/* One token's text; a special token has none unless asked for. */
static enum tern_status show(struct tern_stream *stream, const struct tern_model *model, int32_t id, bool show_special,
                             struct tern_error *err)
{
	struct tern_piece piece = tern_tokenizer_piece(model->tokenizer, id);

	if (tern_tokenizer_is_special(model->tokenizer, id) && !show_special)
		piece.length = 0;
	return tern_stream_push(stream, piece.bytes, piece.length, err);
}

static void tell_token(const struct tern_generate_options *options, struct tern_session *session, int32_t id)
{
	if (!options->on_token)
		return;
	const float *logits = tern_session_logits(session);
	options->on_token(options->user, id, tern_token_probability(logits, session->transformer->hparams.n_vocab, id),
	                  logits);
}

/* Generates until something ends it; result->finish says what. */
static enum tern_status generate(struct tern_session *session, struct tern_sampler *sampler, struct tern_stream *stream,
                                 const struct tern_generate_options *options, struct tern_generate_result *result,
                                 struct tern_error *err)
{
	const struct tern_model *model = session->model;
	enum tern_status status;
	int32_t id;

	for (;;) {
		if ((status = pick(sampler, session, options, &id, err)))
			return status;
		tell_token(options, session, id);
		if (tern_is_end(model, id) && !options->ignore_end) {
			result->finish = TERN_FINISH_STOP;
			return options->show_special ? show(stream, model, id, true, err) : TERN_OK;
		}
		tern_sampler_accept(sampler, id);
		result->n_generated++;
		if ((status = show(stream, model, id, options->show_special, err)))
			return status;
		if (stream->found_stop)
			result->finish = TERN_FINISH_STOP_STRING;
		else if (stream->is_interrupted)
			result->finish = TERN_FINISH_INTERRUPTED;
		else if (options->n_predict > 0 && result->n_generated >= options->n_predict)
			result->finish = TERN_FINISH_LENGTH;
		else if (session->n_past == session->n_ctx)
			result->finish = TERN_FINISH_CONTEXT;
		else if ((status = tern_session_feed(session, &id, 1, NULL, err)))
			return status;
		else if (session->was_stopped)
			result->finish = TERN_FINISH_INTERRUPTED;
		else
			continue;
		return TERN_OK;
	}
}

static double seconds_since(uint64_t start_ns) { return (double)(tern_clock_ns() - start_ns) * 1e-9; }

static enum tern_status run(struct tern_session *session, struct tern_sampler *sampler, const int32_t *ids,
                            size_t n_ids, const struct tern_generate_options *options,
                            struct tern_generate_result *result, struct tern_error *err)
{
	struct tern_stream stream = {.on_text = options->on_text,
	                             .user = options->user,
	                             .stops = options->stops,
	                             .n_stops = options->n_stops};
	uint64_t start = tern_clock_ns();
	enum tern_status status = read_prompt(session, sampler, ids, n_ids, options, result, err);

	result->prompt_seconds = seconds_since(start);
	if (status || result->finish == TERN_FINISH_INTERRUPTED)
		return status;
	start = tern_clock_ns();
	status = generate(session, sampler, &stream, options, result, err);
	tern_stream_finish(&stream);
	result->generate_seconds = seconds_since(start);
	return status;
}

enum tern_status tern_generate(struct tern_session *session, struct tern_sampler *sampler, const int32_t *ids,
                               size_t n_ids, const struct tern_generate_options *options,
                               struct tern_generate_result *result, struct tern_error *err)
{
	struct tern_generate_options defaults = {0};
	struct tern_generate_result ignored;
	enum tern_status status;

	options = options ? options : &defaults;
	result = result ? result : &ignored;
	*result = (struct tern_generate_result){.finish = TERN_FINISH_STOP};
	if (!n_ids)
		return tern_fail(err, TERN_ERR_USAGE, "the prompt is empty");
	if ((status = tern_model_need_text(session->model, err)))
		return status;
	size_t n_vocab = session->transformer->hparams.n_vocab, n_sampled = tern_sampler_n_vocab(sampler);
	if (n_sampled != n_vocab)
		return tern_fail(err, TERN_ERR_USAGE,
		                 "the sampler is of a model with %zu tokens, the session's has %zu", n_sampled,
		                 n_vocab);
	session->keep_going = options->keep_going;
	session->keep_going_user = options->user;
	status = run(session, sampler, ids, n_ids, options, result, err);
	session->keep_going = NULL;
	return status;
}
