/* tokenizer.json: tokens, types, merges and what surrounds a text. */
#ifndef CONVERT_TOKENIZER_TOKENIZER_JSON_H
#define CONVERT_TOKENIZER_TOKENIZER_JSON_H

#include "convert/tokenizer/vocab.h"

/* Reads vocab->tokenizer, already parsed: tokens, types, merges, kind, pre, add_space_prefix and the template. */
enum tern_status vocab_from_tokenizer_json(struct vocab *vocab, struct tern_error *err);

#endif
