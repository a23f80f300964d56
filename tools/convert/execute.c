/* The work on tensor data: looking at matrices of floats, then writing every tensor of the plan. Matrices are worked on
 * in batches of panels by all threads; what comes out does not depend on how many there are. */
#include "convert/convert.h"
#include "model/gguf_write.h"

#include "base/memory.h"
#include "base/threads.h"
#include "model/layout.h"

#include <string.h>

enum {
	BATCH_BYTES = 4 << 20, /* of output, about */
	MAX_BATCH = 256,       /* panels */
	COPY_VALUES = 1 << 18, /* at a time */
};

/* One matrix being worked on. */
struct work {
	struct conversion *c;
	const struct matrix *matrix;
	size_t panel_bytes;             /* of output */
	uint64_t first;                 /* panel of the batch */
	struct matrix_scratch *scratch; /* per thread */
	struct panel {
		struct matrix_facts facts;
		uint64_t n_zeros;
		enum tern_status status;
	} * panels;                /* of the batch */
	struct tern_error *errors; /* of the batch */
	uint8_t *out;              /* [batch, panel_bytes] */
	struct matrix_facts facts; /* of all panels so far */
	uint64_t n_zeros;
	uint16_t *group_scales; /* [n_panel, n_group, 16], or NULL */
	float *row_scales;      /* [n_panel, 16], Q8P */
	bool wants_low;         /* Q8P: the plane of low nibbles */
};

static size_t panel_count(const struct work *work) { return tern_panel_count((size_t)work->matrix->n_row); }

static size_t batch_size(const struct work *work)
{
	size_t n = BATCH_BYTES / (work->panel_bytes + 1) + 1;
	return n < MAX_BATCH ? n : MAX_BATCH;
}

static void advance(struct conversion *c, uint64_t n_bytes)
{
	const struct reporter *reporter = &c->options->reporter;

	c->n_read += n_bytes;
	if (reporter->on_progress)
		reporter->on_progress(reporter->user, c->n_read, c->n_to_read);
}

static enum tern_status emit(struct conversion *c, const void *bytes, size_t n)
{
	c->summary->n_bytes_out += n;
	return c->writer ? tern_gguf_write_data(c->writer, bytes, n, c->err) : TERN_OK;
}

/* ---- batches ---- */

static void work_end(struct work *work)
{
	for (int i = 0; work->scratch && i < tern_pool_size(work->c->pool); i++)
		matrix_scratch_free(&work->scratch[i]);
	tern_free(work->scratch);
	tern_free(work->panels);
	tern_free(work->errors);
	tern_free(work->out);
	tern_free(work->group_scales);
	tern_free(work->row_scales);
}

/* Allocates what all kinds of work need. To be ended in either case. */
static enum tern_status work_begin(struct work *work, struct conversion *c, const struct matrix *matrix,
                                   size_t panel_bytes)
{
	size_t n_threads = (size_t)tern_pool_size(c->pool), n_batch, n_col = (size_t)matrix->n_col;
	bool is_whole;

	*work = (struct work){.c = c, .matrix = matrix, .panel_bytes = panel_bytes, .facts = matrix_no_facts()};
	n_batch = batch_size(work);
	work->scratch = tern_alloc(n_threads, sizeof *work->scratch);
	work->panels = tern_alloc(n_batch, sizeof *work->panels);
	work->errors = tern_alloc(n_batch, sizeof *work->errors);
	work->out = tern_alloc_aligned(n_batch, panel_bytes);
	is_whole = work->scratch && work->panels && work->errors && work->out;
	for (size_t i = 0; is_whole && i < n_threads; i++)
		is_whole = matrix_scratch_init(&work->scratch[i], n_col);
	return is_whole ? TERN_OK : tern_fail_memory(c->err, n_batch * panel_bytes + n_threads * n_col * 208);
}

/* Runs a task on every panel in batches; after each batch `finish` sees its n panels in order. The error of the first
 * panel that has one counts. */
static enum tern_status for_all_panels(struct work *work, tern_task task,
                                       enum tern_status (*finish)(struct work *work, size_t n))
{
	size_t n_panel = panel_count(work), n_batch = batch_size(work);
	enum tern_status status;

	for (work->first = 0; work->first < n_panel; work->first += n_batch) {
		size_t n = n_panel - work->first < n_batch ? n_panel - (size_t)work->first : n_batch;
		tern_pool_run(work->c->pool, task, work, n);
		for (size_t i = 0; i < n; i++)
			if (work->panels[i].status) {
				*work->c->err = work->errors[i];
				return work->panels[i].status;
			}
		if ((status = finish(work, n)))
			return status;
		advance(work->c, work->matrix->weight->n_bytes * n / n_panel);
	}
	return TERN_OK;
}

static enum tern_status emit_batch(struct work *work, size_t n)
{
	for (size_t i = 0; i < n; i++)
		work->n_zeros += work->panels[i].n_zeros;
	return emit(work->c, work->out, n * work->panel_bytes);
}

/* ---- looking ---- */

static void look_task(void *context, size_t chunk, int worker)
{
	struct work *work = context;
	struct panel *panel = &work->panels[chunk];

	panel->status = matrix_look(work->matrix, work->first + chunk, &work->scratch[worker], &panel->facts,
	                            &work->errors[chunk]);
}

static enum tern_status merge_batch(struct work *work, size_t n)
{
	for (size_t i = 0; i < n; i++)
		matrix_merge_facts(&work->facts, &work->panels[i].facts);
	return TERN_OK;
}

enum tern_status execute_look(struct conversion *c)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; !status && i < c->plan.n_matrices; i++) {
		struct matrix *matrix = &c->plan.matrices[i];
		struct work work;
		if (matrix->storage != STORAGE_FLOATS)
			continue;
		if (!(status = work_begin(&work, c, matrix, 0)) &&
		    !(status = for_all_panels(&work, look_task, merge_batch)))
			status = matrix_conclude(matrix, &work.facts, c->err);
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
	size_t n_scales = matrix->group ? (size_t)(matrix->n_col / matrix->group) * TERN_PANEL_ROWS : 0;
	uint16_t *scales = n_scales ? work->group_scales + (work->first + chunk) * n_scales : NULL;

	panel->status =
	        matrix_read_panel(matrix, work->first + chunk, scratch, scales, &panel->n_zeros, &work->errors[chunk]);
	if (!panel->status)
		tern_t2r16_pack_panel(work->out + chunk * work->panel_bytes, scratch->codes, (size_t)matrix->n_col);
}

static void count_matrix(struct conversion *c, const struct step *step, uint64_t n_zeros)
{
	struct convert_summary *summary = c->summary;
	const struct matrix *matrix = step->matrix;
	uint64_t n = step->n_row * step->n_col;

	summary->n_weights[step->projection] += n;
	summary->n_zeros[step->projection] += n_zeros;
	summary->n_packed += matrix->storage == STORAGE_PACKED;
	summary->n_codes += matrix->storage == STORAGE_CODES;
	summary->n_masters += matrix->storage == STORAGE_MASTER;
	summary->n_ternary_floats += matrix->storage == STORAGE_TERNARY && !matrix->group;
	summary->n_grouped += matrix->group != 0;
	if (n_zeros == n)
		reporter_warn(&c->options->reporter, "%s: all weights are zero", step->name);
	else if (n_zeros > n - n / 64)
		reporter_warn(&c->options->reporter, "%s: %.1f %% of the weights are zero", step->name,
		              100.0 * (double)n_zeros / (double)n);
}

/* Writes a matrix and then, the step that follows, its scale or scales. */
static enum tern_status write_ternary(struct conversion *c, const struct step *step)
{
	const struct matrix *matrix = step->matrix;
	struct work work;
	size_t n_group = matrix->group ? (size_t)(matrix->n_col / matrix->group) : 0;
	enum tern_status status = work_begin(&work, c, matrix, tern_t2r16_panel_bytes((size_t)step->n_col));
	size_t n_scales = panel_count(&work) * n_group * TERN_PANEL_ROWS;

	if (!status && n_group && !(work.group_scales = tern_alloc(n_scales, sizeof *work.group_scales)))
		status = tern_fail_memory(c->err, n_scales * sizeof *work.group_scales);
	if (!status && !(status = for_all_panels(&work, ternary_task, emit_batch))) {
		count_matrix(c, step, work.n_zeros);
		status = n_group ? emit(c, work.group_scales, n_scales * sizeof *work.group_scales)
		                 : emit(c, &matrix->scale, sizeof matrix->scale);
	}
	work_end(&work);
	return status;
}

/* ---- embedding and head ---- */

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
	/* The raw bytes have been converted: their room takes the plane that is not wanted now. */
	tern_q8p_pack_panel(work->wants_low ? scratch->raw : out, work->wants_low ? out : scratch->raw, scratch->codes,
	                    n_col);
}

/* Writes both planes, one after the other, and then, the step that follows, the scales. Reading the floats twice is
 * cheaper than keeping half of a big tensor. */
static enum tern_status write_q8p(struct conversion *c, const struct step *step)
{
	struct matrix matrix = {.ckpt = &c->ckpt,
	                        .weight = step->source,
	                        .n_row = step->n_row,
	                        .n_col = step->n_col,
	                        .storage = STORAGE_FLOATS};
	struct work work;
	enum tern_status status = work_begin(&work, c, &matrix, tern_q8p_panel_bytes((size_t)step->n_col));
	size_t n_scales = panel_count(&work) * TERN_PANEL_ROWS;

	if (!status && !(work.row_scales = tern_alloc(n_scales, sizeof *work.row_scales)))
		status = tern_fail_memory(c->err, n_scales * sizeof *work.row_scales);
	for (int plane = 0; !status && plane < 2; plane++) {
		work.wants_low = plane == 1;
		status = for_all_panels(&work, q8p_task, emit_batch);
	}
	if (!status)
		status = emit(c, work.row_scales, (size_t)step->n_row * sizeof *work.row_scales);
	work_end(&work);
	return status;
}

static enum tern_status write_copy(struct conversion *c, const struct step *step)
{
	const struct tensor *source = step->source;
	size_t size = dtype_size(source->dtype);
	uint64_t n = step->n_row * step->n_col;
	uint8_t *raw = tern_alloc(COPY_VALUES, size);
	float *floats = tern_alloc(COPY_VALUES, sizeof *floats);
	enum tern_status status = raw && floats ? TERN_OK : tern_fail_memory(c->err, COPY_VALUES * (size + 4));

	for (uint64_t at = 0; !status && at < n; at += COPY_VALUES) {
		size_t n_now = n - at < COPY_VALUES ? (size_t)(n - at) : COPY_VALUES;
		if ((status = checkpoint_read(&c->ckpt, source, at * size, n_now * size, raw, c->err)))
			break;
		floats_convert(floats, raw, n_now, source->dtype);
		size_t bad = floats_find_nonfinite(floats, n_now);
		if (bad < n_now)
			status = checkpoint_fail(&c->ckpt, source, c->err, "row %llu: a value is not finite",
			                         (unsigned long long)((at + bad) / step->n_col));
		else if (source->dtype == DTYPE_F64) /* GGUF readers want floats */
			status = emit(c, floats, n_now * sizeof *floats);
		else
			status = emit(c, raw, n_now * size);
		advance(c, n_now * size);
	}
	tern_free(raw);
	tern_free(floats);
	return status;
}

/* ---- small tensors ---- */

static enum tern_status write_vector(struct conversion *c, const struct step *step)
{
	size_t n = (size_t)step->n_col;
	float *values = tern_alloc(n, sizeof *values), *ordered = tern_alloc(n, sizeof *ordered);
	enum tern_status status = values && ordered ? TERN_OK : tern_fail_memory(c->err, 2 * n * sizeof *values);

	if (!status && !(status = floats_read(&c->ckpt, step->source, n, values, c->err))) {
		for (size_t i = 0; i < n; i++)
			ordered[i] = values[matrix_source_row(step->head_dim, step->n_rot, i)] + step->offset;
		status = emit(c, ordered, n * sizeof *ordered);
	}
	if (!status)
		advance(c, step->source->n_bytes);
	tern_free(values);
	tern_free(ordered);
	return status;
}

static enum tern_status write_rope_freqs(struct conversion *c, const struct step *step)
{
	float *divisors = tern_alloc((size_t)step->n_col, sizeof *divisors);
	enum tern_status status;

	if (!divisors)
		return tern_fail_memory(c->err, (size_t)step->n_col * sizeof *divisors);
	rope_llama3_divisors(&c->config.rope, divisors);
	status = emit(c, divisors, (size_t)step->n_col * sizeof *divisors);
	tern_free(divisors);
	return status;
}

enum tern_status execute_write(struct conversion *c)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; !status && i < c->plan.n_steps; i++) {
		const struct step *step = &c->plan.steps[i];
		switch (step->kind) {
		case STEP_TERNARY:
			status = write_ternary(c, step);
			break;
		case STEP_Q8P:
			status = write_q8p(c, step);
			break;
		case STEP_COPY:
			status = write_copy(c, step);
			break;
		case STEP_VECTOR:
			status = write_vector(c, step);
			break;
		case STEP_ROPE_FREQS:
			status = write_rope_freqs(c, step);
			break;
		case STEP_SCALE:
		case STEP_ROW_SCALES:
			break; /* written with the step before */
		}
	}
	return status;
}
