#include "cli/answer.h"
#include "base/error.h"
#include "console/output.h"
#include "console/signals.h"
#include "console/term.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ---- while it comes ---- */

/* One piece of --jsonl, with the tokens it is made of if they are wanted. */
static void put_line(struct answer *answer, const char *text, size_t n_bytes)
{
	struct json_writer json = {0};

	json_write_begin_object(&json);
	json_put_bytes(&json, "text", text, n_bytes);
	if (token_probs_wanted(&answer->probs.options))
		token_probs_write(&answer->probs, &json);
	json_write_end_object(&json);
	output_write("\n", 1);
}

static void put_colored(struct answer *answer, const char *text, size_t n_bytes)
{
	enum term_style style = token_probs_style(&answer->probs);
	const char *begin = style == TERM_PLAIN ? "" : term_style(STDOUT_FILENO, style);
	const char *end = *begin ? term_style(STDOUT_FILENO, TERM_PLAIN) : "";

	output_write(begin, strlen(begin));
	output_text(text, n_bytes);
	output_write(end, strlen(end));
}

static void put(struct answer *answer, const char *text, size_t n_bytes)
{
	if (n_bytes == 0)
		return;
	answer->last_byte = text[n_bytes - 1];
	if (answer->form == ANSWER_JSONL)
		put_line(answer, text, n_bytes);
	else if (answer->form == ANSWER_JSON)
		text_append(&answer->text, text, n_bytes);
	else if (token_probs_wanted(&answer->probs.options))
		put_colored(answer, text, n_bytes);
	else
		output_text(text, n_bytes);
}

void answer_echo(struct answer *answer, const char *text, size_t n_bytes) { put(answer, text, n_bytes); }

static void put_unless_thought(void *user, const char *bytes, size_t n_bytes, bool is_thought)
{
	if (!is_thought)
		put(user, bytes, n_bytes);
}

/* Puts what is new of the answer, without its thoughts if they are to be left out. */
static void take(struct answer *answer, const char *text, size_t n_bytes, bool at_end)
{
	if (!answer->has_begun) {
		answer->has_begun = true;
		take(answer, answer->begins, strlen(answer->begins), false);
	}
	if (!answer->settings->no_thinking) {
		put(answer, text, n_bytes);
		return;
	}
	text_append(&answer->whole, text, n_bytes);
	answer->tags.put = put_unless_thought;
	answer->tags.user = answer;
	if (!answer->whole.failed)
		think_tags_split(&answer->tags, answer->whole.bytes, answer->whole.n_bytes, at_end);
}

static bool is_out_of_memory(const struct answer *answer)
{
	return answer->text.failed || answer->whole.failed || answer->probs.failed;
}

static bool on_text(void *user, const char *text, size_t n_bytes)
{
	struct answer *answer = user;

	progress_end(&answer->progress);
	signals_catch_interrupt();
	take(answer, text, n_bytes, false);
	return output_flush() && !signals_interrupted() && !is_out_of_memory(answer);
}

static void on_token(void *user, int32_t id, float probability, const float *logits)
{
	struct answer *answer = user;

	token_probs_add(&answer->probs, id, probability, logits);
}

static bool on_prompt(void *user, size_t n_done, size_t n_total)
{
	struct answer *answer = user;

	progress_update(&answer->progress, n_done, n_total);
	return !signals_interrupted();
}

static bool keep_going(void *user)
{
	(void)user;
	return !signals_interrupted();
}

/* ---- when it has ended ---- */

static const char *finish_name(enum tern_finish finish)
{
	static const char *const names[] = {
	        [TERN_FINISH_STOP] = "stop",
	        [TERN_FINISH_STOP_STRING] = "stop_string",
	        [TERN_FINISH_LENGTH] = "length",
	        [TERN_FINISH_CONTEXT] = "context",
	        [TERN_FINISH_INTERRUPTED] = "interrupted",
	};
	return names[finish];
}

void answer_write_error(struct json_writer *json, size_t line, const struct tern_error *err)
{
	json_write_key(json, "error");
	json_write_begin_object(json);
	if (line)
		json_put_uint(json, "line", line);
	json_put_int(json, "status", (int64_t)err->status);
	json_put_string(json, "message", err->message);
	json_write_end_object(json);
}

static void write_milliseconds(struct json_writer *json, const char *key, double seconds)
{
	json_put_real(json, key, round(seconds * 1e6) * 1e-3, 9);
}

static void write_counts(const struct answer *answer, struct json_writer *json)
{
	json_put_int(json, "prompt_tokens", answer->n_cached + answer->result.n_prompt);
	if (answer->line)
		json_put_int(json, "cached_tokens", answer->n_cached);
	json_put_int(json, "generated_tokens", answer->result.n_generated);
	json_put_int(json, "guessed_tokens", answer->result.n_guessed);
	json_put_int(json, "accepted_tokens", answer->result.n_accepted);
	json_put_uint(json, "seed", answer->sampling.seed);
	write_milliseconds(json, "prompt_ms", answer->result.prompt_seconds);
	write_milliseconds(json, "generate_ms", answer->result.generate_seconds);
}

/* The object at the end; err: what ended the work early, or NULL. */
static void put_object(struct answer *answer, const struct tern_error *err)
{
	struct json_writer json = {0};

	json_write_begin_object(&json);
	if (answer->begin_object)
		answer->begin_object(&json, answer->begin_context);
	if (answer->form == ANSWER_JSON)
		json_put_bytes(&json, "text", answer->text.bytes ? answer->text.bytes : "", answer->text.n_bytes);
	if (token_probs_wanted(&answer->probs.options))
		token_probs_write(&answer->probs, &json);
	json_put_string(&json, "finish_reason", err ? "error" : finish_name(answer->result.finish));
	if (err)
		answer_write_error(&json, answer->line, err);
	write_counts(answer, &json);
	json_put_string(&json, "model", answer->opened->path);
	json_write_end_object(&json);
	output_write("\n", 1);
}

static void note_speed(const struct answer *answer)
{
	struct text line = {0};

	generation_describe(&line, &answer->result);
	if (answer->n_cached)
		text_printf(&line, " · %d tokens of the prompt kept", answer->n_cached);
	text_printf(&line, " · seed %llu", (unsigned long long)answer->sampling.seed);
	if (!line.failed)
		note("%s", line.bytes);
	text_free(&line);
}

/* ---- the whole ---- */

/* Rewinds to what the session and the prompt have in common; the sampler hears of it as if it had just been read. */
static void reuse_context(struct answer *answer, const struct prompt_ids *prompt, struct tern_sampler *sampler)
{
	answer->n_cached = tern_session_rewind_to(answer->session, prompt->ids, prompt->n_ids);
	for (int i = 0; i < answer->n_cached; i++)
		tern_sampler_accept(sampler, prompt->ids[i]);
}

static enum tern_status generate(struct answer *answer, const struct prompt_ids *prompt, struct tern_sampler *sampler,
                                 struct tern_error *err)
{
	struct tern_generate_options options = generation_limits(answer->settings);
	size_t n_cached;
	enum tern_status status;

	options.on_text = on_text;
	options.on_token = token_probs_wanted(&answer->probs.options) ? on_token : NULL;
	options.on_prompt = on_prompt;
	options.keep_going = keep_going;
	options.user = answer;
	reuse_context(answer, prompt, sampler);
	n_cached = (size_t)answer->n_cached;
	status = tern_generate(answer->session, sampler, prompt->ids + n_cached, prompt->n_ids - n_cached, &options,
	                       &answer->result, err);
	if (status == TERN_OK && is_out_of_memory(answer))
		status = tern_fail(err, TERN_ERR_FAILED, "out of memory for an answer of %d tokens",
		                   answer->result.n_generated);
	return status;
}

static void tell_full_context(const struct answer *answer)
{
	int n_ctx = tern_session_n_ctx(answer->session);

	warn("the answer reached the end of the context, %d tokens%s", n_ctx,
	     n_ctx < answer->opened->info.n_ctx_train ? "; -c N makes it larger" : "");
}

/* Everything that follows the answer. */
static void finish(struct answer *answer, const struct tern_error *err)
{
	if (answer->has_begun)
		take(answer, "", 0, true);
	if (answer->form != ANSWER_TEXT)
		put_object(answer, err);
	else if (answer->last_byte != '\n')
		output_write("\n", 1);
	output_flush();
	answer->has_written = true;
	if (answer->form == ANSWER_TEXT && !err && answer->result.finish == TERN_FINISH_CONTEXT)
		tell_full_context(answer);
	if (answer->form == ANSWER_TEXT && token_probs_wanted(&answer->probs.options))
		token_probs_print(&answer->probs);
	if (answer->verbose)
		note_speed(answer);
}

enum tern_status answer_generate(struct answer *answer, const struct prompt_ids *prompt, struct tern_error *err)
{
	struct tern_sampler *sampler;
	enum tern_status status;

	answer->sampling = generation_sampler(answer->settings);
	if ((status = tern_sampler_new(&sampler, answer->opened->model, &answer->sampling, err)))
		return status;
	answer->probs.model = answer->opened->model;
	answer->probs.n_vocab = (size_t)answer->opened->info.n_vocab;
	output_flush();
	if (!answer->line)
		progress_start(&answer->progress, "reading the prompt");
	if (answer->form == ANSWER_TEXT)
		signals_clean_on_death(NULL);
	else
		signals_catch_interrupt();
	status = generate(answer, prompt, sampler, err);
	progress_end(&answer->progress);
	finish(answer, status ? err : NULL);
	tern_sampler_free(sampler);
	return status;
}

void answer_free(struct answer *answer)
{
	token_probs_free(&answer->probs);
	text_free(&answer->text);
	text_free(&answer->whole);
}
