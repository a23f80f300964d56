#include "cli/chat/chat.h"
#include "base/clock.h"
#include "base/memory.h"
#include "console/escape.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PATIENCE 0.5 /* seconds before the chat says what takes so long */

enum {
	TICK_MS = 100
};

/* ---- failures ---- */

enum tern_status chat_failed(struct chat *chat, const struct tern_error *err)
{
	report_error(err);
	if (!chat->worst)
		chat->worst = err->status;
	return err->status;
}

enum tern_status chat_fail(struct chat *chat, enum tern_status status, const char *format, ...)
{
	struct tern_error err = {.status = status};
	va_list args;

	va_start(args, format);
	vsnprintf(err.message, sizeof err.message, format, args);
	va_end(args);
	return chat_failed(chat, &err);
}

enum tern_status chat_end_with(struct chat *chat, enum tern_status status)
{
	chat->fatal = status;
	chat->wants_to_leave = true;
	return status;
}

/* ---- the model ---- */

static enum tern_status refuse_format(const struct chat *chat)
{
	bool has_template = chat->loader.opened.info.chat_format != NULL;

	report("%s: %s; choose one with --template, or let it continue texts: tern run --raw", chat->loader.opened.path,
	       has_template ? "its chat format is not one tern knows" : "the model has no chat format");
	return TERN_ERR_FILE;
}

/* Whether the chat format has a place for a system text. */
static bool takes_system(const struct chat *chat)
{
	const struct tern_message messages[] = {{conversation_system, "a", 1}, {conversation_user, "b", 1}};
	int32_t *ids;
	size_t n_ids;
	bool takes = tern_chat_tokenize(chat->loader.opened.model, messages, 2, 0, &ids, &n_ids, NULL) == TERN_OK;

	tern_free(ids);
	return takes;
}

enum tern_status chat_check_effort(struct chat *chat, const struct generation_options *generation)
{
	const struct tern_message message = {conversation_user, "a", 1};
	struct tern_error err;
	int32_t *ids;
	size_t n_ids;

	if (tern_chat_tokenize(chat->loader.opened.model, &message, 1, generation_chat_flags(generation), &ids, &n_ids,
	                       &err))
		return chat_failed(chat, &err);
	tern_free(ids);
	return TERN_OK;
}

/* The loader is done: looks at what it brings. Errors were reported. */
static enum tern_status take_model(struct chat *chat)
{
	const struct opened *opened = &chat->loader.opened;
	struct generation_options *generation = &chat->values.generation;
	struct tern_error err;
	enum tern_status status;

	if (loader_finish(&chat->loader, &err))
		return report_error(&err);
	if ((status = open_model_report(opened, &chat->values.common)))
		return status;
	if (!opened->info.chat_format || !*opened->info.chat_format)
		return refuse_format(chat);
	if ((status = generation_add_stops(generation, opened->model, &err)))
		return report_error(&err);
	generation_tell_session(chat->loader.session, &chat->values.common, opened, opened->info.chat_format);
	chat->is_loaded = true;
	chat->takes_system = takes_system(chat);
	if (!chat->takes_system && generation->system && *generation->system)
		return usage_error(chat->command, "--system: this model was not taught to follow a system text");
	if ((status = chat_check_effort(chat, generation)))
		return status;
	chat->talk.omits_system = !chat->takes_system;
	if (chat->talk.system && chat->talk.omits_system)
		warn("the system text of the conversation is left out, since this model knows none");
	return TERN_OK;
}

static void show_loading(const struct loader *loader, struct progress *progress)
{
	uint64_t n_done = atomic_load(&loader->n_done), n_total = atomic_load(&loader->n_total);
	double seconds = (double)(tern_clock_ns() - progress->started_ns) * 1e-9;
	char line[64];

	if (n_total > 0) {
		progress_update(progress, n_done, n_total);
	} else if (seconds >= PATIENCE) {
		snprintf(line, sizeof line, "opening the model, %.0f s", seconds);
		term_show_status(line);
	}
}

void chat_tell_repacking(struct chat *chat, int timeout_ms)
{
	const int step_ms = 10;
	uint64_t n_bytes;

	while (!(n_bytes = atomic_load(&chat->loader.n_repacked)) && timeout_ms > 0 &&
	       !loader_wait(&chat->loader, step_ms))
		timeout_ms -= step_ms;
	if (n_bytes && !chat->has_told_repacking)
		open_model_tell_repacking(chat->loader.opened.path, n_bytes, chat->values.common.verbose);
	chat->has_told_repacking = n_bytes > 0;
}

/* Waits for the loader and, if it takes long, shows that. False if the user does not want to wait. */
static bool wait_for_loader(struct chat *chat)
{
	struct progress progress;
	bool is_done = false;

	progress_start(&progress, "repacking weights");
	while (!signals_interrupted() && !(is_done = loader_wait(&chat->loader, TICK_MS))) {
		chat_tell_repacking(chat, 0);
		show_loading(&chat->loader, &progress);
	}
	chat_tell_repacking(chat, 0);
	signals_forget_interrupt();
	term_erase_status();
	return is_done;
}

enum tern_status chat_need_model(struct chat *chat)
{
	enum tern_status status;

	if (chat->is_loaded)
		return TERN_OK;
	if (!wait_for_loader(chat))
		return TERN_ERR_FAILED;
	status = take_model(chat);
	return status ? chat_end_with(chat, status) : TERN_OK;
}

/* ---- the user ---- */

void chat_say(struct text *text)
{
	struct text escaped = {0};

	output_flush();
	if (term_is_terminal(STDOUT_FILENO)) {
		output_text(text->bytes, text->n_bytes);
		output_flush();
	} else {
		escape_append(&escaped, text->bytes, text->n_bytes, ESCAPE_TERMINAL);
		if (!escaped.failed)
			fwrite(escaped.bytes, 1, escaped.n_bytes, stderr);
	}
	if (text->failed || escaped.failed)
		report_out_of_memory();
	text_free(&escaped);
	text_free(text);
}

void chat_hint(const char *format, ...)
{
	char message[2048];
	va_list args;

	if (term_is_quiet() || !term_is_terminal(STDERR_FILENO))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	note("%s", message);
}

/* "y" or "yes". Nothing else is meant for a question that may destroy a file: a message typed ahead is not. */
static bool is_yes_word(const char *answer, size_t n_bytes)
{
	for (; n_bytes > 0 && answer[0] == ' '; n_bytes--)
		answer++;
	while (n_bytes > 0 && answer[n_bytes - 1] == ' ')
		n_bytes--;
	return (n_bytes == 1 || n_bytes == 3) && strncasecmp(answer, "yes", n_bytes) == 0;
}

bool chat_confirm(struct chat *chat, const char *question)
{
	struct text prompt = {0}, answer = {0};
	bool is_yes = false;

	if (!chat->is_interactive)
		return false;
	escape_append(&prompt, question, strlen(question), ESCAPE_LINE);
	text_printf(&prompt, " [y/N] ");
	if (!prompt.failed && editor_ask(chat->editor, prompt.bytes, &answer) == EDITOR_TEXT)
		is_yes = is_yes_word(answer.bytes, answer.n_bytes);
	signals_forget_interrupt();
	text_free(&prompt);
	text_free(&answer);
	return is_yes;
}
