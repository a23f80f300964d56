/* Builds GGUF files, good and bad, from a line of text:
 *
 *     H3,1,2     "GGUF", u32 version 3, u64 1 tensor, u64 2 pairs
 *     4:7 8:-1   numbers of 1, 2, 4 or 8 bytes, little-endian
 *     'text'     a string: u64 length and bytes
 *     `text`     the bytes alone
 *     *10        ten zero bytes
 *     @32        zero bytes up to a multiple of 32 */
#ifndef TESTS_GGUF_BUILD_H
#define TESTS_GGUF_BUILD_H

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct build {
	uint8_t *bytes;
	size_t n, capacity;
};

static inline void build_bytes(struct build *b, const void *bytes, size_t n)
{
	if (!TERN_GROW(b->bytes, b->capacity, b->n + n))
		exit(1);
	if (bytes)
		memcpy(b->bytes + b->n, bytes, n);
	else
		memset(b->bytes + b->n, 0, n);
	b->n += n;
}

static inline void build_number(struct build *b, size_t n_bytes, uint64_t value) { build_bytes(b, &value, n_bytes); }

static inline void build_string(struct build *b, const char *text)
{
	build_number(b, 8, strlen(text));
	build_bytes(b, text, strlen(text));
}

static inline void build_header(struct build *b, uint32_t version, uint64_t n_tensors, uint64_t n_pairs)
{
	build_bytes(b, "GGUF", 4);
	build_number(b, 4, version);
	build_number(b, 8, n_tensors);
	build_number(b, 8, n_pairs);
}

static inline void build_align(struct build *b, size_t step) { build_bytes(b, NULL, (step - b->n % step) % step); }

/* One word of the text; returns what follows it. */
static inline const char *build_word(struct build *b, const char *at)
{
	char *end = NULL;

	if (*at == '\'' || *at == '`') {
		size_t n = strcspn(at + 1, *at == '`' ? "`" : "'");
		if (*at == '\'')
			build_number(b, 8, n);
		build_bytes(b, at + 1, n);
		return at + n + 2;
	}
	if (*at == 'H') {
		uint32_t version = (uint32_t)strtoul(at + 1, &end, 0);
		uint64_t n_tensors = strtoull(end + 1, &end, 0);
		build_header(b, version, n_tensors, strtoull(end + 1, &end, 0));
	} else if (*at == '*') {
		build_bytes(b, NULL, strtoul(at + 1, &end, 0));
	} else if (*at == '@') {
		build_align(b, strtoul(at + 1, &end, 0));
	} else {
		size_t n_bytes = strtoul(at, &end, 0);
		if (n_bytes < 1 || n_bytes > 8 || *end != ':') {
			fprintf(stderr, "cannot build '%s'\n", at);
			exit(1);
		}
		build_number(b, n_bytes, strtoull(end + 1, &end, 0));
	}
	return end;
}

static inline void build_text(struct build *b, const char *text)
{
	while (*(text += strspn(text, " ")))
		text = build_word(b, text);
}

/* A copy of exactly the built bytes, so that a sanitizer sees a read of one byte more; the caller frees. */
static inline uint8_t *build_copy(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		exit(1);
	if (n)
		memcpy(copy, bytes, n);
	return copy;
}

#endif
