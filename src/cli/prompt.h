/* Turns questions into the tokens of a prompt, in the model's chat format or as plain text. */
#ifndef TERN_CLI_PROMPT_H
#define TERN_CLI_PROMPT_H

#include "cli/open_model.h"

#include <stdbool.h>
#include <stdint.h>
#include <tern.h>

/* Zero-initialized: empty. */
struct prompt_ids {
	int32_t *block; /* what was allocated */
	int32_t *ids;   /* [n_ids], inside the block */
	size_t n_ids;
};

/* *is_chat: use the model's chat format; false if `raw` or if the model has none. TERN_ERR_FILE if tern does not know
 * the model's format, since few users would want plain continuation then. */
enum tern_status prompt_choose_format(const struct opened *opened, bool raw, bool *is_chat, struct tern_error *err);

/* Tokens of a conversation in the model's chat format. flags: TERN_CHAT_*. */
enum tern_status prompt_from_messages(const struct tern_model *model, const struct tern_message *messages,
                                      size_t n_messages, unsigned flags, struct prompt_ids *prompt,
                                      struct tern_error *err);

/* The beginning of an answer that is the prompt's end in some chat formats: "<think>\n"; "" in the others. */
const char *prompt_thoughts(const struct tern_model *model, const int32_t *ids, size_t n_ids);

/* Tokens of a text to continue. Spelled-out special tokens become special tokens. */
enum tern_status prompt_from_text(const struct tern_model *model, const char *text, size_t n_bytes,
                                  struct prompt_ids *prompt, struct tern_error *err);

/* TERN_ERR_CONTEXT, with advice, if the prompt has more than n_ctx tokens: nothing is ever cut silently. */
enum tern_status prompt_check_fit(const struct prompt_ids *prompt, size_t n_ctx, const struct tern_model_info *info,
                                  struct tern_error *err);

/* The same for n_bytes of text before they are tokenized: refuses at once what is far too long. */
enum tern_status prompt_check_bytes(size_t n_bytes, size_t n_ctx, const struct opened *opened, struct tern_error *err);

void prompt_free(struct prompt_ids *prompt);

#endif
