/* What a tokenizer is made from, as it is in a file: the tokens by id, and how they are joined. */
#ifndef TERN_TEXT_VOCABULARY_H
#define TERN_TEXT_VOCABULARY_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TERN_SPACE_MARK "\xe2\x96\x81" /* U+2581, SentencePiece's spelling of a space */

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
	const char *bytes; /* in the vocabulary's spelling: byte-level alphabet for BPE, U+2581 for spaces in SPM */
	size_t length;
};

/* A vocabulary. tern_tokenizer_new() copies what it needs.
 *
 * SPM pieces are joined in the order of `merges` if there are any, else in the order of their scores, the highest
 * first and the leftmost of equals. A SentencePiece file has scores. A tokenizer.json has merges, and scores cannot
 * replace them: two merges that make the same piece differ in rank, but the piece has one score. (For readers that know
 * only scores, minus the rank of the first merge that makes a piece comes close.)
 *
 * Added tokens of a tokenizer.json are control tokens if "special", else user-defined. Hugging Face searches for them
 * before spaces become U+2581. So a user-defined SPM token with U+2581 in its spelling is never found as a whole, only
 * made by joining. SentencePiece searches for its user-defined pieces after spaces became U+2581: write their U+2581
 * as a space here.
 *
 * User-defined tokens that look like markers, "<|...|>", become control tokens: files disagree on which they are, and
 * text from users must not produce them. */
struct tern_vocab {
	enum tern_vocab_kind kind;
	const char *pre; /* tokenizer.ggml.pre for BPE, e.g. "llama-bpe", "qwen2", "gpt-2"; NULL for SPM */
	size_t n_pieces;
	const struct tern_piece *pieces;
	const float *scores;  /* [n_pieces]; may be NULL except for SPM without merges */
	const int32_t *types; /* [n_pieces] enum tern_token_type, or NULL: SPM's <0xXX> are bytes, all else is normal */
	size_t n_merges;      /* BPE; optional for SPM */
	const struct tern_piece *merges; /* "left right", best first */
	int32_t bos_id, eos_id, unk_id;  /* -1 = none */
	bool add_bos, add_eos;
	bool add_space_prefix;  /* SPM: a space goes before the text and before what follows a special token, */
	bool prefix_if_missing; /* unless one is there already (Hugging Face's Metaspace) */
	int n_threads;          /* threads that make the tokenizer; 0 = 1 */
};

/* The byte that a token with the spelling <0xXX> stands for, or -1. */
static inline int tern_byte_of_spelling(const char *bytes, size_t length)
{
	if (length != 6 || memcmp(bytes, "<0x", 3) != 0 || bytes[5] != '>')
		return -1;
	int high = tern_hex_digit(bytes[3]), low = tern_hex_digit(bytes[4]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

#endif
