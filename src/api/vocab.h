/* The tokenizer.* metadata of a GGUF file: its tokenizer, its chat format, and what ends a text. */
#ifndef TERN_API_VOCAB_H
#define TERN_API_VOCAB_H

#include "model/gguf.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stdint.h>
#include <tern.h>

struct tern_text {
	struct tern_tokenizer *tokenizer;
	bool has_chat_template; /* the file carries one, known or not */
	enum tern_chat_format chat_format;
	struct tern_chat_efforts chat_efforts;          /* of the file's template, or the format's own */
	const char *chat_stops[TERN_CHAT_MAX_ENDS + 1]; /* texts that end an answer and are no tokens; then NULL */
	int32_t bos_id;                                 /* that texts begin with, or -1 */
	bool *is_end;                                   /* [n_pieces] tokens that end a text or a turn */
};

/* TERN_ERR_USAGE for the name of a chat format that tern does not know. */
enum tern_status tern_text_check_format(const char *name, struct tern_error *err);

/* *text begins as {0}, and is to be freed after a failure too. Of the options, chat_format, which has been checked, and
 * n_threads count. */
enum tern_status tern_text_load(struct tern_text *text, const struct gguf *gguf,
                                const struct tern_model_options *options, struct tern_error *err);
void tern_text_free(struct tern_text *text);

#endif
