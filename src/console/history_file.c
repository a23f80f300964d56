#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* O_NOFOLLOW */
#endif

#include "console/history_file.h"
#include "base/error.h"
#include "console/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_TRIES = 200, /* to get the lock, which is held for a moment only */
	TRY_MS = 10,
};

static const char plain[] = "\n\r\0\\", escaped[] = "nr0\\";

void history_escape(struct text *line, const char *bytes, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++) {
		const char *found = memchr(plain, bytes[i], sizeof plain - 1);
		if (found)
			text_printf(line, "\\%c", escaped[found - plain]);
		else
			text_append(line, bytes + i, 1);
	}
	text_append(line, "\n", 1);
}

void history_unescape(struct text *entry, const char *line, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++) {
		bool is_escape = line[i] == '\\' && i + 1 < n_bytes;
		const char *found = is_escape ? memchr(escaped, line[i + 1], sizeof escaped - 1) : NULL;
		text_append(entry, found ? plain + (found - escaped) : line + i, 1);
		i += found != NULL;
	}
}

/* O_NONBLOCK: opening a pipe does not wait. */
enum {
	FLAGS = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
};

static enum tern_status fail(const char *path, const char *what, struct tern_error *err)
{
	if (errno == ELOOP)
		return tern_fail(err, TERN_ERR_FAILED, "%s: is a symbolic link, which is not followed", path);
	return tern_fail(err, TERN_ERR_FAILED, "%s: %s: %s", path, what, strerror(errno));
}

/* False if another program holds the lock. A file system without locks has to do without. */
static bool try_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_SETLK, &lock) == 0 || (errno != EACCES && errno != EAGAIN);
}

/* Whether the name still means this file: another program may have replaced it in the meantime. */
static bool is_current(const char *path, const struct stat *opened)
{
	struct stat named;

	return lstat(path, &named) == 0 && named.st_dev == opened->st_dev && named.st_ino == opened->st_ino;
}

int history_file_lock(const char *path, struct tern_error *err)
{
	const struct timespec pause = {.tv_nsec = TRY_MS * 1000000};
	struct stat st;

	for (int i = 0; i < MAX_TRIES; i++) {
		int fd = open(path, O_RDWR | O_APPEND | O_CREAT | FLAGS, 0600);
		if (fd < 0 || fstat(fd, &st) != 0) {
			fail(path, "cannot open", err);
			if (fd >= 0)
				close(fd);
			return -1;
		}
		if (!S_ISREG(st.st_mode)) {
			close(fd);
			tern_fail(err, TERN_ERR_FILE, "%s: is no regular file", path);
			return -1;
		}
		if (try_lock(fd) && is_current(path, &st)) {
			/* What people ask a model is nobody else's business. */
			if ((st.st_mode & 077) != 0)
				(void)fchmod(fd, 0600);
			return fd;
		}
		close(fd);
		nanosleep(&pause, NULL);
	}
	tern_fail(err, TERN_ERR_FAILED, "%s: is locked by another program", path);
	return -1;
}

int history_file_read_only(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | FLAGS);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Somebody may have cut the last line off without its end. */
static bool ends_with_newline(int fd, off_t size)
{
	char last = '\n';

	return size == 0 || pread(fd, &last, 1, size - 1) != 1 || last == '\n';
}

enum tern_status history_file_append(const char *path, const char *line, size_t n_bytes, struct tern_error *err)
{
	enum tern_status status = TERN_OK;
	int fd = history_file_lock(path, err);
	struct stat st;

	if (fd < 0)
		return TERN_ERR_FAILED;
	if (fstat(fd, &st) != 0) {
		status = fail(path, "cannot read", err);
	} else if ((!ends_with_newline(fd, st.st_size) && !write_all(fd, "\n", 1)) || !write_all(fd, line, n_bytes)) {
		status = fail(path, "cannot write", err);
		/* Half a line helps nobody; where this fails too, the next one still begins on a line of its own. */
		(void)!ftruncate(fd, st.st_size);
	}
	close(fd);
	return status;
}
