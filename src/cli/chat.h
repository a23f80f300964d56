/* The inside of `tern chat`, shared by its files. */
#ifndef TERN_CLI_CHAT_H
#define TERN_CLI_CHAT_H

#include "cli/conversation.h"
#include "cli/generation.h"
#include "cli/loader.h"
#include "cli/probs.h"
#include "console/editor.h"
#include "console/history.h"
#include "console/text.h"

struct chat_options {
	const char *prompt, *resume, *save;
	bool no_history, no_thinking;
};

struct chat_values {
	struct common_options common;
	struct generation_options generation;
	struct probs_options probs;
	struct chat_options chat;
};

/* Of all answers so far, or of the last one. */
struct chat_speed {
	long n_prompt, n_kept, n_generated; /* tokens read anew, found in the context, generated */
	double prompt_seconds, generate_seconds;
};

struct chat {
	const struct command *command; /* for messages about its options */
	struct chat_values values;     /* /set changes them */
	struct text stop;              /* what /set stop gave */
	uint64_t seed;                 /* of the first answer; those that follow add 1 each */
	uint64_t n_answers;

	struct loader loader;
	bool is_loaded; /* the fields of `loader` may be looked at */
	bool takes_system;

	struct conversation talk;
	struct text attachment; /* files of /read, for the next message */
	struct text draft;      /* what the user finds at the next prompt; empty: nothing */
	char *own_file;         /* saved to or loaded from last, so that it may be overwritten without asking */

	struct editor *editor;
	struct history *history;
	bool is_interactive; /* somebody types */
	bool wants_to_leave, dies_of_interrupt;
	enum tern_status fatal; /* what made it impossible to go on */
	enum tern_status worst; /* of all that went wrong, the first; the exit status where nobody types */
	struct chat_speed last, total;
	struct probs probs; /* of the last answer, if they were wanted */
};

/* ---- chat_state.c ---- */

/* Waits for the model if need be, showing that it does. TERN_ERR_FAILED without a message, if the user did not want to
 * wait; other errors were reported, and end the chat. */
enum tern_status chat_need_model(struct chat *chat);

/* Reports a message of the library, notes the status, returns it. */
enum tern_status chat_failed(struct chat *chat, const struct tern_error *err);
/* The same for a message of one's own. */
enum tern_status chat_fail(struct chat *chat, enum tern_status status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Nothing can go on after this: notes the status, returns it. */
enum tern_status chat_end_with(struct chat *chat, enum tern_status status);

/* Asks a yes-or-no question; no where nobody could answer. */
bool chat_confirm(struct chat *chat, const char *question);

/* ---- chat_answer.c ---- */

/* The user says something, with what /read has read before it: it becomes part of the conversation and is answered.
 * Without an answer it does not stay. Errors were reported. */
void chat_send(struct chat *chat, const char *bytes, size_t n_bytes);
/* The last message of the user is answered again. */
void chat_answer_again(struct chat *chat);

/* ---- chat_commands.c ---- */

/* Whether a message is a command: a slash and a word. */
bool chat_is_command(const char *bytes, size_t n_bytes);
/* Tells a user who types the name of a command without its slash, as in other programs, how it would be one. */
void chat_hint_at_command(const char *bytes, size_t n_bytes);
/* Errors were reported. */
void chat_run_command(struct chat *chat, const char *bytes, size_t n_bytes);
/* For struct editor_options; user is the struct chat. */
void chat_complete(void *user, const char *text, size_t n_bytes, size_t cursor, struct completions *completions);

/* ---- what the commands do; `argument` is not NULL and has no white space around it ---- */

/* chat_settings.c */
void chat_set(struct chat *chat, const char *argument);
void chat_system(struct chat *chat, const char *argument);
/* Settings that begin with the first n bytes of `prefix`. */
void chat_complete_setting(const char *prefix, size_t n, struct completions *completions);

/* chat_files.c */
void chat_save(struct chat *chat, const char *argument);
void chat_load(struct chat *chat, const char *argument);
void chat_export(struct chat *chat, const char *argument);
void chat_read(struct chat *chat, const char *argument);
/* Reads the file of -r and looks at that of --save. Errors were reported. */
enum tern_status chat_open_files(struct chat *chat);
/* Saves to the file of --save, if there is one. */
void chat_autosave(struct chat *chat);
/* Says what was loaded, and what of it this model cannot take. */
void chat_tell_loaded(struct chat *chat, const char *path);
/* Names of files that begin like the n bytes at `prefix`, which completions->start is the beginning of. */
void chat_complete_file(const char *prefix, size_t n, struct completions *completions);

/* chat_facts.c */
void chat_show(struct chat *chat, const char *argument);
void chat_stats(struct chat *chat, const char *argument);
void chat_context(struct chat *chat, const char *argument);
void chat_probs(struct chat *chat, const char *argument);

/* external.c */
void chat_edit(struct chat *chat, const char *argument);
/* Lets the user edit a text in $VISUAL or $EDITOR; *text is replaced. Errors were reported. */
bool chat_edit_text(struct chat *chat, struct text *text);

#endif
