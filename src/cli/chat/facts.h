/* The commands that show facts about the model, the context and the speed. `argument` is not used. */
#ifndef TERN_CLI_CHAT_FACTS_H
#define TERN_CLI_CHAT_FACTS_H

#include "cli/chat/chat.h"

void chat_show(struct chat *chat, const char *argument);
void chat_stats(struct chat *chat, const char *argument);
void chat_context(struct chat *chat, const char *argument);
void chat_probs(struct chat *chat, const char *argument);

#endif
