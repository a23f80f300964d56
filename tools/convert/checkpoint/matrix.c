#include "convert/checkpoint/matrix.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

bool matrix_scratch_init(struct matrix_scratch *scratch, size_t n_col)
{
	scratch->raw = tern_alloc_aligned(TERN_PANEL_ROWS * n_col, sizeof(double));
	scratch->floats = tern_alloc_aligned(TERN_PANEL_ROWS * n_col, sizeof *scratch->floats);
	scratch->codes = tern_alloc_aligned(TERN_PANEL_ROWS * n_col, 1);
	return scratch->raw && scratch->floats && scratch->codes;
}

void matrix_scratch_free(struct matrix_scratch *scratch)
{
	tern_free(scratch->raw);
	tern_free(scratch->floats);
	tern_free(scratch->codes);
	memset(scratch, 0, sizeof *scratch);
}

/* ---- reading rows ---- */

/* Rows of a panel that exist. */
static size_t count_rows(const struct matrix *matrix, uint64_t panel)
{
	uint64_t n_left = matrix->n_row - panel * TERN_PANEL_ROWS;
	return n_left < TERN_PANEL_ROWS ? (size_t)n_left : TERN_PANEL_ROWS;
}

/* Of a row of the stored tensor. */
static size_t row_bytes(const struct matrix *matrix)
{
	size_t n_word = (size_t)matrix->n_col * sizeof(uint32_t);

	if (matrix->storage == STORAGE_WORDS)
		return n_word / WORD_CODES;
	if (matrix->storage == STORAGE_AFFINE)
		return n_word / AFFINE_WORD_CODES;
	return (size_t)matrix->n_col * dtype_size(matrix->weight->dtype);
}

/* Where a row of the output is: a row of the stored tensor and, if packed, two bits of its bytes. */
static void locate(const struct matrix *matrix, uint64_t row, uint64_t *stored, unsigned *shift)
{
	uint64_t n_stored = matrix->storage == STORAGE_PACKED ? matrix->n_row / 4 : matrix->n_row;
	uint64_t source = order_source(&matrix->rows, row);

	*stored = source % n_stored;
	*shift = (unsigned)(source / n_stored) * 2;
}

/* Brings the columns of rows that have been read into the output's order, whole heads at a time. */
static void order_columns(const struct matrix *matrix, size_t n_rows, struct matrix_scratch *scratch)
{
	size_t size = dtype_size(matrix->weight->dtype), n_head = (size_t)matrix->columns.head_dim * size;
	size_t n_bytes = row_bytes(matrix);
	uint8_t *copy = (uint8_t *)scratch->floats; /* which are not there yet */

	for (uint8_t *row = scratch->raw; row < scratch->raw + n_rows * n_bytes; row += n_bytes) {
		memcpy(copy, row, n_bytes);
		for (uint64_t c = 0; c < matrix->n_col; c += matrix->columns.head_dim)
			memcpy(row + c * size, copy + order_source(&matrix->columns, c) * size, n_head);
	}
}

/* Reads the bytes of a panel's rows into scratch->raw, adjacent rows in one go, and sets the shift of each. */
static enum tern_status read_rows(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                  unsigned shifts[TERN_PANEL_ROWS], struct tern_error *err)
{
	size_t n_bytes = row_bytes(matrix), n_rows = count_rows(matrix, panel);
	uint64_t stored[TERN_PANEL_ROWS];
	enum tern_status status;

	for (size_t r = 0; r < n_rows; r++)
		locate(matrix, panel * TERN_PANEL_ROWS + r, &stored[r], &shifts[r]);
	for (size_t r = 0, n; r < n_rows; r += n) {
		for (n = 1; r + n < n_rows && stored[r + n] == stored[r] + n;)
			n++;
		if ((status = checkpoint_read(matrix->ckpt, matrix->weight, stored[r] * n_bytes, n * n_bytes,
		                              scratch->raw + r * n_bytes, err)))
			return status;
	}
	if (matrix->columns.n_key)
		order_columns(matrix, n_rows, scratch);
	return TERN_OK;
}

static enum tern_status fail_value(const struct matrix *matrix, uint64_t panel, size_t at, const char *what,
                                   struct tern_error *err)
{
	uint64_t row = order_source(&matrix->rows, panel * TERN_PANEL_ROWS + at / matrix->n_col);
	uint64_t column = order_source(&matrix->columns, at % matrix->n_col);

	return checkpoint_fail(matrix->ckpt, matrix->weight, err, "row %llu, column %llu: %s", (unsigned long long)row,
	                       (unsigned long long)column, what);
}

/* The values of n affine codes in scratch->raw, behind which there is room for their scales. */
static enum tern_status convert_affine(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                       size_t n, struct tern_error *err)
{
	size_t n_group = n / AFFINE_GROUP, n_all = TERN_PANEL_ROWS * (size_t)matrix->n_col;
	float *scales = (float *)(void *)(scratch->raw + n_all), *biases = scales + n_group;
	uint64_t first = panel * n_all / AFFINE_GROUP;
	enum tern_status status;

	if ((status = floats_read_part(matrix->ckpt, matrix->scales, first, n_group, scales, err)) ||
	    (status = floats_read_part(matrix->ckpt, matrix->biases, first, n_group, biases, err)))
		return status;
	for (size_t i = 0; i < n; i++) {
		float code = (float)(scratch->raw[i / 2] >> i % 2 * 4 & 15);
		scratch->floats[i] = code * scales[i / AFFINE_GROUP] + biases[i / AFFINE_GROUP];
	}
	return TERN_OK;
}

enum tern_status matrix_read_floats(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                    struct tern_error *err)
{
	size_t n = count_rows(matrix, panel) * (size_t)matrix->n_col, n_all = TERN_PANEL_ROWS * (size_t)matrix->n_col;
	unsigned shifts[TERN_PANEL_ROWS];
	enum tern_status status = read_rows(matrix, panel, scratch, shifts, err);

	if (!status && matrix->storage == STORAGE_AFFINE)
		status = convert_affine(matrix, panel, scratch, n, err);
	else if (!status)
		floats_convert(scratch->floats, scratch->raw, n, matrix->weight->dtype);
	if (status)
		return status;
	memset(scratch->floats + n, 0, (n_all - n) * sizeof *scratch->floats);
	size_t bad = floats_find_nonfinite(scratch->floats, n);
	return bad == n ? TERN_OK : fail_value(matrix, panel, bad, "the value is not finite", err);
}

/* ---- looking at floats ---- */

void matrix_list_group_sizes(struct matrix *matrix)
{
	tern_group_sizes_list(&matrix->group_sizes, (size_t)matrix->n_col, ACTIVATION_GROUP);
}

struct matrix_facts matrix_no_facts(void) { return (struct matrix_facts){.values = tern_float_facts_none()}; }

enum tern_status matrix_look(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                             struct matrix_facts *facts, struct tern_error *err)
{
	size_t n_col = (size_t)matrix->n_col, n_rows = count_rows(matrix, panel);
	enum tern_status status = matrix_read_floats(matrix, panel, scratch, err);

	*facts = matrix_no_facts();
	if (status)
		return status;
	for (size_t r = 0; r < n_rows; r++) {
		const float *row = scratch->floats + r * n_col;
		/* The raw bytes are converted, so their memory is free. */
		tern_float_facts_look(&facts->values, &matrix->group_sizes, row, (float *)(void *)scratch->raw);
		for (size_t c = 0; c < n_col; c++) {
			facts->sum_abs += (double)fabsf(row[c]);
			facts->has_zeros |= row[c] == 0.0f;
		}
	}
	return TERN_OK;
}

void matrix_merge_facts(struct matrix_facts *all, const struct matrix_facts *panel)
{
	all->sum_abs += panel->sum_abs;
	all->has_zeros |= panel->has_zeros;
	tern_float_facts_merge(&all->values, &panel->values);
}

enum tern_status matrix_conclude(struct matrix *matrix, const struct matrix_facts *all, struct tern_error *err)
{
	const double least_mean = 1e-5;
	size_t group;
	bool is_ternary = tern_float_facts_group(&all->values, &matrix->group_sizes, &group);
	bool is_zero = is_ternary && all->values.magnitude == 0.0f;

	/* Master weights whose magnitudes happen to be alike in all groups are still master weights. */
	if (is_zero || (matrix->may_be_master && (!is_ternary || group))) {
		double mean = all->sum_abs / ((double)matrix->n_row * (double)matrix->n_col);
		matrix->storage = STORAGE_MASTER;
		matrix->mean = mean > least_mean ? mean : least_mean;
		matrix->scale = (float)matrix->mean;
		return TERN_OK;
	}
	if (!is_ternary)
		return checkpoint_fail(matrix->ckpt, matrix->weight, err,
		                       "not ternary: %g and %g stand within 16 columns; master weights of a ternary "
		                       "model, which training "
		                       "would go on from, are ternarized with --masters",
		                       (double)all->values.examples[0], (double)all->values.examples[1]);
	matrix->storage = STORAGE_TERNARY;
	matrix->group = group;
	matrix->is_binary = !all->has_zeros && tern_t1r16_fits((size_t)matrix->n_col, group, ACTIVATION_GROUP);
	matrix->scale = all->values.magnitude; /* also of groups that are all zero, and of padding */
	return TERN_OK;
}

/* ---- codes ---- */

/* Gives each of n codes, four of which are in a byte, one of its own. */
static void spread_codes(uint8_t *bytes, size_t n)
{
	for (size_t i = n; i-- > 0;)
		bytes[i] = bytes[i / 4] >> i % 4 * 2 & 3;
}

static enum tern_status unpack(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                               struct tern_error *err)
{
	size_t n_col = (size_t)matrix->n_col, n_rows = count_rows(matrix, panel);
	unsigned shifts[TERN_PANEL_ROWS], all = 0;
	enum tern_status status = read_rows(matrix, panel, scratch, shifts, err);

	if (status)
		return status;
	if (matrix->storage == STORAGE_WORDS)
		spread_codes(scratch->raw, n_rows * n_col);
	for (size_t r = 0; r < n_rows; r++)
		for (size_t c = 0; c < n_col; c++) {
			unsigned code = scratch->raw[r * n_col + c] >> shifts[r] & 3;
			all |= code & code >> 1;
			scratch->codes[r * n_col + c] = (int8_t)((int)code - 1);
		}
	for (size_t i = 0; all && i < n_rows * n_col; i++)
		if (scratch->codes[i] == 2)
			return fail_value(matrix, panel, i, "code 3, which stands for no weight", err);
	return TERN_OK;
}

static enum tern_status copy_codes(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                   struct tern_error *err)
{
	size_t n = count_rows(matrix, panel) * (size_t)matrix->n_col;
	unsigned shifts[TERN_PANEL_ROWS];
	enum tern_status status = read_rows(matrix, panel, scratch, shifts, err);

	if (status)
		return status;
	memcpy(scratch->codes, scratch->raw, n);
	for (size_t i = 0; i < n; i++)
		if (scratch->codes[i] < -1 || scratch->codes[i] > 1)
			return fail_value(matrix, panel, i, "expected -1, 0 or 1", err);
	return TERN_OK;
}

static int8_t ternarize(double w, double mean)
{
	double code = rint(w / mean);
	return (int8_t)(code > 1.0 ? 1.0 : code < -1.0 ? -1.0 : code);
}

/* The scale of a group of columns of a row, as f16. */
static enum tern_status group_scale(const struct matrix *matrix, uint64_t panel, const float *floats, size_t at,
                                    uint16_t *scale, struct tern_error *err)
{
	float magnitude = matrix->scale;

	for (size_t i = 0; i < matrix->group; i++)
		if (floats[at + i] != 0.0f) {
			magnitude = fabsf(floats[at + i]);
			break;
		}
	*scale = tern_f16_from_f32(magnitude);
	if (*scale == 0 || *scale >= 0x7c00)
		return fail_value(matrix, panel, at, "the scale of this group does not fit into half precision", err);
	return TERN_OK;
}

static enum tern_status read_group_scales(const struct matrix *matrix, uint64_t panel, const float *floats,
                                          uint16_t *group_scales, struct tern_error *err)
{
	size_t n_group = (size_t)(matrix->n_col / matrix->group), n_rows = count_rows(matrix, panel);
	uint16_t padding = tern_f16_from_f32(matrix->scale);
	enum tern_status status;

	for (size_t g = 0; g < n_group; g++)
		for (size_t r = 0; r < TERN_PANEL_ROWS; r++) {
			uint16_t *scale = &group_scales[g * TERN_PANEL_ROWS + r];
			size_t at = r * (size_t)matrix->n_col + g * (size_t)matrix->group;
			*scale = padding;
			if (r < n_rows && (status = group_scale(matrix, panel, floats, at, scale, err)))
				return status;
		}
	return TERN_OK;
}

/* The scales of words, of which each is for all columns of a row. Too small for a half float is as good as 0. */
static enum tern_status read_row_scales(const struct matrix *matrix, uint64_t panel, uint16_t *group_scales,
                                        struct tern_error *err)
{
	size_t n_group = (size_t)(matrix->n_col / matrix->group), n_rows = count_rows(matrix, panel);
	float scales[TERN_PANEL_ROWS] = {0};
	enum tern_status status =
	        floats_read_part(matrix->ckpt, matrix->scales, panel * TERN_PANEL_ROWS, n_rows, scales, err);

	for (size_t r = 0; !status && r < TERN_PANEL_ROWS; r++) {
		uint16_t half = tern_f16_from_f32(scales[r]);
		if (scales[r] < 0.0f || half >= 0x7c00)
			return checkpoint_fail(matrix->ckpt, matrix->scales, err,
			                       "value %llu is %g; expected 0 to 65504",
			                       (unsigned long long)(panel * TERN_PANEL_ROWS + r), (double)scales[r]);
		for (size_t g = 0; g < n_group; g++)
			group_scales[g * TERN_PANEL_ROWS + r] = half;
	}
	return status;
}

static enum tern_status codes_of_floats(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                        uint16_t *group_scales, struct tern_error *err)
{
	size_t n = count_rows(matrix, panel) * (size_t)matrix->n_col;
	enum tern_status status = matrix_read_floats(matrix, panel, scratch, err);

	if (status)
		return status;
	for (size_t i = 0; i < n; i++) {
		float w = scratch->floats[i];
		scratch->codes[i] = matrix->storage == STORAGE_MASTER ? ternarize((double)w, matrix->mean)
		                                                      : (int8_t)((w > 0.0f) - (w < 0.0f));
	}
	return matrix->group ? read_group_scales(matrix, panel, scratch->floats, group_scales, err) : TERN_OK;
}

enum tern_status matrix_read_panel(const struct matrix *matrix, uint64_t panel, struct matrix_scratch *scratch,
                                   uint16_t *group_scales, uint64_t *n_zeros, struct tern_error *err)
{
	size_t n = count_rows(matrix, panel) * (size_t)matrix->n_col, n_all = TERN_PANEL_ROWS * (size_t)matrix->n_col;
	enum tern_status status;

	if (matrix->storage == STORAGE_PACKED || matrix->storage == STORAGE_WORDS)
		status = unpack(matrix, panel, scratch, err);
	else if (matrix->storage == STORAGE_CODES)
		status = copy_codes(matrix, panel, scratch, err);
	else
		status = codes_of_floats(matrix, panel, scratch, group_scales, err);
	if (!status && matrix->storage == STORAGE_WORDS)
		status = read_row_scales(matrix, panel, group_scales, err);
	if (status)
		return status;
	memset(scratch->codes + n, 0, n_all - n);
	*n_zeros = 0;
	for (size_t i = 0; i < n; i++)
		*n_zeros += scratch->codes[i] == 0;
	return TERN_OK;
}
