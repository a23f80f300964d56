/* The history's file: one entry a line, shared by programs that run at the same time. */
#ifndef TERN_CONSOLE_HISTORY_FILE_H
#define TERN_CONSOLE_HISTORY_FILE_H

#include "console/text.h"

#include <tern.h>

/* Appends the line for an entry, with its newline: \n, \r, \0 and \\ stand for what would not fit into a line. */
void history_escape(struct text *line, const char *bytes, size_t n_bytes);
/* Appends the entry that a line (without its newline) stands for. */
void history_unescape(struct text *entry, const char *line, size_t n_bytes);

/* Opens the file for reading and appending, creates it if need be, and locks it against other programs until it is
 * closed. -1 and an error if that fails. */
int history_file_lock(const char *path, struct tern_error *err);
/* Opens a file that cannot be written to; -1 if that fails. */
int history_file_read_only(const char *path);

/* Appends a whole line, or nothing. */
enum tern_status history_file_append(const char *path, const char *line, size_t n_bytes, struct tern_error *err);

#endif
