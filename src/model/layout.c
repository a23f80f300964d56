#include "model/layout.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

/* Bits 2s, 2s+1 of byte j take column 4s + j, so four columns at a time move into place as one number. */
static uint32_t pack_tile_row(const uint8_t *codes)
{
	return tern_load_u32(codes) | tern_load_u32(codes + 4) << 2 | tern_load_u32(codes + 8) << 4 |
	       tern_load_u32(codes + 12) << 6;
}

bool tern_t2r16_pack_row(uint8_t *panel, size_t row, const uint8_t *codes, size_t n_col)
{
	uint32_t threes = 0;

	panel += 4 * row;
	for (size_t c = 0; c < n_col; c += TERN_TERNARY_TILE_COLS, panel += TERN_TILE_BYTES) {
		uint32_t bytes = pack_tile_row(codes + c);
		threes |= bytes & bytes >> 1 & 0x55555555;
		memcpy(panel, &bytes, sizeof bytes);
	}
	return !threes;
}

void tern_t2r16_pack_panel(uint8_t *panel, const int8_t *weights, size_t n_col)
{
	for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
		for (size_t c = 0; c < n_col; c += TERN_TERNARY_TILE_COLS) {
			uint8_t codes[TERN_TERNARY_TILE_COLS];
			for (size_t i = 0; i < TERN_TERNARY_TILE_COLS; i++)
				codes[i] = (uint8_t)(weights[r * n_col + c + i] + 1);
			tern_t2r16_pack_row(panel + c / TERN_TERNARY_TILE_COLS * TERN_TILE_BYTES, r, codes,
			                    TERN_TERNARY_TILE_COLS);
		}
}

void tern_t2r16_unpack_row(int8_t *weights, const uint8_t *panel, size_t row, size_t n_col)
{
	for (size_t c = 0; c < n_col; c++) {
		uint8_t byte = panel[c / 16 * TERN_TILE_BYTES + 4 * row + c % 4];
		weights[c] = (int8_t)((byte >> (2 * (c % 16 / 4)) & 3) - 1);
	}
}

void tern_t2r16_unpack_panel(int8_t *weights, const uint8_t *panel, size_t n_col)
{
	for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
		tern_t2r16_unpack_row(weights + r * n_col, panel, r, n_col);
}

/* The lower bit of a code is set in zeros and in codes that are no weights. */
bool tern_t2r16_is_binary(const uint8_t *panels, size_t n_row, size_t n_col)
{
	size_t n_tile = n_col / TERN_TERNARY_TILE_COLS;

	for (size_t row = 0; row < n_row; row += TERN_PANEL_ROWS)
		for (size_t i = 0; i < n_tile; i++, panels += TERN_TILE_BYTES)
			for (size_t r = 0; r < TERN_PANEL_ROWS && row + r < n_row; r++)
				if (tern_load_u32(panels + 4 * r) & 0x55555555)
					return false;
	return true;
}

/* Bit s of byte j takes column 4s + j. */
bool tern_t1r16_pack_row(uint8_t *panel, size_t row, const uint8_t *codes, size_t n_col)
{
	uint32_t others = 0;

	panel += 4 * row;
	for (size_t c = 0; c < n_col; c += TERN_BINARY_TILE_COLS, panel += TERN_TILE_BYTES) {
		uint32_t bytes = 0;
		for (unsigned s = 0; s < 8; s++) {
			uint32_t four = tern_load_u32(codes + c + 4 * s);
			others |= four & ~0x02020202u;
			bytes |= (four >> 1 & 0x01010101) << s;
		}
		memcpy(panel, &bytes, sizeof bytes);
	}
	return !others;
}

void tern_t1r16_unpack_row(int8_t *weights, const uint8_t *panel, size_t row, size_t n_col)
{
	for (size_t c = 0; c < n_col; c++) {
		uint8_t byte = panel[c / TERN_BINARY_TILE_COLS * TERN_TILE_BYTES + 4 * row + c % 4];
		weights[c] = byte >> c % TERN_BINARY_TILE_COLS / 4 & 1 ? 1 : -1;
	}
}

void tern_t1r16_pack_panel(uint8_t *panel, const int8_t *weights, size_t n_col)
{
	for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
		for (size_t c = 0; c < n_col; c += TERN_BINARY_TILE_COLS) {
			uint8_t codes[TERN_BINARY_TILE_COLS];
			for (size_t i = 0; i < TERN_BINARY_TILE_COLS; i++)
				codes[i] = weights[r * n_col + c + i] > 0 ? 2 : 0;
			tern_t1r16_pack_row(panel + c / TERN_BINARY_TILE_COLS * TERN_TILE_BYTES, r, codes,
			                    TERN_BINARY_TILE_COLS);
		}
}

void tern_q8p_quantize_row(int8_t *q, float *scale, const float *row, size_t n_col)
{
	float max = 0.0f;

	for (size_t c = 0; c < n_col; c++)
		max = fabsf(row[c]) > max ? fabsf(row[c]) : max;
	*scale = max / 127.0f;
	if (!(*scale > 0.0f)) { /* zeros, or too small for their scale to be a number above 0 */
		*scale = 0.0f;
		memset(q, 0, n_col);
		return;
	}
	for (size_t c = 0; c < n_col; c++) {
		float rounded = rintf(row[c] / *scale);
		rounded = rounded > 127.0f ? 127.0f : rounded; /* where the scale is subnormal and coarse */
		q[c] = (int8_t)(rounded < -127.0f ? -127.0f : rounded);
	}
}

void tern_q8p_pack_panel(uint8_t *high, uint8_t *low, const int8_t *q, size_t n_col)
{
	for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
		for (size_t c = 0; c < n_col; c += TERN_NIBBLE_TILE_COLS) {
			size_t at = c / TERN_NIBBLE_TILE_COLS * TERN_TILE_BYTES + 4 * r;
			for (size_t j = 0; j < 4; j++) {
				unsigned first = (unsigned)(q[r * n_col + c + j] + 128);
				unsigned second = (unsigned)(q[r * n_col + c + 4 + j] + 128);
				high[at + j] = (uint8_t)(first >> 4 | (second & 0xf0));
				low[at + j] = (uint8_t)((first & 15) | second << 4);
			}
		}
}

void tern_q8p_unpack_row(int8_t *q, const uint8_t *tensor, size_t n_row, size_t n_col, size_t row)
{
	size_t panel_bytes = tern_q8p_panel_bytes(n_col);
	const uint8_t *high = tensor + row / TERN_PANEL_ROWS * panel_bytes;
	const uint8_t *low = high + tern_panel_count(n_row) * panel_bytes;

	for (size_t c = 0; c < n_col; c++) {
		size_t at = c / 8 * TERN_TILE_BYTES + 4 * (row % TERN_PANEL_ROWS) + c % 4, shift = c % 8 / 4 * 4;
		int code = (high[at] >> shift & 15) * 16 + (low[at] >> shift & 15);
		q[c] = (int8_t)(code - 128);
	}
}
