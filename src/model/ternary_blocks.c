#include "model/ternary_blocks.h"

#include "base/bytes.h"
#include "model/gguf.h"

/* Digit n of a byte in base 3, the first one the most significant: the byte holds ceil(v * 256 / 243) for a number v
 * of five digits, so that multiplying by 3 moves one digit after the other into the bits above the eighth. */
static void unpack_digit(uint8_t *codes, const uint8_t *bytes, size_t n_byte, unsigned power_of_3)
{
	for (size_t i = 0; i < n_byte; i++)
		codes[i] = (uint8_t)((uint16_t)((uint8_t)(bytes[i] * power_of_3) * 3u) >> 8);
}

/* n_digit digits of each byte: the first digits of all bytes, then the second ones, ... */
static uint8_t *unpack_digits(uint8_t *codes, const uint8_t *bytes, size_t n_byte, unsigned n_digit)
{
	unsigned power_of_3 = 1;

	for (unsigned n = 0; n < n_digit; n++, power_of_3 *= 3, codes += n_byte)
		unpack_digit(codes, bytes, n_byte, power_of_3);
	return codes;
}

static void unpack_tq1_0(uint8_t *codes, const uint8_t *block)
{
	codes = unpack_digits(codes, block, 32, 5);
	codes = unpack_digits(codes, block + 32, 16, 5);
	unpack_digits(codes, block + 48, 4, 4);
}

static void unpack_ptq1_0(uint8_t *codes, const uint8_t *block)
{
	codes = unpack_digits(codes, block, 16, 5);
	codes = unpack_digits(codes, block + 16, 8, 5);
	unpack_digits(codes, block + 24, 2, 4);
}

/* Halves of 128 weights in 32 bytes: the lowest bits of all bytes first. */
static void unpack_tq2_0(uint8_t *codes, const uint8_t *block)
{
	for (size_t half = 0; half < 2; half++, block += 32)
		for (unsigned shift = 0; shift < 8; shift += 2, codes += 32)
			for (size_t i = 0; i < 32; i++)
				codes[i] = block[i] >> shift & 3;
}

/* Four consecutive weights in a byte, the first in the lowest bits. */
static void unpack_consecutive(uint8_t *codes, const uint8_t *bytes, size_t n_byte)
{
	for (size_t i = 0; i < n_byte; i++) {
		uint32_t byte = bytes[i], four = (byte | byte << 6 | byte << 12 | byte << 18) & 0x03030303;
		memcpy(codes + 4 * i, &four, sizeof four);
	}
}

static void unpack_q2_0(uint8_t *codes, const uint8_t *block) { unpack_consecutive(codes, block + 2, 16); }

static void unpack_pq2_0(uint8_t *codes, const uint8_t *block) { unpack_consecutive(codes, block + 2, 32); }

/* A bit a weight, the first in the lowest bit: 1 is +d, 0 is -d. */
static void unpack_q1_0(uint8_t *codes, const uint8_t *block)
{
	for (size_t i = 0; i < 128; i++)
		codes[i] = block[2 + i / 8] >> i % 8 & 1 ? 2 : 0;
}

static const struct block_type {
	uint32_t type;
	size_t scale_at; /* byte of the block where d is */
	void (*unpack)(uint8_t *codes, const uint8_t *block);
} block_types[] = {
        {GGUF_TENSOR_TQ1_0, 52, unpack_tq1_0},   {GGUF_TENSOR_TQ2_0, 64, unpack_tq2_0},
        {GGUF_TENSOR_Q2_0, 0, unpack_q2_0},      {GGUF_TENSOR_PQ2_0, 0, unpack_pq2_0},
        {GGUF_TENSOR_PTQ1_0, 26, unpack_ptq1_0}, {GGUF_TENSOR_Q1_0, 0, unpack_q1_0},
};

static const struct block_type *find_type(uint32_t type)
{
	for (size_t i = 0; i < sizeof block_types / sizeof *block_types; i++)
		if (block_types[i].type == type)
			return &block_types[i];
	return NULL;
}

size_t tern_ternary_block(uint32_t type) { return find_type(type) ? (size_t)tern_gguf_type_block(type) : 0; }

void tern_ternary_unpack_row(uint8_t *codes, uint16_t *scales, uint32_t type, const uint8_t *row, size_t n_col)
{
	const struct block_type *block = find_type(type);
	size_t n_weight = (size_t)tern_gguf_type_block(type), n_byte = tern_gguf_row_bytes(type, n_weight);

	for (size_t c = 0; c < n_col; c += n_weight, row += n_byte) {
		block->unpack(codes + c, row);
		*scales++ = tern_load_u16(row + block->scale_at);
	}
}
