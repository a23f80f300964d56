/* SentencePiece BPE: spelling, setting up and encoding. */
#ifndef TERN_TEXT_SPM_H
#define TERN_TEXT_SPM_H

#include "text/state.h"

/* The text of a piece, U+2581 as space; `out` has room for length bytes. Returns its length. */
size_t tern_spm_decode(const char *bytes, size_t length, char *out);

/* The byte that a token spelled <0xXX> stands for, or -1. */
int tern_spm_byte(const char *bytes, size_t length);

/* Fills the fields of struct tern_tokenizer that SPM alone has; pieces, types and table are set. */
enum tern_status tern_spm_init(struct tern_tokenizer *tokenizer, const struct tern_vocab *vocab, const char *source,
                               struct tern_error *err);

/* Appends the ids of a text without special tokens to encoder->out. */
enum tern_status tern_spm_encode(struct encoder *encoder, const char *text, size_t n_bytes);

#endif
