/* The settings beside a tokenizer: special tokens, chat templates. */
#ifndef CONVERT_TOKENIZER_TOKENIZER_CONFIG_H
#define CONVERT_TOKENIZER_TOKENIZER_CONFIG_H

#include "convert/config/config.h"
#include "convert/tokenizer/vocab.h"

/* tokenizer_config.json, generation_config.json, chat_template.jinja and config.json: special ids, add_bos and add_eos,
 * templates. The tokens are read already. */
enum tern_status vocab_read_settings(struct vocab *vocab, const struct config *config, struct tern_error *err);

#endif
