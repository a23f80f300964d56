/* A running chat, and what all its parts need: the model, reporting failures, talking to the user. */
#ifndef TERN_CLI_CHAT_CHAT_H
#define TERN_CLI_CHAT_CHAT_H

#include "cli/chat/conversation.h"
#include "cli/generation.h"
#include "cli/loader.h"
#include "cli/token_probs.h"
#include "console/editor.h"
#include "console/history.h"
#include "console/text.h"

struct chat_options {
	const char *prompt, *resume, *save;
	bool no_history;
};

struct chat_values {
	struct common_options common;
	struct generation_options generation;
	struct token_probs_options probs;
	struct chat_options chat;
};

/* Of the last answer, or of all answers so far. */
struct chat_speed {
	long n_prompt, n_kept, n_generated; /* tokens read, found in the context, generated */
	long n_guessed, n_accepted;         /* tokens that were guessed; those of them that were right */
	double prompt_seconds, generate_seconds;
};

struct chat {
	const struct command *command; /* for messages about its options */
	struct chat_values values;     /* /set changes them */
	bool is_unwrapped;             /* answers are not wrapped at words: /set wrap off */
	struct text stop;              /* the text of /set stop */
	uint64_t seed;                 /* of the first answer; each answer after it adds 1 */
	uint64_t n_answers;

	struct loader loader;
	bool is_loaded; /* the loader has finished, and its fields are set */
	bool has_told_repacking;
	bool takes_system;

	struct conversation talk;
	struct text attachment; /* files of /read, for the next message */
	struct text draft;      /* the text that the next prompt begins with; empty: none */
	char *own_file;         /* the file last saved or loaded: overwritten without asking */

	struct editor *editor;
	struct history *history;
	bool is_interactive; /* standard input is a terminal */
	bool wants_to_leave, dies_of_interrupt;
	enum tern_status fatal; /* why the chat cannot go on */
	enum tern_status worst; /* the first failure; the exit status if standard input is no terminal */
	struct chat_speed last, total;
	struct token_probs probs; /* of the last answer, if they were wanted */
};

/* ---- failures ---- */

/* Reports an error of the library, notes its status and returns it. */
enum tern_status chat_failed(struct chat *chat, const struct tern_error *err);
/* The same for a message of the chat's own. */
enum tern_status chat_fail(struct chat *chat, enum tern_status status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Ends the chat: notes the status and returns it. */
enum tern_status chat_end_with(struct chat *chat, enum tern_status status);

/* ---- the model ---- */

/* Waits for the model, with a status line if that takes long. TERN_ERR_FAILED without a message if the user interrupts
 * the wait; other errors are reported, and end the chat. */
enum tern_status chat_need_model(struct chat *chat);

/* Says that weights are repacked, once, if that is known within timeout_ms milliseconds. */
void chat_tell_repacking(struct chat *chat, int timeout_ms);

/* TERN_ERR_USAGE, reported, if the chat format has no such effort of reasoning. The model is there. */
enum tern_status chat_check_effort(struct chat *chat, const struct generation_options *generation);

/* ---- the user ---- */

/* Prints what a command answers, lines that end in newlines: on standard output if that is a terminal, else on
 * standard error. Control characters are escaped on a terminal. Frees the text. */
void chat_say(struct text *text);

/* Prints a dim line on standard error if that is a terminal; nothing with --quiet. */
void chat_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Asks a yes-or-no question. The answer is no unless a line "y" or "yes" comes from a terminal. */
bool chat_confirm(struct chat *chat, const char *question);

#endif
