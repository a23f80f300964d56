/* An invented vocabulary of the kind and size of Llama 3's, for measuring what opening one costs. */
#ifndef BENCH_VOCABULARY_H
#define BENCH_VOCABULARY_H

#include "model/gguf_write.h"

/* Puts the keys of a byte-level BPE vocabulary of n_vocab tokens (1024 to 2^22): 256 bytes, then tokens made by
 * merges, at the end 256 control tokens. The same n_vocab gives the same keys. */
enum tern_status put_invented_vocabulary(struct gguf_writer *writer, size_t n_vocab, struct tern_error *err);

#endif
