/* Tokenizers: byte-level BPE and SentencePiece BPE, from a vocabulary to ids and back. Knows nothing of files:
 * who reads the file fills a struct tern_vocab.
 *
 * Ids are those of Hugging Face's tokenizers. Any bytes survive the round trip where the vocabulary has a token for
 * every byte, with one exception: Qwen's and GPT-NeoX's tokenizers compose characters (Unicode NFC) before anything
 * else, and so do the pre-tokenizers named after them. */
#ifndef TERN_TEXT_TOKENIZER_H
#define TERN_TEXT_TOKENIZER_H

#include "base/error.h"
#include "text/ids.h"
#include "text/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tern_tokenizer;

/* Validates the vocabulary: unknown `pre` (named in the message), ids out of range, merges that name no piece, byte
 * tokens that are none, scores that are no numbers: TERN_ERR_FILE. `source` begins messages (the file's path). */
enum tern_status tern_tokenizer_new(struct tern_tokenizer **tokenizer, const struct tern_vocab *vocab,
                                    const char *source, struct tern_error *err);
void tern_tokenizer_free(struct tern_tokenizer *tokenizer);

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

/* A lower bound on the ids that any n_bytes of text are encoded to. 0 where no bound is known. */
size_t tern_tokenizer_least_ids(const struct tern_tokenizer *tokenizer, size_t n_bytes);

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

#endif
