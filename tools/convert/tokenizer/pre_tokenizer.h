/* The normalizer and pre_tokenizer of a tokenizer.json. */
#ifndef CONVERT_TOKENIZER_PRE_TOKENIZER_H
#define CONVERT_TOKENIZER_PRE_TOKENIZER_H

#include "convert/tokenizer/vocab.h"

/* Reads both from `root`, the whole file: kind, pre, add_space_prefix. */
enum tern_status vocab_read_pre_tokenizer(struct vocab *vocab, struct json_value root, struct tern_error *err);

#endif
