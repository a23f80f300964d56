/* Conversations in files: JSON Lines of {"role", "content"}, to be read, edited and continued with any model, and plain
 * text for people. */
#ifndef TERN_CLI_CHAT_TRANSCRIPT_H
#define TERN_CLI_CHAT_TRANSCRIPT_H

#include "cli/chat/conversation.h"

/* Reads a file of JSON Lines into `conversation`, whose content is replaced; on failure it is unchanged. A system
 * message may come first, then the user and the assistant take turns; members besides role and content, and empty
 * lines, are ignored. TERN_ERR_FILE names the line. */
enum tern_status transcript_read(struct conversation *conversation, const char *path, struct tern_error *err);

/* Writes the whole conversation, also what has left the context: all of the file or, on failure, nothing.
 * TERN_ERR_USAGE if it exists and `overwrite` is false. */
enum tern_status transcript_write(const struct conversation *conversation, const char *path, bool overwrite,
                                  struct tern_error *err);

/* The same as plain text. */
enum tern_status transcript_export(const struct conversation *conversation, const char *path, bool overwrite,
                                   struct tern_error *err);

/* Whether there is a file that is no conversation and not empty: writing one over it would lose something else. */
bool transcript_would_destroy(const char *path);

/* Whether a file could be written there, now: opens one beside it and removes it again. What is at `path` stays. */
enum tern_status transcript_try_write(const char *path, struct tern_error *err);

#endif
