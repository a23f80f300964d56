#include "model/i2s.h"

#include "base/sizes.h"

/* Codes per byte, and the quarter of a block that stands in the same bits. */
enum {
	CODES = 4,
	QUARTER_128 = 32,
	QUARTER_64 = 16
};

bool tern_i2s_fits(enum tern_i2s_layout layout, size_t n_row, size_t n_col)
{
	switch (layout) {
	case TERN_I2S_64:
		return n_row * n_col % (CODES * QUARTER_64) == 0;
	case TERN_I2S_ROWS4:
		return n_row % CODES == 0;
	default:
		return n_row * n_col % (CODES * QUARTER_128) == 0;
	}
}

/* Blocks first_block .. first_block + n_block - 1 in order. */
static void unpack_blocks(uint8_t *codes, const uint8_t *tensor, size_t first_block, size_t n_block, size_t quarter)
{
	const uint8_t *bytes = tensor + first_block * quarter;

	for (size_t b = 0; b < n_block; b++, bytes += quarter)
		for (unsigned shift = 8; shift > 0; codes += quarter) {
			shift -= 2;
			for (size_t i = 0; i < quarter; i++)
				codes[i] = bytes[i] >> shift & 3;
		}
}

static const uint8_t *unpack_row_of_blocks(uint8_t *scratch, const uint8_t *tensor, size_t n_col, size_t row,
                                           size_t quarter)
{
	size_t block = CODES * quarter, first = row * n_col, first_block = first / block;
	size_t n_block = tern_divide_up(first + n_col, block) - first_block;

	/* The constant lets the compiler unroll and vectorize. */
	if (quarter == QUARTER_128)
		unpack_blocks(scratch, tensor, first_block, n_block, QUARTER_128);
	else
		unpack_blocks(scratch, tensor, first_block, n_block, QUARTER_64);
	return scratch + first % block;
}

const uint8_t *tern_i2s_unpack_row(uint8_t *scratch, enum tern_i2s_layout layout, const uint8_t *tensor, size_t n_col,
                                   size_t row)
{
	if (layout != TERN_I2S_ROWS4)
		return unpack_row_of_blocks(scratch, tensor, n_col, row,
		                            layout == TERN_I2S_64 ? QUARTER_64 : QUARTER_128);
	const uint8_t *bytes = tensor + row / CODES * n_col;
	unsigned shift = 6 - 2 * (unsigned)(row % CODES);
	for (size_t c = 0; c < n_col; c++)
		scratch[c] = bytes[c] >> shift & 3;
	return scratch;
}
