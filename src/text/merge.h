/* Joining the tokens of a word. */
#ifndef TERN_TEXT_MERGE_H
#define TERN_TEXT_MERGE_H

#include "text/state.h"

/* Joins the encoder's first n symbols (id and start set), which divide the n_bytes at word; returns how many are left,
 * or 0 with err set. */
size_t tern_merge_symbols(struct encoder *encoder, const char *word, size_t n_bytes, size_t n);

#endif
