/* /set and /system: settings that may change during a chat. `argument` is not NULL and has no white space around it. */
#ifndef TERN_CLI_CHAT_SETTINGS_H
#define TERN_CLI_CHAT_SETTINGS_H

#include "cli/chat/chat.h"

void chat_set(struct chat *chat, const char *argument);
void chat_system(struct chat *chat, const char *argument);
/* Adds the settings whose names begin with the first n bytes of `prefix`. */
void chat_complete_setting(const char *prefix, size_t n, struct completions *completions);

#endif
