/* From what is asked to the tokens a model is given: its chat format, or the text as it is. */
#ifndef TERN_CLI_PROMPT_H
#define TERN_CLI_PROMPT_H

#include "cli/open_model.h"

#include <stdbool.h>
#include <stdint.h>
#include <tern.h>

/* A prompt in tokens. Zero-initialised is empty. */
struct prompt_ids {
	int32_t *block; /* as allocated */
	int32_t *ids;   /* in the block */
	size_t n_ids;
};

/* Whether the model's chat format is used: unless `raw`, or the model has none. TERN_ERR_FILE if it has one that tern
 * does not know: plain continuation would then hardly be what is wanted. */
enum tern_status prompt_choose_format(const struct opened *opened, bool raw, bool *is_chat, struct tern_error *err);

/* A conversation in the model's chat format. */
enum tern_status prompt_from_messages(const struct tern_model *model, const struct tern_message *messages,
                                      size_t n_messages, struct prompt_ids *prompt, struct tern_error *err);

/* A text to continue; special tokens that it spells become them. */
enum tern_status prompt_from_text(const struct tern_model *model, const char *text, size_t n_bytes,
                                  struct prompt_ids *prompt, struct tern_error *err);

/* TERN_ERR_CONTEXT, with what would have to be different, for more tokens than n_ctx: nothing is ever cut silently. */
enum tern_status prompt_check_fit(const struct prompt_ids *prompt, size_t n_ctx, const struct tern_model_info *info,
                                  struct tern_error *err);

/* The same for n_bytes of text that are not tokenized yet, if they are far too many: that need not take seconds. */
enum tern_status prompt_check_bytes(size_t n_bytes, size_t n_ctx, const struct opened *opened, struct tern_error *err);

void prompt_free(struct prompt_ids *prompt);

#endif
