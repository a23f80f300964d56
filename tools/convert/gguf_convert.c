#include "convert/gguf_convert.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "convert/encode.h"
#include "convert/gguf_plan.h"
#include "convert/gguf_source.h"
#include "convert/target.h"
#include "model/layout.h"

#include <string.h>
#include <sys/stat.h>

/* A conversion under way. */
struct rewriting {
	const struct gguf_convert_options *options;
	struct gguf_convert_summary *summary;
	struct gguf_source source;
	struct tern_repacker repacker;
	struct gguf_plan plan;
	struct gguf_writer *writer; /* NULL: a dry run */
	uint64_t n_done, n_total;   /* bytes of tensors */
	struct tern_error *err;
};

/* ---- metadata ---- */

/* Keys of the input that do not hold for the output. */
static bool is_replaced(struct gguf_string key, enum gguf_target target)
{
	static const char *const replaced[] = {"general.file_type", "general.quantization_version", "tern.activation",
	                                       "tern.activation_group"};

	if (gguf_source_is_split_key(key))
		return true;
	for (size_t i = 0; target != GGUF_TARGET_SAME && i < sizeof replaced / sizeof *replaced; i++)
		if (tern_gguf_string_is(key, replaced[i]))
			return true;
	return false;
}

/* How activations are quantised follows from a file's types unless it says so itself, so it has to once they change. */
static enum tern_status put_activation(const struct rewriting *r)
{
	size_t group = r->plan.activation_group;
	enum tern_status status =
	        tern_gguf_put_string(r->writer, "tern.activation", group ? "per_group" : "per_token", 9, r->err);

	if (!status && group)
		status = tern_gguf_put_u32(r->writer, "tern.activation_group", (uint32_t)group, r->err);
	return status;
}

/* What llama.cpp calls the types that most of a file is in. */
static enum tern_status put_file_type(const struct rewriting *r)
{
	enum {
		MOSTLY_TQ2_0 = 37,
		MOSTLY_I2_S = 40,
		QUANTIZATION_VERSION = 2
	};
	enum tern_status status;

	if (r->options->target == GGUF_TARGET_T2R16)
		return TERN_OK;
	status = tern_gguf_put_u32(r->writer, "general.file_type",
	                           r->options->target == GGUF_TARGET_TQ2_0 ? MOSTLY_TQ2_0 : MOSTLY_I2_S, r->err);
	return status ? status
	              : tern_gguf_put_u32(r->writer, "general.quantization_version", QUANTIZATION_VERSION, r->err);
}

static enum tern_status put_metadata(const struct rewriting *r)
{
	const struct gguf *metadata = &r->source.whole;
	enum tern_status status = TERN_OK;

	for (size_t i = 0; !status && i < metadata->n_pairs; i++)
		if (!is_replaced(metadata->pairs[i].key, r->options->target))
			status = tern_gguf_put_pair(r->writer, &metadata->pairs[i], r->err);
	if (!status && r->options->target != GGUF_TARGET_SAME && !(status = put_activation(r)))
		status = put_file_type(r);
	return status;
}

/* ---- data ---- */

static enum tern_status emit(struct rewriting *r, const void *bytes, size_t n_bytes)
{
	r->summary->n_bytes_out += n_bytes;
	return r->writer ? tern_gguf_write_data(r->writer, bytes, n_bytes, r->err) : TERN_OK;
}

static void advance(struct rewriting *r, uint64_t n_bytes)
{
	const struct reporter *reporter = &r->options->reporter;

	r->n_done += n_bytes;
	if (reporter->on_progress)
		reporter->on_progress(reporter->user, r->n_done, r->n_total);
}

/* One row of a ternary matrix in the target's type; returns its bytes. scales: scratch for the row's. */
static size_t encode_row(uint8_t *out, const struct gguf_ternary *ternary, const int8_t *weights, uint16_t *scales,
                         size_t row, enum gguf_target target)
{
	size_t n_col = ternary->n_col, n_group = ternary->group ? n_col / ternary->group : 0;
	const uint8_t *group_scales = (const uint8_t *)ternary->group_scales;

	if (target == GGUF_TARGET_I2_S) {
		encode_i2_s_row(out, weights, n_col);
		return n_col / I2_S_BLOCK * I2_S_BLOCK_BYTES;
	}
	for (size_t block = 0; block < n_col / TQ2_0_BLOCK; block++) {
		size_t group = n_group ? block * TQ2_0_BLOCK / ternary->group : 0;
		size_t at = (row / TERN_PANEL_ROWS * n_group + group) * TERN_PANEL_ROWS + row % TERN_PANEL_ROWS;
		scales[block] = n_group ? tern_load_u16(group_scales + 2 * at) : tern_f16_from_f32(ternary->scale);
	}
	encode_tq2_0_row(out, weights, scales, n_col);
	return n_col / TQ2_0_BLOCK * TQ2_0_BLOCK_BYTES;
}

/* A damaged T2R16 file may hold codes that are no weights; others come checked. */
static bool are_ternary(const int8_t *weights, size_t n)
{
	int8_t largest = 0;

	for (size_t i = 0; i < n; i++)
		largest = weights[i] > largest ? weights[i] : largest;
	return largest <= 1;
}

static enum tern_status write_encoded(struct rewriting *r, const struct gguf_step *step,
                                      const struct gguf_ternary *ternary)
{
	enum gguf_target target = r->options->target;
	size_t n_col = ternary->n_col, panel_bytes = tern_t2r16_panel_bytes(n_col), n_bytes;
	int8_t *weights = tern_alloc(n_col, 1);
	uint8_t *out = tern_alloc(n_col, 1), tail[I2_S_TAIL_BYTES];
	uint16_t *scales = tern_alloc(n_col / TQ2_0_BLOCK + 1, sizeof *scales);
	enum tern_status status = weights && out && scales ? TERN_OK : tern_fail_memory(r->err, 3 * n_col);

	for (size_t row = 0; !status && row < ternary->n_row; row++) {
		tern_t2r16_unpack_row(weights, ternary->panels + row / TERN_PANEL_ROWS * panel_bytes,
		                      row % TERN_PANEL_ROWS, n_col);
		if (!are_ternary(weights, n_col)) {
			status = gguf_plan_fail(&r->source, step, r->err, "row %zu has a code that is no weight", row);
			break;
		}
		n_bytes = encode_row(out, ternary, weights, scales, row, target);
		status = emit(r, out, n_bytes);
	}
	if (!status && target == GGUF_TARGET_I2_S) {
		encode_i2_s_tail(tail, ternary->scale);
		status = emit(r, tail, sizeof tail);
	}
	tern_free(weights);
	tern_free(out);
	tern_free(scales);
	return status;
}

static enum tern_status write_ternary(struct rewriting *r, const struct gguf_step *step)
{
	struct gguf_ternary ternary;
	enum tern_status status =
	        gguf_ternary_get(&ternary, &r->source, step, &r->repacker, r->plan.activation_group, r->err);
	size_t n_panel = tern_panel_count(ternary.n_row);

	if (!status && r->options->target != GGUF_TARGET_T2R16)
		status = write_encoded(r, step, &ternary);
	else if (!status && !(status = emit(r, ternary.panels, n_panel * tern_t2r16_panel_bytes(ternary.n_col))))
		status = ternary.group
		                 ? emit(r, ternary.group_scales,
		                        n_panel * (ternary.n_col / ternary.group) * TERN_PANEL_ROWS * sizeof(uint16_t))
		                 : emit(r, &ternary.scale, sizeof ternary.scale);
	gguf_ternary_free(&ternary);
	r->summary->n_ternary++;
	return status;
}

static enum tern_status write_q8p(struct rewriting *r, const struct gguf_step *step)
{
	size_t n_row = (size_t)step->dims[1], n_col = (size_t)step->dims[0];
	uint8_t *planes = NULL;
	float *row_scales = NULL;
	enum tern_status status;

	tern_repacker_read(&r->repacker, &r->source.parts[step->part], &r->source.files[step->part]);
	status = tern_repack_q8p(&r->repacker, step->source, &planes, &row_scales);
	if (!status && !(status = emit(r, planes, 2 * tern_panel_count(n_row) * tern_q8p_panel_bytes(n_col))))
		status = emit(r, row_scales, n_row * sizeof *row_scales);
	tern_free(planes);
	tern_free(row_scales);
	r->summary->n_dense++;
	return status;
}

/* Q8_0 keeps the int8 values; only the row's scale is rounded, to a half float. */
static enum tern_status write_q8_0(struct rewriting *r, const struct gguf_step *step)
{
	size_t n_row = (size_t)step->dims[1], n_col = (size_t)step->dims[0];
	size_t row_bytes = n_col / Q8_0_BLOCK * Q8_0_BLOCK_BYTES;
	char name[GGUF_MAX_NAME_LENGTH + 8] = {0};
	const struct gguf_tensor *scales;
	int8_t *q = tern_alloc(n_col, 1);
	uint8_t *out = tern_alloc(row_bytes, 1);
	enum tern_status status = q && out ? TERN_OK : tern_fail_memory(r->err, 2 * row_bytes);

	memcpy(name, step->name, strlen(step->name) - strlen(".weight"));
	strcat(name, ".scale");
	scales = tern_gguf_find_tensor(&r->source.whole, name);
	if (!status && (!scales || scales->type != GGUF_TENSOR_F32 || scales->dims[0] != n_row))
		status = gguf_plan_fail(&r->source, step, r->err, "its scales, F32, one a row, are missing");
	for (size_t row = 0; !status && row < n_row; row++) {
		tern_q8p_unpack_row(q, step->source->data, n_row, n_col, row);
		encode_q8_0_row(out, q, tern_f16_from_f32(tern_load_f32(scales->data + 4 * row)), n_col);
		status = emit(r, out, row_bytes);
	}
	tern_free(q);
	tern_free(out);
	r->summary->n_dense++;
	return status;
}

static enum tern_status write_step(struct rewriting *r, const struct gguf_step *step)
{
	switch (step->kind) {
	case GGUF_STEP_COPY:
		return emit(r, step->source->data, (size_t)step->source->n_bytes);
	case GGUF_STEP_TERNARY:
		return write_ternary(r, step);
	case GGUF_STEP_Q8P:
		return write_q8p(r, step);
	case GGUF_STEP_Q8_0:
		return write_q8_0(r, step);
	case GGUF_STEP_SCALE:
	case GGUF_STEP_ROW_SCALES:
		break; /* written with the step before */
	}
	return TERN_OK;
}

static enum tern_status write_data(struct rewriting *r)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < r->plan.n_steps; i++)
		r->n_total += r->plan.steps[i].source->n_bytes;
	for (size_t i = 0; !status && i < r->plan.n_steps; i++)
		if (!(status = write_step(r, &r->plan.steps[i])))
			advance(r, r->plan.steps[i].source->n_bytes);
	return status;
}

/* ---- the whole ---- */

/* Merging repacks nothing. */
static enum tern_status start_repacker(struct rewriting *r)
{
	struct tern_model_options options = {.n_threads = r->options->n_threads, .i2s_layout = r->options->i2s_layout};

	return r->options->target == GGUF_TARGET_SAME ? TERN_OK : tern_repacker_start(&r->repacker, &options, r->err);
}

/* An output that is one of the input's files would destroy it, --force or not. */
static enum tern_status check_output(const struct rewriting *r)
{
	const char *output = r->options->output;
	struct stat out, part;

	if (stat(output, &out) != 0)
		return TERN_OK;
	for (size_t i = 0; i < r->source.n_parts; i++)
		if (stat(r->source.paths[i], &part) == 0 && part.st_dev == out.st_dev && part.st_ino == out.st_ino)
			return tern_fail(r->err, TERN_ERR_USAGE, "%s: is the input", output);
	return TERN_OK;
}

static enum tern_status write_output(struct rewriting *r)
{
	const struct gguf_convert_options *options = r->options;
	enum tern_status status;

	if (!options->dry_run &&
	    ((status = check_output(r)) ||
	     (status = target_create(&r->writer, options->output, options->force, &options->reporter, r->err))))
		return status;
	if (r->writer && (status = put_metadata(r)))
		return status;
	for (size_t i = 0; r->writer && i < r->plan.n_steps; i++) {
		const struct gguf_step *step = &r->plan.steps[i];
		if ((status =
		             tern_gguf_add_tensor(r->writer, step->name, step->type, step->n_dims, step->dims, r->err)))
			return status;
	}
	if (r->writer && (status = tern_gguf_begin_data(r->writer, r->err)))
		return status;
	return write_data(r);
}

enum tern_status gguf_convert(const struct gguf_convert_options *options, struct gguf_convert_summary *summary,
                              struct tern_error *err)
{
	struct rewriting r = {.options = options, .summary = summary, .err = err};
	uint64_t start = tern_clock_ns();
	enum tern_status status;

	*summary = (struct gguf_convert_summary){0};
	if (!(status = gguf_source_open(&r.source, options->input, err)) && !(status = start_repacker(&r)) &&
	    !(status = gguf_plan_make(&r.plan, &r.source, options, &r.repacker, err)))
		status = write_output(&r);
	status = target_finish(&r.writer, status, &options->reporter, err);
	summary->n_parts = r.source.n_parts;
	summary->n_tensors = r.plan.n_steps;
	for (size_t i = 0; i < r.source.whole.n_tensors; i++)
		summary->n_bytes_in += r.source.whole.tensors[i].n_bytes;
	summary->seconds = (double)(tern_clock_ns() - start) * 1e-9;
	gguf_plan_free(&r.plan);
	tern_repacker_clear(&r.repacker);
	gguf_source_close(&r.source);
	return status;
}
