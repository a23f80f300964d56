/* Standard output, which carries results and nothing else. Remembers the first write that failed. */
#ifndef TERN_CONSOLE_OUTPUT_H
#define TERN_CONSOLE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <tern.h>

void output_write(const char *bytes, size_t n_bytes);
void output_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text from a model or a file: control characters are escaped if standard output is a terminal. */
void output_text(const char *bytes, size_t n_bytes);

/* Untrusted text as part of one line: escaped in any case, newlines too. */
void output_line_part(const char *bytes, size_t n_bytes);

/* Hands everything to the system. False if any write so far has failed: there is no point in going on. */
bool output_flush(void);

/* To be called last: flushes, and returns `status`, or TERN_ERR_FAILED after saying why writing failed. */
enum tern_status output_finish(enum tern_status status);

#endif
