/* Repacking ternary matrices of other engines' types: every type against a decoder that reads one weight at a time as
 * the format's drawing says, on odd shapes and any number of threads; and what is said about damaged ones. */
#include "base/bytes.h"
#include "base/memory.h"
#include "model/i2s.h"
#include "model/layout.h"
#include "model/repack.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* ---- one weight, the slow way ---- */

struct weight {
	int value; /* -1, 0, 1; 2 for code 3 */
	float scale;
};

static float half(const uint8_t *at) { return tern_f32_from_f16(tern_load_u16(at)); }

static int two_bits(uint8_t byte, size_t shift) { return (byte >> shift & 3) - 1; }

/* Digit n of five, most significant first, of the number v that an encoder has stored as ceil(v * 256 / 243). */
static int digit(uint8_t byte, size_t n)
{
	static const int powers[] = {81, 27, 9, 3, 1};
	return byte * 243 / 256 / powers[n] % 3 - 1;
}

static struct weight tq1_0(const uint8_t *row, size_t c)
{
	const uint8_t *b = row + c / 256 * 54;
	size_t i = c % 256;
	int value = i < 160   ? digit(b[i % 32], i / 32)
	            : i < 240 ? digit(b[32 + (i - 160) % 16], (i - 160) / 16)
	                      : digit(b[48 + (i - 240) % 4], (i - 240) / 4);
	return (struct weight){value, half(b + 52)};
}

static struct weight tq2_0(const uint8_t *row, size_t c)
{
	const uint8_t *b = row + c / 256 * 66;
	size_t i = c % 256;
	return (struct weight){two_bits(b[i / 128 * 32 + i % 32], i % 128 / 32 * 2), half(b + 64)};
}

static struct weight q2_0(const uint8_t *row, size_t c)
{
	const uint8_t *b = row + c / 64 * 18;
	return (struct weight){two_bits(b[2 + c % 64 / 4], c % 4 * 2), half(b)};
}

static struct weight pq2_0(const uint8_t *row, size_t c)
{
	const uint8_t *b = row + c / 128 * 34;
	return (struct weight){two_bits(b[2 + c % 128 / 4], c % 4 * 2), half(b)};
}

static struct weight ptq1_0(const uint8_t *row, size_t c)
{
	const uint8_t *b = row + c / 128 * 28;
	size_t i = c % 128;
	int value = i < 80    ? digit(b[i % 16], i / 16)
	            : i < 120 ? digit(b[16 + (i - 80) % 8], (i - 80) / 8)
	                      : digit(b[24 + (i - 120) % 2], (i - 120) / 2);
	return (struct weight){value, half(b + 26)};
}

static struct weight q1_0(const uint8_t *row, size_t c)
{
	const uint8_t *b = row + c / 128 * 18;
	return (struct weight){b[2 + c % 128 / 8] >> c % 8 & 1 ? 1 : -1, half(b)};
}

static struct weight i2s(const uint8_t *tensor, enum tern_i2s_layout layout, size_t n_row, size_t n_col, size_t r,
                         size_t c)
{
	size_t i = r * n_col + c, width = layout == TERN_I2S_64 ? 64 : 128, p = i % width;
	uint8_t byte = layout == TERN_I2S_ROWS4 ? tensor[r / 4 * n_col + c]
	                                        : tensor[i / width * (width / 4) + p % (width / 4)];
	size_t place = layout == TERN_I2S_ROWS4 ? r % 4 : p / (width / 4);
	return (struct weight){two_bits(byte, 6 - 2 * place), tern_load_f32(tensor + n_row * n_col / 4)};
}

/* ---- random matrices ---- */

struct matrix {
	struct gguf_tensor tensor;
	struct gguf gguf;
	struct tern_model_options options;
	uint8_t *data;
	size_t n_row, n_col;
};

static void matrix_init(struct matrix *m, uint32_t type, size_t n_row, size_t n_col)
{
	*m = (struct matrix){.n_row = n_row, .n_col = n_col};
	m->gguf = (struct gguf){.path = "FILE", .tensors = &m->tensor, .n_tensors = 1};
	m->tensor = (struct gguf_tensor){
	        .name = {"blk.0.ffn_up.weight", 19}, .n_dims = 2, .dims = {n_col, n_row, 1, 1}, .type = type};
	CHECK(tern_gguf_tensor_bytes(type, 2, m->tensor.dims, &m->tensor.n_bytes), "type %u", type);
	m->tensor.data = m->data = malloc((size_t)m->tensor.n_bytes); /* to the byte, for the sanitizer */
	memset(m->data, 0, (size_t)m->tensor.n_bytes);
}

static uint8_t random_codes(void)
{
	unsigned byte = 0;
	for (int i = 0; i < 4; i++)
		byte = byte << 2 | (unsigned)(test_random() % 3);
	return (uint8_t)byte;
}

/* Five digits, or four and a zero. */
static uint8_t random_digits(bool four)
{
	unsigned v = four ? (unsigned)(test_random() % 81) * 3 : (unsigned)(test_random() % 243);
	return (uint8_t)((v * 256 + 242) / 243);
}

static uint16_t random_scale(bool one)
{
	static const uint16_t scales[] = {0x3c00, 0x2e66, 0x0001, 0x7bff, 0x0000, 0x211f};
	return one ? 0x2e66 : scales[test_random() % 6];
}

/* Blocks of n_code bytes of codes and a scale before or behind them. n_four: bytes of four digits, at the end. */
static void fill_blocks(struct matrix *m, size_t n_code, bool in_front, bool digits, size_t n_four, bool one_scale)
{
	uint8_t *at = m->data;

	while (at < m->data + m->tensor.n_bytes) {
		uint16_t scale = random_scale(one_scale);
		memcpy(in_front ? at : at + n_code, &scale, 2);
		for (size_t i = 0; i < n_code; i++)
			at[i + (in_front ? 2 : 0)] = digits ? random_digits(i >= n_code - n_four) : random_codes();
		at += n_code + 2;
	}
}

static void fill(struct matrix *m, bool one_scale)
{
	float scale = 0.375f;

	switch (m->tensor.type) {
	case GGUF_TENSOR_TQ1_0:
		fill_blocks(m, 52, false, true, 4, one_scale);
		break;
	case GGUF_TENSOR_TQ2_0:
		fill_blocks(m, 64, false, false, 0, one_scale);
		break;
	case GGUF_TENSOR_Q2_0:
		fill_blocks(m, 16, true, false, 0, one_scale);
		break;
	case GGUF_TENSOR_Q1_0: /* any byte is good */
		fill_blocks(m, 16, true, false, 0, one_scale);
		break;
	case GGUF_TENSOR_PQ2_0:
		fill_blocks(m, 32, true, false, 0, one_scale);
		break;
	case GGUF_TENSOR_PTQ1_0:
		fill_blocks(m, 26, false, true, 2, one_scale);
		break;
	default: /* I2_S */
		for (size_t i = 0; i < m->n_row * m->n_col / 4; i++)
			m->data[i] = random_codes();
		memcpy(m->data + m->n_row * m->n_col / 4, &scale, 4);
	}
}

static struct weight weight_of(const struct matrix *m, size_t r, size_t c)
{
	static struct weight (*const decoders[])(const uint8_t *, size_t) = {tq1_0, tq2_0, q2_0, pq2_0, ptq1_0, q1_0};
	static const uint32_t types[] = {GGUF_TENSOR_TQ1_0, GGUF_TENSOR_TQ2_0,  GGUF_TENSOR_Q2_0,
	                                 GGUF_TENSOR_PQ2_0, GGUF_TENSOR_PTQ1_0, GGUF_TENSOR_Q1_0};

	for (size_t i = 0; i < 6; i++)
		if (types[i] == m->tensor.type)
			return decoders[i](m->data + r * (size_t)(m->tensor.n_bytes / m->n_row), c);
	return i2s(m->data, m->options.i2s_layout, m->n_row, m->n_col, r, c);
}

static enum tern_status repack(struct matrix *m, size_t x_group, struct tern_ternary *out, struct tern_error *err)
{
	struct tern_repacker repacker;
	enum tern_status status = tern_repacker_init(&repacker, &m->gguf, &m->options, NULL, err);

	if (!status)
		status = tern_repack_ternary(&repacker, &m->tensor, x_group, out);
	tern_repacker_clear(&repacker);
	return status;
}

static void drop(struct matrix *m, struct tern_ternary *out)
{
	tern_free(out->panels);
	tern_free(out->group_scales);
	free(m->data);
}

/* The value at (r, c) of a repacked matrix; rows past the last are padding. */
static float value_of(const struct tern_ternary *t, size_t r, size_t c)
{
	size_t tile_cols = t->is_binary ? 32 : 16;
	uint8_t byte = t->panels[(r / 16 * (t->n_col / tile_cols) + c / tile_cols) * 64 + r % 16 * 4 + c % 4];
	int weight = t->is_binary ? (byte >> c % 32 / 4 & 1) * 2 - 1 : (byte >> (c % 16 / 4 * 2) & 3) - 1;
	size_t n_group = t->group ? t->n_col / t->group : 1, g = t->group ? c / t->group : 0;

	if (!t->group)
		return (float)weight * t->scale;
	return (float)weight * tern_f32_from_f16(t->group_scales[(r / 16 * n_group + g) * 16 + r % 16]);
}

static size_t count_wrong(const struct matrix *m, const struct tern_ternary *t)
{
	size_t n_wrong = 0;

	/* The padding of bits is nothing in particular. */
	for (size_t r = 0; r < (t->is_binary ? m->n_row : tern_panel_count(m->n_row) * 16); r++)
		for (size_t c = 0; c < m->n_col; c++) {
			struct weight w = r < m->n_row ? weight_of(m, r, c) : (struct weight){0, 0.0f};
			n_wrong += value_of(t, r, c) != (float)w.value * w.scale;
		}
	return n_wrong;
}

static void check_type(uint32_t type, size_t n_row, size_t n_col, bool one_scale, struct tern_model_options options)
{
	struct matrix m;
	struct tern_ternary t = {0};
	struct tern_error err;

	matrix_init(&m, type, n_row, n_col);
	m.options = options;
	fill(&m, one_scale);
	bool good = repack(&m, 0, &t, &err) == TERN_OK;
	CHECK(good, "%s %zux%zu: %s", tern_gguf_type_name(type), n_row, n_col, err.message);
	if (good) {
		size_t n_wrong = count_wrong(&m, &t);
		CHECK(n_wrong == 0, "%s %zux%zu, layout %d, %d threads: %zu values wrong", tern_gguf_type_name(type),
		      n_row, n_col, (int)options.i2s_layout, options.n_threads, n_wrong);
		CHECK(t.is_binary == (type == GGUF_TENSOR_Q1_0), "%s: binary or not", tern_gguf_type_name(type));
		CHECK(!one_scale || (!t.group && !t.group_scales), "%s: equal scales were not made one",
		      tern_gguf_type_name(type));
	}
	drop(&m, &t);
}

static void check_types(void)
{
	static const uint32_t types[] = {GGUF_TENSOR_TQ1_0, GGUF_TENSOR_TQ2_0,  GGUF_TENSOR_Q2_0,
	                                 GGUF_TENSOR_PQ2_0, GGUF_TENSOR_PTQ1_0, GGUF_TENSOR_Q1_0};
	static const size_t rows[] = {1, 16, 17, 50};

	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 4; k++) {
			struct tern_model_options options = {.n_threads = (int)k + 1};
			check_type(types[i], rows[k], 256 + 512 * (k % 2), k % 2, options);
			check_type(types[i], rows[k], 512, !(k % 2), options);
		}
	/* Rows that are no whole number of I2_S's blocks: 48 * 24 = 9 * 128, 16 * 12 = 3 * 64, 80 * 36. */
	check_type(GGUF_TENSOR_I2_S, 24, 48, true, (struct tern_model_options){.n_threads = 1});
	check_type(GGUF_TENSOR_I2_S, 1, 128, true, (struct tern_model_options){.n_threads = 2});
	check_type(GGUF_TENSOR_I2_S, 17, 8640 / 5 * 4, true, (struct tern_model_options){.n_threads = 3});
	check_type(GGUF_TENSOR_I2_S, 12, 16, true, (struct tern_model_options){.i2s_layout = TERN_I2S_64});
	check_type(GGUF_TENSOR_I2_S, 36, 80, true, (struct tern_model_options){.i2s_layout = TERN_I2S_ROWS4});
}

/* ---- floats ---- */

/* Writes value as F32, F16 or BF16. */
static void put_float(struct matrix *m, size_t r, size_t c, float value)
{
	size_t at = r * m->n_col + c;
	uint16_t half = tern_f16_from_f32(value), brain = (uint16_t)(tern_bits_from_f32(value) >> 16);

	if (m->tensor.type == GGUF_TENSOR_F32)
		memcpy(m->data + 4 * at, &value, 4);
	else
		memcpy(m->data + 2 * at, m->tensor.type == GGUF_TENSOR_F16 ? &half : &brain, 2);
}

/* -s, 0 or s, with s of its own for each row_part rows and col_part columns. */
static float cut_value(size_t r, size_t c, size_t row_part, size_t col_part)
{
	size_t part = r / row_part * 5 + c / col_part;
	int weight = (int)((r * 7919 + c * 104729 + r * c) % 3) - 1;
	return (float)weight * (0.5f + 0.125f * (float)part);
}

static void check_floats(uint32_t type, size_t n_row, size_t n_col, size_t row_part, size_t col_part, size_t x_group,
                         size_t group)
{
	struct matrix m;
	struct tern_ternary t = {0};
	struct tern_error err;
	size_t n_wrong = 0;

	matrix_init(&m, type, n_row, n_col);
	for (size_t r = 0; r < n_row; r++)
		for (size_t c = 0; c < n_col; c++)
			put_float(&m, r, c, cut_value(r, c, row_part, col_part));
	bool good = repack(&m, x_group, &t, &err) == TERN_OK;
	CHECK(good, "%s: %s", tern_gguf_type_name(type), err.message);
	for (size_t r = 0; good && r < n_row; r++)
		for (size_t c = 0; c < n_col; c++)
			n_wrong += value_of(&t, r, c) != cut_value(r, c, row_part, col_part);
	CHECK(n_wrong == 0 && t.group == group, "%s in parts of %zux%zu: %zu values wrong, groups of %zu",
	      tern_gguf_type_name(type), row_part, col_part, n_wrong, t.group);
	drop(&m, &t);
}

static void check_all_floats(void)
{
	check_floats(GGUF_TENSOR_F32, 19, 48, 19, 48, 0, 0);
	check_floats(GGUF_TENSOR_F16, 32, 256, 32, 256, 128, 0);
	check_floats(GGUF_TENSOR_BF16, 16, 80, 16, 80, 0, 0);
	check_floats(GGUF_TENSOR_F16, 48, 256, 16, 256, 128, 256); /* cut by rows */
	check_floats(GGUF_TENSOR_BF16, 20, 256, 20, 64, 128, 64);  /* groups */
	check_floats(GGUF_TENSOR_F32, 20, 896, 20, 448, 128,
	             64); /* cut by columns, in the middle of an activation group */
	check_floats(GGUF_TENSOR_F32, 20, 896, 20, 448, 0, 448);
	check_floats(GGUF_TENSOR_F32, 1, 40320, 1, 32, 0, 32); /* the width with the most sizes of groups */
}

/* ---- damage ---- */

static void check_fault(struct matrix *m, size_t x_group, const char *said)
{
	struct tern_ternary t = {0};
	struct tern_error err = {0};
	enum tern_status status = repack(m, x_group, &t, &err);
	const char *type = tern_gguf_type_name(m->tensor.type);

	CHECK(status == TERN_ERR_FILE && !t.panels && strstr(err.message, said) &&
	              strstr(err.message, "blk.0.ffn_up.weight") && strstr(err.message, type),
	      "%s, %s: status %d, '%s'", type, said, (int)status, err.message);
	drop(m, &t);
}

/* A matrix of 40 rows of 512 columns with some of its bytes replaced. */
static void check_bytes(uint32_t type, size_t at, const void *bytes, size_t n_byte, const char *said)
{
	struct matrix m;

	matrix_init(&m, type, 40, 512);
	fill(&m, true);
	memcpy(m.data + at, bytes, n_byte);
	check_fault(&m, 0, said);
}

static void check_scale_bits(uint32_t type, size_t at, uint16_t bits, const char *said)
{
	check_bytes(type, at, &bits, 2, said);
}

static void check_i2s_scale(float scale) { check_bytes(GGUF_TENSOR_I2_S, 40 * 512 / 4, &scale, 4, "the scale is"); }

static void check_not_ternary(uint32_t type, float value, const char *said)
{
	struct matrix m;

	matrix_init(&m, type, 40, 512);
	for (size_t r = 0; r < 40; r++)
		for (size_t c = 0; c < 512; c++)
			put_float(&m, r, c, cut_value(r, c, 40, 512));
	put_float(&m, 39, 500, value);
	check_fault(&m, 128, said);
}

/* The last group of the last row has another magnitude, which is to be a scale. */
static void check_magnitude(uint32_t type, float magnitude, const char *said)
{
	struct matrix m;

	matrix_init(&m, type, 40, 512);
	for (size_t r = 0; r < 40; r++)
		for (size_t c = 0; c < 512; c++)
			put_float(&m, r, c, r == 39 && c >= 384 ? magnitude : c % 2 ? 0.5f : -0.5f);
	check_fault(&m, 128, said);
}

static void check_damage(void)
{
	struct matrix m;

	check_bytes(GGUF_TENSOR_I2_S, 33 * 128 + 7, "\x0c", 1, "row 33, column 71: code 3");
	check_bytes(GGUF_TENSOR_TQ2_0, (20 * 2 + 1) * 66 + 3, "\xc0", 1, "row 20, column 355: code 3");
	check_bytes(GGUF_TENSOR_Q2_0, 39 * 8 * 18 + 2, "\x03", 1, "row 39, column 0: code 3");
	check_bytes(GGUF_TENSOR_PQ2_0, 17, "\x30", 1, "row 0, column 62: code 3");
	check_scale_bits(GGUF_TENSOR_TQ1_0, (7 * 2 + 1) * 54 + 52, 0x7e00, "row 7, column 256: the scale is");
	check_scale_bits(GGUF_TENSOR_TQ2_0, 64, 0x7c00, "row 0, column 0: the scale is inf");
	check_scale_bits(GGUF_TENSOR_Q2_0, 39 * 8 * 18, 0xbc00, "row 39, column 0: the scale is -1");
	check_scale_bits(GGUF_TENSOR_PTQ1_0, 4 * 28 + 26, 0xffff, "row 1, column 0: the scale is");
	check_scale_bits(GGUF_TENSOR_Q1_0, (5 * 4 + 1) * 18, 0x8001, "row 5, column 128: the scale is");
	check_i2s_scale(NAN);
	check_i2s_scale(INFINITY);
	check_i2s_scale(0.0f);
	check_i2s_scale(-1.0f);
	check_not_ternary(GGUF_TENSOR_F32, 0.25f, "not ternary");
	check_not_ternary(GGUF_TENSOR_F16, 0.25f, "not ternary");
	check_not_ternary(GGUF_TENSOR_BF16, INFINITY, "not finite");
	check_not_ternary(GGUF_TENSOR_F32, NAN, "not finite");
	check_magnitude(GGUF_TENSOR_F32, 1e-9f, "row 39, column 384: the magnitude is outside of half precision");
	check_magnitude(GGUF_TENSOR_BF16, 1e6f, "row 39, column 384: the magnitude is outside of half precision");
	matrix_init(&m, GGUF_TENSOR_I2_S, 3, 16);
	check_fault(&m, 0, "cannot be in blocks of 128");
	matrix_init(&m, GGUF_TENSOR_I2_S, 3, 128);
	m.options.i2s_layout = TERN_I2S_ROWS4;
	check_fault(&m, 0, "4 rows");
	matrix_init(&m, GGUF_TENSOR_Q2_0, 16, 192);
	fill(&m, false);
	check_fault(&m, 96, "scales of 64 columns");
	matrix_init(&m, GGUF_TENSOR_Q1_0, 16, 128);
	fill(&m, true);
	check_fault(&m, 16, "multiple of 32");
}

/* ---- progress ---- */

struct progress_seen {
	int n_calls, n_allowed;
	uint64_t n_done, n_total;
};

static bool on_progress(void *user, uint64_t n_done, uint64_t n_total)
{
	struct progress_seen *seen = user;
	seen->n_done = n_done;
	seen->n_total = n_total;
	return seen->n_calls++ < seen->n_allowed;
}

static void check_progress(int n_allowed)
{
	struct progress_seen seen = {.n_allowed = n_allowed};
	struct matrix m;
	struct tern_ternary t = {0};
	struct tern_error err = {0};

	matrix_init(&m, GGUF_TENSOR_TQ2_0, 16, 256);
	fill(&m, true);
	m.options = (struct tern_model_options){.on_progress = on_progress, .user = &seen};
	enum tern_status status = repack(&m, 0, &t, &err);
	CHECK(status == (n_allowed ? TERN_OK : TERN_ERR_FAILED), "status %d, '%s'", (int)status, err.message);
	CHECK(seen.n_calls == 1 && seen.n_done == m.tensor.n_bytes && seen.n_total == seen.n_done,
	      "%d calls, %llu of %llu bytes", seen.n_calls, (unsigned long long)seen.n_done,
	      (unsigned long long)seen.n_total);
	CHECK(n_allowed || !t.panels, "a matrix was handed out");
	drop(&m, &t);
}

/* The example of the format's description: digits 2, 1, 0, 1, 2 are 194, which is stored as 205. */
static void check_digits(void)
{
	struct matrix m;
	struct tern_ternary t = {0};
	struct tern_error err;
	static const int expected[] = {1, 0, -1, 0, 1};

	matrix_init(&m, GGUF_TENSOR_TQ1_0, 1, 256);
	fill(&m, true);
	m.data[9] = 205;
	if (repack(&m, 0, &t, &err) == TERN_OK)
		for (size_t n = 0; n < 5; n++)
			CHECK(value_of(&t, 0, 32 * n + 9) == (float)expected[n] * t.scale, "digit %zu", n);
	drop(&m, &t);
}

/* Where the only other scale of a Q1_0 matrix is 0, its weights are 0, which one scale for all would lose. */
static void check_zero_scale(void)
{
	struct matrix m;
	struct tern_ternary t = {0};
	struct tern_error err;

	matrix_init(&m, GGUF_TENSOR_Q1_0, 17, 256);
	fill(&m, true);
	memset(m.data + (16 * 2 + 1) * 18, 0, 2);
	if (repack(&m, 0, &t, &err) == TERN_OK)
		CHECK(t.group == 128 && count_wrong(&m, &t) == 0, "groups of %zu, %zu values wrong", t.group,
		      count_wrong(&m, &t));
	else
		CHECK(false, "%s", err.message);
	drop(&m, &t);
}

int main(void)
{
	check_types();
	check_zero_scale();
	check_digits();
	check_all_floats();
	check_damage();
	check_progress(0);
	check_progress(1);
	return test_summary();
}
