/* tokenizer.model, and the tokens added to it. */
#ifndef CONVERT_TOKENIZER_TOKENIZER_MODEL_H
#define CONVERT_TOKENIZER_TOKENIZER_MODEL_H

#include "convert/tokenizer/vocab.h"

/* Reads vocab->spm, already parsed, and the files that name added tokens. */
enum tern_status vocab_from_tokenizer_model(struct vocab *vocab, struct tern_error *err);

#endif
