/* tokenizer.model, and the tokens added to it. */
#ifndef CONVERT_TOKENIZER_SPM_H
#define CONVERT_TOKENIZER_SPM_H

#include "convert/vocab.h"

/* Reads vocab->spm, already parsed, and the files that name added tokens. */
enum tern_status vocab_from_spm(struct vocab *vocab, struct tern_error *err);

#endif
