/* The tables of chat formats, for chat.c. */
#ifndef TERN_TEXT_CHAT_FORMATS_H
#define TERN_TEXT_CHAT_FORMATS_H

#include "text/chat.h"

enum chat_role {
	CHAT_SYSTEM,
	CHAT_USER,
	CHAT_ASSISTANT,
	N_CHAT_ROLES
};

/* Where a system message goes. */
enum chat_system {
	SYSTEM_AS_TURN,     /* it is a turn like the others */
	SYSTEM_FIRST,       /* bare text at the very beginning */
	SYSTEM_BEFORE_USER, /* into the first turn of the user, an empty line between */
	SYSTEM_REFUSED,
};

/* What becomes of <think>...</think> in the assistant's messages. */
enum chat_thoughts {
	THOUGHTS_KEPT,
	THOUGHTS_DROPPED,
	THOUGHTS_QWEN3, /* dropped but from answers to the last question */
};

/* Markup around a message; NULL is nothing. */
struct chat_turn {
	const char *before, *after;
};

struct chat_table {
	const char *name, *alias; /* alias: another spelling people use, or NULL */
	const char *bos;          /* how the token that begins the conversation is spelled, or NULL: none */
	struct chat_turn turns[N_CHAT_ROLES];
	const char *last_answer_after; /* after an assistant's message that ends the conversation; NULL: as always */
	const char *generate;          /* begins the assistant's answer */
	const char *no_thinking;       /* after it: an answer without thoughts */
	const char *default_system;    /* system text when there is none, or NULL */
	enum chat_system system;
	enum chat_thoughts thoughts;
	bool trims; /* white space around contents */
	const char *ends[TERN_CHAT_MAX_ENDS + 1];
};

/* NULL for TERN_CHAT_NONE and values that are no format. */
const struct chat_table *tern_chat_table(enum tern_chat_format format);

#endif
