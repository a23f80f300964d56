/* Byte-level BPE: spelling and encoding. */
#ifndef TERN_TEXT_BPE_H
#define TERN_TEXT_BPE_H

#include "text/state.h"

/* The text of a piece or merge spelled in the byte-level alphabet; `out` has room for length bytes. False if it has
 * other characters. */
bool tern_bpe_decode(const char *bytes, size_t length, char *out, size_t *n_out);

/* Appends the ids of a text without special tokens to encoder->out. */
enum tern_status tern_bpe_encode(struct encoder *encoder, const char *text, size_t n_bytes);

#endif
