#include "cli/chat/commands.h"
#include "base/space.h"
#include "base/utf8.h"
#include "cli/chat/external_editor.h"
#include "cli/chat/facts.h"
#include "cli/chat/files.h"
#include "cli/chat/reply.h"
#include "cli/chat/settings.h"
#include "console/suggest.h"

#include <stdio.h>
#include <string.h>

enum {
	HELP_COLUMN = 24,
	NAME_SIZE = 64,
	SHOWN_BYTES = 60 /* of a message that is taken back */
};

enum argument {
	ARGUMENT_NONE,
	ARGUMENT_OPTIONAL, /* a text, or none */
	ARGUMENT_FILE,
	ARGUMENT_SETTING, /* a name and a value, or less */
	ARGUMENT_TOPIC,   /* "keys", or none */
};

struct chat_command {
	const char *name;
	enum argument argument;
	const char *shown; /* what the help calls the argument */
	const char *help;  /* NULL: another name of the command above */
	void (*run)(struct chat *chat, const char *argument);
};

static void help(struct chat *chat, const char *argument);
static void leave(struct chat *chat, const char *argument);
static void clear(struct chat *chat, const char *argument);
static void regenerate(struct chat *chat, const char *argument);
static void undo(struct chat *chat, const char *argument);

static const struct chat_command table[] = {
        {"help", ARGUMENT_TOPIC, "[keys]", "the commands, or the keys", help},
        {"?", ARGUMENT_TOPIC, "", NULL, help},
        {"bye", ARGUMENT_NONE, "", "leave; so do Ctrl-D, /exit and /quit", leave},
        {"exit", ARGUMENT_NONE, "", NULL, leave},
        {"quit", ARGUMENT_NONE, "", NULL, leave},
        {"clear", ARGUMENT_NONE, "", "forget the conversation, keep system text and settings", clear},
        {"regen", ARGUMENT_NONE, "", "answer the last message again", regenerate},
        {"undo", ARGUMENT_NONE, "", "take the last message and its answer back", undo},
        {"system", ARGUMENT_OPTIONAL, "[TEXT]", "show or set who the model is to be; \"\": nobody", chat_system},
        {"set", ARGUMENT_SETTING, "[NAME [VALUE]]", "show or change a setting: temp, top_p, seed, ...", chat_set},
        {"read", ARGUMENT_FILE, "FILE", "put a text file before the next message", chat_read},
        {"edit", ARGUMENT_NONE, "", "write the message in $VISUAL or $EDITOR; so does Ctrl-G", chat_edit},
        {"save", ARGUMENT_FILE, "FILE", "write the conversation to a file, to go on later", chat_save},
        {"load", ARGUMENT_FILE, "FILE", "go on with a saved conversation", chat_load},
        {"export", ARGUMENT_FILE, "FILE", "write the conversation as plain text", chat_export},
        {"show", ARGUMENT_NONE, "", "facts about the model", chat_show},
        {"stats", ARGUMENT_NONE, "", "speed and memory", chat_stats},
        {"probs", ARGUMENT_NONE, "", "how sure the last answer was, and the alternatives", chat_probs},
        {"context", ARGUMENT_NONE, "", "how full the context is", chat_context},
};

enum {
	N_COMMANDS = sizeof table / sizeof *table
};

static const struct chat_command *find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* ---- taking a message apart ---- */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
/* Length of the word after the slash; 0 if what follows it is none, like a path or a comment. */
static size_t word_length(const char *bytes, size_t n_bytes)
{
	size_t n = 0;

	if (n_bytes < 2 || bytes[0] != '/')
		return 0;
	if (bytes[1] == '?')
		n = 1;
	else
		while (1 + n < n_bytes &&
		       (is_letter(bytes[1 + n]) || (n > 0 && strchr("0123456789_-", bytes[1 + n]))) && bytes[1 + n])
			n++;
	return 1 + n == n_bytes || tern_is_space(bytes[1 + n]) ? n : 0;
}

bool chat_is_command(const char *bytes, size_t n_bytes) { return word_length(bytes, n_bytes) > 0; }

void chat_hint_at_command(const char *bytes, size_t n_bytes)
{
	static const char *const habits[] = {"help", "bye", "exit", "quit", "clear"};

	for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
		if (strlen(habits[i]) == n_bytes && memcmp(habits[i], bytes, n_bytes) == 0)
			chat_hint("(commands begin with a slash: /%s)", habits[i]);
}

static void unknown(struct chat *chat, const char *name)
{
	struct suggestion suggestion;

	suggest_start(&suggestion, name, strlen(name));
	for (size_t i = 0; i < N_COMMANDS; i++)
		suggest_offer(&suggestion, table[i].name, strlen(table[i].name));
	if (suggestion.best[0])
		chat_fail(chat, TERN_ERR_USAGE, "unknown command '/%s' (did you mean '/%s'?)", name, suggestion.best);
	else
		chat_fail(chat, TERN_ERR_USAGE, "unknown command '/%s'; /help lists them", name);
}

static void run(struct chat *chat, const struct chat_command *command, const char *argument)
{
	if (command->argument == ARGUMENT_NONE && *argument)
		chat_fail(chat, TERN_ERR_USAGE, "/%s takes nothing after it", command->name);
	else if (command->argument == ARGUMENT_FILE && !*argument)
		chat_fail(chat, TERN_ERR_USAGE, "/%s needs the name of a file: /%s %s", command->name, command->name,
		          command->shown);
	else
		command->run(chat, argument);
}

void chat_run_command(struct chat *chat, const char *bytes, size_t n_bytes)
{
	size_t n_word = word_length(bytes, n_bytes), start = 1 + n_word;
	const struct chat_command *command;
	struct text argument = {0};
	char name[NAME_SIZE];

	snprintf(name, sizeof name, "%.*s", n_word < sizeof name ? (int)n_word : (int)sizeof name - 1, bytes + 1);
	while (start < n_bytes && tern_is_space(bytes[start]))
		start++;
	while (n_bytes > start && tern_is_space(bytes[n_bytes - 1]))
		n_bytes--;
	text_append(&argument, bytes + start, n_bytes - start);
	command = find(name);
	if (argument.failed)
		chat_fail(chat, TERN_ERR_FAILED, "out of memory");
	else if (!command)
		unknown(chat, name);
	else if (memchr(argument.bytes, '\0', argument.n_bytes))
		chat_fail(chat, TERN_ERR_USAGE, "/%s cannot take a NUL", name);
	else
		run(chat, command, argument.bytes);
	text_free(&argument);
}

/* ---- the commands that need no file of their own ---- */

static void help_keys(struct text *text)
{
	text_printf(text, "%s",
	            "Enter                 send, unless a line ends in \\; \"\"\" begins and ends a block\n"
	            "Ctrl-J, Alt-Enter     a new line in the message\n"
	            "Ctrl-C                stop the answer; clear the line; twice: leave\n"
	            "Ctrl-D                leave; in a line, delete to the right\n"
	            "Ctrl-Z                suspend; fg comes back\n"
	            "Up, Down              earlier messages, as Ctrl-P, Ctrl-N; Ctrl-R searches\n"
	            "Tab                   complete a command, a setting or a file's name\n"
	            "Ctrl-A, Ctrl-E        beginning, end (also Home, End)\n"
	            "Alt-B, Alt-F          a word back, a word on (also Ctrl-Left, Ctrl-Right)\n"
	            "Ctrl-W, Alt-D         cut a word back, on; Ctrl-U, Ctrl-K: the line\n"
	            "Ctrl-Y, Ctrl-T        put back what was cut; exchange two characters\n"
	            "Ctrl-L, Ctrl-G        clear the screen; write the message in $VISUAL or $EDITOR\n");
}

static void help(struct chat *chat, const char *argument)
{
	struct text text = {0};

	if (strcmp(argument, "keys") == 0 || strcmp(argument, "shortcuts") == 0) {
		help_keys(&text);
		chat_say(&text);
		return;
	}
	if (*argument) {
		const struct chat_command *command = find(argument + (*argument == '/'));
		if (!command || !command->help) {
			chat_fail(chat, TERN_ERR_USAGE, "no help for '%.64s'; there is /help, and /help keys",
			          argument);
			return;
		}
		text_printf(&text, "/%s %s\n    %s\n", command->name, command->shown, command->help);
		chat_say(&text);
		return;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char left[NAME_SIZE];
		if (!table[i].help)
			continue;
		snprintf(left, sizeof left, "/%s %s", table[i].name, table[i].shown);
		text_printf(&text, "%-*s%s\n", HELP_COLUMN, left, table[i].help);
	}
	text_printf(&text, "%-*s%s\n", HELP_COLUMN, "//...", "send a message that begins with a slash");
	chat_say(&text);
}

static void leave(struct chat *chat, const char *argument)
{
	(void)argument;
	chat->wants_to_leave = true;
}

static void clear(struct chat *chat, const char *argument)
{
	(void)argument;
	conversation_clear(&chat->talk);
	text_free(&chat->attachment);
	chat_hint("(the conversation is forgotten%s)", chat->talk.system ? "; the system text stays" : "");
}

static void regenerate(struct chat *chat, const char *argument)
{
	(void)argument;
	if (chat->values.generation.temperature <= 0 && conversation_last(&chat->talk, conversation_assistant))
		chat_hint("(at temperature 0 the answer stays the same: /set temp 0.8)");
	chat_answer_again(chat);
}

static void undo(struct chat *chat, const char *argument)
{
	struct conversation *talk = &chat->talk;
	size_t n_keep = talk->n_messages, n_left;

	(void)argument;
	if (n_keep == 0) {
		chat_fail(chat, TERN_ERR_USAGE, "there is nothing to take back");
		return;
	}
	do
		n_keep--;
	while (n_keep > 0 && talk->messages[n_keep].role != conversation_user);
	const struct tern_message *message = &talk->messages[n_keep];
	size_t n_shown = tern_utf8_cut(message->content, message->n_bytes, SHOWN_BYTES);
	chat_hint("(taken back: %.*s%s)", (int)n_shown, message->content, n_shown < message->n_bytes ? "..." : "");
	conversation_cut(talk, n_keep);
	n_left = (n_keep + 1) / 2;
	chat_hint("(%zu exchange%s left)", n_left, n_left == 1 ? "" : "s");
	chat_autosave(chat);
}

/* ---- completion ---- */

static void complete_command(const char *prefix, size_t n, struct completions *completions)
{
	char word[NAME_SIZE];

	for (size_t i = 0; i < N_COMMANDS; i++)
		if (is_letter(table[i].name[0]) && n <= strlen(table[i].name) &&
		    memcmp(table[i].name, prefix, n) == 0) {
			snprintf(word, sizeof word, "/%s", table[i].name);
			completions_add(completions, word);
		}
}

void chat_complete(void *user, const char *text, size_t n_bytes, size_t cursor, struct completions *completions)
{
	const struct chat_command *command;
	char name[NAME_SIZE];
	size_t n_word = 0, start;

	(void)user;
	(void)n_bytes;
	if (cursor < 1 || text[0] != '/')
		return;
	while (1 + n_word < cursor && !tern_is_space(text[1 + n_word]))
		n_word++;
	if (1 + n_word == cursor) {
		completions->start = 0;
		complete_command(text + 1, n_word, completions);
		return;
	}
	snprintf(name, sizeof name, "%.*s", n_word < sizeof name ? (int)n_word : 0, text + 1);
	command = find(name);
	for (start = 1 + n_word; start < cursor && tern_is_space(text[start]); start++)
		continue;
	completions->start = start;
	if (command && command->argument == ARGUMENT_FILE)
		chat_complete_file(text + start, cursor - start, completions);
	else if (command && command->argument == ARGUMENT_SETTING)
		chat_complete_setting(text + start, cursor - start, completions);
	else if (command && command->argument == ARGUMENT_TOPIC && cursor - start <= 4 &&
	         memcmp("keys", text + start, cursor - start) == 0)
		completions_add(completions, "keys");
}
