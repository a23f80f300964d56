#include "cli/chat/reply.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/space.h"
#include "cli/chat/commands.h"
#include "cli/chat/display.h"
#include "cli/chat/files.h"
#include "cli/prompt.h"
#include "console/format.h"
#include "console/message.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"

#include <stdio.h>
#include <string.h>

enum {
	ROOM_FOR_ANSWER = 512 /* tokens, if the context has four times as many */
};

/* An answer under way. */
struct answering {
	struct chat *chat;
	struct display display;
	struct text text; /* all of it, thoughts with their tags */
	struct progress progress;
	bool is_stopped; /* by the user */
	bool output_failed;
	struct conversation_ids ids;
	int n_kept; /* tokens that the context had already */
	struct tern_generate_result result;
};

/* ---- while the model works ---- */

static bool keep_going(void *user)
{
	struct answering *a = user;

	if (signals_interrupted()) {
		a->is_stopped = true;
		signals_forget_interrupt();
	}
	return !a->is_stopped && !a->output_failed;
}

static bool is_out_of_memory(const struct answering *a) { return a->text.failed || a->display.output.failed; }

static bool on_prompt(void *user, size_t n_done, size_t n_total)
{
	struct answering *a = user;

	progress_update(&a->progress, n_done, n_total);
	return keep_going(a);
}

static bool on_text(void *user, const char *text, size_t n_bytes)
{
	struct answering *a = user;

	progress_end(&a->progress);
	text_append(&a->text, text, n_bytes);
	a->display.style = token_probs_style(&a->chat->probs);
	if (!a->text.failed && !display_show(&a->display, a->text.bytes, a->text.n_bytes, false))
		a->output_failed = true;
	return keep_going(a) && !is_out_of_memory(a);
}

static void on_token(void *user, int32_t id, float probability, const float *logits)
{
	struct answering *a = user;

	token_probs_add(&a->chat->probs, id, probability, logits);
}

/* ---- before ---- */

static size_t room_for_answer(const struct chat *chat, size_t n_ctx)
{
	int n_predict = chat->values.generation.n_predict;
	size_t n_room = n_predict > 0 ? (size_t)n_predict : ROOM_FOR_ANSWER;

	return tern_smaller(n_room, n_ctx / 4);
}

static void tell_what_left(const struct chat *chat, const struct conversation_ids *ids)
{
	size_t n_exchanges = (ids->n_left_messages + 1) / 2;
	char oldest[48] = "oldest exchange";

	if (n_exchanges > 1)
		snprintf(oldest, sizeof oldest, "%zu oldest exchanges", n_exchanges);
	if (ids->n_left_messages > 0 && !term_is_quiet())
		note("(the context of %d tokens is full: the %s, %zu tokens, left it%s)",
		     tern_session_n_ctx(chat->loader.session), oldest, ids->n_left_tokens,
		     chat->talk.system ? "; the system text stays" : "");
}

/* Says what does not fit, with what would have to be different. */
static enum tern_status refuse_length(struct answering *a, struct tern_error *err)
{
	int n_ctx = tern_session_n_ctx(a->chat->loader.session), n_model = a->chat->loader.opened.info.n_ctx_train;
	const char *what = a->chat->talk.system ? "the message and the system text are" : "the message is";

	if (n_ctx < n_model)
		return tern_fail(err, TERN_ERR_CONTEXT, "%s %zu tokens, the context is %d (the model allows %d: -c %d)",
		                 what, a->ids.n_ids, n_ctx, n_model, n_model);
	return tern_fail(err, TERN_ERR_CONTEXT, "%s %zu tokens, the context is %d, all that the model allows", what,
	                 a->ids.n_ids, n_ctx);
}

/* The conversation's tokens, and the context cut back to what they begin with. */
static enum tern_status prepare(struct answering *a, struct tern_error *err)
{
	struct chat *chat = a->chat;
	struct tern_session *session = chat->loader.session;
	size_t n_ctx = (size_t)tern_session_n_ctx(session);
	const char *begins;
	unsigned flags = generation_chat_flags(&chat->values.generation);
	enum tern_status status = conversation_fit(&chat->talk, chat->loader.opened.model, flags, n_ctx,
	                                           room_for_answer(chat, n_ctx), &a->ids, err);

	if (status == TERN_ERR_CONTEXT)
		return refuse_length(a, err);
	if (status)
		return status;
	tell_what_left(chat, &a->ids);
	a->n_kept = tern_session_rewind_to(session, a->ids.ids, a->ids.n_ids);
	begins = prompt_thoughts(chat->loader.opened.model, a->ids.ids, a->ids.n_ids);
	text_append(&a->text, begins, strlen(begins));
	return TERN_OK;
}

/* A sampler for this answer alone, so that it does not depend on answers that were taken back. */
static enum tern_status make_sampler(struct answering *a, struct tern_sampler **sampler, struct tern_error *err)
{
	struct chat *chat = a->chat;
	struct tern_sampler_options options = generation_sampler(&chat->values.generation);
	int n_recent = a->n_kept < options.repeat_last_n ? a->n_kept : options.repeat_last_n;
	enum tern_status status;

	options.seed = chat->seed + chat->n_answers;
	if ((status = tern_sampler_new(sampler, chat->loader.opened.model, &options, err)))
		return status;
	for (int i = a->n_kept - n_recent; i < a->n_kept; i++)
		tern_sampler_accept(*sampler, a->ids.ids[i]);
	return TERN_OK;
}

/* Makes room for what will be told of this answer's tokens; /probs wants alternatives even if none are to be listed
 * at once. */
static void start_probs(struct chat *chat)
{
	enum {
		ALTERNATIVES = 3
	};
	const struct opened *opened = &chat->loader.opened;

	token_probs_free(&chat->probs);
	chat->probs.model = opened->model;
	chat->probs.n_vocab = (size_t)opened->info.n_vocab;
	chat->probs.options = chat->values.probs;
	if (chat->values.probs.n_alternatives == 0)
		chat->probs.options.n_alternatives = ALTERNATIVES;
}

/* ---- the answer ---- */

static enum tern_status generate(struct answering *a, struct tern_error *err)
{
	struct chat *chat = a->chat;
	struct tern_generate_options options = generation_limits(&chat->values.generation);
	struct tern_sampler *sampler;
	enum tern_status status = make_sampler(a, &sampler, err);

	if (status)
		return status;
	options.on_text = on_text;
	options.on_token = token_probs_wanted(&chat->values.probs) ? on_token : NULL;
	options.on_prompt = on_prompt;
	options.keep_going = keep_going;
	options.user = a;
	start_probs(chat);
	progress_start(&a->progress, a->n_kept == 0 && chat->talk.n_messages > 1 ? "reading it all again" : "reading");
	status = tern_generate(chat->loader.session, sampler, a->ids.ids + a->n_kept, a->ids.n_ids - (size_t)a->n_kept,
	                       &options, &a->result, err);
	progress_end(&a->progress);
	tern_sampler_free(sampler);
	if (is_out_of_memory(a))
		return tern_fail_memory(err, a->text.n_bytes);
	return status;
}

static void count(struct chat_speed *speed, const struct answering *a)
{
	speed->n_prompt += a->result.n_prompt;
	speed->n_kept += a->n_kept;
	speed->n_generated += a->result.n_generated;
	speed->n_guessed += a->result.n_guessed;
	speed->n_accepted += a->result.n_accepted;
	speed->prompt_seconds += a->result.prompt_seconds;
	speed->generate_seconds += a->result.generate_seconds;
}

static void tell_how_it_went(const struct answering *a)
{
	const struct chat *chat = a->chat;
	int n_ctx = tern_session_n_ctx(chat->loader.session);
	char duration[FORMAT_SIZE];
	struct text line = {0};

	if (a->ids.n_left_messages > 0 && a->result.n_prompt > 0 && !term_is_quiet())
		note("(reading the rest of the conversation again, %d tokens, took %s)", a->result.n_prompt,
		     format_duration(duration, a->result.prompt_seconds));
	if (a->result.finish == TERN_FINISH_CONTEXT && !term_is_quiet())
		note("(the answer reached the end of the context, %d tokens%s)", n_ctx,
		     n_ctx < chat->loader.opened.info.n_ctx_train ? "; start with a larger one: -c" : "");
	if (a->result.finish == TERN_FINISH_LENGTH)
		chat_hint("(stopped after %d tokens, as told)", a->result.n_generated);
	if (a->result.finish == TERN_FINISH_STOP && !a->display.has_text)
		chat_hint("(an empty answer; /regen asks again)");
	if (!chat->values.common.verbose)
		return;
	generation_describe(&line, &a->result);
	text_printf(&line, " · context %d of %d · seed %llu", tern_session_n_past(chat->loader.session), n_ctx,
	            (unsigned long long)(chat->seed + chat->n_answers - 1));
	if (!line.failed)
		note("%s", line.bytes);
	text_free(&line);
}

/* What came of the answer joins the conversation. False if nothing did, or if the output failed in its middle. */
static bool keep(struct answering *a, enum tern_status status, struct tern_error *err)
{
	struct chat *chat = a->chat;
	bool is_there = !a->output_failed && (a->result.n_generated > 0 || (!status && !a->is_stopped));

	chat->n_answers++;
	chat->last = (struct chat_speed){0};
	count(&chat->last, a);
	count(&chat->total, a);
	if (is_there && !conversation_add(&chat->talk, conversation_assistant, a->text.bytes ? a->text.bytes : "",
	                                  a->text.n_bytes)) {
		tern_fail_memory(err, a->text.n_bytes);
		is_there = false;
	}
	return is_there;
}

/* Answers the conversation as it is, which ends with a message of the user. False if there was no answer: the reason
 * was reported, unless the user stopped it. */
static bool answer(struct chat *chat, bool *is_stopped)
{
	struct answering a = {.chat = chat};
	struct tern_error err = {0};
	enum tern_status status = prepare(&a, &err);
	bool is_there = false;

	if (!status) {
		display_begin(&a.display, chat->values.generation.no_thinking, !chat->is_unwrapped);
		status = generate(&a, &err);
		display_show(&a.display, a.text.bytes, a.text.n_bytes, true);
		display_end(&a.display, a.is_stopped);
		if (chat->values.probs.n_alternatives > 0)
			token_probs_print(&chat->probs);
		is_there = keep(&a, status, &err);
		tell_how_it_went(&a);
	}
	if (status || err.status)
		chat_failed(chat, &err);
	if (a.output_failed)
		chat->wants_to_leave = true;
	if (is_there)
		chat_autosave(chat);
	*is_stopped = a.is_stopped;
	tern_free(a.ids.ids);
	text_free(&a.text);
	return is_there;
}

/* ---- questions ---- */

/* The message, after what /read has read. */
static bool add_message(struct chat *chat, const char *bytes, size_t n_bytes)
{
	struct text all = {0};
	bool added;

	if (chat->attachment.n_bytes > 0)
		text_append(&all, chat->attachment.bytes, chat->attachment.n_bytes);
	if (chat->attachment.n_bytes > 0 && !tern_is_blank(bytes, n_bytes))
		text_append(&all, "\n\n", 2);
	if (!tern_is_blank(bytes, n_bytes))
		text_append(&all, bytes, n_bytes);
	added = !all.failed && conversation_add(&chat->talk, conversation_user, all.bytes, all.n_bytes);
	text_free(&all);
	if (!added)
		chat_fail(chat, TERN_ERR_FAILED, "out of memory");
	return added;
}

/* Puts a message back to the prompt, in a form in which it is the same message when it is sent from there: no command,
 * and whole. Where the prompt cannot be edited it is left to the user to type it again. */
static void put_back(struct chat *chat, const char *bytes, size_t n_bytes)
{
	struct text *draft = &chat->draft;

	if (!editor_is_interactive(chat->editor))
		return;
	if (message_state(bytes, n_bytes) != MESSAGE_WHOLE) {
		text_append(draft, "\"\"\"\n", 4);
		text_append(draft, bytes, n_bytes);
		text_append(draft, "\n\"\"\"", 4);
		return;
	}
	if (chat_is_command(bytes, n_bytes) || (n_bytes >= 2 && memcmp(bytes, "//", 2) == 0))
		text_append(draft, "/", 1);
	text_append(draft, bytes, n_bytes);
}

void chat_send(struct chat *chat, const char *bytes, size_t n_bytes)
{
	bool is_stopped = true;

	if (tern_is_blank(bytes, n_bytes) && chat->attachment.n_bytes == 0)
		return;
	/* A resumed conversation may end with a message that has no answer. */
	if (chat_need_model(chat) == TERN_OK) {
		if (conversation_last(&chat->talk, conversation_user)) {
			warn("the last message of the conversation has no answer and is left out");
			conversation_cut(&chat->talk, chat->talk.n_messages - 1);
		}
		if (!add_message(chat, bytes, n_bytes))
			return;
		if (answer(chat, &is_stopped)) {
			text_free(&chat->attachment);
			return;
		}
		conversation_cut(&chat->talk, chat->talk.n_messages - 1);
	}
	/* After Ctrl-C the message is at the prompt again. One that cannot be answered is in the history, and without
	 * the file that may have made it too long. */
	if (is_stopped)
		put_back(chat, bytes, n_bytes);
	else if (chat->attachment.n_bytes > 0)
		chat_hint("(what /read had read is dropped)");
	if (!is_stopped)
		text_free(&chat->attachment);
}

void chat_answer_again(struct chat *chat)
{
	struct tern_message before = {0};
	bool is_stopped;

	if (chat->talk.n_messages == 0) {
		chat_fail(chat, TERN_ERR_USAGE, "there is nothing to answer again yet");
		return;
	}
	if (chat_need_model(chat))
		return;
	if (conversation_last(&chat->talk, conversation_assistant))
		before = conversation_pop(&chat->talk);
	if (answer(chat, &is_stopped))
		tern_free((void *)before.content);
	else if (before.content)
		conversation_push(&chat->talk, before);
}
