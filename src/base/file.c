/* Every system call is repeated when a signal interrupts it, and continued after a short count. */
#if defined(__linux__) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* madvise */
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* madvise */
#endif

#include "base/file.h"
#include "base/memory.h"
#include "base/sizes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	MAX_TRANSFER = 1 << 30, /* bytes per read() or write(); macOS refuses 2^31 and more */
	BUFFER_SIZE = 1 << 18,  /* of an outfile */
};

#ifdef TERN_FAIL_IO
#include <stdatomic.h>
/* Test builds only: TERN_FAIL_IO=n in the environment makes the nth system call below fail with EIO. */
static bool injected_failure(void)
{
	static atomic_long n_calls;
	const char *wanted = getenv("TERN_FAIL_IO");
	errno = EIO;
	return wanted && atomic_fetch_add(&n_calls, 1) + 1 == atol(wanted);
}
#else
static bool injected_failure(void) { return false; }
#endif

static int open_file(const char *path, int flags)
{
	int fd;

	if (injected_failure())
		return -1;
	do
		fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static ssize_t read_some(int fd, void *to, size_t n)
{
	ssize_t got;

	if (injected_failure())
		return -1;
	do
		got = read(fd, to, tern_smaller(n, MAX_TRANSFER));
	while (got < 0 && errno == EINTR);
	return got;
}

/* Writes all n bytes. On failure errno says why. */
static bool write_whole(int fd, const uint8_t *from, size_t n)
{
	while (n > 0) {
		if (injected_failure())
			return false;
		ssize_t put = write(fd, from, tern_smaller(n, MAX_TRANSFER));
		if (put < 0 && errno == EINTR)
			continue;
		if (put == 0)
			errno = ENOSPC;
		if (put <= 0)
			return false;
		from += put;
		n -= (size_t)put;
	}
	return true;
}

/* EINVAL and ENOTSUP mean that this file system cannot sync, which is no error. */
static bool sync_file(int fd)
{
	int result;

	if (injected_failure())
		return false;
	do
		result = fsync(fd);
	while (result != 0 && errno == EINTR);
	return result == 0 || errno == EINVAL || errno == ENOTSUP;
}

/* The kind of a file that is not a regular one, for messages. */
static const char *kind_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISFIFO(mode))
		return "a pipe";
	if (S_ISSOCK(mode))
		return "a socket";
	return "a device";
}

/* Running out of descriptors or memory is not the fault of the file. */
static enum tern_status open_failure(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ? TERN_ERR_FAILED : TERN_ERR_FILE;
}

/* Opens a regular file for reading. Its kind is checked before opening, because opening a pipe waits and opening a
 * device may have effects, and again after, because the name may have changed its meaning in between. */
static enum tern_status open_regular(const char *path, int *fd, size_t *size, struct tern_error *err)
{
	struct stat st;

	*fd = -1;
	if (injected_failure() || stat(path, &st) != 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode)) {
		*fd = open_file(path, O_RDONLY | O_NONBLOCK);
		if (*fd < 0 || injected_failure() || fstat(*fd, &st) != 0) {
			int error = errno;
			if (*fd >= 0)
				close(*fd);
			return tern_fail(err, open_failure(error), "%s: cannot open: %s", path, strerror(error));
		}
	}
	if (!S_ISREG(st.st_mode)) {
		if (*fd >= 0)
			close(*fd);
		return tern_fail(err, TERN_ERR_FILE, "%s: is %s; expected a file", path, kind_of(st.st_mode));
	}
	if ((uintmax_t)st.st_size > SIZE_MAX / 2) {
		close(*fd);
		return tern_fail(err, TERN_ERR_FILE, "%s: %jd bytes are too many for this machine", path,
		                 (intmax_t)st.st_size);
	}
	*size = (size_t)st.st_size;
	return TERN_OK;
}

/* Reads exactly `size` bytes of fd into new aligned memory. */
static enum tern_status read_sized(int fd, const char *path, size_t size, const uint8_t **data, struct tern_error *err)
{
	uint8_t *bytes = tern_alloc_huge(size, 1);
	size_t n = 0;
	ssize_t got = 1;

	if (!bytes)
		return tern_fail(err, TERN_ERR_FAILED, "%s: out of memory (%zu bytes)", path, size);
	while (n < size && (got = read_some(fd, bytes + n, size - n)) > 0)
		n += (size_t)got;
	if (n < size) {
		const char *why = got < 0 ? strerror(errno) : "the file became shorter while it was read";
		enum tern_status status = tern_fail(err, TERN_ERR_FILE, "%s: byte %zu: cannot read: %s", path, n, why);
		tern_free(bytes);
		return status;
	}
	*data = bytes;
	return TERN_OK;
}

enum tern_status tern_file_open(struct tern_file *file, const char *path, bool map, struct tern_error *err)
{
	enum tern_status status;
	void *mapped = MAP_FAILED;
	size_t size = 0;
	int fd;

	memset(file, 0, sizeof *file);
	if ((status = open_regular(path, &fd, &size, err)))
		return status;
	/* Empty files and files of some file systems cannot be mapped; they are read. */
	if (map && size > 0 && !injected_failure())
		mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED) {
		file->data = mapped;
		file->is_mapped = true;
	} else {
		status = read_sized(fd, path, size, &file->data, err);
	}
	if (status == TERN_OK)
		file->size = size;
	close(fd);
	return status;
}

void tern_file_close(struct tern_file *file)
{
	if (file->is_mapped)
		munmap((void *)(uintptr_t)file->data, file->size);
	else
		tern_free((void *)(uintptr_t)file->data);
	memset(file, 0, sizeof *file);
}

void tern_file_release(const struct tern_file *file, const uint8_t *at, size_t n_bytes)
{
#ifdef MADV_DONTNEED /* not posix_madvise(): with POSIX_MADV_DONTNEED glibc does nothing */
	long page = sysconf(_SC_PAGESIZE);
	uintptr_t step = page > 0 ? (uintptr_t)page : 65536;
	uintptr_t first = ((uintptr_t)at + step - 1) / step * step, end = ((uintptr_t)at + n_bytes) / step * step;

	if (file->is_mapped && end > first)
		(void)madvise((void *)first, end - first, MADV_DONTNEED);
#else
	(void)file, (void)at, (void)n_bytes;
#endif
}

/* Reads to the end. `expected` is the likely number of bytes, so that one allocation suffices. */
static enum tern_status read_to_end(int fd, const char *name, size_t expected, size_t limit, uint8_t **bytes,
                                    size_t *n_bytes, struct tern_error *err)
{
	uint8_t *block = NULL;
	size_t capacity = 0, n = 0;
	ssize_t got;

	*bytes = NULL;
	*n_bytes = 0;
	if (expected > limit)
		return tern_fail(err, TERN_ERR_FILE, "%s: longer than %zu bytes", name, limit);
	do {
		/* Room for the NUL, and for at least one byte, which shows the end or that there is too much. */
		size_t needed = n < expected ? expected + 2 : n + 2;
		if (!TERN_GROW(block, capacity, needed)) {
			tern_free(block);
			return tern_fail(err, TERN_ERR_FAILED, "%s: out of memory (%zu bytes)", name, needed);
		}
		got = read_some(fd, block + n, capacity - n - 1);
		if (got > 0)
			n += (size_t)got;
	} while (got > 0 && n <= limit);
	if (got < 0 || n > limit) {
		enum tern_status status =
		        got < 0 ? tern_fail(err, TERN_ERR_FILE, "%s: byte %zu: cannot read: %s", name, n,
		                            strerror(errno))
		                : tern_fail(err, TERN_ERR_FILE, "%s: longer than %zu bytes", name, limit);
		tern_free(block);
		return status;
	}
	block[n] = 0;
	*bytes = block;
	*n_bytes = n;
	return TERN_OK;
}

enum tern_status tern_read_all(int fd, const char *name, size_t limit, uint8_t **bytes, size_t *n_bytes,
                               struct tern_error *err)
{
	return read_to_end(fd, name, 0, limit, bytes, n_bytes, err);
}

enum tern_status tern_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *n_bytes,
                                struct tern_error *err)
{
	enum tern_status status;
	size_t size = 0;
	int fd;

	*bytes = NULL;
	*n_bytes = 0;
	if ((status = open_regular(path, &fd, &size, err)))
		return status;
	status = read_to_end(fd, path, size, limit, bytes, n_bytes, err);
	close(fd);
	return status;
}

/* Whether `path` may be written to. *mode is set to the permissions of the file to be replaced, or 0. */
static enum tern_status check_target(const char *path, bool overwrite, mode_t *mode, struct tern_error *err)
{
	struct stat st;

	*mode = 0;
	if (!*path)
		return tern_fail(err, TERN_ERR_USAGE, "the name of the file to write is empty");
	if (stat(path, &st) != 0) {
		int reason = errno;
		/* Renaming would put the file where the link is, and nothing where it leads. */
		if (lstat(path, &st) == 0)
			return tern_fail(err, TERN_ERR_USAGE, "%s: is a link that leads nowhere (%s)", path,
			                 strerror(reason));
		return TERN_OK;
	}
	/* Renaming over /dev/null would replace it for everyone. */
	if (!S_ISREG(st.st_mode))
		return tern_fail(err, TERN_ERR_FAILED, "%s: is %s; expected the name of a file", path,
		                 kind_of(st.st_mode));
	if (!overwrite)
		return tern_fail(err, TERN_ERR_USAGE, "%s: exists already", path);
	/* A rename would replace also what its owner has made read-only. */
	if (access(path, W_OK) != 0)
		return tern_fail(err, TERN_ERR_FAILED, "%s: cannot write: %s", path, strerror(errno));
	*mode = st.st_mode & 0777;
	return TERN_OK;
}

/* The name of the file that will be replaced, or NULL if memory runs out: where path is a symbolic link, what it leads
 * to, so that the link stays. */
static char *name_of_target(const char *path)
{
	struct stat st;
	char *target = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : NULL;
	const char *name = target ? target : path;
	char *copy = tern_copy_string(name, strlen(name));

	free(target);
	return copy;
}

/* Creates PATH.PID-N.tmp with the first N that is free. -1 with errno set on failure. */
static int create_temp(const char *path, char *temp_path, size_t temp_size)
{
	int fd = -1;

	for (int n = 0; n < 100 && fd < 0; n++) {
		snprintf(temp_path, temp_size, "%s.%ld-%d.tmp", path, (long)getpid(), n);
		fd = open_file(temp_path, O_WRONLY | O_CREAT | O_EXCL);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

/* The process that a temporary file of `base` belongs to, by its name: BASE.PID-N.tmp; 0 if it is none. */
static pid_t temp_owner(const char *name, const char *base)
{
	size_t n_base = strlen(base);
	char *end;

	if (strncmp(name, base, n_base) != 0 || name[n_base] != '.')
		return 0;
	long pid = strtol(name + n_base + 1, &end, 10);
	if (*end != '-' || pid <= 0 || pid > INT_MAX)
		return 0;
	strtol(end + 1, &end, 10);
	return strcmp(end, ".tmp") == 0 ? (pid_t)pid : 0;
}

/* Removes what processes that were killed left of `path`. Failures are no errors: such files only take up space. */
static void remove_abandoned(char *path)
{
	char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, first = *base;
	const struct dirent *entry;

	*base = 0; /* "/x" -> "/", "a/x" -> "a/" */
	DIR *directory = opendir(slash ? path : ".");
	*base = first;
	while (directory && (entry = readdir(directory))) {
		pid_t owner = temp_owner(entry->d_name, base);
		if (owner && kill(owner, 0) != 0 && errno == ESRCH)
			(void)unlinkat(dirfd(directory), entry->d_name, 0);
	}
	if (directory)
		closedir(directory);
}

enum tern_status tern_outfile_open(struct tern_outfile *out, const char *path, bool overwrite, struct tern_error *err)
{
	enum tern_status status;
	mode_t mode;

	memset(out, 0, sizeof *out);
	out->fd = -1;
	if ((status = check_target(path, overwrite, &mode, err)))
		return status;
	out->path = name_of_target(path);
	size_t temp_size = (out->path ? strlen(out->path) : 0) + 48; /* ".", a pid, "-", a number, ".tmp" */
	char *temp_path = tern_alloc(temp_size, 1);
	out->buffer = tern_alloc_aligned(BUFFER_SIZE, 1);
	if (!out->path || !temp_path || !out->buffer) {
		tern_free(temp_path);
		tern_outfile_abort(out);
		return tern_fail_memory(err, BUFFER_SIZE);
	}
	remove_abandoned(out->path);
	out->fd = create_temp(out->path, temp_path, temp_size);
	if (out->fd < 0) {
		status = tern_fail(err, TERN_ERR_FAILED, "%s: cannot create: %s", path, strerror(errno));
		tern_free(temp_path);
		tern_outfile_abort(out);
		return status;
	}
	out->temp_path = temp_path;
	/* A private file stays private. Not every file system has permissions, so a failure is no error. */
	if (mode)
		(void)fchmod(out->fd, mode);
	return TERN_OK;
}

static enum tern_status write_error(const struct tern_outfile *out, struct tern_error *err)
{
	return tern_fail(err, TERN_ERR_FAILED, "%s: cannot write: %s", out->path, strerror(errno));
}

enum tern_status tern_outfile_check_space(const struct tern_outfile *out, uint64_t n_bytes, struct tern_error *err)
{
	struct statvfs fs;
	uint64_t n_free;

	/* Some file systems do not know their size; writing will show whether it suffices. */
	if (injected_failure() || fstatvfs(out->fd, &fs) != 0 || fs.f_blocks == 0)
		return TERN_OK;
	if (!tern_mul_u64((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &n_free) || n_bytes <= n_free)
		return TERN_OK;
	return tern_fail(err, TERN_ERR_FAILED, "%s: needs %llu bytes, %llu free on its file system", out->path,
	                 (unsigned long long)n_bytes, (unsigned long long)n_free);
}

static bool flush(struct tern_outfile *out)
{
	size_t n = out->n_buffered;

	out->n_buffered = 0;
	return write_whole(out->fd, out->buffer, n);
}

enum tern_status tern_outfile_write(struct tern_outfile *out, const void *bytes, size_t n_bytes, struct tern_error *err)
{
	if (n_bytes > BUFFER_SIZE - out->n_buffered && !flush(out))
		return write_error(out, err);
	if (n_bytes >= BUFFER_SIZE) {
		if (!write_whole(out->fd, bytes, n_bytes))
			return write_error(out, err);
	} else if (n_bytes > 0) {
		memcpy(out->buffer + out->n_buffered, bytes, n_bytes);
		out->n_buffered += n_bytes;
	}
	out->n_written += n_bytes;
	return TERN_OK;
}

/* Makes the rename survive a power cut. A failure is no error: even then either the old or the new file is there,
 * complete. */
static void sync_directory_of(char *path)
{
	char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, first = *base;

	*base = 0; /* as in remove_abandoned() */
	int fd = open_file(slash ? path : ".", O_RDONLY);
	*base = first;
	if (fd >= 0) {
		sync_file(fd);
		close(fd);
	}
}

enum tern_status tern_outfile_commit(struct tern_outfile *out, struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	if (!flush(out) || !sync_file(out->fd))
		status = write_error(out, err);
	int fd = out->fd;
	out->fd = -1;
	if ((close(fd) != 0 || injected_failure()) && status == TERN_OK)
		status = write_error(out, err);
	if (status == TERN_OK && (injected_failure() || rename(out->temp_path, out->path) != 0))
		status = tern_fail(err, TERN_ERR_FAILED, "%s: cannot rename %s to it: %s", out->path, out->temp_path,
		                   strerror(errno));
	if (status == TERN_OK) {
		sync_directory_of(out->path);
		tern_free(out->temp_path);
		out->temp_path = NULL;
	}
	tern_outfile_abort(out);
	return status;
}

void tern_outfile_abort(struct tern_outfile *out)
{
	if (out->path && out->fd >= 0) /* a zeroed struct does not own descriptor 0 */
		close(out->fd);
	if (out->temp_path)
		unlink(out->temp_path);
	tern_free(out->path);
	tern_free(out->temp_path);
	tern_free(out->buffer);
	memset(out, 0, sizeof *out);
	out->fd = -1;
}
