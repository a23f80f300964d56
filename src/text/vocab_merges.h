/* The merges of a vocabulary, put into the table that encoding looks them up in. */
#ifndef TERN_TEXT_VOCAB_MERGES_H
#define TERN_TEXT_VOCAB_MERGES_H

#include "text/tokenizer_kind.h"

/* Fills tokenizer->rules.merges, after tern_add_pieces(). */
enum tern_status tern_add_merges(const struct builder *b);

#endif
