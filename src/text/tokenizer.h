/* Tokenizers: byte-level BPE and SentencePiece BPE, made from a struct tern_vocab.
 *
 * Ids are those of Hugging Face's tokenizers. If the vocabulary has a token for every byte, any bytes survive the round
 * trip, with two exceptions: Qwen's and GPT-NeoX's tokenizers first bring text to Unicode's normal form C ("qwen35"
 * does not, as in llama.cpp), and with prefix_if_missing a text that begins with a space may come back without it: its
 * ids are those of the text without. */
#ifndef TERN_TEXT_TOKENIZER_H
#define TERN_TEXT_TOKENIZER_H

#include "base/error.h"
#include "text/ids.h"
#include "text/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tern_tokenizer;

/* TERN_ERR_FILE for an invalid vocabulary: an unknown `pre` (the message names it), ids out of range, merges of pieces
 * that do not exist, wrong byte tokens, scores that are NaN. `source` begins messages (the file's path). */
enum tern_status tern_tokenizer_new(struct tern_tokenizer **tokenizer, const struct tern_vocab *vocab,
                                    const char *source, struct tern_error *err);
void tern_tokenizer_free(struct tern_tokenizer *tokenizer);

/* Appends the ids of a text of any bytes; after an error some of them. flags are tern.h's: TERN_TOKENIZE_BOS and
 * TERN_TOKENIZE_EOS add BOS and EOS if the vocabulary says so, TERN_TOKENIZE_SPECIAL recognizes control tokens in the
 * text. User-defined tokens are always recognized. Time is O(n log n) in n_bytes. Thread-safe: the tokenizer is not
 * changed. */
enum tern_status tern_tokenizer_encode(const struct tern_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                       unsigned flags, struct tern_ids *out, struct tern_error *err);

/* A part of a text, and whether control tokens are recognized in it. */
struct tern_span {
	size_t n_bytes;
	bool special;
};

/* A lower bound on the number of ids of any text of n_bytes; 0 if unknown. */
size_t tern_tokenizer_least_ids(const struct tern_tokenizer *tokenizer, size_t n_bytes);

/* Like tern_tokenizer_encode() without BOS and EOS, for a text that spans divide. Control tokens are recognized only
 * inside successive spans that allow them; otherwise spans do not affect the ids. The lengths of the spans add up to
 * that of the text. */
enum tern_status tern_tokenizer_encode_spans(const struct tern_tokenizer *tokenizer, const char *text,
                                             const struct tern_span *spans, size_t n_spans, struct tern_ids *out,
                                             struct tern_error *err);

/* The text of a token: byte-level pieces are decoded, U+2581 is a space, <0x0A> is the byte; special tokens are as
 * spelled. Valid as long as the tokenizer. id must be in range. */
struct tern_piece tern_tokenizer_piece(const struct tern_tokenizer *tokenizer, int32_t id);

/* True for control and unknown tokens, which are not part of the text proper. */
bool tern_tokenizer_is_special(const struct tern_tokenizer *tokenizer, int32_t id);

/* True if encoding adds a space at the start of the text and after every token that tern_tokenizer_is_whole(). Decoding
 * then has to remove one space from the first piece and from a piece after such a token. */
bool tern_tokenizer_strips_space(const struct tern_tokenizer *tokenizer);

/* True for control, unknown and user-defined tokens that are found in text as a whole, not by merging. */
bool tern_tokenizer_is_whole(const struct tern_tokenizer *tokenizer, int32_t id);

/* The id of the piece with exactly this spelling of at most 256 bytes, or -1. Of equal pieces a special one, else the
 * first. */
int32_t tern_tokenizer_find(const struct tern_tokenizer *tokenizer, const char *bytes, size_t length);

size_t tern_tokenizer_n_pieces(const struct tern_tokenizer *tokenizer);

/* The vocabulary's add_bos: BOS goes before every text. */
bool tern_tokenizer_adds_bos(const struct tern_tokenizer *tokenizer);
/* The vocabulary's bos_id and eos_id; -1 = none. */
int32_t tern_tokenizer_bos_id(const struct tern_tokenizer *tokenizer);
int32_t tern_tokenizer_eos_id(const struct tern_tokenizer *tokenizer);

#endif
