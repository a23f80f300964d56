/* Pre-tokenizers of byte-level BPE: they cut a text into words, and merging happens inside words. Each is defined by a
 * regular expression, for which tern has a hand-written matcher; there is no regex engine. */
#ifndef TERN_TEXT_PRETOKENIZE_H
#define TERN_TEXT_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

enum pretoken_pattern {
	PRETOKEN_LLAMA3, /* numbers of up to three digits */
	PRETOKEN_QWEN2,  /* the same, but every digit alone */
	PRETOKEN_QWEN35, /* as PRETOKEN_QWEN2, but combining marks are part of words */
	PRETOKEN_GPT2,
};

/* What a tokenizer.ggml.pre name stands for. */
struct tern_pretokenizer {
	const char *name;
	enum pretoken_pattern pattern;
	bool ignore_merges; /* a word that is a token becomes this token, without merging */
	bool nfc;           /* text is first brought to Unicode's normal form C */
};

/* By tokenizer.ggml.pre name, for a vocabulary of n_pieces tokens; NULL if unknown. "default" does not say how text is
 * cut. It is known only where tern_pretokenizer_knows_default(). */
const struct tern_pretokenizer *tern_pretokenizer_find(const char *pre, size_t n_pieces);

/* Whether "default" is known for a vocabulary of this size: that of GPT-NeoX, padded or not. Among ternary models only
 * TriLM's files say "default", and they have this vocabulary. For others a guess would silently make the text worse. */
bool tern_pretokenizer_knows_default(size_t n_pieces);

/* The tokenizer.ggml.pre name for a tokenizer.json: `regex` is the pattern of its Split pre-tokenizer, `ignore_merges`
 * its model's setting, `nfc` whether its normalizer is NFC. NULL if tern knows no such pre-tokenizer. */
const char *tern_pretokenizer_for_regex(const char *regex, size_t n_bytes, bool ignore_merges, bool nfc);

/* The same for a ByteLevel pre-tokenizer with use_regex = true and no Split: GPT-2's own pattern. */
const char *tern_pretokenizer_for_byte_level(bool ignore_merges, bool nfc);

/* Bytes of the first word of n_bytes (> 0) at text; at least 1. A byte of invalid UTF-8 counts as a symbol. Cutting a
 * whole text takes time linear in its length. */
size_t tern_pretoken_length(enum pretoken_pattern pattern, const char *text, size_t n_bytes);

#endif
