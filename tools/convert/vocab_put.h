/* A vocabulary as the tokenizer.* keys of a GGUF file. */
#ifndef CONVERT_VOCAB_PUT_H
#define CONVERT_VOCAB_PUT_H

#include "convert/vocab.h"
#include "model/gguf_write.h"

/* Puts the keys. */
enum tern_status vocab_put(const struct vocab *vocab, struct gguf_writer *writer, struct tern_error *err);

#endif
