/* Files: mapped or read as a whole, and written so that the complete file appears at once or not at all. */
#ifndef TERN_BASE_FILE_H
#define TERN_BASE_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file's bytes, read-only. */
struct tern_file {
	const uint8_t *data;
	size_t size;
	bool is_mapped; /* else data is allocated */
};

/* Maps a regular file, or reads it into 64-byte aligned memory if `map` is false. Refuses directories, devices and
 * pipes. A map shows later changes to the file. */
enum tern_status tern_file_open(struct tern_file *file, const char *path, bool map, struct tern_error *err);
void tern_file_close(struct tern_file *file);

/* Gives the memory of this part of a mapped file back to the system, where that is possible. Reading the part again
 * works, but is slow. */
void tern_file_release(const struct tern_file *file, const uint8_t *at, size_t n_bytes);

/* Reads fd (a pipe, a terminal, a file) to its end into *bytes. More than `limit` bytes are an error. A NUL follows the
 * last byte and is not counted. The caller frees with tern_free(). `name` stands for the source in messages. */
enum tern_status tern_read_all(int fd, const char *name, size_t limit, uint8_t **bytes, size_t *n_bytes,
                               struct tern_error *err);

/* Reads a whole regular file as tern_read_all() does. */
enum tern_status tern_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *n_bytes,
                                struct tern_error *err);

/* A file being written. It has a temporary name beside `path` until it is committed. */
struct tern_outfile {
	int fd; /* -1 when closed */
	uint64_t n_written;
	char *path, *temp_path; /* a signal handler has to unlink() temp_path */
	uint8_t *buffer;
	size_t n_buffered;
};

/* Creates the temporary file, PATH.PID-N.tmp, and removes those that processes which no longer run left there; a
 * process of another machine or container looks as if it did not run. Refuses an existing path unless `overwrite`
 * (TERN_ERR_USAGE), and always a path that is not a regular file and a file without permission to write. Write errors
 * have status TERN_ERR_FAILED. A symbolic link stays, and what it leads to is replaced. */
enum tern_status tern_outfile_open(struct tern_outfile *out, const char *path, bool overwrite, struct tern_error *err);
/* TERN_ERR_FAILED if the file system has no room for n_bytes more; the message says how many are needed and free. */
enum tern_status tern_outfile_check_space(const struct tern_outfile *out, uint64_t n_bytes, struct tern_error *err);
/* After a failure only tern_outfile_abort() may follow. */
enum tern_status tern_outfile_write(struct tern_outfile *out, const void *bytes, size_t n_bytes,
                                    struct tern_error *err);
/* Flushes, syncs, renames to `path` and syncs the directory. On failure nothing is left behind. Always closes. */
enum tern_status tern_outfile_commit(struct tern_outfile *out, struct tern_error *err);
/* Closes and removes the temporary file. Does nothing after a commit or a failed open. */
void tern_outfile_abort(struct tern_outfile *out);

#endif
