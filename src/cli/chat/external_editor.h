/* Ctrl-G and /edit: a message written in $VISUAL or $EDITOR. */
#ifndef TERN_CLI_CHAT_EXTERNAL_EDITOR_H
#define TERN_CLI_CHAT_EXTERNAL_EDITOR_H

#include "cli/chat/chat.h"

/* Lets the user edit chat->draft. Errors were reported; the draft is then as it was. */
void chat_edit(struct chat *chat, const char *argument);

#endif
