#include "convert/gguf_plan.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "convert/encode.h"
#include "model/dequantize.h"
#include "model/layout.h"
#include "model/transformer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum tern_status gguf_plan_fail(const struct gguf_source *source, const struct gguf_step *step, struct tern_error *err,
                                const char *format, ...)
{
	char quoted[TERN_QUOTE_SIZE], what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s': %s", source->paths[step->part],
	                 tern_quote(quoted, step->name, strlen(step->name)), what);
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
	static const char *const kinds[] = {".attn_q.weight",      ".attn_k.weight",   ".attn_v.weight",
	                                    ".attn_output.weight", ".ffn_gate.weight", ".ffn_up.weight",
	                                    ".ffn_down.weight"};
	size_t n_stem;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strncmp(name, "blk.", 4) == 0 && has_suffix(name, kinds[i], &n_stem))
			return true;
	return false;
}

static bool is_end(const char *name)
{
	return strcmp(name, "token_embd.weight") == 0 || strcmp(name, "output.weight") == 0;
}

static bool is_ternary_type(uint32_t type) { return type == GGUF_TENSOR_T2R16 || tern_is_foreign_ternary(type); }

/* The matrix that STEM.scale belongs to, or NULL if this is no scale. */
static const struct gguf_tensor *matrix_of_scale(const struct gguf_source *source, const char *name)
{
	char weight[GGUF_MAX_NAME_LENGTH + 8];
	size_t n_stem;

	if (!has_suffix(name, ".scale", &n_stem))
		return NULL;
	snprintf(weight, sizeof weight, "%.*s.weight", (int)n_stem, name);
	return tern_gguf_find_tensor(&source->whole, weight);
}

/* ---- ternary matrices ---- */

static const struct gguf_tensor *scale_of(const struct gguf_source *source, const struct gguf_step *step)
{
	char name[GGUF_MAX_NAME_LENGTH + 8];
	size_t n_stem;

	has_suffix(step->name, ".weight", &n_stem);
	snprintf(name, sizeof name, "%.*s.scale", (int)n_stem, step->name);
	return tern_gguf_find_tensor(&source->whole, name);
}

/* A matrix in T2R16, which lies in the file with its scale beside it. */
static enum tern_status take_in_place(struct gguf_ternary *ternary, const struct gguf_source *source,
                                      const struct gguf_step *step, struct tern_error *err)
{
	const struct gguf_tensor *scale = scale_of(source, step);

	ternary->panels = step->source->data;
	if (!scale)
		return gguf_plan_fail(source, step, err, "its scale is missing");
	if (scale->type == GGUF_TENSOR_F32 && scale->n_dims == 1 && scale->dims[0] == 1) {
		ternary->scale = tern_load_f32(scale->data);
		return TERN_OK;
	}
	if (scale->type != GGUF_TENSOR_F16 || scale->n_dims != 3 || scale->dims[0] != TERN_PANEL_ROWS ||
	    ternary->n_col % scale->dims[1] || scale->dims[2] != tern_panel_count(ternary->n_row))
		return gguf_plan_fail(source, step, err, "its scale has a shape that is not tern's");
	ternary->group = ternary->n_col / (size_t)scale->dims[1];
	ternary->group_scales = (const uint16_t *)(const void *)scale->data;
	return TERN_OK;
}

/* Arch `bitnet` may store a scale beside a matrix of another type; it multiplies. */
static enum tern_status multiply_scale(struct gguf_ternary *ternary, const struct gguf_source *source,
                                       const struct gguf_step *step, struct tern_error *err)
{
	const struct gguf_tensor *scale = scale_of(source, step);

	if (!scale)
		return TERN_OK;
	if (scale->type != GGUF_TENSOR_F32 || scale->n_dims != 1 || scale->dims[0] != 1 || ternary->group)
		return gguf_plan_fail(source, step, err, "expected one scale, F32, beside it");
	ternary->scale *= tern_load_f32(scale->data);
	return TERN_OK;
}

static enum tern_status check_scale(const struct gguf_ternary *ternary, const struct gguf_source *source,
                                    const struct gguf_step *step, struct tern_error *err)
{
	if (ternary->group || (isfinite(ternary->scale) && ternary->scale >= 0.0f))
		return TERN_OK;
	return gguf_plan_fail(source, step, err, "its scale is %g; expected a finite number, not below 0",
	                      (double)ternary->scale);
}

enum tern_status gguf_ternary_get(struct gguf_ternary *ternary, const struct gguf_source *source,
                                  const struct gguf_step *step, struct tern_repacker *repacker, size_t activation_group,
                                  struct tern_error *err)
{
	struct tern_ternary repacked;
	enum tern_status status;

	*ternary =
	        (struct gguf_ternary){.n_row = (size_t)step->source->dims[1], .n_col = (size_t)step->source->dims[0]};
	if (step->source->type == GGUF_TENSOR_T2R16) {
		status = take_in_place(ternary, source, step, err);
		return status ? status : check_scale(ternary, source, step, err);
	}
	tern_repacker_read(repacker, &source->parts[step->part], &source->files[step->part]);
	if ((status = tern_repack_ternary(repacker, step->source, activation_group, &repacked)))
		return status;
	ternary->panels = ternary->panels_owned = repacked.panels;
	ternary->group_scales = ternary->group_scales_owned = repacked.group_scales;
	ternary->scale = repacked.scale;
	ternary->group = repacked.group;
	status = multiply_scale(ternary, source, step, err);
	return status ? status : check_scale(ternary, source, step, err);
}

void gguf_ternary_free(struct gguf_ternary *ternary)
{
	tern_free(ternary->panels_owned);
	tern_free(ternary->group_scales_owned);
	*ternary = (struct gguf_ternary){0};
}

/* ---- steps ---- */

static struct gguf_step *append(struct gguf_plan *plan, const struct gguf_step *like)
{
	void *steps = plan->steps;

	if (!tern_grow(&steps, &plan->capacity, plan->n_steps + 1, sizeof *plan->steps))
		return NULL;
	plan->steps = steps;
	plan->steps[plan->n_steps] = *like;
	return &plan->steps[plan->n_steps++];
}

static enum tern_status add(struct gguf_plan *plan, const struct gguf_step *step, struct tern_error *err)
{
	return append(plan, step) ? TERN_OK : tern_fail_memory(err, sizeof *step);
}

/* The step for the scales of a matrix: STEM.scale instead of STEM.weight. */
static struct gguf_step scale_step(const struct gguf_step *matrix, enum gguf_step_kind kind)
{
	struct gguf_step step = *matrix;
	size_t n_stem;

	has_suffix(matrix->name, ".weight", &n_stem);
	memcpy(step.name + n_stem, ".scale", sizeof ".scale");
	step.kind = kind;
	return step;
}

static enum tern_status add_t2r16(struct gguf_plan *plan, struct gguf_step *step, const struct gguf_ternary *ternary,
                                  struct tern_error *err)
{
	struct gguf_step scale = scale_step(step, GGUF_STEP_SCALE);
	enum tern_status status;

	step->type = GGUF_TENSOR_T2R16;
	scale.type = ternary->group ? GGUF_TENSOR_F16 : GGUF_TENSOR_F32;
	scale.n_dims = ternary->group ? 3 : 1;
	if (ternary->group) {
		scale.dims[0] = TERN_PANEL_ROWS;
		scale.dims[1] = ternary->n_col / ternary->group;
		scale.dims[2] = tern_panel_count(ternary->n_row);
	} else {
		scale.dims[0] = scale.dims[1] = 1;
	}
	status = add(plan, step, err);
	return status ? status : add(plan, &scale, err);
}

/* Whether the matrix can be in the target's type. */
static enum tern_status check_export(const struct gguf_source *source, const struct gguf_step *step,
                                     const struct gguf_ternary *ternary, enum gguf_target target,
                                     struct tern_error *err)
{
	bool is_tq2_0 = target == GGUF_TARGET_TQ2_0;
	size_t block = is_tq2_0 ? TQ2_0_BLOCK : I2_S_BLOCK;
	float half_scale = tern_f32_from_f16(tern_f16_from_f32(ternary->scale));

	if (ternary->n_col % block)
		return gguf_plan_fail(source, step, err, "%zu columns are no multiple of %zu, which %s demands",
		                      ternary->n_col, block, is_tq2_0 ? "TQ2_0" : "I2_S");
	if (!is_tq2_0 && ternary->group)
		return gguf_plan_fail(source, step, err,
		                      "has a scale for every %zu columns; I2_S has one for the matrix", ternary->group);
	if (is_tq2_0 && ternary->group % TQ2_0_BLOCK)
		return gguf_plan_fail(source, step, err,
		                      "has a scale for every %zu columns; TQ2_0 has one for every 256", ternary->group);
	if (is_tq2_0 && ternary->scale > 0.0f && half_scale == 0.0f)
		return gguf_plan_fail(source, step, err, "its scale, %g, is too small for the half floats of TQ2_0",
		                      (double)ternary->scale);
	if (is_tq2_0 && !isfinite(half_scale))
		return gguf_plan_fail(source, step, err, "its scale, %g, is too large for the half floats of TQ2_0",
		                      (double)ternary->scale);
	return TERN_OK;
}

static enum tern_status plan_ternary(struct gguf_plan *plan, const struct gguf_source *source, struct gguf_step *step,
                                     const struct gguf_convert_options *options, struct tern_repacker *repacker,
                                     struct tern_error *err)
{
	struct gguf_ternary ternary;
	enum tern_status status;
	size_t n_stem;

	if (step->n_dims != 2 || step->dims[0] % TERN_TERNARY_TILE_COLS || !has_suffix(step->name, ".weight", &n_stem))
		return gguf_plan_fail(source, step, err,
		                      "expected a matrix of a multiple of 16 columns, with a name in .weight");
	step->kind = GGUF_STEP_TERNARY;
	status = gguf_ternary_get(&ternary, source, step, repacker, plan->activation_group, err);
	if (!status && options->target == GGUF_TARGET_T2R16) {
		status = add_t2r16(plan, step, &ternary, err);
	} else if (!status && !(status = check_export(source, step, &ternary, options->target, err))) {
		step->type = options->target == GGUF_TARGET_TQ2_0 ? GGUF_TENSOR_TQ2_0 : GGUF_TENSOR_I2_S;
		status = add(plan, step, err);
	}
	gguf_ternary_free(&ternary);
	return status;
}

static enum tern_status plan_q8p(struct gguf_plan *plan, struct gguf_step *step, struct tern_error *err)
{
	struct gguf_step scales = scale_step(step, GGUF_STEP_ROW_SCALES);
	enum tern_status status;

	step->kind = GGUF_STEP_Q8P;
	step->type = GGUF_TENSOR_Q8P;
	scales.type = GGUF_TENSOR_F32;
	scales.n_dims = 1;
	scales.dims[0] = step->dims[1];
	scales.dims[1] = 1;
	status = add(plan, step, err);
	return status ? status : add(plan, &scales, err);
}

/* Embedding and head that are not ternary. */
static enum tern_status plan_dense(struct gguf_plan *plan, const struct gguf_source *source, struct gguf_step *step,
                                   const struct gguf_convert_options *options, struct tern_error *err)
{
	bool keep = strcmp(step->name, "output.weight") == 0 ? options->keep_head : options->keep_embedding;
	bool is_q8p = step->type == GGUF_TENSOR_Q8P;

	if (options->target == GGUF_TARGET_T2R16) {
		if (is_q8p || keep || step->n_dims != 2 || step->dims[0] % TERN_TERNARY_TILE_COLS ||
		    !tern_can_dequantize(step->type))
			return add(plan, step, err);
		return plan_q8p(plan, step, err);
	}
	if (!is_q8p)
		return add(plan, step, err);
	if (step->dims[0] % Q8_0_BLOCK)
		return gguf_plan_fail(source, step, err, "%llu columns are no multiple of 32, which Q8_0 demands",
		                      (unsigned long long)step->dims[0]);
	step->kind = GGUF_STEP_Q8_0;
	step->type = GGUF_TENSOR_Q8_0;
	return add(plan, step, err);
}

/* Other engines know no norms in front of projections, and would ignore them or refuse the file. */
static enum tern_status check_norm(const struct gguf_source *source, const struct gguf_step *step,
                                   enum gguf_target target, struct tern_error *err)
{
	if (target != GGUF_TARGET_T2R16 && (strstr(step->name, "_norm_in.") || strstr(step->name, ".rms_norm")))
		return gguf_plan_fail(
		        source, step, err,
		        "a norm in front of a projection, which no other engine knows; the model cannot be "
		        "exported");
	return TERN_OK;
}

static enum tern_status plan_tensor(struct gguf_plan *plan, const struct gguf_source *source, struct gguf_step *step,
                                    const struct gguf_convert_options *options, struct tern_repacker *repacker,
                                    struct tern_error *err)
{
	const struct gguf_tensor *matrix = matrix_of_scale(source, step->name);
	bool to_tern = options->target == GGUF_TARGET_T2R16;
	enum tern_status status;

	if (options->target == GGUF_TARGET_SAME)
		return add(plan, step, err);
	if ((status = check_norm(source, step, options->target, err)))
		return status;
	if (matrix) /* stays beside what stays; else it is written with its matrix */
		return to_tern && (matrix->type == GGUF_TENSOR_T2R16 || matrix->type == GGUF_TENSOR_Q8P)
		               ? add(plan, step, err)
		               : TERN_OK;
	if (to_tern && step->type == GGUF_TENSOR_T2R16)
		return add(plan, step, err);
	if (is_projection(step->name) || is_ternary_type(step->type))
		return plan_ternary(plan, source, step, options, repacker, err);
	if (is_end(step->name))
		return plan_dense(plan, source, step, options, err);
	return add(plan, step, err);
}

static struct gguf_step step_of(const struct gguf_tensor *tensor, size_t part)
{
	struct gguf_step step = {
	        .kind = GGUF_STEP_COPY, .source = tensor, .part = part, .type = tensor->type, .n_dims = tensor->n_dims};

	memcpy(step.name, tensor->name.bytes, tensor->name.length);
	memcpy(step.dims, tensor->dims, sizeof step.dims);
	return step;
}

/* The metadata as tern understands it, which also refuses what tern does not know; a model without norms of projections
 * too, where it is to leave tern. */
static enum tern_status read_metadata(struct gguf_plan *plan, const struct gguf_source *source,
                                      const struct gguf_convert_options *options, struct tern_error *err)
{
	const struct gguf *metadata = &source->whole;
	struct tern_hparams hparams = {0};
	enum tern_status status = tern_hparams_load(&hparams, metadata, err);

	if (status)
		return status;
	plan->activation_group = hparams.activation_group;
	if (options->target != GGUF_TARGET_T2R16 && hparams.linear_norm != TERN_LINEAR_NORM_NONE)
		return tern_fail(
		        err, TERN_ERR_FILE,
		        "%s: key 'tern.linear_norm': a norm in front of every projection, which no other engine "
		        "knows; the model cannot be exported",
		        metadata->path);
	return TERN_OK;
}

enum tern_status gguf_plan_make(struct gguf_plan *plan, const struct gguf_source *source,
                                const struct gguf_convert_options *options, struct tern_repacker *repacker,
                                struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	*plan = (struct gguf_plan){0};
	if (options->target != GGUF_TARGET_SAME)
		status = read_metadata(plan, source, options, err);
	for (size_t part = 0; part < source->n_parts; part++)
		for (size_t i = 0; !status && i < source->parts[part].n_tensors; i++) {
			struct gguf_step step = step_of(&source->parts[part].tensors[i], part);
			if (memchr(step.name, '\0', step.source->name.length))
				status = gguf_plan_fail(source, &step, err, "its name has a NUL in it");
			else
				status = plan_tensor(plan, source, &step, options, repacker, err);
		}
	return status;
}

void gguf_plan_free(struct gguf_plan *plan)
{
	tern_free(plan->steps);
	*plan = (struct gguf_plan){0};
}
