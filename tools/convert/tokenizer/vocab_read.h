/* Reading the tokenizer of a checkpoint: tokenizer.json or tokenizer.model, and the files beside them. */
#ifndef CONVERT_TOKENIZER_VOCAB_READ_H
#define CONVERT_TOKENIZER_VOCAB_READ_H

#include "convert/config/config.h"
#include "convert/tokenizer/vocab.h"

/* Reads the files. If there is a config.json (config->family is not NULL), the list of tokens is made as long as the
 * embedding: filled up with unused tokens, or without the special tokens past its end. tern's own tokenizer has
 * accepted the result. Free in either case. */
enum tern_status vocab_read(struct vocab *vocab, const struct directory *dir, const struct config *config,
                            const struct listener *listener, struct tern_error *err);

#endif
