/* Reading the tokenizer of a checkpoint: tokenizer.json or tokenizer.model, and the files beside them. */
#ifndef CONVERT_VOCAB_READ_H
#define CONVERT_VOCAB_READ_H

#include "convert/config.h"
#include "convert/vocab.h"

/* Reads the files. n_rows is how many tokens the embedding has, 0 if there is no embedding: the list of tokens is
 * filled up with unused ones, and special tokens past its end are dropped. config->family may be NULL. The result is
 * one that the runtime takes: it is tried. Free in either case. */
enum tern_status vocab_read(struct vocab *vocab, const struct directory *dir, const struct config *config,
                            uint64_t n_rows, const struct reporter *reporter, struct tern_error *err);

#endif
