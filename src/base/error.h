/* Errors as values: filling the caller's struct tern_error. Gives tern_fail() and tern_quote(). */
#ifndef TERN_BASE_ERROR_H
#define TERN_BASE_ERROR_H

#include <stddef.h>
#include <tern.h>

/* Writes the message into err (which may be NULL) and returns status, so that a caller can say
 * `return tern_fail(err, TERN_ERR_FILE, "%s: byte %zu: ...", path, at);`.
 * Message form: FILE: WHERE: WHAT, one line, no trailing newline. A message that would not fit is cut. */
enum tern_status tern_fail(struct tern_error *err, enum tern_status status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* "out of memory (N bytes)", status TERN_ERR_FAILED. */
enum tern_status tern_fail_memory(struct tern_error *err, size_t n_bytes);

/* Room for a quoted name: 64 characters of source, each at most four ("\x1b"), "..." and NUL. */
enum {
	TERN_QUOTE_SIZE = 64 * 4 + 4
};

/* Copies n bytes that came from a file into out for use in a message: printable ASCII as it is, anything
 * else as \xHH, cut after 64 source bytes with "...". Returns out. */
const char *tern_quote(char out[TERN_QUOTE_SIZE], const char *bytes, size_t n);

#endif
