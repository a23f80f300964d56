/* What a tokenizer is made from, as a file has it: the tokens by id, and how they are joined. */
#ifndef TERN_TEXT_VOCABULARY_H
#define TERN_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tern_vocab_kind {
	TERN_VOCAB_BPE, /* byte-level BPE: tokenizer.ggml.model = "gpt2" */
	TERN_VOCAB_SPM, /* SentencePiece BPE with byte fallback: "llama" */
};

/* tokenizer.ggml.token_type */
enum tern_token_type {
	TERN_TOKEN_NORMAL = 1,
	TERN_TOKEN_UNKNOWN = 2,      /* stands for text that has no token */
	TERN_TOKEN_CONTROL = 3,      /* a marker; found in text only with TERN_TOKENIZE_SPECIAL */
	TERN_TOKEN_USER_DEFINED = 4, /* found in text always, before anything is merged */
	TERN_TOKEN_UNUSED = 5,       /* padding of the vocabulary; never found */
	TERN_TOKEN_BYTE = 6,         /* <0x00> to <0xFF>; SPM only */
};

struct tern_piece {
	const char *bytes; /* as spelled in the vocabulary: byte-level alphabet for BPE, U+2581 for spaces in SPM */
	size_t length;
};

/* What a tokenizer is made from. Nothing of it need outlive tern_tokenizer_new().
 *
 * SPM pieces are joined in the order of `merges`, if there are any, else in the order of their scores, the highest
 * first and the leftmost of equals. A SentencePiece file has scores. A tokenizer.json has merges, and only merges give
 * its ids: two ways to make one piece have different ranks there, but one score. (As scores for readers that know
 * nothing else, minus the rank of the first merge that makes a piece is nearly as good.)
 *
 * Added tokens of a tokenizer.json are control tokens if "special", else user-defined ones, and are found in the text
 * as it was before its spaces became U+2581. So a user-defined SPM token with U+2581 in its spelling is never found
 * whole; spaces come to it by joining. SentencePiece finds its user-defined pieces in the text as it is after: write
 * their U+2581 as a space.
 *
 * User-defined tokens that look like markers, "<|...|>", are taken for control tokens: files disagree on which they
 * are, and text from users must not produce them. */
struct tern_vocab {
	enum tern_vocab_kind kind;
	const char *pre; /* tokenizer.ggml.pre for BPE, e.g. "llama-bpe", "qwen2", "gpt-2"; NULL for SPM */
	size_t n_pieces;
	const struct tern_piece *pieces;
	const float *scores;             /* [n_pieces]; SPM without merges only, else may be NULL */
	const int32_t *types;            /* [n_pieces] enum tern_token_type, or NULL: all normal, SPM's <0xXX> bytes */
	size_t n_merges;                 /* BPE; optional for SPM */
	const struct tern_piece *merges; /* "left right", best first */
	int32_t bos_id, eos_id, unk_id;  /* -1 = none */
	bool add_bos, add_eos;
	bool add_space_prefix; /* SPM: a space before the text, and before what follows a special token */
	int n_threads;         /* to make the tokenizer with; 0 = 1 */
};

#endif
