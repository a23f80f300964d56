/* What a chat reads and writes: conversations, and texts that go before a message. */
#ifndef TERN_CLI_CHAT_FILES_H
#define TERN_CLI_CHAT_FILES_H

#include "cli/chat/chat.h"

/* The commands; `argument` is not NULL and has no white space around it. */
void chat_save(struct chat *chat, const char *argument);
void chat_load(struct chat *chat, const char *argument);
void chat_export(struct chat *chat, const char *argument);
void chat_read(struct chat *chat, const char *argument);

/* Reads the file of -r and checks that of --save. Errors were reported. */
enum tern_status chat_open_files(struct chat *chat);
/* Saves to the file of --save, if there is one. */
void chat_autosave(struct chat *chat);
/* Says how long the conversation from `path` is, and warns if the model cannot take its system text. */
void chat_tell_loaded(struct chat *chat, const char *path);
/* Adds the files whose names begin with the n bytes at `prefix`; completions->start is where `prefix` begins. */
void chat_complete_file(const char *prefix, size_t n, struct completions *completions);

#endif
