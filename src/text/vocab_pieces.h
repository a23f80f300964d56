/* The pieces of a vocabulary, decoded and put into the tables that encoding looks them up in. */
#ifndef TERN_TEXT_VOCAB_PIECES_H
#define TERN_TEXT_VOCAB_PIECES_H

#include "text/tokenizer_kind.h"

enum {
	MAX_PIECE_LENGTH = 1 << 16 /* bytes; far above any real vocabulary's */
};

/* Sets all of the tokenizer that depends on pieces and their types; kind is set. */
enum tern_status tern_add_pieces(const struct builder *b);

#endif
