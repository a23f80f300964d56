#include "convert/tensor_data.h"

#include "base/exactmath.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "model/layout.h"

#include <math.h>

enum {
	ROUND_BYTES = 4 << 20, /* of output, about */
	MAX_ROUND = 256,       /* panels */
	COPY_VALUES = 1 << 18, /* at a time */
};

/* One matrix being worked on. */
struct work {
	const struct tensor_data *data;
	const struct matrix *matrix;
	size_t panel_bytes;             /* of output */
	uint64_t first;                 /* panel of the round */
	struct matrix_scratch *scratch; /* per thread */
	struct panel {
		struct matrix_facts facts;
		uint64_t n_zeros;
		enum tern_status status;
	} * panels;                /* of the round */
	struct tern_error *errors; /* of the round */
	uint8_t *out;              /* [round, panel_bytes] */
	struct matrix_facts facts; /* of all panels so far */
	uint64_t n_zeros;
	uint16_t *group_scales; /* [n_panel, n_group, 16], or NULL */
	float *row_scales;      /* [n_panel, 16], Q8P */
	bool wants_low;         /* Q8P: the plane of low nibbles */
};

static size_t panel_count(const struct work *work) { return tern_panel_count((size_t)work->matrix->n_row); }

static size_t round_size(const struct work *work)
{
	return tern_smaller(ROUND_BYTES / (work->panel_bytes + 1) + 1, MAX_ROUND);
}

/* ---- rounds: the panels that are computed together, then written in order ---- */

static void work_end(struct work *work)
{
	for (int i = 0; work->scratch && i < tern_pool_size(work->data->pool); i++)
		matrix_scratch_free(&work->scratch[i]);
	tern_free(work->scratch);
	tern_free(work->panels);
	tern_free(work->errors);
	tern_free(work->out);
	tern_free(work->group_scales);
	tern_free(work->row_scales);
}

/* Allocates what all kinds of work need. Call work_end() in either case. */
static enum tern_status work_begin(struct work *work, const struct tensor_data *d, const struct matrix *matrix,
                                   size_t panel_bytes)
{
	size_t n_threads = (size_t)tern_pool_size(d->pool), n_round, n_col = (size_t)matrix->n_col;
	bool is_whole;

	*work = (struct work){.data = d, .matrix = matrix, .panel_bytes = panel_bytes, .facts = matrix_no_facts()};
	n_round = round_size(work);
	work->scratch = tern_alloc(n_threads, sizeof *work->scratch);
	work->panels = tern_alloc(n_round, sizeof *work->panels);
	work->errors = tern_alloc(n_round, sizeof *work->errors);
	work->out = tern_alloc_aligned(n_round, panel_bytes);
	is_whole = work->scratch && work->panels && work->errors && work->out;
	for (size_t i = 0; is_whole && i < n_threads; i++)
		is_whole = matrix_scratch_init(&work->scratch[i], n_col);
	return is_whole ? TERN_OK : tern_fail_memory(d->output->err, n_round * panel_bytes + n_threads * n_col * 208);
}

/* Runs a task on every panel in rounds; after each round calls `finish` for its n panels, in order. Of several errors
 * that of the first panel counts. */
static enum tern_status for_all_panels(struct work *work, tern_task task,
                                       enum tern_status (*finish)(struct work *work, size_t n))
{
	size_t n_panel = panel_count(work), n_round = round_size(work);
	enum tern_status status;

	for (work->first = 0; work->first < n_panel; work->first += n_round) {
		size_t n = n_panel - work->first < n_round ? n_panel - (size_t)work->first : n_round;
		tern_pool_run(work->data->pool, task, work, n);
		for (size_t i = 0; i < n; i++)
			if (work->panels[i].status) {
				*work->data->output->err = work->errors[i];
				return work->panels[i].status;
			}
		if ((status = finish(work, n)))
			return status;
		out_file_advance(work->data->output, work->matrix->weight->n_bytes * n / n_panel);
	}
	return TERN_OK;
}

static enum tern_status emit_round(struct work *work, size_t n)
{
	for (size_t i = 0; i < n; i++)
		work->n_zeros += work->panels[i].n_zeros;
	return out_file_write(work->data->output, work->out, n * work->panel_bytes);
}

/* ---- examining ---- */

static void examine_task(void *context, size_t chunk, int worker)
{
	struct work *work = context;
	struct panel *panel = &work->panels[chunk];

	panel->status = matrix_look(work->matrix, work->first + chunk, &work->scratch[worker], &panel->facts,
	                            &work->errors[chunk]);
}

static enum tern_status merge_round(struct work *work, size_t n)
{
	for (size_t i = 0; i < n; i++)
		matrix_merge_facts(&work->facts, &work->panels[i].facts);
	return TERN_OK;
}

enum tern_status tensor_data_examine(const struct tensor_data *d)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; !status && i < d->mapping->n_matrices; i++) {
		struct matrix *matrix = &d->mapping->matrices[i];
		struct work work;
		if (matrix->storage != STORAGE_FLOATS)
			continue;
		if (!(status = work_begin(&work, d, matrix, 0)) &&
		    !(status = for_all_panels(&work, examine_task, merge_round)))
			status = matrix_conclude(matrix, &work.facts, d->output->err);
		work_end(&work);
	}
	return status;
}

/* ---- ternary matrices ---- */

static void ternary_task(void *context, size_t chunk, int worker)
{
	struct work *work = context;
	const struct matrix *matrix = work->matrix;
	struct matrix_scratch *scratch = &work->scratch[worker];
	struct panel *panel = &work->panels[chunk];
	uint8_t *out = work->out + chunk * work->panel_bytes;
	size_t n_scales = matrix->group ? (size_t)(matrix->n_col / matrix->group) * TERN_PANEL_ROWS : 0;
	uint16_t *scales = n_scales ? work->group_scales + (work->first + chunk) * n_scales : NULL;

	panel->status =
	        matrix_read_panel(matrix, work->first + chunk, scratch, scales, &panel->n_zeros, &work->errors[chunk]);
	if (!panel->status)
		(matrix->is_binary ? tern_t1r16_pack_panel : tern_t2r16_pack_panel)(out, scratch->codes,
		                                                                    (size_t)matrix->n_col);
}

static void count_matrix(const struct tensor_data *d, const struct output_tensor *tensor, uint64_t n_zeros)
{
	struct weight_counts *counts = d->counts;
	const struct matrix *matrix = tensor->matrix;
	uint64_t n = tensor->n_row * tensor->n_col;

	counts->n_weights[tensor->which] += n;
	counts->n_zeros[tensor->which] += n_zeros;
	counts->n_packed += matrix->storage == STORAGE_PACKED;
	counts->n_codes += matrix->storage == STORAGE_CODES;
	counts->n_words += matrix->storage == STORAGE_WORDS;
	counts->n_masters += matrix->storage == STORAGE_MASTER;
	counts->n_ternary_floats += matrix->storage == STORAGE_TERNARY && !matrix->group;
	counts->n_grouped += matrix->storage == STORAGE_TERNARY && matrix->group;
	if (n_zeros == n)
		listener_warn(&d->output->options->listener, "%s: all weights are zero", tensor->name);
	else if (n_zeros > n - n / 64)
		listener_warn(&d->output->options->listener, "%s: %.1f %% of the weights are zero", tensor->name,
		              100.0 * (double)n_zeros / (double)n);
}

/* Writes a matrix and the tensor that follows, its scale or scales. */
static enum tern_status write_ternary(const struct tensor_data *d, const struct output_tensor *tensor)
{
	const struct matrix *matrix = tensor->matrix;
	struct work work;
	size_t n_group = matrix->group ? (size_t)(matrix->n_col / matrix->group) : 0;
	enum tern_status status =
	        work_begin(&work, d, matrix, tern_ternary_panel_bytes((size_t)tensor->n_col, matrix->is_binary));
	size_t n_scales = panel_count(&work) * n_group * TERN_PANEL_ROWS;

	if (!status && n_group && !(work.group_scales = tern_alloc(n_scales, sizeof *work.group_scales)))
		status = tern_fail_memory(d->output->err, n_scales * sizeof *work.group_scales);
	if (!status && !(status = for_all_panels(&work, ternary_task, emit_round))) {
		count_matrix(d, tensor, work.n_zeros);
		status = n_group ? out_file_write(d->output, work.group_scales, n_scales * sizeof *work.group_scales)
		                 : out_file_write(d->output, &matrix->scale, sizeof matrix->scale);
	}
	work_end(&work);
	return status;
}

/* ---- matrices that stay as they are, or become int8 ---- */

static void q8p_task(void *context, size_t chunk, int worker)
{
	struct work *work = context;
	struct matrix_scratch *scratch = &work->scratch[worker];
	size_t n_col = (size_t)work->matrix->n_col;
	uint64_t panel = work->first + chunk;
	uint8_t *out = work->out + chunk * work->panel_bytes;

	work->panels[chunk].status = matrix_read_floats(work->matrix, panel, scratch, &work->errors[chunk]);
	if (work->panels[chunk].status)
		return;
	for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
		tern_q8p_quantize_row(scratch->codes + r * n_col, &work->row_scales[panel * TERN_PANEL_ROWS + r],
		                      scratch->floats + r * n_col, n_col);
	/* The raw bytes are no longer needed: the plane that is not written now goes there. */
	tern_q8p_pack_panel(work->wants_low ? scratch->raw : out, work->wants_low ? out : scratch->raw, scratch->codes,
	                    n_col);
}

/* Of values that are not ternary. */
static struct matrix float_matrix(const struct tensor_data *d, const struct output_tensor *tensor)
{
	return (struct matrix){.ckpt = d->ckpt,
	                       .weight = tensor->source,
	                       .scales = tensor->scales,
	                       .biases = tensor->biases,
	                       .n_row = tensor->n_row,
	                       .n_col = tensor->n_col,
	                       .storage = tensor->biases ? STORAGE_AFFINE : STORAGE_FLOATS};
}

/* Writes both planes, one after the other, and the tensor that follows, the scales. Reading the floats twice is cheaper
 * than keeping half of a big tensor. */
static enum tern_status write_q8p(const struct tensor_data *d, const struct output_tensor *tensor)
{
	struct matrix matrix = float_matrix(d, tensor);
	struct work work;
	enum tern_status status = work_begin(&work, d, &matrix, tern_q8p_panel_bytes((size_t)tensor->n_col));
	size_t n_scales = panel_count(&work) * TERN_PANEL_ROWS;

	if (!status && !(work.row_scales = tern_alloc(n_scales, sizeof *work.row_scales)))
		status = tern_fail_memory(d->output->err, n_scales * sizeof *work.row_scales);
	for (int plane = 0; !status && plane < 2; plane++) {
		work.wants_low = plane == 1;
		status = for_all_panels(&work, q8p_task, emit_round);
	}
	if (!status)
		status = out_file_write(d->output, work.row_scales, (size_t)tensor->n_row * sizeof *work.row_scales);
	work_end(&work);
	return status;
}

static enum tern_status write_copy(const struct tensor_data *d, const struct output_tensor *tensor)
{
	const struct tensor *source = tensor->source;
	size_t size = dtype_size(source->dtype);
	uint64_t n = tensor->n_row * tensor->n_col, step = tensor->order.n_key ? tensor->n_col : COPY_VALUES;
	uint8_t *raw = tern_alloc(COPY_VALUES, size); /* more than a row */
	float *floats = tern_alloc(COPY_VALUES, sizeof *floats);
	enum tern_status status = raw && floats ? TERN_OK : tern_fail_memory(d->output->err, COPY_VALUES * (size + 4));

	for (uint64_t done = 0; !status && done < n; done += step) {
		size_t n_now = n - done < step ? (size_t)(n - done) : (size_t)step;
		uint64_t at = order_source(&tensor->order, done / tensor->n_col) * tensor->n_col + done % tensor->n_col;
		if ((status = checkpoint_read(d->ckpt, source, at * size, n_now * size, raw, d->output->err)))
			break;
		floats_convert(floats, raw, n_now, source->dtype);
		size_t bad = floats_find_nonfinite(floats, n_now);
		if (bad < n_now)
			status = checkpoint_fail(d->ckpt, source, d->output->err, "row %llu: a value is not finite",
			                         (unsigned long long)((at + bad) / tensor->n_col));
		else if (source->dtype == DTYPE_F64) /* GGUF readers want floats */
			status = out_file_write(d->output, floats, n_now * sizeof *floats);
		else
			status = out_file_write(d->output, raw, n_now * size);
		out_file_advance(d->output, n_now * size);
	}
	tern_free(raw);
	tern_free(floats);
	return status;
}

/* The values of an affine matrix. */
static enum tern_status write_affine(const struct tensor_data *d, const struct output_tensor *tensor)
{
	const struct matrix matrix = float_matrix(d, tensor);
	uint64_t n_panel = tern_panel_count((size_t)tensor->n_row), n_col = tensor->n_col;
	struct matrix_scratch scratch;
	enum tern_status status = TERN_OK;

	if (!matrix_scratch_init(&scratch, (size_t)n_col))
		status = tern_fail_memory(d->output->err, (size_t)n_col * TERN_PANEL_ROWS * sizeof(double));
	for (uint64_t panel = 0; !status && panel < n_panel; panel++) {
		uint64_t n_left = tensor->n_row - panel * TERN_PANEL_ROWS;
		size_t n = (size_t)((n_left < TERN_PANEL_ROWS ? n_left : TERN_PANEL_ROWS) * n_col);
		if ((status = matrix_read_floats(&matrix, panel, &scratch, d->output->err)))
			break;
		status = out_file_write(d->output, scratch.floats, n * sizeof *scratch.floats);
		out_file_advance(d->output, n / 2);
	}
	matrix_scratch_free(&scratch);
	return status;
}

/* ---- small tensors ---- */

static float decay_of_log(float x)
{
	if (x > 80.0f)
		return -INFINITY;
	return (float)-tern_exp_f64(x < -200.0f ? -200.0 : (double)x);
}

/* A vector, or the rows of a convolution's taps. */
static enum tern_status write_values(const struct tensor_data *d, const struct output_tensor *tensor)
{
	size_t n = (size_t)(tensor->n_row * tensor->n_col);
	size_t width = tensor->kind == OUTPUT_TAPS ? (size_t)tensor->n_col : 1;
	float *values = tern_alloc(n, sizeof *values), *ordered = tern_alloc(n, sizeof *ordered);
	enum tern_status status =
	        values && ordered ? TERN_OK : tern_fail_memory(d->output->err, 2 * n * sizeof *values);

	if (!status && !(status = floats_read(d->ckpt, tensor->source, n, values, d->output->err))) {
		for (size_t i = 0; i < n; i++) {
			float value = values[order_source(&tensor->order, i / width) * width + i % width];
			ordered[i] = tensor->is_log_decay ? decay_of_log(value) : value + tensor->offset;
		}
		size_t bad = floats_find_nonfinite(ordered, n);
		if (bad < n)
			status = checkpoint_fail(d->ckpt, tensor->source, d->output->err,
			                         "a value is too large: its exponential is not finite");
	}
	if (!status) {
		status = out_file_write(d->output, ordered, n * sizeof *ordered);
		out_file_advance(d->output, tensor->source->n_bytes);
	}
	tern_free(values);
	tern_free(ordered);
	return status;
}

static enum tern_status write_rope_freqs(const struct tensor_data *d, const struct output_tensor *tensor)
{
	float *divisors = tern_alloc((size_t)tensor->n_col, sizeof *divisors);
	enum tern_status status;

	if (!divisors)
		return tern_fail_memory(d->output->err, (size_t)tensor->n_col * sizeof *divisors);
	if (tensor->kind == OUTPUT_ROPE_FREQS)
		rope_llama3_divisors(d->rope, divisors);
	else
		rope_longrope_divisors(tensor->kind == OUTPUT_ROPE_SHORT ? d->rope->short_factor : d->rope->long_factor,
		                       divisors);
	status = out_file_write(d->output, divisors, (size_t)tensor->n_col * sizeof *divisors);
	tern_free(divisors);
	return status;
}

enum tern_status tensor_data_write(const struct tensor_data *d)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; !status && i < d->mapping->n_tensors; i++) {
		const struct output_tensor *tensor = &d->mapping->tensors[i];
		switch (tensor->kind) {
		case OUTPUT_TERNARY:
			status = write_ternary(d, tensor);
			break;
		case OUTPUT_Q8P:
			status = write_q8p(d, tensor);
			break;
		case OUTPUT_COPY:
			status = tensor->biases ? write_affine(d, tensor) : write_copy(d, tensor);
			break;
		case OUTPUT_VECTOR:
		case OUTPUT_TAPS:
			status = write_values(d, tensor);
			break;
		case OUTPUT_ROPE_FREQS:
		case OUTPUT_ROPE_SHORT:
		case OUTPUT_ROPE_LONG:
			status = write_rope_freqs(d, tensor);
			break;
		case OUTPUT_SCALE:
		case OUTPUT_ROW_SCALES:
			break; /* written with the tensor before */
		}
	}
	return status;
}
