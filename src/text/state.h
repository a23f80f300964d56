/* What a tokenizer holds, and the work space of making one and of encoding with it. */
#ifndef TERN_TEXT_STATE_H
#define TERN_TEXT_STATE_H

#include "base/error.h"
#include "text/ids.h"
#include "text/lookup.h"
#include "text/pretokenize.h"
#include "text/special.h"
#include "text/vocabulary.h"

struct tern_tokenizer {
	enum tern_vocab_kind kind;
	size_t n_pieces;
	struct tern_piece *pieces; /* [n_pieces] the text each stands for, in `text` */
	unsigned char *types;      /* [n_pieces] enum tern_token_type */
	char *text;
	struct piece_table table;      /* tokens that ordinary text is made of, by their text */
	struct special_table specials; /* all that are not normal, by their spelling */
	struct merge_table merges;
	int32_t byte_ids[256]; /* the token of a single byte, or -1 */
	size_t max_length;     /* bytes of text in the longest token */
	int32_t bos_id, eos_id, unk_id;
	bool add_bos, add_eos;

	/* BPE */
	const struct tern_pretokenizer *pre;

	/* SPM */
	bool add_space_prefix;
	bool by_score;            /* pieces are joined by `ranks`, not by `merges` */
	uint32_t *ranks;          /* [n_pieces] by descending score; MERGE_NONE: never made by joining */
	size_t max_joined_length; /* bytes of the longest piece that is */
	int32_t ascii_ids[128];   /* the token of a single character, or -1 */
	bool joins_space[256];    /* some piece has this byte with a space after it */
};

/* What tern_tokenizer_new() passes around. */
struct builder {
	struct tern_tokenizer *tokenizer;
	const struct tern_vocab *vocab;
	const char *source;
	struct tern_error *err;
};

enum {
	MAX_PIECE_LENGTH = 1 << 16 /* far above any real vocabulary's */
};

/* The tokens a word is divided into, while they are joined. */
struct merge_symbol {
	int32_t id;     /* -1: no token */
	uint32_t start; /* offset in the word */
	uint32_t rank;  /* of the merge with the next symbol */
	int32_t joined; /* what that merge makes */
};

/* Work space of one call of tern_tokenizer_encode(). */
struct encoder {
	const struct tern_tokenizer *tokenizer;
	struct tern_ids *out;
	struct tern_error *err;
	struct merge_symbol *symbols;
	size_t symbol_capacity;
	struct merge_link {
		uint32_t previous, next;
	} * links; /* of long words */
	size_t link_capacity;
	uint64_t *heap; /* of long words */
	size_t heap_capacity;
};

#endif
