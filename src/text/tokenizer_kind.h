/* The inside of a tokenizer: what all kinds have in common, and the table of functions that each kind fills. */
#ifndef TERN_TEXT_TOKENIZER_KIND_H
#define TERN_TEXT_TOKENIZER_KIND_H

#include "base/error.h"
#include "text/ids.h"
#include "text/merge.h"
#include "text/piece_table.h"
#include "text/pretokenize.h"
#include "text/special_tokens.h"
#include "text/vocabulary.h"

struct tern_tokenizer {
	const struct tokenizer_kind *kind;
	size_t n_pieces;
	struct tern_piece *pieces; /* [n_pieces] the text each token stands for, in `text` */
	unsigned char *types;      /* [n_pieces] enum tern_token_type */
	char *text;
	struct piece_table table;      /* the tokens that ordinary text is made of, by their text */
	struct special_table specials; /* all others, by their spelling */
	struct merge_rules rules;
	int32_t byte_ids[256]; /* the token of a single byte, or -1 */
	size_t max_length;     /* bytes of text in the longest token */
	size_t max_shrink;     /* normalizing a text keeps at least 1 / max_shrink of its bytes */
	int32_t bos_id, eos_id, unk_id;
	bool add_bos, add_eos;
	bool add_space_prefix;  /* a space goes before the text and before what follows a special token, */
	bool prefix_if_missing; /* unless one is there already */
	union {
		const struct tern_pretokenizer *pre; /* byte-level BPE */
		struct {
			int32_t ascii_ids[128]; /* the token of a single character, or -1 */
			bool joins_space[256];  /* some piece contains this byte with a space after it */
		} spm;
	};
};

/* What the functions that make a tokenizer pass around. */
struct builder {
	struct tern_tokenizer *tokenizer;
	const struct tern_vocab *vocab;
	const char *source; /* begins messages */
	struct tern_error *err;
};

/* One call of tern_tokenizer_encode(). */
struct encoder {
	const struct tern_tokenizer *tokenizer;
	struct merge_space space;
	struct tern_ids *out;
	struct tern_error *err;
};

struct tokenizer_kind {
	/* Pieces are spelled as SentencePiece does: U+2581 is a space, and <0xXX> may be a byte. Else in the byte-level
	 * alphabet. */
	bool is_sentencepiece;
	/* Writes the text of a spelling to `out`, at most `length` bytes. False if it spells no text. */
	bool (*decode)(const char *bytes, size_t length, char *out, size_t *n_out);
	/* Sets what only this kind has; everything else in the tokenizer is set. */
	enum tern_status (*set_up)(const struct builder *b);
	/* Appends the ids of a text without special tokens to encoder->out. */
	enum tern_status (*encode)(struct encoder *encoder, const char *text, size_t n_bytes);
};

extern const struct tokenizer_kind tern_tokenizer_bpe; /* bpe.c */
extern const struct tokenizer_kind tern_tokenizer_spm; /* spm.c */

#endif
