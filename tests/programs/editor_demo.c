/* A program for tests/editor.py to drive: prints what the editor gives, one line for each event, on standard output.
 *
 * usage: editor_demo [wake]    with `wake`, SIGUSR1 makes the editor return EDITOR_WAKE */
#include "base/memory.h"
#include "console/editor.h"
#include "console/escape.h"
#include "console/history.h"
#include "console/signals.h"
#include "console/term.h"
#include "console/wait.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"text", "block", "cleared", "interrupt", "end", "external", "wake", "failed"};
static const char *const words[] = {"/history", "/help", "/load", "/lo\033[31mud", "/quit", "/dir/"};

static int wake_pipe[2] = {-1, -1};

static void on_wake(int signal_number)
{
	(void)signal_number;
	if (write(wake_pipe[1], "", 1) < 0)
		return;
}

static void complete(void *user, const char *text, size_t n_bytes, size_t cursor, struct completions *completions)
{
	(void)user;
	(void)n_bytes;
	if (cursor == 0 || text[0] != '/')
		return;
	completions->start = 0;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strncmp(words[i], text, cursor) == 0)
			completions_add(completions, words[i]);
}

static void show(enum editor_event event, const struct text *text)
{
	struct text line = {0};

	text_printf(&line, "[%s", names[event]);
	if (event == EDITOR_TEXT || event == EDITOR_BLOCK || event == EDITOR_EXTERNAL) {
		text_printf(&line, " ");
		if (text->n_bytes > 200)
			text_printf(&line, "%zu bytes", text->n_bytes);
		else
			escape_append(&line, text->bytes, text->n_bytes, ESCAPE_LINE);
	}
	printf("%s]\n", line.bytes ? line.bytes : "");
	fflush(stdout);
	text_free(&line);
}

/* As if a model talked, until Ctrl-C. */
static void talk(void)
{
	printf("talking\n");
	fflush(stdout);
	while (!signals_interrupted())
		wait_for(-1, -1, 1000);
	printf("stopped\n");
	signals_forget_interrupt();
}

int main(int argc, char **argv)
{
	struct editor_options options = {.in = STDIN_FILENO, .out = STDOUT_FILENO, .complete = complete, .wake_fd = -1};
	struct text text = {0};
	char *path = history_default_path();
	char initial[64] = "";
	enum editor_event event;

	term_start();
	signals_start();
	signals_catch_interrupt();
	if (argc > 1 && strcmp(argv[1], "wake") == 0 && pipe(wake_pipe) == 0) {
		struct sigaction action = {.sa_handler = on_wake, .sa_flags = SA_RESTART};
		sigaction(SIGUSR1, &action, NULL);
		options.wake_fd = wake_pipe[0];
	}
	options.history = history_open(path);
	struct editor *editor = editor_open(&options);
	do {
		char byte;
		event = editor_read(editor, "\033[1m> \033[0m", ". ", initial[0] ? initial : NULL, &text);
		initial[0] = '\0';
		show(event, &text);
		if (event == EDITOR_EXTERNAL)
			snprintf(initial, sizeof initial, "edited %.20s", text.bytes);
		if (event == EDITOR_WAKE && read(wake_pipe[0], &byte, 1) != 1)
			break;
		if (event == EDITOR_TEXT && strcmp(text.bytes, "talk") == 0)
			talk();
		if (event == EDITOR_TEXT && strcmp(text.bytes, "crash") == 0)
			raise(SIGSEGV);
	} while (event != EDITOR_END && event != EDITOR_FAILED);
	editor_close(editor);
	history_close(options.history);
	tern_free(path);
	text_free(&text);
	return 0;
}
