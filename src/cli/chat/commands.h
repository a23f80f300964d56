/* The commands of a chat: one table drives running, help and completion. */
#ifndef TERN_CLI_CHAT_COMMANDS_H
#define TERN_CLI_CHAT_COMMANDS_H

#include "cli/chat/chat.h"

/* Whether a message is a command: a slash and a word. */
bool chat_is_command(const char *bytes, size_t n_bytes);
/* If the message is the name of a command without its slash, as other programs have it, hints at the slash. */
void chat_hint_at_command(const char *bytes, size_t n_bytes);
/* Errors were reported. */
void chat_run_command(struct chat *chat, const char *bytes, size_t n_bytes);
/* For struct editor_options; user is not used. */
void chat_complete(void *user, const char *text, size_t n_bytes, size_t cursor, struct completions *completions);

#endif
