#include "cli/chat/files.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/chat/transcript.h"
#include "console/term.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	READ_LIMIT = 64 << 20 /* bytes of a file for /read; no context holds more */
};

/* ---- names ---- */

/* The file that an argument names: all of it, quotes around it and a ~ before it as in a shell. NULL when memory runs
 * out; to be freed with tern_free(). */
static char *file_name(const char *argument)
{
	const char *home = getenv("HOME");
	size_t n = strlen(argument);
	struct text name = {0};

	if (n >= 2 && (argument[0] == '"' || argument[0] == '\'') && argument[n - 1] == argument[0]) {
		argument++;
		n -= 2;
	}
	if (argument[0] == '~' && (n == 1 || argument[1] == '/') && home) {
		text_append(&name, home, strlen(home));
		argument++;
		n--;
	}
	text_append(&name, argument, n);
	return name.failed ? NULL : name.bytes;
}

static bool exists(const char *path)
{
	struct stat file;
	return stat(path, &file) == 0;
}

/* mktemp makes empty files, and so does taking back all that was said. */
static bool holds_something(const char *path)
{
	struct stat file;
	return stat(path, &file) == 0 && file.st_size > 0;
}

static void remember_own_file(struct chat *chat, const char *path)
{
	char *copy = tern_copy_string(path, strlen(path));

	tern_free(chat->own_file);
	chat->own_file = copy;
}

/* ---- the commands, with the file's name ---- */

static size_t n_exchanges(const struct conversation *talk) { return (talk->n_messages + 1) / 2; }

static bool may_write(struct chat *chat, const char *path, bool is_harmless)
{
	char question[512];

	if (!exists(path) || is_harmless)
		return true;
	if (!chat->is_interactive) {
		chat_fail(chat, TERN_ERR_USAGE, "%s: exists already", path);
		return false;
	}
	snprintf(question, sizeof question, "%.400s exists already. Overwrite it?", path);
	return chat_confirm(chat, question);
}

static void save(struct chat *chat, const char *path)
{
	bool is_own = chat->own_file && strcmp(path, chat->own_file) == 0;
	struct tern_error err;

	if (!may_write(chat, path, is_own || (!chat->is_interactive && !transcript_would_destroy(path))))
		return;
	if (transcript_write(&chat->talk, path, true, &err)) {
		chat_failed(chat, &err);
		return;
	}
	remember_own_file(chat, path);
	chat_hint("(saved: %s; tern chat -r %s goes on with it)", path, path);
}

static void export(struct chat *chat, const char *path)
{
	struct tern_error err;

	if (!may_write(chat, path, false))
		return;
	if (transcript_export(&chat->talk, path, true, &err))
		chat_failed(chat, &err);
	else
		chat_hint("(written: %s)", path);
}

static void load(struct chat *chat, const char *path)
{
	struct conversation talk = {0};
	struct tern_error err;

	if (transcript_read(&talk, path, &err)) {
		chat_failed(chat, &err);
		return;
	}
	/* The system text of this chat stays if the file has none. */
	if (!talk.system && chat->talk.system &&
	    !conversation_set_system(&talk, chat->talk.system, chat->talk.n_system_bytes)) {
		conversation_free(&talk);
		chat_fail(chat, TERN_ERR_FAILED, "out of memory");
		return;
	}
	conversation_free(&chat->talk);
	chat->talk = talk;
	text_free(&chat->attachment);
	remember_own_file(chat, path);
	chat_tell_loaded(chat, path);
}

static void read_text(struct chat *chat, const char *path)
{
	struct tern_error err;
	uint8_t *bytes;
	size_t n_bytes;

	if (tern_read_file(path, READ_LIMIT, &bytes, &n_bytes, &err)) {
		chat_failed(chat, &err);
		return;
	}
	if (memchr(bytes, '\0', n_bytes)) {
		chat_fail(chat, TERN_ERR_FILE, "%s: is no text file (it has NULs in it)", path);
	} else if (n_bytes == 0) {
		chat_fail(chat, TERN_ERR_FILE, "%s: is empty", path);
	} else {
		if (chat->attachment.n_bytes > 0)
			text_append(&chat->attachment, "\n\n", 2);
		while (n_bytes > 1 && bytes[n_bytes - 1] == '\n')
			n_bytes--;
		text_append(&chat->attachment, (const char *)bytes, n_bytes);
		chat_hint("(%s, %zu bytes, goes before your next message)", path, n_bytes);
	}
	tern_free(bytes);
}

/* ---- as the table of commands calls them ---- */

static void with_file(struct chat *chat, const char *argument, void (*work)(struct chat *chat, const char *path))
{
	char *path = file_name(argument);

	if (path)
		work(chat, path);
	else
		chat_fail(chat, TERN_ERR_FAILED, "out of memory");
	tern_free(path);
}

static bool has_conversation(struct chat *chat)
{
	if (chat->talk.n_messages > 0 || chat->talk.system)
		return true;
	chat_fail(chat, TERN_ERR_USAGE, "nothing has been said yet");
	return false;
}

void chat_save(struct chat *chat, const char *argument)
{
	if (has_conversation(chat))
		with_file(chat, argument, save);
}

void chat_export(struct chat *chat, const char *argument)
{
	if (has_conversation(chat))
		with_file(chat, argument, export);
}

void chat_load(struct chat *chat, const char *argument) { with_file(chat, argument, load); }

void chat_read(struct chat *chat, const char *argument) { with_file(chat, argument, read_text); }

void chat_autosave(struct chat *chat)
{
	const char *path = chat->values.chat.save;
	struct tern_error err;

	if (path && transcript_write(&chat->talk, path, true, &err))
		chat_failed(chat, &err);
}

enum tern_status chat_open_files(struct chat *chat)
{
	const char *resume = chat->values.chat.resume, *save_to = chat->values.chat.save;
	bool is_same = resume && save_to && strcmp(resume, save_to) == 0;
	struct tern_error err;

	/* `-r FILE --save FILE` also works on the first day, when there is no FILE yet. */
	if (is_same && !exists(resume))
		chat->values.chat.resume = NULL;
	else if (resume && transcript_read(&chat->talk, resume, &err))
		return report_error(&err);
	if (!save_to)
		return TERN_OK;
	/* Better now than after the first answer. */
	if (transcript_try_write(save_to, &err))
		return report_error(&err);
	if (!holds_something(save_to) || is_same)
		return TERN_OK;
	return usage_error(chat->command, "--save: %.200s exists already; -r %.200s --save %.200s goes on with it",
	                   save_to, save_to, save_to);
}

void chat_tell_loaded(struct chat *chat, const char *path)
{
	struct conversation *talk = &chat->talk;

	talk->omits_system = chat->is_loaded && !chat->takes_system;
	if (talk->system && talk->omits_system)
		warn("%s: its system text is left out, since this model knows none", path);
	chat_hint("(%s: %zu exchange%s)", path, n_exchanges(talk), n_exchanges(talk) == 1 ? "" : "s");
	if (conversation_last(talk, conversation_user))
		chat_hint("(the last message has no answer yet: /regen)");
}

/* ---- completion ---- */

/* Adds the entries of a folder (a path with its slash, "" for the current one) whose names begin with `name`. Hidden
 * ones only for a name that begins with a dot. */
static void complete_in(const char *folder, const char *name, struct completions *completions)
{
	DIR *directory = opendir(*folder ? folder : ".");
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		struct text path = {0}, word = {0};
		struct stat file;
		if (strncmp(entry->d_name, name, strlen(name)) != 0 || (entry->d_name[0] == '.' && name[0] != '.'))
			continue;
		text_printf(&path, "%s%s", folder, entry->d_name);
		bool is_folder = !path.failed && stat(path.bytes, &file) == 0 && S_ISDIR(file.st_mode);
		text_printf(&word, "%s%s", entry->d_name, is_folder ? "/" : "");
		if (!word.failed)
			completions_add(completions, word.bytes);
		text_free(&word);
		text_free(&path);
	}
	if (directory)
		closedir(directory);
}

void chat_complete_file(const char *prefix, size_t n, struct completions *completions)
{
	struct text folder = {0}, name = {0};
	size_t n_folder = n;
	char *path;

	while (n_folder > 0 && prefix[n_folder - 1] != '/')
		n_folder--;
	text_append(&folder, prefix, n_folder);
	text_append(&name, prefix + n_folder, n - n_folder);
	path = folder.failed || name.failed ? NULL : file_name(folder.bytes);
	completions->start += n_folder;
	if (path)
		complete_in(path, name.bytes, completions);
	tern_free(path);
	text_free(&folder);
	text_free(&name);
}
