/* tern chat: a conversation. Somebody types at a terminal, or messages come line by line from a pipe. */
#include "base/memory.h"
#include "cli/chat/commands.h"
#include "cli/chat/external_editor.h"
#include "cli/chat/files.h"
#include "cli/chat/reply.h"
#include "cli/commands.h"
#include "console/output.h"
#include "console/signals.h"
#include "console/term.h"
#include "console/tty.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HEADER_MS = 100 /* enough to read the header of a file */
};

#define FIELD(name) offsetof(struct chat_options, name)

static const struct option chat_options[] = {
        {.name = "prompt",
         .letter = 'p',
         .kind = OPTION_TEXT,
         .offset = FIELD(prompt),
         .argument = "TEXT",
         .help = "the first message",
         .once = true},
        {.name = "resume",
         .letter = 'r',
         .kind = OPTION_TEXT,
         .offset = FIELD(resume),
         .argument = "FILE",
         .help = "go on with a saved conversation; with --save of the same FILE it need not exist yet",
         .once = true},
        {.name = "save",
         .kind = OPTION_TEXT,
         .offset = FIELD(save),
         .argument = "FILE",
         .help = "save the conversation after every answer: JSON Lines of role and content",
         .once = true},
        {.name = "no-history", .offset = FIELD(no_history), .help = "neither read nor write the history of messages"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Chat:", chat_options, offsetof(struct chat_values, chat)},
        GENERATION_CHAT_GROUP(struct chat_values, generation),
        TOKEN_PROBS_GROUP(struct chat_values, probs),
        COMMON_MODEL_GROUP(struct chat_values, common),
        COMMON_COMPUTING_GROUP(struct chat_values, common),
        COMMON_MESSAGE_GROUP(struct chat_values, common),
        {.options = NULL},
};

static enum tern_status chat_main(int argc, char **argv);

const struct command command_chat = {
        .name = "chat",
        .summary = "Talk to a model",
        .usage = "tern chat [OPTION...] [MODEL.gguf]",
        .examples = "  tern chat\n"
                    "  tern chat -m model.gguf --save talk.jsonl\n"
                    "  tern chat -r talk.jsonl --save talk.jsonl\n"
                    "  echo \"What is the capital of France?\" | tern chat\n",
        .notes = "/help lists the commands, /help keys the keys. From a pipe, every line is a message or a\n"
                 "command; a line that ends in \\ goes on, and so does a block between \"\"\" and \"\"\".\n"
                 "\n"
                 "The history of messages is $TERN_HISTORY (empty: none), or tern/history in\n"
                 "$XDG_STATE_HOME (~/.local/state).\n"
                 "\n"
                 "Exit status: 0 done, 1 failed, 2 wrong usage, 3 bad input file, 4 does not fit\n"
                 "the context, 130 interrupted. From a pipe, that of the first message or command\n"
                 "that failed; the rest is done all the same.\n",
        .groups = groups,
        .values_size = sizeof(struct chat_values),
        .run = chat_main,
};

static void handle_message(struct chat *chat, const struct text *text)
{
	if (chat_is_command(text->bytes, text->n_bytes)) {
		chat_run_command(chat, text->bytes, text->n_bytes);
	} else if (text->n_bytes >= 2 && memcmp(text->bytes, "//", 2) == 0) {
		chat_send(chat, text->bytes + 1, text->n_bytes - 1);
	} else {
		chat_hint_at_command(text->bytes, text->n_bytes);
		chat_send(chat, text->bytes, text->n_bytes);
	}
}

/* Ctrl-C with nothing typed, for the n-th time in a row. */
static void handle_interrupt(struct chat *chat, int n)
{
	if (n >= 2) {
		chat->dies_of_interrupt = true;
		chat->wants_to_leave = true;
	} else {
		note("(to leave: Ctrl-D, /bye, or Ctrl-C again)");
	}
}

static enum editor_event read_message(struct chat *chat, struct text *text)
{
	int out = term_is_terminal(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO;
	const char *bold = term_style(out, TERM_BOLD), *plain = term_style(out, TERM_PLAIN);
	struct text prompt = {0}, draft = chat->draft;
	enum editor_event event = EDITOR_FAILED;

	chat->draft = (struct text){0};
	text_printf(&prompt, "%s>%s ", bold, plain);
	text->n_bytes = 0;
	if (!prompt.failed)
		event = editor_read(chat->editor, prompt.bytes, "  ", draft.n_bytes > 0 ? draft.bytes : NULL, text);
	text_free(&prompt);
	text_free(&draft);
	return event;
}

static void handle(struct chat *chat, enum editor_event event, struct text *text)
{
	switch (event) {
	case EDITOR_TEXT:
		handle_message(chat, text);
		break;
	case EDITOR_BLOCK:
		chat_send(chat, text->bytes, text->n_bytes);
		break;
	case EDITOR_EXTERNAL:
		chat->draft = *text;
		*text = (struct text){0};
		chat_edit(chat, "");
		break;
	case EDITOR_WAKE:
		chat_need_model(chat);
		break;
	case EDITOR_END:
		chat->wants_to_leave = true;
		break;
	case EDITOR_FAILED:
		chat_end_with(chat, report_out_of_memory());
		break;
	default:
		break;
	}
}

static void converse(struct chat *chat)
{
	struct text text = {0};
	int n_interrupts = 0;

	while (!chat->wants_to_leave) {
		enum editor_event event = read_message(chat, &text);
		n_interrupts = event == EDITOR_INTERRUPT ? n_interrupts + 1 : event == EDITOR_WAKE ? n_interrupts : 0;
		if (event == EDITOR_INTERRUPT)
			handle_interrupt(chat, n_interrupts);
		else
			handle(chat, event, &text);
	}
	text_free(&text);
}

/* ---- the whole ---- */

/* The model's name as far as it is known before the file is open. */
static void greet(const struct chat *chat)
{
	const char *path = chat->loader.opened.path, *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = strlen(name);
	struct stat output;

	if (n > 5 && strcmp(name + n - 5, ".gguf") == 0)
		n -= 5;
	chat_hint("%.*s · /help: commands · Ctrl-C: stop an answer · Ctrl-D: leave", (int)n, name);
	if (fstat(STDOUT_FILENO, &output) == 0 && S_ISFIFO(output.st_mode))
		chat_hint("(Ctrl-C also reaches the program that the answers go to; tee -i ignores it)");
}

static enum tern_status open_editor(struct chat *chat)
{
	struct editor_options options = {.in = STDIN_FILENO,
	                                 .out = term_is_terminal(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO,
	                                 .complete = chat_complete,
	                                 .user = chat,
	                                 .wake_fd = loader_fd(&chat->loader)};
	char *path = chat->is_interactive && !chat->values.chat.no_history ? history_default_path() : NULL;

	chat->history = history_open(path);
	tern_free(path);
	options.history = chat->history;
	chat->editor = editor_open(&options);
	if (chat->editor)
		return TERN_OK;
	return report_out_of_memory();
}

static void send_first(struct chat *chat)
{
	const char *prompt = chat->values.chat.prompt;
	struct text line = {0};

	if (chat->is_interactive && term_is_terminal(STDOUT_FILENO)) {
		text_printf(&line, "> %s\n", prompt);
		chat_say(&line);
	}
	chat_send(chat, prompt, strlen(prompt));
}

static enum tern_status check_options(const struct chat *chat, const struct operands *operands)
{
	const struct generation_options *generation = &chat->values.generation;

	if (operands->n_items > 0)
		return usage_error(&command_chat, "'%.64s' is no model; a first message is -p TEXT",
		                   operands->items[0]);
	return generation_check(&command_chat, generation);
}

/* Everything before the first message. */
static enum tern_status start(struct chat *chat, const struct operands *operands)
{
	struct chat_values *values = &chat->values;
	const char *system = values->generation.system;
	enum tern_status status;

	chat->is_interactive = term_is_terminal(STDIN_FILENO);
	chat->seed = generation_sampler(&values->generation).seed;
	values->common.chat_format = values->generation.chat_format;
	values->probs.show = token_probs_wanted(&values->probs);
	if ((status = check_options(chat, operands)) || (status = chat_open_files(chat)) ||
	    (status = loader_start(&chat->loader, &values->common, &values->generation)))
		return status;
	if (system && !conversation_set_system(&chat->talk, system, strlen(system)))
		return report_out_of_memory();
	if ((status = open_editor(chat)))
		return status;
	if (chat->is_interactive) {
		signals_catch_interrupt();
		tty_set(TTY_QUIET);
		greet(chat);
		chat_tell_repacking(chat, HEADER_MS);
	}
	if (values->chat.resume)
		chat_tell_loaded(chat, values->chat.resume);
	return TERN_OK;
}

static enum tern_status work(struct chat *chat, const struct operands *operands)
{
	enum tern_status status = start(chat, operands);

	if (status)
		return status;
	if (chat->values.chat.prompt)
		send_first(chat);
	converse(chat);
	/* Reports a bad model even if there was no question. */
	if (!chat->is_interactive && !chat->fatal)
		chat_need_model(chat);
	return chat->fatal || chat->is_interactive ? chat->fatal : chat->worst;
}

static enum tern_status chat_main(int argc, char **argv)
{
	struct chat chat = {.command = &command_chat};
	struct operands operands;
	enum tern_status status;
	bool is_idle;

	if (!options_parse(&command_chat, argc, argv, &chat.values, &operands, &status))
		return status;
	common_apply(&chat.values.common, &operands);
	status = work(&chat, &operands);

	editor_close(chat.editor);
	history_close(chat.history);
	is_idle = loader_free(&chat.loader);
	conversation_free(&chat.talk);
	token_probs_free(&chat.probs);
	text_free(&chat.attachment);
	text_free(&chat.draft);
	text_free(&chat.stop);
	tern_free(chat.own_file);
	status = output_finish(status);
	if (chat.dies_of_interrupt)
		signals_die_of_interrupt();
	if (!is_idle)
		_Exit((int)status); /* the thread that opens the model still works on `chat` */
	options_free(&command_chat, &chat.values, &operands);
	return status;
}
