/* Answering: a message of the user joins the conversation, and the model answers it. */
#ifndef TERN_CLI_CHAT_REPLY_H
#define TERN_CLI_CHAT_REPLY_H

#include "cli/chat/chat.h"

/* Adds a message, after the files of /read, to the conversation and answers it. If no answer comes, the message is
 * removed again. Errors were reported. */
void chat_send(struct chat *chat, const char *bytes, size_t n_bytes);
/* Answers the last message of the user again. */
void chat_answer_again(struct chat *chat);

#endif
