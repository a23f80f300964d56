/* What was said: messages, the tokens they are, and which of them still have a place in the context. */
#ifndef TERN_CLI_CHAT_CONVERSATION_H
#define TERN_CLI_CHAT_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

/* The roles of messages. */
extern const char conversation_system[], conversation_user[], conversation_assistant[];

/* Zero-initialized is empty. */
struct conversation {
	char *system; /* the system text, or NULL; any bytes, and a NUL behind them */
	size_t n_system_bytes;
	struct tern_message *messages; /* the user's and the model's in turn, the user's first; contents are its own */
	size_t n_messages, capacity;
	size_t n_outside;  /* the oldest messages, which have left the context */
	bool omits_system; /* the chat format has no place for the system text, which is kept and left out */
};

void conversation_free(struct conversation *conversation);

/* These return false when memory runs out; nothing is changed then. */
bool conversation_set_system(struct conversation *conversation, const char *bytes, size_t n_bytes);
/* role: conversation_user or conversation_assistant. */
bool conversation_add(struct conversation *conversation, const char *role, const char *bytes, size_t n_bytes);

/* Takes the last message out; its content is then the caller's to free, or to give back to conversation_push(), which
 * cannot fail then. */
struct tern_message conversation_pop(struct conversation *conversation);
void conversation_push(struct conversation *conversation, struct tern_message message);

/* Forgets the messages; the system text stays. */
void conversation_clear(struct conversation *conversation);
/* Forgets all but the first n_keep messages. If none of them is in the context, those that left come back. */
void conversation_cut(struct conversation *conversation, size_t n_keep);

/* The last message if it is of that role, or NULL. */
const struct tern_message *conversation_last(const struct conversation *conversation, const char *role);

/* The tokens of a conversation, and what had to leave. */
struct conversation_ids {
	int32_t *ids; /* the caller frees them */
	size_t n_ids;
	size_t n_left_messages, n_left_tokens; /* this time */
};

/* The tokens of the system text and the messages in the context. flags: TERN_CHAT_*. */
enum tern_status conversation_tokenize(const struct conversation *conversation, const struct tern_model *model,
                                       unsigned flags, struct conversation_ids *ids, struct tern_error *err);

/* The same, for a context of n_ctx tokens that wants n_room of them for the answer. If there is too little room, whole
 * oldest exchanges leave: so many that it lasts for a while, since everything behind them has to be read anew.
 * TERN_ERR_CONTEXT, with nothing changed, if the system text and the last message alone leave no room for an answer;
 * ids->n_ids is then their number of tokens. */
enum tern_status conversation_fit(struct conversation *conversation, const struct tern_model *model, unsigned flags,
                                  size_t n_ctx, size_t n_room, struct conversation_ids *ids, struct tern_error *err);

#endif
