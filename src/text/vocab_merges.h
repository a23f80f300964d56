/* The merges of a vocabulary, put into the table that encoding looks them up in. */
#ifndef TERN_TEXT_VOCAB_MERGES_H
#define TERN_TEXT_VOCAB_MERGES_H

#include "text/state.h"

/* Fills tokenizer->merges; pieces, types, table and specials are set. */
enum tern_status tern_add_merges(const struct builder *b);

#endif
