#include "convert/gguf/gguf_mapping.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "convert/gguf/export_rows.h"
#include "convert/gguf/gguf_metadata.h"
#include "model/dequantize.h"
#include "model/layout.h"
#include "model/names.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum tern_status gguf_output_fail(const struct gguf_input *input, const struct gguf_output *tensor,
                                  struct tern_error *err, const char *format, ...)
{
	char quoted[TERN_QUOTE_SIZE], what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s': %s", input->paths[tensor->part],
	                 tern_quote(quoted, tensor->name, strlen(tensor->name)), what);
}

/* ---- what a tensor is, by its name and type ---- */

static bool has_suffix(const char *name, const char *suffix, size_t *n_stem)
{
	size_t n = strlen(name), n_suffix = strlen(suffix);

	*n_stem = n > n_suffix ? n - n_suffix : 0;
	return n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

/* A matrix of a layer: blk.N.attn_q.weight and so on. */
static bool is_projection(const char *name)
{
	const char *kind = strncmp(name, "blk.", 4) == 0 ? strchr(name + 4, '.') : NULL;
	size_t n_stem;

	for (int i = 0; kind && i < TERN_N_LAYER_MATRICES; i++)
		if (has_suffix(kind + 1, ".weight", &n_stem) && n_stem == strlen(tern_matrix_names[i]) &&
		    memcmp(kind + 1, tern_matrix_names[i], n_stem) == 0)
			return true;
	return false;
}

static bool is_end(const char *name)
{
	return strcmp(name, "token_embd.weight") == 0 || strcmp(name, "output.weight") == 0;
}

static bool is_ternary_type(uint32_t type) { return tern_is_own_ternary(type) || tern_is_foreign_ternary(type); }

/* The matrix that STEM.scale belongs to, or NULL if this is no scale. */
static const struct gguf_tensor *matrix_of_scale(const struct gguf_input *input, const char *name)
{
	char weight[GGUF_MAX_NAME_LENGTH + 8];
	size_t n_stem;

	if (!has_suffix(name, ".scale", &n_stem))
		return NULL;
	snprintf(weight, sizeof weight, "%.*s.weight", (int)n_stem, name);
	return tern_gguf_find_tensor(&input->whole, weight);
}

/* ---- ternary matrices ---- */

const struct gguf_tensor *gguf_scale_of(const struct gguf_input *input, const struct gguf_output *tensor)
{
	char name[GGUF_MAX_NAME_LENGTH + 8];
	size_t n_stem;

	has_suffix(tensor->name, ".weight", &n_stem);
	snprintf(name, sizeof name, "%.*s.scale", (int)n_stem, tensor->name);
	return tern_gguf_find_tensor(&input->whole, name);
}

/* A matrix in T2R16 or T1R16, which lies in the file with its scale beside it. */
static enum tern_status take_in_place(struct gguf_ternary *ternary, const struct gguf_input *input,
                                      const struct gguf_output *tensor, struct tern_error *err)
{
	const struct gguf_tensor *scale = gguf_scale_of(input, tensor);

	ternary->panels = tensor->source->data;
	ternary->is_binary = tensor->source->type == GGUF_TENSOR_T1R16;
	if (!scale)
		return gguf_output_fail(input, tensor, err, "its scale is missing");
	if (scale->type == GGUF_TENSOR_F32 && scale->n_dims == 1 && scale->dims[0] == 1) {
		ternary->scale = tern_load_f32(scale->data);
		return TERN_OK;
	}
	if (scale->type != GGUF_TENSOR_F16 || scale->n_dims != 3 || scale->dims[0] != TERN_PANEL_ROWS ||
	    ternary->n_col % scale->dims[1] || scale->dims[2] != tern_panel_count(ternary->n_row))
		return gguf_output_fail(input, tensor, err, "its scale has a shape that is not tern's");
	ternary->group = ternary->n_col / (size_t)scale->dims[1];
	ternary->group_scales = (const uint16_t *)(const void *)scale->data;
	return TERN_OK;
}

/* Arch `bitnet` may store a scale beside a matrix of another type; it multiplies. */
static enum tern_status multiply_scale(struct gguf_ternary *ternary, const struct gguf_input *input,
                                       const struct gguf_output *tensor, struct tern_error *err)
{
	const struct gguf_tensor *scale = gguf_scale_of(input, tensor);

	if (!scale)
		return TERN_OK;
	if (scale->type != GGUF_TENSOR_F32 || scale->n_dims != 1 || scale->dims[0] != 1 || ternary->group)
		return gguf_output_fail(input, tensor, err, "expected one scale, F32, beside it");
	ternary->scale *= tern_load_f32(scale->data);
	return TERN_OK;
}

static enum tern_status check_scale(const struct gguf_ternary *ternary, const struct gguf_input *input,
                                    const struct gguf_output *tensor, struct tern_error *err)
{
	if (ternary->group || (isfinite(ternary->scale) && ternary->scale >= 0.0f))
		return TERN_OK;
	return gguf_output_fail(input, tensor, err, "its scale is %g; expected a finite number, not below 0",
	                        (double)ternary->scale);
}

/* Whether a matrix in T2R16 can be in T1R16. */
static bool fits_bits(const struct gguf_ternary *ternary, size_t activation_group)
{
	return tern_t1r16_fits(ternary->n_col, ternary->group, activation_group) &&
	       tern_t2r16_is_binary(ternary->panels, ternary->n_row, ternary->n_col);
}

/* From T2R16 to T1R16. */
static enum tern_status pack_bits(struct gguf_ternary *ternary, struct tern_error *err)
{
	size_t n_panel = tern_panel_count(ternary->n_row), n_col = ternary->n_col;
	uint8_t *bits = tern_alloc_huge(n_panel, tern_t1r16_panel_bytes(n_col));
	int8_t *weights = tern_alloc(TERN_PANEL_ROWS, n_col);
	bool good = bits && weights;

	for (size_t p = 0; good && p < n_panel; p++) {
		tern_t2r16_unpack_panel(weights, ternary->panels + p * tern_t2r16_panel_bytes(n_col), n_col);
		tern_t1r16_pack_panel(bits + p * tern_t1r16_panel_bytes(n_col), weights, n_col);
	}
	tern_free(weights);
	if (!good) {
		tern_free(bits);
		return tern_fail_memory(err, n_panel * tern_t1r16_panel_bytes(n_col));
	}
	tern_free(ternary->panels_owned);
	ternary->panels = ternary->panels_owned = bits;
	ternary->is_binary = true;
	return TERN_OK;
}

static enum tern_status get(struct gguf_ternary *ternary, const struct gguf_input *input,
                            const struct gguf_output *tensor, struct tern_repacker *repacker, size_t activation_group,
                            struct tern_error *err)
{
	struct tern_ternary repacked;
	enum tern_status status;

	if (tern_is_own_ternary(tensor->source->type)) {
		status = take_in_place(ternary, input, tensor, err);
		return status ? status : check_scale(ternary, input, tensor, err);
	}
	tern_repacker_read(repacker, &input->parts[tensor->part], &input->files[tensor->part]);
	if ((status = tern_repack_ternary(repacker, tensor->source, activation_group, &repacked)))
		return status;
	ternary->panels = ternary->panels_owned = repacked.panels;
	ternary->is_binary = repacked.is_binary;
	ternary->group_scales = ternary->group_scales_owned = repacked.group_scales;
	ternary->scale = repacked.scale;
	ternary->group = repacked.group;
	status = multiply_scale(ternary, input, tensor, err);
	return status ? status : check_scale(ternary, input, tensor, err);
}

enum tern_status gguf_ternary_get(struct gguf_ternary *ternary, const struct gguf_input *input,
                                  const struct gguf_output *tensor, struct tern_repacker *repacker,
                                  size_t activation_group, struct tern_error *err)
{
	enum tern_status status;

	*ternary = (struct gguf_ternary){.n_row = (size_t)(tensor->source->dims[1] * tensor->source->dims[2]),
	                                 .n_col = (size_t)tensor->source->dims[0]};
	status = get(ternary, input, tensor, repacker, activation_group, err);
	if (!status && !ternary->is_binary && fits_bits(ternary, activation_group))
		status = pack_bits(ternary, err);
	return status;
}

void gguf_ternary_free(struct gguf_ternary *ternary)
{
	tern_free(ternary->panels_owned);
	tern_free(ternary->group_scales_owned);
	*ternary = (struct gguf_ternary){0};
}

/* ---- tensors ---- */

static struct gguf_output *append(struct gguf_mapping *mapping, const struct gguf_output *like)
{
	if (!TERN_GROW(mapping->tensors, mapping->capacity, mapping->n_tensors + 1))
		return NULL;
	mapping->tensors[mapping->n_tensors] = *like;
	return &mapping->tensors[mapping->n_tensors++];
}

static enum tern_status add(struct gguf_mapping *mapping, const struct gguf_output *tensor, struct tern_error *err)
{
	return append(mapping, tensor) ? TERN_OK : tern_fail_memory(err, sizeof *tensor);
}

/* The tensor for the scales of a matrix: STEM.scale instead of STEM.weight. */
static struct gguf_output scale_tensor(const struct gguf_output *matrix, enum gguf_output_kind kind)
{
	struct gguf_output tensor = *matrix;
	size_t n_stem;

	has_suffix(matrix->name, ".weight", &n_stem);
	memcpy(tensor.name + n_stem, ".scale", sizeof ".scale");
	tensor.kind = kind;
	return tensor;
}

static enum tern_status add_panels(struct gguf_mapping *mapping, struct gguf_output *tensor,
                                   const struct gguf_ternary *ternary, struct tern_error *err)
{
	struct gguf_output scale = scale_tensor(tensor, GGUF_OUTPUT_SCALE);
	enum tern_status status;

	tensor->type = ternary->is_binary ? GGUF_TENSOR_T1R16 : GGUF_TENSOR_T2R16;
	scale.type = ternary->group ? GGUF_TENSOR_F16 : GGUF_TENSOR_F32;
	scale.n_dims = tern_t2r16_scale_dims(ternary->n_row, ternary->n_col, ternary->group, scale.dims);
	status = add(mapping, tensor, err);
	return status ? status : add(mapping, &scale, err);
}

enum tern_status gguf_check_half(const struct gguf_input *input, const struct gguf_output *tensor, float scale,
                                 const char *which, const char *type, struct tern_error *err)
{
	float half = tern_f32_from_f16(tern_f16_from_f32(scale));

	if (isfinite(half) && (half != 0.0f || scale == 0.0f))
		return TERN_OK;
	return gguf_output_fail(input, tensor, err, "%s, %g, is too %s for the half floats of %s", which, (double)scale,
	                        isfinite(half) ? "small" : "large", type);
}

/* Fails if the target's type cannot hold the matrix. */
static enum tern_status check_export(const struct gguf_input *input, const struct gguf_output *tensor,
                                     const struct gguf_ternary *ternary, enum target target, struct tern_error *err)
{
	bool is_tq2_0 = target == TARGET_TQ2_0;
	size_t block = is_tq2_0 ? TQ2_0_BLOCK : I2_S_BLOCK;

	if (ternary->n_col % block)
		return gguf_output_fail(input, tensor, err, "%zu columns are no multiple of %zu, which %s demands",
		                        ternary->n_col, block, is_tq2_0 ? "TQ2_0" : "I2_S");
	if (!is_tq2_0 && ternary->group)
		return gguf_output_fail(input, tensor, err,
		                        "has a scale for every %zu columns; I2_S has one for the matrix",
		                        ternary->group);
	if (is_tq2_0 && ternary->group % TQ2_0_BLOCK)
		return gguf_output_fail(input, tensor, err,
		                        "has a scale for every %zu columns; TQ2_0 has one for every 256",
		                        ternary->group);
	return is_tq2_0 ? gguf_check_half(input, tensor, ternary->scale, "its scale", "TQ2_0", err) : TERN_OK;
}

static enum tern_status map_ternary(struct gguf_mapping *mapping, const struct gguf_input *input,
                                    struct gguf_output *tensor, const struct convert_options *options,
                                    struct tern_repacker *repacker, struct tern_error *err)
{
	struct gguf_ternary ternary;
	enum tern_status status;
	size_t n_stem;

	if (tensor->n_dims != (tern_is_experts(tensor->source->name) ? 3 : 2) ||
	    tensor->dims[0] % TERN_TERNARY_TILE_COLS || !has_suffix(tensor->name, ".weight", &n_stem))
		return gguf_output_fail(input, tensor, err,
		                        "expected a matrix of a multiple of 16 columns, or one for each expert, with a "
		                        "name in .weight");
	tensor->kind = GGUF_OUTPUT_TERNARY;
	status = gguf_ternary_get(&ternary, input, tensor, repacker, mapping->activation_group, err);
	if (!status && options->target == TARGET_T2R16) {
		status = add_panels(mapping, tensor, &ternary, err);
	} else if (!status && !(status = check_export(input, tensor, &ternary, options->target, err))) {
		tensor->type = options->target == TARGET_TQ2_0 ? GGUF_TENSOR_TQ2_0 : GGUF_TENSOR_I2_S;
		status = add(mapping, tensor, err);
	}
	gguf_ternary_free(&ternary);
	return status;
}

static enum tern_status map_q8p(struct gguf_mapping *mapping, struct gguf_output *tensor, struct tern_error *err)
{
	struct gguf_output scales = scale_tensor(tensor, GGUF_OUTPUT_ROW_SCALES);
	enum tern_status status;

	tensor->kind = GGUF_OUTPUT_Q8P;
	tensor->type = GGUF_TENSOR_Q8P;
	scales.type = GGUF_TENSOR_F32;
	scales.n_dims = 1;
	scales.dims[0] = tensor->dims[1];
	scales.dims[1] = 1;
	status = add(mapping, tensor, err);
	return status ? status : add(mapping, &scales, err);
}

/* Embedding and head that are not ternary. */
static enum tern_status map_dense(struct gguf_mapping *mapping, const struct gguf_input *input,
                                  struct gguf_output *tensor, const struct convert_options *options,
                                  struct tern_error *err)
{
	bool keep = strcmp(tensor->name, "output.weight") == 0 ? options->keep_head : options->keep_embedding;
	bool is_q8p = tensor->type == GGUF_TENSOR_Q8P;

	if (options->target == TARGET_T2R16) {
		if (is_q8p || keep || tensor->n_dims != 2 || tensor->dims[0] % TERN_TERNARY_TILE_COLS ||
		    !tern_can_dequantize(tensor->type))
			return add(mapping, tensor, err);
		return map_q8p(mapping, tensor, err);
	}
	if (!is_q8p)
		return add(mapping, tensor, err);
	if (tensor->dims[0] % Q8_0_BLOCK)
		return gguf_output_fail(input, tensor, err, "%llu columns are no multiple of 32, which Q8_0 demands",
		                        (unsigned long long)tensor->dims[0]);
	tensor->kind = GGUF_OUTPUT_Q8_0;
	tensor->type = GGUF_TENSOR_Q8_0;
	return add(mapping, tensor, err);
}

/* Other engines know no norms in front of projections, and would ignore them or refuse the file. */
static enum tern_status check_norm(const struct gguf_input *input, const struct gguf_output *tensor, enum target target,
                                   struct tern_error *err)
{
	if (target != TARGET_T2R16 && tern_is_linear_norm(tensor->source->name))
		return gguf_output_fail(
		        input, tensor, err,
		        "a norm in front of a projection, which no other engine knows; the model cannot be "
		        "exported");
	return TERN_OK;
}

/* Whether a matrix, and so its scales, goes into a file of tern's as it is. Those without zeros do not stay T2R16. */
static bool is_copied(const struct gguf_tensor *matrix, size_t activation_group)
{
	const struct gguf_ternary ternary = {.n_row = (size_t)(matrix->dims[1] * matrix->dims[2]),
	                                     .n_col = (size_t)matrix->dims[0],
	                                     .panels = matrix->data};

	if (matrix->type != GGUF_TENSOR_T2R16)
		return matrix->type == GGUF_TENSOR_T1R16 || matrix->type == GGUF_TENSOR_Q8P;
	return matrix->n_dims != 2 || !fits_bits(&ternary, activation_group);
}

static enum tern_status map_tensor(struct gguf_mapping *mapping, const struct gguf_input *input,
                                   struct gguf_output *tensor, const struct convert_options *options,
                                   struct tern_repacker *repacker, struct tern_error *err)
{
	const struct gguf_tensor *matrix = matrix_of_scale(input, tensor->name);
	bool to_tern = options->target == TARGET_T2R16;
	enum tern_status status;

	if (options->target == TARGET_SAME)
		return add(mapping, tensor, err);
	if ((status = check_norm(input, tensor, options->target, err)))
		return status;
	if (matrix) /* a scale: copied if its matrix is, else written with it */
		return to_tern && is_copied(matrix, mapping->activation_group) ? add(mapping, tensor, err) : TERN_OK;
	if (to_tern && tern_is_own_ternary(tensor->type) && is_copied(tensor->source, mapping->activation_group))
		return add(mapping, tensor, err);
	if (tern_is_mtp_tensor(&input->whole, tensor->source->name) ||
	    (tern_is_float_type(tensor->type) && tern_keeps_floats(tensor->source->name)))
		return add(mapping, tensor, err);
	if (is_projection(tensor->name) || is_ternary_type(tensor->type))
		return map_ternary(mapping, input, tensor, options, repacker, err);
	if (is_end(tensor->name))
		return map_dense(mapping, input, tensor, options, err);
	return add(mapping, tensor, err);
}

static struct gguf_output output_of(const struct gguf_tensor *tensor, size_t part)
{
	struct gguf_output output = {.kind = GGUF_OUTPUT_COPY,
	                             .source = tensor,
	                             .part = part,
	                             .type = tensor->type,
	                             .n_dims = tensor->n_dims};

	memcpy(output.name, tensor->name.bytes, tensor->name.length);
	memcpy(output.dims, tensor->dims, sizeof output.dims);
	return output;
}

/* Models whose projections have norms cannot be exported. */
static enum tern_status read_metadata(struct gguf_mapping *mapping, const struct gguf_input *input,
                                      const struct convert_options *options, struct tern_error *err)
{
	const struct gguf *metadata = &input->whole;
	struct tern_hparams hparams = {0};
	bool with_text = options->target == TARGET_T2R16; /* other engines may know tokenizers that tern does not */
	enum tern_status status = gguf_read_metadata(&hparams, metadata, with_text, options->n_threads, err);

	if (status)
		return status;
	mapping->activation_group = hparams.activation_group;
	if (options->target != TARGET_T2R16 && hparams.linear_norm != TERN_LINEAR_NORM_NONE)
		return tern_fail(
		        err, TERN_ERR_FILE,
		        "%s: key 'tern.linear_norm': a norm in front of every projection, which no other engine "
		        "knows; the model cannot be exported",
		        metadata->path);
	return TERN_OK;
}

enum tern_status gguf_map(struct gguf_mapping *mapping, const struct gguf_input *input,
                          const struct convert_options *options, struct tern_repacker *repacker, struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	*mapping = (struct gguf_mapping){0};
	if (options->target != TARGET_SAME)
		status = read_metadata(mapping, input, options, err);
	for (size_t part = 0; part < input->n_parts; part++)
		for (size_t i = 0; !status && i < input->parts[part].n_tensors; i++) {
			struct gguf_output tensor = output_of(&input->parts[part].tensors[i], part);
			if (memchr(tensor.name, '\0', tensor.source->name.length))
				status = gguf_output_fail(input, &tensor, err, "its name has a NUL in it");
			else
				status = map_tensor(mapping, input, &tensor, options, repacker, err);
		}
	return status;
}

void gguf_mapping_free(struct gguf_mapping *mapping)
{
	tern_free(mapping->tensors);
	*mapping = (struct gguf_mapping){0};
}
