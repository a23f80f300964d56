/* Tokenizers: byte-level BPE and SentencePiece BPE, from a vocabulary to ids and back. Knows nothing of files:
 * who reads the file fills a struct tern_vocab.
 *
 * Ids are those of Hugging Face's tokenizers. Any bytes survive the round trip where the vocabulary has a token for
 * every byte, with one exception: Qwen's and GPT-NeoX's tokenizers compose characters (Unicode NFC) before anything
 * else, and so do the pre-tokenizers named after them. */
#ifndef TERN_TEXT_TOKENIZER_H
#define TERN_TEXT_TOKENIZER_H

#include "base/error.h"

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
};

struct tern_tokenizer;

/* Validates the vocabulary: unknown `pre` (named in the message), ids out of range, merges that name no piece, byte
 * tokens that are none, scores that are no numbers: TERN_ERR_FILE. `source` begins messages (the file's path). */
enum tern_status tern_tokenizer_new(struct tern_tokenizer **tokenizer, const struct tern_vocab *vocab,
                                    const char *source, struct tern_error *err);
void tern_tokenizer_free(struct tern_tokenizer *tokenizer);

/* Ids, growing; *ids is allocated with tern_realloc(). Zero-initialise before first use. */
struct tern_ids {
	int32_t *ids;
	size_t n_ids, capacity;
};

/* Appends one id. */
enum tern_status tern_ids_push(struct tern_ids *out, int32_t id, struct tern_error *err);

/* flags are tern.h's: TERN_TOKENIZE_BOS begins with BOS and ends with EOS where the vocabulary wants them;
 * TERN_TOKENIZE_SPECIAL recognises control tokens in the text; user-defined tokens always are.
 * Appends to a growing list of ids (after an error the list holds some of them). Any bytes are fine. Time is
 * O(n log n) in n_bytes. Thread-safe: the tokenizer is not changed. */
enum tern_status tern_tokenizer_encode(const struct tern_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                       unsigned flags, struct tern_ids *out, struct tern_error *err);

/* A part of a text, and whether control tokens are recognised in it. */
struct tern_span {
	size_t n_bytes;
	bool special;
};

/* Like tern_tokenizer_encode() without BOS and EOS, for a text made of spans: control tokens are recognised where
 * the spans allow, and never across the end of such a span; all else is tokenized as if there were no spans.
 * The spans' lengths add up to the length of the text. */
enum tern_status tern_tokenizer_encode_spans(const struct tern_tokenizer *tokenizer, const char *text,
                                             const struct tern_span *spans, size_t n_spans, struct tern_ids *out,
                                             struct tern_error *err);

/* The bytes an id stands for in running text: byte-level pieces decoded, U+2581 as a space, <0x0A> as the byte,
 * special tokens as spelled. Valid as long as the tokenizer. id must be in range. */
struct tern_piece tern_tokenizer_piece(const struct tern_tokenizer *tokenizer, int32_t id);

/* True for control and unknown tokens: not part of the text proper. */
bool tern_tokenizer_is_special(const struct tern_tokenizer *tokenizer, int32_t id);

/* True if text is given a space at its start and after every token that was found in it whole (control or
 * user-defined). Decoding ids that encoding made removes one space from the first piece, and from a piece that
 * follows such a token; see tern_tokenizer_is_whole(). */
bool tern_tokenizer_strips_space(const struct tern_tokenizer *tokenizer);

/* True for tokens found in text whole, not by merging: control, unknown and user-defined ones. */
bool tern_tokenizer_is_whole(const struct tern_tokenizer *tokenizer, int32_t id);

/* The id of a piece spelled exactly so in the vocabulary, or -1. Of equal pieces, a special one, else the first. */
int32_t tern_tokenizer_find(const struct tern_tokenizer *tokenizer, const char *bytes, size_t length);

size_t tern_tokenizer_n_pieces(const struct tern_tokenizer *tokenizer);

/* The vocabulary's bos_id and eos_id; -1 = none. */
int32_t tern_tokenizer_bos_id(const struct tern_tokenizer *tokenizer);
int32_t tern_tokenizer_eos_id(const struct tern_tokenizer *tokenizer);

/* True if tern knows this tokenizer.ggml.pre name. "default" is known only to tern_tokenizer_new(), which takes it
 * for GPT-NeoX's pre-tokenizer in a vocabulary of GPT-NeoX's size. */
bool tern_pretokenizer_known(const char *pre);

#endif
