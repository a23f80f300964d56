#include "cli/chat/external_editor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "console/signals.h"
#include "console/tty.h"
#include "console/wait.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MESSAGE_LIMIT = 64 << 20 /* bytes of an edited message */
};

/* A value of the environment that is set and not empty, or NULL. */
static const char *from_environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

/* Creates the file that is edited, readable by its user alone; *path is to be freed. */
static enum tern_status create_file(struct text *path, const struct text *content, struct tern_error *err)
{
	const char *folder = from_environment("TMPDIR");
	bool is_written;
	int fd;

	text_printf(path, "%s/tern-message-XXXXXX", folder ? folder : "/tmp");
	if (path->failed)
		return tern_fail_memory(err, 0);
	fd = mkstemp(path->bytes);
	if (fd < 0)
		return tern_fail(err, TERN_ERR_FAILED, "cannot create %s: %s", path->bytes, strerror(errno));
	is_written = write_all(fd, content->bytes, content->n_bytes);
	if (close(fd) == 0 && is_written)
		return TERN_OK;
	tern_fail(err, TERN_ERR_FAILED, "%s: cannot write: %s", path->bytes, strerror(errno));
	unlink(path->bytes);
	return TERN_ERR_FAILED;
}

/* The program may have arguments, as in EDITOR="code --wait", so a shell takes it apart. */
static _Noreturn void become_editor(const char *program, const char *path)
{
	struct text command = {0};

	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	text_printf(&command, "%s \"$1\"", program);
	if (!command.failed)
		execl("/bin/sh", "sh", "-c", command.bytes, program, path, (char *)NULL);
	_exit(127);
}

/* Runs the editor and waits for it; Ctrl-C is its own affair meanwhile. */
static enum tern_status run_editor(const char *program, const char *path, struct tern_error *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
	int how = -1;
	pid_t child;

	sigemptyset(&ignore.sa_mask);
	tty_set(TTY_AS_FOUND);
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	child = fork();
	if (child == 0)
		become_editor(program, path);
	while (child > 0 && waitpid(child, &how, 0) < 0 && errno == EINTR)
		continue;
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	tty_set(TTY_QUIET);
	if (child < 0)
		return tern_fail(err, TERN_ERR_FAILED, "cannot start '%s': %s", program, strerror(errno));
	if (WIFEXITED(how) && WEXITSTATUS(how) == 127)
		return tern_fail(err, TERN_ERR_FAILED, "cannot start '%s': set VISUAL or EDITOR to an editor", program);
	if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
		return tern_fail(err, TERN_ERR_FAILED, "'%s' failed; the message is as it was", program);
	return TERN_OK;
}

/* What the file holds becomes the text, without the newlines at its end. */
static enum tern_status read_edited(struct text *text, const char *path, struct tern_error *err)
{
	uint8_t *bytes;
	size_t n_bytes;
	enum tern_status status = tern_read_file(path, MESSAGE_LIMIT, &bytes, &n_bytes, err);

	if (status)
		return status;
	while (n_bytes > 0 && bytes[n_bytes - 1] == '\n')
		n_bytes--;
	if (memchr(bytes, '\0', n_bytes)) {
		status = tern_fail(err, TERN_ERR_FILE,
		                   "what was edited is no text (it has NULs in it); the message is as it was");
	} else {
		text_free(text);
		text_append(text, (const char *)bytes, n_bytes);
	}
	tern_free(bytes);
	return status;
}

static enum tern_status edit(struct text *text, struct tern_error *err)
{
	const char *visual = from_environment("VISUAL"), *editor = from_environment("EDITOR");
	struct text path = {0};
	enum tern_status status = create_file(&path, text, err);

	if (!status) {
		signals_clean_on_death(path.bytes);
		status = run_editor(visual ? visual : editor ? editor : "vi", path.bytes, err);
		if (!status)
			status = read_edited(text, path.bytes, err);
		unlink(path.bytes);
		signals_clean_on_death(NULL);
	}
	text_free(&path);
	return status;
}

void chat_edit(struct chat *chat, const char *argument)
{
	struct tern_error err;

	(void)argument;
	if (!chat->is_interactive)
		chat_fail(chat, TERN_ERR_USAGE, "an editor needs a terminal");
	else if (edit(&chat->draft, &err))
		chat_failed(chat, &err);
}
