#include "model/repack.h"

#include "base/bytes.h"
#include "base/cache.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "model/dequantize.h"
#include "model/i2s.h"
#include "model/layout.h"
#include "model/names.h"
#include "model/ternary_blocks.h"
#include "model/ternary_floats.h"

#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
	CODE_ZERO = 1,
	NO_SCALE = 0x7e00,     /* a NaN of half precision: for a magnitude that would be rounded to 0 */
	SLICE_BYTES = 16 << 20 /* of a mapped matrix that are in memory at a time */
};

/* ---- what there is to do ---- */

bool tern_is_own_ternary(uint32_t type) { return type == GGUF_TENSOR_T2R16 || type == GGUF_TENSOR_T1R16; }

bool tern_is_foreign_ternary(uint32_t type) { return type == GGUF_TENSOR_I2_S || tern_ternary_block(type) > 0; }

static bool is_of_layer(const struct gguf *gguf, const struct gguf_tensor *tensor)
{
	return tensor->name.length > 4 && !memcmp(tensor->name.bytes, "blk.", 4) &&
	       !tern_is_mtp_tensor(gguf, tensor->name) &&
	       (tensor->n_dims == 2 || (tensor->n_dims == 3 && tern_is_experts(tensor->name)));
}

uint32_t tern_repacked_type(const struct gguf *gguf, const struct gguf_tensor *tensor)
{
	uint32_t type = tensor->type, ternary = type == GGUF_TENSOR_Q1_0 ? GGUF_TENSOR_T1R16 : GGUF_TENSOR_T2R16;
	bool is_ternary = tern_is_foreign_ternary(type),
	     is_embedding = tern_gguf_string_is(tensor->name, "token_embd.weight");
	bool is_head = tern_gguf_string_is(tensor->name, "output.weight") ||
	               (is_embedding && !tern_gguf_find_tensor(gguf, "output.weight"));

	if (is_of_layer(gguf, tensor) && (is_ternary || (tern_is_float_type(type) && !tern_keeps_floats(tensor->name))))
		return ternary;
	/* Rows of an embedding in a block type are unpacked one at a time, when they are looked up. */
	if (is_ternary && (is_head || (is_embedding && type == GGUF_TENSOR_I2_S)))
		return ternary;
	return is_head && tern_can_dequantize(type) && !tern_is_float_type(type) ? GGUF_TENSOR_Q8P : type;
}

static enum tern_status start_threads(struct tern_repacker *r)
{
	int n_threads = r->options.n_threads;
	enum tern_status status = tern_choose_threads(&n_threads, r->err);

	return status ? status : tern_pool_new(&r->pool, n_threads, r->err);
}

enum tern_status tern_repacker_start(struct tern_repacker *r, const struct tern_model_options *options,
                                     struct tern_error *err)
{
	*r = (struct tern_repacker){.options = *options, .err = err};
	return start_threads(r);
}

void tern_repacker_read(struct tern_repacker *r, const struct gguf *gguf, const struct tern_file *file)
{
	r->gguf = gguf;
	r->file = file && file->is_mapped ? file : NULL;
}

enum tern_status tern_repacker_init(struct tern_repacker *r, const struct gguf *gguf,
                                    const struct tern_model_options *options, const struct tern_file *file,
                                    struct tern_error *err)
{
	uint64_t n_bytes = 0, n_in_place = 0;
	char what[TERN_QUOTE_SIZE + 64], quoted[TERN_QUOTE_SIZE];
	enum tern_status status;

	*r = (struct tern_repacker){.options = options ? *options : (struct tern_model_options){0}, .err = err};
	tern_repacker_read(r, gguf, file);
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		uint32_t type = tern_repacked_type(gguf, tensor);
		uint64_t n_new;
		if (type == tensor->type || !tern_gguf_tensor_bytes(type, tensor->n_dims, tensor->dims, &n_new)) {
			n_in_place += r->file ? tensor->n_bytes : 0;
			continue;
		}
		r->n_total += tensor->n_bytes;
		n_bytes += n_new;
	}
	if (r->n_total == 0)
		return TERN_OK;
	snprintf(what, sizeof what, "%s: bringing the weights into tern's layout",
	         tern_quote(quoted, gguf->path, strlen(gguf->path)));
	if ((status = tern_check_memory(what, n_bytes + n_in_place, r->options.overcommit, err)))
		return status;
	if (r->options.on_repack)
		r->options.on_repack(r->options.user, n_bytes);
	return start_threads(r);
}

void tern_repacker_clear(struct tern_repacker *r)
{
	tern_pool_free(r->pool);
	memset(r, 0, sizeof *r);
}

/* ---- messages ---- */

/* "FILE: tensor 'x' of type T: WHAT" */
__attribute__((format(printf, 3, 4))) static enum tern_status
fail(const struct tern_repacker *r, const struct gguf_tensor *tensor, const char *format, ...)
{
	char quoted[TERN_QUOTE_SIZE], what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return tern_fail(r->err, TERN_ERR_FILE, "%s: tensor '%s': type %s: %s", r->gguf->path,
	                 tern_quote(quoted, tensor->name.bytes, tensor->name.length), tern_gguf_type_name(tensor->type),
	                 what);
}

/* ---- the work ---- */

/* Work space of a thread, for one row; the pointers lead into one block. */
struct scratch {
	uint8_t *codes;   /* [n_col + TERN_I2S_MARGIN] */
	uint16_t *scales; /* [n_col / 16] */
	float *floats;    /* [n_col] */
	float *cells;     /* [n_col / 16] */
	int8_t *q;        /* [16, n_col] */
};

/* One tensor on its way. Tasks are panels of 16 rows, counted from first_panel; rows of the last panel behind the
 * last row are padding. */
struct job {
	struct tern_repacker *repacker;
	const struct gguf_tensor *tensor;
	size_t n_row, n_col, n_panel, first_panel;
	size_t group; /* columns that share a scale; 0: all */
	uint8_t *scratch;
	size_t scratch_bytes; /* of a thread */
	atomic_bool is_bad;   /* a row does not fit; find_fault() finds it */

	/* T2R16, or T1R16 */
	uint8_t *panels;
	bool is_binary;
	uint8_t code_zero; /* where the scale is 0 and in padding: of a zero weight; T1R16 has none, so of -1 */
	uint16_t *group_scales;
	struct tern_group_sizes group_sizes; /* floats only */
	struct tern_float_facts *facts;      /* of each panel */
	/* Q8P */
	uint8_t *planes;
	float *row_scales;
};

static size_t round_up(size_t n) { return tern_divide_up(n, TERN_CACHE_LINE) * TERN_CACHE_LINE; }

/* Every job gets room for all parts; pages of unused parts are never touched and cost nothing. */
static size_t scratch_layout(struct scratch *s, uint8_t *base, size_t n_col)
{
	size_t codes = 0, scales = codes + round_up(n_col + TERN_I2S_MARGIN),
	       floats = scales + round_up(n_col / TERN_TERNARY_TILE_COLS * sizeof *s->scales),
	       cells = floats + round_up(n_col * sizeof *s->floats),
	       q = cells + round_up(n_col / TERN_TERNARY_TILE_COLS * sizeof *s->cells);

	if (base)
		*s = (struct scratch){base + codes, (uint16_t *)(void *)(base + scales),
		                      (float *)(void *)(base + floats), (float *)(void *)(base + cells),
		                      (int8_t *)(base + q)};
	return q + round_up(TERN_PANEL_ROWS * n_col);
}

static struct scratch scratch_of(const struct job *job, int worker)
{
	struct scratch scratch;
	scratch_layout(&scratch, job->scratch + (size_t)worker * job->scratch_bytes, job->n_col);
	return scratch;
}

static enum tern_status job_init(struct job *job, struct tern_repacker *r, const struct gguf_tensor *tensor)
{
	*job = (struct job){
	        .repacker = r,
	        .tensor = tensor,
	        .n_row = (size_t)(tensor->dims[1] * tensor->dims[2]), /* the reader has checked the product */
	        .n_col = (size_t)tensor->dims[0],
	        .code_zero = CODE_ZERO};
	job->n_panel = tern_panel_count(job->n_row);
	job->scratch_bytes = scratch_layout(NULL, NULL, job->n_col);
	job->scratch = tern_alloc_aligned((size_t)tern_pool_size(r->pool), job->scratch_bytes);
	return job->scratch ? TERN_OK : tern_fail_memory(r->err, job->scratch_bytes);
}

static const uint8_t *row_at(const struct job *job, size_t row)
{
	return job->tensor->data + row * tern_gguf_row_bytes(job->tensor->type, job->n_col);
}

static void read_floats(const struct job *job, size_t row, float *floats)
{
	tern_dequantize_row(floats, job->tensor->type, row_at(job, row), job->n_col);
}

static bool all_finite(const float *values, size_t n)
{
	bool finite = true;
	for (size_t i = 0; i < n; i++)
		finite &= fabsf(values[i]) < INFINITY;
	return finite;
}

/* Runs a task on all panels, slice by slice, and gives the pages of each slice back. */
static void run_on_panels(struct job *job, tern_task task)
{
	const struct tern_repacker *r = job->repacker;
	size_t panel_bytes = (size_t)job->tensor->n_bytes / job->n_panel; /* of the input, rounded down */
	size_t n_slice = SLICE_BYTES / tern_larger(panel_bytes, 1) + 1;

	for (size_t n; job->first_panel < job->n_panel; job->first_panel += n) {
		n = tern_smaller(job->n_panel - job->first_panel, n_slice);
		tern_pool_run(r->pool, task, job, n);
		if (r->file)
			tern_file_release(r->file, job->tensor->data + job->first_panel * panel_bytes, n * panel_bytes);
	}
	job->first_panel = 0;
}

/* Gives the pages of a finished tensor back and reports progress. */
static enum tern_status finish(struct tern_repacker *r, const struct gguf_tensor *tensor)
{
	r->n_done += tensor->n_bytes;
	if (r->file)
		tern_file_release(r->file, tensor->data, (size_t)tensor->n_bytes);
	if (r->options.on_progress && !r->options.on_progress(r->options.user, r->n_done, r->n_total))
		return tern_fail(r->err, TERN_ERR_FAILED, "%s: opening was interrupted", r->gguf->path);
	return TERN_OK;
}

/* ---- ternary rows ---- */

/* Signs and, if there are groups, the magnitude of each. */
static void codes_of_floats(const struct job *job, const struct scratch *s)
{
	for (size_t c = 0; c < job->n_col; c++)
		s->codes[c] = (uint8_t)(1 + (s->floats[c] > 0.0f) - (s->floats[c] < 0.0f));
	for (size_t c = 0; job->group && c < job->n_col; c += job->group) {
		float magnitude = 0.0f;
		for (size_t i = 0; i < job->group && magnitude == 0.0f; i++)
			magnitude = fabsf(s->floats[c + i]);
		s->scales[c / job->group] = tern_f16_from_f32(magnitude);
		if (magnitude > 0.0f && s->scales[c / job->group] == 0)
			s->scales[c / job->group] = NO_SCALE;
	}
}

/* Weights of a block whose scale is 0 are 0, whatever their codes. False: a scale is infinite, NaN or has a sign. */
static bool check_scales(const struct job *job, const struct scratch *s)
{
	bool good = true;

	for (size_t g = 0; g < job->n_col / job->group; g++) {
		good = good && s->scales[g] < 0x7c00;
		if (s->scales[g] == 0)
			memset(s->codes + g * job->group, job->code_zero, job->group);
	}
	return good;
}

/* The codes of a row, and its scales in s->scales if there are groups. *good: whether the scales are. */
static const uint8_t *read_codes(const struct job *job, const struct scratch *s, size_t row, bool *good)
{
	const struct gguf_tensor *tensor = job->tensor;

	*good = true;
	if (tensor->type == GGUF_TENSOR_I2_S)
		return tern_i2s_unpack_row(s->codes, job->repacker->options.i2s_layout, tensor->data, job->n_col, row);
	if (tern_is_float_type(tensor->type)) {
		read_floats(job, row, s->floats);
		codes_of_floats(job, s);
	} else {
		tern_ternary_unpack_row(s->codes, s->scales, tensor->type, row_at(job, row), job->n_col);
	}
	if (job->group)
		*good = check_scales(job, s);
	return s->codes;
}

static void repack_panel(void *context, size_t chunk, int worker)
{
	struct job *job = context;
	struct scratch s = scratch_of(job, worker);
	size_t panel = job->first_panel + chunk;
	uint8_t *out = job->panels + panel * tern_ternary_panel_bytes(job->n_col, job->is_binary);
	size_t n_group = job->group ? job->n_col / job->group : 0;
	bool all_good = true, good = true;

	for (size_t r = 0; r < TERN_PANEL_ROWS; r++) {
		size_t row = panel * TERN_PANEL_ROWS + r;
		const uint8_t *codes = s.codes;
		if (row < job->n_row) {
			codes = read_codes(job, &s, row, &good);
		} else {
			memset(s.codes, job->code_zero, job->n_col);
			memset(s.scales, 0, n_group * sizeof *s.scales);
		}
		good = (job->is_binary ? tern_t1r16_pack_row : tern_t2r16_pack_row)(out, r, codes, job->n_col) && good;
		for (size_t g = 0; g < n_group; g++)
			job->group_scales[(panel * n_group + g) * TERN_PANEL_ROWS + r] = s.scales[g];
		all_good = all_good && good;
	}
	if (!all_good)
		atomic_store_explicit(&job->is_bad, true, memory_order_relaxed);
}

/* What is wrong with the first row that is bad. */
static enum tern_status find_fault(const struct job *job)
{
	struct scratch s = scratch_of(job, 0);
	bool good;

	for (size_t row = 0; row < job->n_row; row++) {
		const uint8_t *codes = read_codes(job, &s, row, &good);
		for (size_t g = 0; !good && g < job->n_col / job->group; g++)
			if (s.scales[g] >= 0x7c00 && tern_is_float_type(job->tensor->type))
				return fail(job->repacker, job->tensor,
				            "row %zu, column %zu: the magnitude is outside of half precision, 6e-8 to "
				            "65504",
				            row, g * job->group);
			else if (s.scales[g] >= 0x7c00)
				return fail(
				        job->repacker, job->tensor,
				        "row %zu, column %zu: the scale is %g; expected a finite number, not below 0",
				        row, g * job->group, (double)tern_f32_from_f16(s.scales[g]));
		for (size_t c = 0; c < job->n_col; c++)
			if (codes[c] > 2)
				return fail(job->repacker, job->tensor,
				            "row %zu, column %zu: code 3, which is no ternary weight", row, c);
	}
	return fail(job->repacker, job->tensor, "changed while it was read");
}

/* Whether all scales but zeros are equal: then *scale is it (1 if all are zero). The zeros of a T1R16 matrix are its
 * only zero weights, and have to stay; those of padding do not count. */
static bool scales_are_one(const struct job *job, uint16_t *scale)
{
	size_t n_group = job->n_col / job->group;

	*scale = 0;
	for (size_t i = 0; i < job->n_panel * n_group * TERN_PANEL_ROWS; i++) {
		uint16_t one = job->group_scales[i];
		size_t row = i / (n_group * TERN_PANEL_ROWS) * TERN_PANEL_ROWS + i % TERN_PANEL_ROWS;
		if (row >= job->n_row || one == *scale || (one == 0 && !job->is_binary))
			continue;
		if (*scale || one == 0)
			return false;
		*scale = one;
	}
	if (!*scale)
		*scale = 0x3c00;
	return true;
}

/* The one scale of a row's groups where all are equal; but for zeros, unless the matrix is_binary. */
static bool row_scale(const uint16_t *scales, size_t n_group, bool is_binary, uint16_t *scale)
{
	*scale = scales[0];
	for (size_t g = 1; g < n_group; g++) {
		uint16_t next = scales[g * TERN_PANEL_ROWS];
		if (next != *scale && (is_binary || (next && *scale)))
			return false;
		*scale = next ? next : *scale;
	}
	return true;
}

/* Leaves one scale for each row if its groups have no others: fewer bytes, and less to do for a product. */
static enum tern_status join_groups(struct job *job, size_t x_group, struct tern_ternary *out)
{
	size_t n_group = job->n_col / out->group, n = job->n_panel * TERN_PANEL_ROWS;
	uint16_t *joined;

	if (n_group == 1 || (x_group && x_group % job->n_col && job->n_col % x_group))
		return TERN_OK;
	if (!(joined = tern_alloc_aligned(n, sizeof *joined)))
		return tern_fail_memory(job->repacker->err, n * sizeof *joined);
	for (size_t row = 0; row < n; row++) {
		const uint16_t *scales =
		        out->group_scales + row / TERN_PANEL_ROWS * n_group * TERN_PANEL_ROWS + row % TERN_PANEL_ROWS;
		if (!row_scale(scales, n_group, job->is_binary, &joined[row])) {
			tern_free(joined);
			return TERN_OK;
		}
	}
	tern_free(out->group_scales);
	out->group_scales = joined;
	out->group = job->n_col;
	return TERN_OK;
}

/* ---- matrices of floats ---- */

static void look_at_panel(void *context, size_t chunk, int worker)
{
	struct job *job = context;
	struct scratch s = scratch_of(job, worker);
	size_t panel = job->first_panel + chunk, end = (panel + 1) * TERN_PANEL_ROWS;

	job->facts[panel] = tern_float_facts_none();
	for (size_t row = panel * TERN_PANEL_ROWS; row < end && row < job->n_row; row++) {
		read_floats(job, row, s.floats);
		if (!all_finite(s.floats, job->n_col))
			atomic_store_explicit(&job->is_bad, true, memory_order_relaxed);
		else
			tern_float_facts_look(&job->facts[panel], &job->group_sizes, s.floats, s.cells);
	}
}

/* Sets job->group and *scale from the values. */
static enum tern_status look_at_floats(struct job *job, size_t x_group, float *scale)
{
	struct tern_repacker *r = job->repacker;
	struct tern_float_facts all = tern_float_facts_none();

	tern_group_sizes_list(&job->group_sizes, job->n_col, x_group);
	if (!(job->facts = tern_alloc(job->n_panel, sizeof *job->facts)))
		return tern_fail_memory(r->err, job->n_panel * sizeof *job->facts);
	run_on_panels(job, look_at_panel);
	for (size_t panel = 0; panel < job->n_panel; panel++)
		tern_float_facts_merge(&all, &job->facts[panel]);
	if (atomic_load(&job->is_bad))
		return fail(r, job->tensor, "holds a value that is not finite");
	if (!tern_float_facts_group(&all, &job->group_sizes, &job->group))
		return fail(r, job->tensor,
		            "not ternary: %g and %g stand within 16 columns; tern runs models trained to ternary "
		            "weights only",
		            (double)all.examples[0], (double)all.examples[1]);
	*scale = all.magnitude > 0.0f ? all.magnitude : 1.0f;
	return TERN_OK;
}

/* ---- one matrix ---- */

static enum tern_status read_i2s_scale(const struct job *job, float *scale)
{
	enum tern_i2s_layout layout = job->repacker->options.i2s_layout;

	if (!tern_i2s_fits(layout, job->n_row, job->n_col))
		return fail(job->repacker, job->tensor, "%zu rows of %zu columns cannot be in blocks of %s", job->n_row,
		            job->n_col,
		            layout == TERN_I2S_ROWS4 ? "4 rows"
		            : layout == TERN_I2S_64  ? "64"
		                                     : "128");
	*scale = tern_load_f32(job->tensor->data + job->n_row * job->n_col / 4);
	if (!(*scale > 0.0f) || !isfinite(*scale))
		return fail(job->repacker, job->tensor, "the scale is %g; expected a finite number above 0",
		            (double)*scale);
	return TERN_OK;
}

/* Sets the group, and the scale where there is none. */
static enum tern_status find_scales(struct job *job, size_t x_group, float *scale)
{
	if (job->tensor->type == GGUF_TENSOR_I2_S)
		return read_i2s_scale(job, scale);
	if (tern_is_float_type(job->tensor->type))
		return look_at_floats(job, x_group, scale);
	job->group = tern_ternary_block(job->tensor->type);
	job->is_binary = job->tensor->type == GGUF_TENSOR_Q1_0;
	job->code_zero = job->is_binary ? 0 : CODE_ZERO;
	if (job->is_binary && !tern_t1r16_fits(job->n_col, 0, x_group))
		return fail(job->repacker, job->tensor, "wants a tern.activation_group that is a multiple of 32");
	return TERN_OK;
}

static enum tern_status repack_ternary(struct job *job, size_t x_group, struct tern_ternary *out)
{
	struct tern_repacker *r = job->repacker;
	enum tern_status status = find_scales(job, x_group, &out->scale);
	size_t panel_bytes, n_scale;
	uint16_t scale;

	if (status)
		return status;
	panel_bytes = tern_ternary_panel_bytes(job->n_col, job->is_binary);
	out->is_binary = job->is_binary;
	n_scale = job->group ? job->n_panel * TERN_PANEL_ROWS * (job->n_col / job->group) : 0;
	out->panels = job->panels = tern_alloc_huge(job->n_panel, panel_bytes);
	if (n_scale)
		out->group_scales = job->group_scales = tern_alloc_aligned(n_scale, sizeof *out->group_scales);
	if (!out->panels || (n_scale && !out->group_scales))
		return tern_fail_memory(r->err, job->n_panel * panel_bytes + n_scale * sizeof *out->group_scales);
	run_on_panels(job, repack_panel);
	if (atomic_load(&job->is_bad))
		return find_fault(job);
	out->group = job->group;
	if (job->group && scales_are_one(job, &scale)) {
		tern_free(out->group_scales);
		out->group_scales = NULL;
		out->group = 0;
		out->scale = tern_f32_from_f16(scale);
	}
	if (out->group && (status = join_groups(job, x_group, out)))
		return status;
	if (out->group && x_group && x_group % out->group && out->group % x_group)
		return fail(r, job->tensor,
		            "scales of %zu columns; they have to divide the %zu of tern.activation_group, or be a "
		            "multiple of them",
		            out->group, x_group);
	return TERN_OK;
}

enum tern_status tern_repack_ternary(struct tern_repacker *r, const struct gguf_tensor *tensor, size_t x_group,
                                     struct tern_ternary *out)
{
	struct job job;
	enum tern_status status = job_init(&job, r, tensor);

	*out = (struct tern_ternary){.n_row = job.n_row, .n_col = job.n_col};
	if (!status && !(status = repack_ternary(&job, x_group, out)))
		status = finish(r, tensor);
	tern_free(job.facts);
	tern_free(job.scratch);
	if (status) {
		tern_free(out->panels);
		tern_free(out->group_scales);
		*out = (struct tern_ternary){0};
	}
	return status;
}

/* ---- heads ---- */

/* One int8 step of a row is 1/127 of its largest value. The types that come here have 4 to 6 bits and a scale for each
 * 16 or 32 values (Q8_0: 8 bits), so their own rounding is the coarser one, and the activations that meet the head are
 * rounded to int8 as well. */
static void quantize_panel(void *context, size_t chunk, int worker)
{
	struct job *job = context;
	struct scratch s = scratch_of(job, worker);
	size_t panel = job->first_panel + chunk, panel_bytes = tern_q8p_panel_bytes(job->n_col);
	uint8_t *high = job->planes + panel * panel_bytes, *low = high + job->n_panel * panel_bytes;

	for (size_t r = 0; r < TERN_PANEL_ROWS; r++) {
		size_t row = panel * TERN_PANEL_ROWS + r;
		int8_t *q = s.q + r * job->n_col;
		memset(q, 0, job->n_col);
		if (row >= job->n_row)
			continue;
		read_floats(job, row, s.floats);
		if (all_finite(s.floats, job->n_col))
			tern_q8p_quantize_row(q, &job->row_scales[row], s.floats, job->n_col);
		else
			atomic_store_explicit(&job->is_bad, true, memory_order_relaxed);
	}
	tern_q8p_pack_panel(high, low, s.q, job->n_col);
}

static enum tern_status repack_q8p(struct job *job)
{
	struct tern_repacker *r = job->repacker;
	size_t plane_bytes = job->n_panel * tern_q8p_panel_bytes(job->n_col);

	job->planes = tern_alloc_huge(2, plane_bytes);
	job->row_scales = tern_alloc(job->n_row, sizeof *job->row_scales);
	if (!job->planes || !job->row_scales)
		return tern_fail_memory(r->err, 2 * plane_bytes);
	run_on_panels(job, quantize_panel);
	if (atomic_load(&job->is_bad))
		return fail(r, job->tensor, "holds a value that is not finite");
	return finish(r, job->tensor);
}

enum tern_status tern_repack_q8p(struct tern_repacker *r, const struct gguf_tensor *tensor, uint8_t **planes,
                                 float **row_scales)
{
	struct job job;
	enum tern_status status = job_init(&job, r, tensor);

	if (!status)
		status = repack_q8p(&job);
	if (status) {
		tern_free(job.planes);
		tern_free(job.row_scales);
		job.planes = NULL;
		job.row_scales = NULL;
	}
	*planes = job.planes;
	*row_scales = job.row_scales;
	tern_free(job.scratch);
	return status;
}
