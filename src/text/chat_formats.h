/* The chat formats: their names, their literal texts, and how they are recognized. The Jinja templates that models
 * carry are recognized, never run. */
#ifndef TERN_TEXT_CHAT_FORMATS_H
#define TERN_TEXT_CHAT_FORMATS_H

#include <stdbool.h>
#include <stddef.h>

enum tern_chat_format {
	TERN_CHAT_NONE,
	TERN_CHAT_LLAMA3,
	TERN_CHAT_CHATML,
	TERN_CHAT_QWEN2,          /* chatml with a default system text */
	TERN_CHAT_QWEN25,         /* chatml with another default system text */
	TERN_CHAT_QWEN3,          /* chatml without the thoughts of earlier answers */
	TERN_CHAT_QWEN3_THINKING, /* the same, and every answer begins with thoughts */
	TERN_CHAT_QWEN35_SMALL,   /* of 0.8B and 2B: answers without thoughts */
	TERN_CHAT_QWEN36,         /* and 3.5: answers begin with thoughts, unless they are refused */
	TERN_CHAT_QWEN38,         /* keeps all thoughts; knows reasoning effort */
	TERN_CHAT_FALCON3,
	TERN_CHAT_BITNET, /* BitNet b1.58 2B4T */
	TERN_CHAT_DEEPSEEK_R1,
	TERN_CHAT_DEEPSEEK_R1_THINKING, /* the newer template: every answer begins with thoughts */
	TERN_CHAT_ZEPHYR,               /* and TinyLlama */
	TERN_CHAT_GEMMA,
	TERN_CHAT_TERN, /* tern-tiny */
	TERN_CHAT_N_FORMATS,
};

/* "llama-3", "chatml", "qwen3", ...; "" for TERN_CHAT_NONE. */
const char *tern_chat_name(enum tern_chat_format format);

/* The format of that name, or TERN_CHAT_NONE. */
enum tern_chat_format tern_chat_by_name(const char *name);

/* The format that a model's template describes: Jinja source, or one of the names above. `eos` is the spelling of the
 * end-of-sequence token (may be empty), n_vocab the number of tokens: some templates differ only in these.
 * TERN_CHAT_NONE if tern does not know it. */
enum tern_chat_format tern_chat_detect(const char *source, size_t n_bytes, const char *eos, size_t n_eos,
                                       size_t n_vocab);

/* False if the format has no system text; a system message is then refused. */
bool tern_chat_takes_system(enum tern_chat_format format);

enum {
	TERN_CHAT_MAX_ENDS = 3
};

/* The texts that end an answer: at most TERN_CHAT_MAX_ENDS, then NULL. Those that are tokens of the vocabulary are end
 * tokens, the others are stop strings. */
const char *const *tern_chat_ends(enum tern_chat_format format);

enum chat_role {
	CHAT_SYSTEM,
	CHAT_USER,
	CHAT_ASSISTANT,
	N_CHAT_ROLES
};

/* Where a system message goes. */
enum chat_system {
	SYSTEM_AS_TURN,     /* a turn like the others */
	SYSTEM_LEADING,     /* a turn, before all others */
	SYSTEM_FIRST,       /* without markup, before everything else */
	SYSTEM_BEFORE_USER, /* in the first turn of the user, before the text and an empty line */
	SYSTEM_REFUSED,
};

/* What becomes of <think>...</think> in the assistant's messages. */
enum chat_thoughts {
	THOUGHTS_KEPT,
	THOUGHTS_DROPPED,
	THOUGHTS_QWEN3,  /* dropped, except in answers after the last user message */
	THOUGHTS_QWEN36, /* the same; every such answer has a block of thoughts, if an empty one */
	THOUGHTS_QWEN38, /* kept; every answer has a block of thoughts */
};

/* Markup around a message; NULL is nothing. */
struct chat_turn {
	const char *before, *after;
};

struct chat_table {
	const char *name, *alias; /* alias: another spelling people use, or NULL */
	const char *bos;          /* spelling of the token that begins a conversation, or NULL */
	struct chat_turn turns[N_CHAT_ROLES];
	const char *last_answer_after; /* after an answer that ends the conversation; NULL: as after others */
	const char *generate;          /* begins the assistant's answer */
	const char *thinking;          /* follows `generate` for an answer that begins with thoughts */
	const char *no_thinking;       /* follows `generate` instead for an answer without thoughts */
	const char *default_system;    /* system text if the conversation has none, or NULL */
	enum chat_system system;
	enum chat_thoughts thoughts;
	bool vocab_bos;   /* without `bos`: begins as the vocabulary's texts do, with its BOS or with none */
	bool trims;       /* removes white space around contents */
	bool needs_user;  /* answers only a conversation with a message of the user */
	bool has_efforts; /* of reasoning: a sentence at the head of the system text, which may be it alone */
	const char *ends[TERN_CHAT_MAX_ENDS + 1];
};

/* NULL for TERN_CHAT_NONE and for values that are not a format. */
const struct chat_table *tern_chat_table(enum tern_chat_format format);

#endif
