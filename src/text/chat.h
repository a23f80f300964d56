/* Chat formats: a conversation to the ids a model was trained to answer. The formats are tables of literal text;
 * the Jinja templates that models carry are recognised, never run. */
#ifndef TERN_TEXT_CHAT_H
#define TERN_TEXT_CHAT_H

#include "text/tokenizer.h"

enum tern_chat_format {
	TERN_CHAT_NONE,
	TERN_CHAT_LLAMA3,
	TERN_CHAT_CHATML,
	TERN_CHAT_QWEN2,          /* chatml with a system text of its own when none is given */
	TERN_CHAT_QWEN25,         /* the same, another text */
	TERN_CHAT_QWEN3,          /* chatml that drops the thoughts of earlier answers */
	TERN_CHAT_QWEN3_THINKING, /* the same, and every answer begins with thoughts */
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

/* Which format a model's template (Jinja source, or one of the names above) describes. `eos` is the spelling of the
 * end-of-sequence token (may be empty), n_vocab the number of tokens: some templates differ in nothing else.
 * TERN_CHAT_NONE if tern does not know it. */
enum tern_chat_format tern_chat_detect(const char *source, size_t n_bytes, const char *eos, size_t n_eos,
                                       size_t n_vocab);

/* False if the model knows no system text: a system message is then refused. */
bool tern_chat_takes_system(enum tern_chat_format format);

enum {
	TERN_CHAT_MAX_ENDS = 3
};

/* Texts that end an answer: a list of at most TERN_CHAT_MAX_ENDS that ends with NULL. Those that are tokens of the
 * vocabulary belong to the end tokens, the others are stop strings. */
const char *const *tern_chat_ends(enum tern_chat_format format);

/* Appends the ids of a conversation, BOS included where the format has one. They are exactly the ids of the text
 * that the template renders, except that what the contents spell never becomes a control token. flags: those of
 * tern_chat_tokenize(). What is appended for some messages begins what is
 * appended for more of them, but for the thoughts that Qwen3 and R1 drop, and for tokens that reach from one message's
 * markup into the next's text. TERN_ERR_USAGE for TERN_CHAT_NONE, an unknown role, or a system message that the format
 * has no place for. Thread-safe. */
enum tern_status tern_chat_encode(const struct tern_tokenizer *tokenizer, enum tern_chat_format format,
                                  const struct tern_message *messages, size_t n_messages, unsigned flags,
                                  struct tern_ids *out, struct tern_error *err);

#endif
