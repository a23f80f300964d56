/* Errors as values: functions that fill the caller's struct tern_error. */
#ifndef TERN_BASE_ERROR_H
#define TERN_BASE_ERROR_H

#include <stddef.h>
#include <tern.h>

/* Writes the message into err (which may be NULL) and returns status, for
 *     return tern_fail(err, TERN_ERR_FILE, "%s: byte %zu: ...", path, at);
 * A message is one line, FILE: WHERE: WHAT, without a newline. If it is too long, it is cut. */
enum tern_status tern_fail(struct tern_error *err, enum tern_status status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* "out of memory (N bytes)", status TERN_ERR_FAILED. */
enum tern_status tern_fail_memory(struct tern_error *err, size_t n_bytes);

/* Room for a quoted name: 64 characters of source, each at most four ("\x1b"), "..." and NUL. */
enum {
	TERN_QUOTE_SIZE = 64 * 4 + 4
};

/* Makes n bytes from a file safe for a message: everything but printable ASCII becomes \xHH, and "..." replaces what
 * follows byte 64. Returns out. */
const char *tern_quote(char out[TERN_QUOTE_SIZE], const char *bytes, size_t n);

/* Appends a name to the list "a, b, c" in `list`, a string in `size` bytes. A list that becomes too long is cut. */
void tern_append_name(char *list, size_t size, const char *name);

#endif
