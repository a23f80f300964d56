/* SentencePiece models for tests, written field by field: protobuf messages, and the pieces in them. */
#ifndef TESTS_SPM_BUILD_H
#define TESTS_SPM_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A message being written. */
struct bytes {
	uint8_t bytes[8192];
	size_t n;
};

static inline void put_raw(struct bytes *to, const void *from, size_t n)
{
	if (n > sizeof to->bytes - to->n)
		abort();
	memcpy(to->bytes + to->n, from, n);
	to->n += n;
}

static inline void put_varint(struct bytes *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_raw(to, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
	put_raw(to, &(uint8_t){(uint8_t)value}, 1);
}

static inline void put_number(struct bytes *to, unsigned field, uint64_t value)
{
	put_varint(to, field << 3);
	put_varint(to, value);
}

static inline void put_bytes(struct bytes *to, unsigned field, const void *from, size_t n)
{
	put_varint(to, field << 3 | 2);
	put_varint(to, n);
	put_raw(to, from, n);
}

static inline void put_piece(struct bytes *to, const char *text, float score, int type)
{
	struct bytes piece = {.n = 0};

	put_bytes(&piece, 1, text, strlen(text));
	put_varint(&piece, 2 << 3 | 5);
	put_raw(&piece, &score, 4);
	if (type != 1)
		put_number(&piece, 3, (uint64_t)type);
	put_bytes(to, 1, piece.bytes, piece.n);
}

#endif
