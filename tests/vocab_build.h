/* Small vocabularies for tests, and checks for every tokenizer. */
#ifndef TESTS_VOCAB_BUILD_H
#define TESTS_VOCAB_BUILD_H

#include "base/memory.h"
#include "base/utf8.h"
#include "test.h"
#include "text/tokenizer.h"

#include <string.h>

enum {
	VOCAB_BUILD_MAX = 1024
};

struct vocab_build {
	struct tern_vocab vocab;
	struct tern_piece pieces[VOCAB_BUILD_MAX], merges[VOCAB_BUILD_MAX];
	float scores[VOCAB_BUILD_MAX];
	int32_t types[VOCAB_BUILD_MAX];
	char text[VOCAB_BUILD_MAX * 16]; /* copies of spellings */
	size_t n_text;
};

static inline void vocab_begin(struct vocab_build *b, enum tern_vocab_kind kind, const char *pre)
{
	memset(b, 0, sizeof *b);
	b->vocab = (struct tern_vocab){.kind = kind, .pre = pre, .bos_id = -1, .eos_id = -1, .unk_id = -1};
	b->vocab.pieces = b->pieces;
	b->vocab.types = b->types;
	b->vocab.scores = b->scores;
	b->vocab.merges = b->merges;
}

static inline struct tern_piece vocab_copy(struct vocab_build *b, const char *bytes, size_t length)
{
	char *to = b->text + b->n_text;

	if (b->n_text + length > sizeof b->text)
		abort();
	memcpy(to, bytes, length);
	b->n_text += length;
	return (struct tern_piece){to, length};
}

static inline int32_t vocab_add(struct vocab_build *b, const char *spelled, int32_t type, float score)
{
	size_t id = b->vocab.n_pieces++;

	b->pieces[id] = vocab_copy(b, spelled, strlen(spelled));
	b->types[id] = type;
	b->scores[id] = score;
	return (int32_t)id;
}

static inline void vocab_merge(struct vocab_build *b, const char *merge)
{
	b->merges[b->vocab.n_merges++] = vocab_copy(b, merge, strlen(merge));
}

/* The spelling of a byte in GPT-2's byte-level alphabet. */
static inline size_t vocab_spell_byte(int byte, char out[4])
{
	uint32_t next = 256, spelled = 0;

	for (int i = 0; i <= byte; i++) {
		bool printable = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || (i >= 174 && i <= 255);
		spelled = printable ? (uint32_t)i : next++;
	}
	return tern_utf8_encode(spelled, out);
}

/* Adds 256 tokens, one per byte, in order. */
static inline void vocab_add_bytes(struct vocab_build *b)
{
	for (int byte = 0; byte < 256; byte++) {
		char spelled[8] = "";
		if (b->vocab.kind == TERN_VOCAB_BPE)
			spelled[vocab_spell_byte(byte, spelled)] = '\0';
		else
			snprintf(spelled, sizeof spelled, "<0x%02X>", (unsigned)byte);
		vocab_add(b, spelled, b->vocab.kind == TERN_VOCAB_BPE ? TERN_TOKEN_NORMAL : TERN_TOKEN_BYTE, 0);
	}
}

static inline struct tern_tokenizer *vocab_make(struct vocab_build *b)
{
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_error err = {.message = ""};
	enum tern_status status = tern_tokenizer_new(&tokenizer, &b->vocab, "test", &err);

	CHECK(status == TERN_OK, "%s", err.message);
	if (status)
		exit(test_summary());
	memset(b->text, 'X', sizeof b->text); /* the tokenizer must have copied it */
	return tokenizer;
}

/* Checks the ids of a text. */
static inline void check_ids(const char *file, int line, const struct tern_tokenizer *tokenizer, const char *text,
                             size_t n_bytes, unsigned flags, const int32_t *ids, size_t n_ids)
{
	struct tern_ids out = {0};
	struct tern_error err = {.message = ""};
	enum tern_status status = tern_tokenizer_encode(tokenizer, text, n_bytes, flags, &out, &err);
	bool same = !status && out.n_ids == n_ids && (!n_ids || !memcmp(out.ids, ids, n_ids * sizeof *ids));

	CHECK(same, "%s:%d: '%.60s': %s", file, line, text, err.message);
	for (size_t i = 0; !same && i < out.n_ids; i++)
		fprintf(stderr, " %d", (int)out.ids[i]);
	tern_free(out.ids);
}
#define CHECK_IDS(tokenizer, text, flags, ...)                                                                  \
	check_ids(__FILE__, __LINE__, tokenizer, text, sizeof(text) - 1, flags, (const int32_t[]){__VA_ARGS__}, \
	          sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

/* The text of ids, without the spaces that encoding added. */
static inline size_t decode_ids(const struct tern_tokenizer *tokenizer, const struct tern_ids *ids, char *out)
{
	bool strips = tern_tokenizer_strips_space(tokenizer);
	char *to = out;

	for (size_t i = 0; i < ids->n_ids; i++) {
		struct tern_piece piece = tern_tokenizer_piece(tokenizer, ids->ids[i]);
		bool whole = tern_tokenizer_is_whole(tokenizer, ids->ids[i]);
		size_t skip = strips && !whole && piece.length > 0 && piece.bytes[0] == ' ';
		memcpy(to, piece.bytes + skip, piece.length - skip);
		to += piece.length - skip;
		strips = whole && tern_tokenizer_strips_space(tokenizer);
	}
	return (size_t)(to - out);
}

/* Checks that encoding and decoding gives the text back. Returns the number of ids. */
static inline size_t check_round_trip(const struct tern_tokenizer *tokenizer, const char *text, size_t n_bytes,
                                      unsigned flags)
{
	struct tern_ids ids = {0};
	struct tern_error err = {.message = ""};
	size_t n = 0;

	CHECK(tern_tokenizer_encode(tokenizer, text, n_bytes, flags, &ids, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_tokenizer_least_ids(tokenizer, n_bytes) <= ids.n_ids, "%zu bytes '%.60s': %zu ids, at least %zu",
	      n_bytes, text, ids.n_ids, tern_tokenizer_least_ids(tokenizer, n_bytes));
	for (size_t i = 0; i < ids.n_ids; i++)
		n += tern_tokenizer_piece(tokenizer, ids.ids[i]).length;
	char *decoded = malloc(n + 1);
	n = decoded ? decode_ids(tokenizer, &ids, decoded) : 0;
	CHECK(decoded && n == n_bytes && (!n || !memcmp(decoded, text, n)), "%zu bytes '%.60s' came back as %zu",
	      n_bytes, text, n);
	free(decoded);
	tern_free(ids.ids);
	return ids.n_ids;
}

/* A random text of bytes, or of UTF-8 characters from ASCII to the highest planes. Returns its length. */
static inline size_t random_text(char *out, size_t max_bytes, bool utf8)
{
	size_t n = 0, length = max_bytes ? test_random() % max_bytes : 0;

	while (n + 4 <= length) {
		static const uint32_t ranges[] = {0x80, 0x80, 0x100, 0x800, 0x3100, 0xd800, 0x20000, 0x110000};
		uint32_t code_point = (uint32_t)test_random() % ranges[test_random() % 8];
		if (!utf8)
			out[n++] = (char)test_random();
		else if (code_point < 0xd800 || code_point >= 0xe000)
			n += tern_utf8_encode(code_point, out + n);
	}
	return n;
}

#endif
