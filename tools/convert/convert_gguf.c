#include "convert/convert_gguf.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "convert/gguf/export_rows.h"
#include "convert/gguf/gguf_input.h"
#include "convert/gguf/gguf_mapping.h"
#include "convert/job/out_file.h"
#include "model/layout.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

/* A conversion under way. */
struct rewriting {
	const struct convert_options *options;
	struct gguf_summary *summary;
	struct gguf_input input;
	struct tern_repacker repacker;
	struct gguf_mapping mapping;
	struct out_file output;
	struct tern_error *err;
};

/* ---- metadata ---- */

/* Keys of the input that do not hold for the output. */
static bool is_replaced(struct gguf_string key, enum target target)
{
	static const char *const replaced[] = {"general.file_type", "general.quantization_version", "tern.activation",
	                                       "tern.activation_group"};

	if (gguf_is_split_key(key))
		return true;
	for (size_t i = 0; target != TARGET_SAME && i < sizeof replaced / sizeof *replaced; i++)
		if (tern_gguf_string_is(key, replaced[i]))
			return true;
	return false;
}

/* Readers derive from a file's types how activations are quantized unless these keys say so; the types have changed. */
static void put_activation(const struct rewriting *r)
{
	size_t group = r->mapping.activation_group;

	tern_gguf_put_string(r->output.writer, "tern.activation", group ? "per_group" : "per_token", 9);
	if (group)
		tern_gguf_put_u32(r->output.writer, "tern.activation_group", (uint32_t)group);
}

/* llama.cpp's number for the type of most tensors. */
static void put_file_type(const struct rewriting *r)
{
	enum {
		MOSTLY_TQ2_0 = 37,
		MOSTLY_I2_S = 40,
		QUANTIZATION_VERSION = 2
	};

	tern_gguf_put_u32(r->output.writer, "general.file_type",
	                  r->options->target == TARGET_TQ2_0 ? MOSTLY_TQ2_0 : MOSTLY_I2_S);
	tern_gguf_put_u32(r->output.writer, "general.quantization_version", QUANTIZATION_VERSION);
}

static void put_metadata(const struct rewriting *r)
{
	const struct gguf *metadata = &r->input.whole;
	enum target target = r->options->target;

	for (size_t i = 0; i < metadata->n_pairs; i++)
		if (!is_replaced(metadata->pairs[i].key, target))
			tern_gguf_put_pair(r->output.writer, &metadata->pairs[i]);
	if (target != TARGET_SAME)
		put_activation(r);
	if (target == TARGET_TQ2_0 || target == TARGET_I2_S)
		put_file_type(r);
}

/* ---- data ---- */

/* One row of a ternary matrix in the target's type; returns its bytes. scales: scratch for the row's. */
static size_t encode_row(uint8_t *out, const struct gguf_ternary *ternary, const int8_t *weights, uint16_t *scales,
                         size_t row, enum target target)
{
	size_t n_col = ternary->n_col, n_group = ternary->group ? n_col / ternary->group : 0;
	const uint8_t *group_scales = (const uint8_t *)ternary->group_scales;

	if (target == TARGET_I2_S) {
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

static enum tern_status write_encoded(struct rewriting *r, const struct gguf_output *tensor,
                                      const struct gguf_ternary *ternary)
{
	enum target target = r->options->target;
	size_t n_col = ternary->n_col, panel_bytes = tern_ternary_panel_bytes(n_col, ternary->is_binary), n_bytes;
	int8_t *weights = tern_alloc(n_col, 1);
	uint8_t *out = tern_alloc(n_col, 1), tail[I2_S_TAIL_BYTES];
	uint16_t *scales = tern_alloc(n_col / TQ2_0_BLOCK + 1, sizeof *scales);
	enum tern_status status = weights && out && scales ? TERN_OK : tern_fail_memory(r->err, 3 * n_col);

	for (size_t row = 0; !status && row < ternary->n_row; row++) {
		tern_ternary_panel_row(weights, ternary->panels + row / TERN_PANEL_ROWS * panel_bytes,
		                       row % TERN_PANEL_ROWS, n_col, ternary->is_binary);
		if (!are_ternary(weights, n_col)) {
			status = gguf_output_fail(&r->input, tensor, r->err, "row %zu has a code that is no weight",
			                          row);
			break;
		}
		n_bytes = encode_row(out, ternary, weights, scales, row, target);
		status = out_file_write(&r->output, out, n_bytes);
	}
	if (!status && target == TARGET_I2_S) {
		encode_i2_s_tail(tail, ternary->scale);
		status = out_file_write(&r->output, tail, sizeof tail);
	}
	tern_free(weights);
	tern_free(out);
	tern_free(scales);
	return status;
}

static enum tern_status write_ternary(struct rewriting *r, const struct gguf_output *tensor)
{
	struct gguf_ternary ternary;
	enum tern_status status =
	        gguf_ternary_get(&ternary, &r->input, tensor, &r->repacker, r->mapping.activation_group, r->err);
	size_t n_panel = tern_panel_count(ternary.n_row);

	if (!status && r->options->target != TARGET_T2R16)
		status = write_encoded(r, tensor, &ternary);
	else if (!status &&
	         !(status = out_file_write(&r->output, ternary.panels,
	                                   n_panel * tern_ternary_panel_bytes(ternary.n_col, ternary.is_binary))))
		status = ternary.group ? out_file_write(&r->output, ternary.group_scales,
		                                        n_panel * (ternary.n_col / ternary.group) * TERN_PANEL_ROWS *
		                                                sizeof(uint16_t))
		                       : out_file_write(&r->output, &ternary.scale, sizeof ternary.scale);
	gguf_ternary_free(&ternary);
	r->summary->n_ternary++;
	return status;
}

static enum tern_status write_q8p(struct rewriting *r, const struct gguf_output *tensor)
{
	size_t n_row = (size_t)tensor->dims[1], n_col = (size_t)tensor->dims[0];
	uint8_t *planes = NULL;
	float *row_scales = NULL;
	enum tern_status status;

	tern_repacker_read(&r->repacker, &r->input.parts[tensor->part], &r->input.files[tensor->part]);
	status = tern_repack_q8p(&r->repacker, tensor->source, &planes, &row_scales);
	if (!status &&
	    !(status = out_file_write(&r->output, planes, 2 * tern_panel_count(n_row) * tern_q8p_panel_bytes(n_col))))
		status = out_file_write(&r->output, row_scales, n_row * sizeof *row_scales);
	tern_free(planes);
	tern_free(row_scales);
	r->summary->n_dense++;
	return status;
}

/* A row of Q8P, and its scale: 0 if all of it is. */
static float read_q8p_row(int8_t *q, const struct gguf_output *tensor, const uint8_t *scales, size_t row)
{
	size_t n_row = (size_t)tensor->dims[1], n_col = (size_t)tensor->dims[0], n_zero = 0;

	tern_q8p_unpack_row(q, tensor->source->data, n_row, n_col, row);
	while (n_zero < n_col && q[n_zero] == 0)
		n_zero++;
	return n_zero < n_col ? tern_load_f32(scales + 4 * row) : 0.0f;
}

static float find_largest_scale(int8_t *q, const struct gguf_output *tensor, const uint8_t *scales)
{
	float largest = 0.0f;

	for (size_t row = 0; row < (size_t)tensor->dims[1]; row++)
		largest = fmaxf(largest, read_q8p_row(q, tensor, scales, row));
	return largest;
}

/* A row that is nothing beside the largest, as those of tokens that no text had are, may become zeros. */
static enum tern_status fit_row_scale(const struct rewriting *r, const struct gguf_output *tensor, size_t row,
                                      float largest, float *scale)
{
	char which[64];

	if (*scale < 0x1p-24f * largest)
		*scale = 0.0f;
	snprintf(which, sizeof which, "the scale of row %zu", row);
	return gguf_check_half(&r->input, tensor, *scale, which, "Q8_0", r->err);
}

/* Q8_0 keeps the int8 values; only the row's scale is rounded, to a half float. */
static enum tern_status write_q8_0(struct rewriting *r, const struct gguf_output *tensor)
{
	size_t n_row = (size_t)tensor->dims[1], n_col = (size_t)tensor->dims[0];
	size_t row_bytes = n_col / Q8_0_BLOCK * Q8_0_BLOCK_BYTES;
	const struct gguf_tensor *scales = gguf_scale_of(&r->input, tensor);
	int8_t *q = tern_alloc(n_col, 1);
	uint8_t *out = tern_alloc(row_bytes, 1);
	enum tern_status status = q && out ? TERN_OK : tern_fail_memory(r->err, 2 * row_bytes);

	if (!status && (!scales || scales->type != GGUF_TENSOR_F32 || scales->dims[0] != n_row))
		status = gguf_output_fail(&r->input, tensor, r->err, "its scales, F32, one a row, are missing");
	float largest = status ? 0.0f : find_largest_scale(q, tensor, scales->data);
	for (size_t row = 0; !status && row < n_row; row++) {
		float scale = read_q8p_row(q, tensor, scales->data, row);
		if ((status = fit_row_scale(r, tensor, row, largest, &scale)))
			break;
		encode_q8_0_row(out, q, tern_f16_from_f32(scale), n_col);
		status = out_file_write(&r->output, out, row_bytes);
	}
	tern_free(q);
	tern_free(out);
	r->summary->n_dense++;
	return status;
}

static enum tern_status write_tensor(struct rewriting *r, const struct gguf_output *tensor)
{
	switch (tensor->kind) {
	case GGUF_OUTPUT_COPY:
		return out_file_write(&r->output, tensor->source->data, (size_t)tensor->source->n_bytes);
	case GGUF_OUTPUT_TERNARY:
		return write_ternary(r, tensor);
	case GGUF_OUTPUT_Q8P:
		return write_q8p(r, tensor);
	case GGUF_OUTPUT_Q8_0:
		return write_q8_0(r, tensor);
	case GGUF_OUTPUT_SCALE:
	case GGUF_OUTPUT_ROW_SCALES:
		break; /* written with the step before */
	}
	return TERN_OK;
}

static enum tern_status write_data(struct rewriting *r)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < r->mapping.n_tensors; i++)
		r->output.n_to_read += r->mapping.tensors[i].source->n_bytes;
	for (size_t i = 0; !status && i < r->mapping.n_tensors; i++)
		if (!(status = write_tensor(r, &r->mapping.tensors[i])))
			out_file_advance(&r->output, r->mapping.tensors[i].source->n_bytes);
	return status;
}

/* ---- the whole ---- */

/* Merging repacks nothing. */
static enum tern_status start_repacker(struct rewriting *r)
{
	struct tern_model_options options = {.n_threads = r->options->n_threads, .i2s_layout = r->options->i2s_layout};

	return r->options->target == TARGET_SAME ? TERN_OK : tern_repacker_start(&r->repacker, &options, r->err);
}

/* --force or not, the output must not replace a file of the input. */
static enum tern_status check_output(const struct rewriting *r)
{
	struct stat part;

	for (size_t i = 0; i < r->input.n_parts; i++)
		if (stat(r->input.paths[i], &part) == 0 && out_file_is(&r->output, &part))
			return tern_fail(r->err, TERN_ERR_USAGE, "%s: is the input", r->options->output);
	return TERN_OK;
}

static enum tern_status begin_output(struct rewriting *r)
{
	enum tern_status status;

	if ((status = check_output(r)) || (status = out_file_create(&r->output)) || !r->output.writer)
		return status;
	put_metadata(r);
	for (size_t i = 0; i < r->mapping.n_tensors; i++) {
		const struct gguf_output *tensor = &r->mapping.tensors[i];
		tern_gguf_add_tensor(r->output.writer, tensor->name, tensor->type, tensor->n_dims, tensor->dims);
	}
	return tern_gguf_begin_data(r->output.writer, r->err);
}

enum tern_status convert_gguf(const struct convert_options *options, struct gguf_summary *summary,
                              struct tern_error *err)
{
	struct rewriting r = {
	        .options = options, .summary = summary, .output = {.options = options, .err = err}, .err = err};
	uint64_t start = tern_clock_ns();
	enum tern_status status;

	*summary = (struct gguf_summary){0};
	if (!(status = gguf_input_open(&r.input, options->input, err)) && !(status = start_repacker(&r)) &&
	    !(status = gguf_map(&r.mapping, &r.input, options, &r.repacker, err)) && !(status = begin_output(&r)))
		status = write_data(&r);
	status = out_file_finish(&r.output, status);
	summary->n_parts = r.input.n_parts;
	summary->n_tensors = r.mapping.n_tensors;
	for (size_t i = 0; i < r.input.whole.n_tensors; i++)
		summary->n_bytes_in += r.input.whole.tensors[i].n_bytes;
	summary->n_bytes_out = r.output.n_written;
	summary->seconds = (double)(tern_clock_ns() - start) * 1e-9;
	gguf_mapping_free(&r.mapping);
	tern_repacker_clear(&r.repacker);
	gguf_input_close(&r.input);
	return status;
}
