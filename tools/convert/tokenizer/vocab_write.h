/* A vocabulary as the tokenizer.* keys of a GGUF file. */
#ifndef CONVERT_TOKENIZER_VOCAB_WRITE_H
#define CONVERT_TOKENIZER_VOCAB_WRITE_H

#include "convert/tokenizer/vocab.h"
#include "model/gguf_write.h"

/* Puts the keys. */
void vocab_write(const struct vocab *vocab, struct gguf_writer *writer);

#endif
