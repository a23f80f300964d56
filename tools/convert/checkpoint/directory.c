#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* O_NOFOLLOW */
#endif

#include "convert/checkpoint/directory.h"

#include "base/file.h"
#include "base/memory.h"
#include "json/parse.h"
#include "json/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_NAME = 255
};

/* X/blobs if the directory is X/snapshots/REVISION; NULL if not (or without memory: then links are refused). */
static char *find_blobs(const char *real)
{
	static const char snapshots[] = "/snapshots";
	const char *revision = strrchr(real, '/');
	size_t n = revision ? (size_t)(revision - real) : 0, n_tail = sizeof snapshots - 1;

	if (n < n_tail || memcmp(real + n - n_tail, snapshots, n_tail) != 0)
		return NULL;
	char *blobs = tern_alloc(n + 8, 1);
	if (blobs)
		snprintf(blobs, n + 8, "%.*s/blobs", (int)(n - n_tail), real);
	return blobs;
}

enum tern_status directory_open(struct directory *dir, const char *path, struct tern_error *err)
{
	size_t n = strlen(path);
	struct stat st;

	memset(dir, 0, sizeof *dir);
	dir->fd = -1;
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (stat(path, &st) != 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return tern_fail(
		        err, TERN_ERR_FILE,
		        "%s: is no directory; expected a checkpoint directory with config.json and *.safetensors",
		        path);
	dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
	dir->path = tern_copy_string(path, n);
	dir->real = realpath(path, NULL);
	if (!dir->path || !dir->real) {
		enum tern_status status =
		        dir->path ? tern_fail(err, TERN_ERR_FILE, "%s: cannot resolve: %s", path, strerror(errno))
		                  : tern_fail_memory(err, n);
		directory_close(dir);
		return status;
	}
	dir->blobs = find_blobs(dir->real);
	return TERN_OK;
}

void directory_close(struct directory *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	tern_free(dir->path);
	free(dir->real); /* realpath() allocated it */
	tern_free(dir->blobs);
	memset(dir, 0, sizeof *dir);
	dir->fd = -1;
}

char *directory_join(const struct directory *dir, const char *name)
{
	size_t n = strlen(dir->path) + strlen(name) + 2;
	char *joined = tern_alloc(n, 1);

	if (joined)
		snprintf(joined, n, "%s/%s", dir->path, name);
	return joined;
}

/* True if `path` is something below `parent`. Both are absolute and resolved. */
static bool is_below(const char *path, const char *parent)
{
	size_t n = strlen(parent);

	if (n == 1) /* the root */
		return true;
	return strncmp(path, parent, n) == 0 && path[n] == '/';
}

enum tern_status directory_open_inside(struct directory *dir, const struct directory *parent, const char *name,
                                       struct tern_error *err)
{
	char *path = directory_join(parent, name);
	enum tern_status status = path ? directory_open(dir, path, err) : tern_fail_memory(err, strlen(name));

	if (!status && !is_below(dir->real, parent->real))
		status = tern_fail(err, TERN_ERR_FILE, "%s: a symbolic link out of the checkpoint is not followed",
		                   path);
	else if (!status && parent->blobs && !(dir->blobs = tern_copy_string(parent->blobs, strlen(parent->blobs))))
		status = tern_fail_memory(err, strlen(parent->blobs));
	if (status && path)
		directory_close(dir);
	tern_free(path);
	return status;
}

/* One file about to be opened. */
struct entry {
	const struct directory *dir;
	const char *name;
	const char *shown; /* the name, fit for a message */
};

/* What a symbolic link in the directory finally names, if that is allowed. The caller frees it with free(). */
static enum tern_status resolve_link(const struct entry *entry, char **target, struct tern_error *err)
{
	const struct directory *dir = entry->dir;
	char *path = directory_join(dir, entry->name), quoted[TERN_QUOTE_SIZE];

	*target = path ? realpath(path, NULL) : NULL;
	tern_free(path);
	if (!*target)
		return tern_fail(err, TERN_ERR_FILE, "%s/%s: a symbolic link that leads nowhere: %s", dir->path,
		                 entry->shown, strerror(errno));
	if (is_below(*target, dir->real) || (dir->blobs && is_below(*target, dir->blobs)))
		return TERN_OK;
	tern_fail(err, TERN_ERR_FILE,
	          "%s/%s: a symbolic link out of the checkpoint (to %s) is not followed; put the file itself there",
	          dir->path, entry->shown, tern_quote(quoted, *target, strlen(*target)));
	free(*target);
	*target = NULL;
	return TERN_ERR_FILE;
}

static enum tern_status fail_kind(const struct entry *entry, struct tern_error *err)
{
	return tern_fail(err, TERN_ERR_FILE, "%s/%s: is no regular file", entry->dir->path, entry->shown);
}

static enum tern_status open_entry(const struct entry *entry, int *fd, struct tern_error *err)
{
	/* O_NONBLOCK: opening a pipe would wait for a writer. */
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	const char *path = entry->dir->path;
	enum tern_status status;
	char *target = NULL;
	struct stat st;

	if (fstatat(entry->dir->fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return TERN_OK;
		return tern_fail(err, TERN_ERR_FILE, "%s/%s: %s", path, entry->shown, strerror(errno));
	}
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return fail_kind(entry, err);
	if (S_ISLNK(st.st_mode) && (status = resolve_link(entry, &target, err)))
		return status;
	do
		*fd = target ? open(target, flags) : openat(entry->dir->fd, entry->name, flags);
	while (*fd < 0 && errno == EINTR);
	free(target);
	if (*fd < 0)
		return tern_fail(err, TERN_ERR_FILE, "%s/%s: cannot open: %s", path, entry->shown, strerror(errno));
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		return TERN_OK;
	close(*fd);
	*fd = -1;
	return fail_kind(entry, err);
}

enum tern_status directory_open_file(const struct directory *dir, const char *name, size_t n_bytes, int *fd,
                                     struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE], plain[MAX_NAME + 1];

	*fd = -1;
	tern_quote(quoted, name, n_bytes);
	if (n_bytes == 0 || n_bytes > MAX_NAME || memchr(name, '/', n_bytes) || memchr(name, 0, n_bytes) ||
	    (name[0] == '.' && (n_bytes == 1 || (n_bytes == 2 && name[1] == '.'))))
		return tern_fail(err, TERN_ERR_FILE, "%s: '%s' is not the name of a file in this directory", dir->path,
		                 quoted);
	memcpy(plain, name, n_bytes);
	plain[n_bytes] = 0;
	return open_entry(&(struct entry){dir, plain, quoted}, fd, err);
}

enum tern_status directory_read_file(const struct directory *dir, const char *name, size_t limit, uint8_t **bytes,
                                     size_t *n_bytes, struct tern_error *err)
{
	enum tern_status status;
	int fd;

	*bytes = NULL;
	*n_bytes = 0;
	if ((status = directory_open_file(dir, name, strlen(name), &fd, err)) || fd < 0)
		return status;
	char *path = directory_join(dir, name);
	status = path ? tern_read_all(fd, path, limit, bytes, n_bytes, err) : tern_fail_memory(err, strlen(name));
	tern_free(path);
	close(fd);
	return status;
}

enum tern_status directory_read_json(const struct directory *dir, const char *name, unsigned flags, struct json *json,
                                     struct tern_error *err)
{
	enum tern_status status;
	uint8_t *text;
	size_t n_bytes;

	memset(json, 0, sizeof *json);
	if ((status = directory_read_file(dir, name, JSON_MAX_BYTES, &text, &n_bytes, err)) || !text)
		return status;
	char *path = directory_join(dir, name);
	if (!path) {
		tern_free(text);
		return tern_fail_memory(err, strlen(name));
	}
	if ((status = json_parse(json, path, (char *)text, n_bytes, flags, err))) {
		tern_free(path);
	} else if (json_type(json_root(json)) != JSON_OBJECT) {
		status = json_fail_type(json_root(json), "an object", err);
		directory_free_json(json);
	}
	return status;
}

void directory_free_json(struct json *json)
{
	char *path = (char *)(uintptr_t)json->source;

	json_free(json);
	tern_free(path);
}

bool directory_has(const struct directory *dir, const char *name)
{
	struct stat st;
	return fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
