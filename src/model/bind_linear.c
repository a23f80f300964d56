#include "model/bind_linear.h"

#include "model/dequantize.h"
#include "model/layout.h"
#include "model/names.h"

#include <math.h>
#include <stdio.h>

/* Scales of groups of columns: F16 [16, groups, panels]. */
static enum tern_status bind_group_scales(struct tern_binder *b, const char *name, const struct gguf_tensor *tensor,
                                          struct tern_linear *linear)
{
	uint64_t n_group = tensor->dims[1];
	size_t x_group = b->transformer->hparams.activation_group, n = (size_t)tensor->n_bytes / sizeof(uint16_t);
	size_t tile_cols = linear->is_binary ? TERN_BINARY_TILE_COLS : TERN_TERNARY_TILE_COLS;
	uint16_t largest = 0;

	if (tensor->dims[0] != TERN_PANEL_ROWS || tensor->dims[2] != tern_panel_count(linear->n_row) ||
	    linear->n_col % n_group || linear->n_col / n_group % tile_cols)
		return tern_bind_fail(b, name,
		                      "expected F16 [16, groups of a multiple of %zu columns, panels of 16 rows]",
		                      tile_cols);
	linear->scale_group = linear->n_col / (size_t)n_group;
	if (x_group && x_group % linear->scale_group && linear->scale_group % x_group)
		return tern_bind_fail(b, name, "groups have to divide tern.activation_group, or be a multiple of it");
	if (!(linear->group_scales = tern_bind_aligned(b, tensor, sizeof *linear->group_scales)))
		return tern_fail_memory(b->err, (size_t)tensor->n_bytes);
	for (size_t i = 0; i < n; i++)
		largest = linear->group_scales[i] > largest ? linear->group_scales[i] : largest;
	if (largest >= 0x7c00) /* as bits: infinity, above it NaNs and whatever has a sign */
		return tern_bind_fail(b, name, "expected finite numbers, none below 0");
	return TERN_OK;
}

/* The scale of a ternary matrix: one, or one for each group of columns of each row. */
static enum tern_status bind_scale(struct tern_binder *b, const char *name, struct tern_linear *linear)
{
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, name);
	const float *scale;
	enum tern_status status;

	if (tensor && tensor->type == GGUF_TENSOR_F16 && tensor->n_dims == 3)
		return bind_group_scales(b, name, tern_bind_take(b, name), linear);
	if ((status = tern_bind_floats(b, name, 1, true, &scale)))
		return status;
	if (!(*scale > 0.0f))
		return tern_bind_fail(b, name, "expected a number above 0");
	linear->scale = *scale;
	return TERN_OK;
}

/* The projection's own norm, under any of its names. */
static enum tern_status bind_linear_norm(struct tern_binder *b, const char *stem, struct tern_linear *linear)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	char name[GGUF_MAX_NAME_LENGTH + 32];
	enum tern_status status;

	for (size_t i = 0; i < TERN_N_LINEAR_NORM_SUFFIXES && !linear->norm_gain; i++) {
		snprintf(name, sizeof name, "%s%s", stem, tern_linear_norm_suffixes[i]);
		if ((status = tern_bind_floats(b, name, linear->n_col, false, &linear->norm_gain)))
			return status;
	}
	b->n_linear++;
	b->n_linear_with_gain += linear->norm_gain != NULL;
	linear->has_norm = linear->norm_gain || h->linear_norm == TERN_LINEAR_NORM_WEIGHTLESS;
	linear->norm_eps = h->linear_norm_eps;
	return TERN_OK;
}

/* Weights in another engine's type, repacked. Some engines write a scale of the matrix beside it, which multiplies
 * whatever scales the type has. */
static enum tern_status bind_foreign_weights(struct tern_binder *b, const char *stem, const struct gguf_tensor *tensor,
                                             struct tern_linear *linear)
{
	char name[GGUF_MAX_NAME_LENGTH + 32];
	struct tern_ternary weights;
	const float *scale;
	enum tern_status status =
	        tern_repack_ternary(&b->repacker, tensor, b->transformer->hparams.activation_group, &weights);

	if (status)
		return status;
	size_t n_panel = tern_panel_count(linear->n_row),
	       n_bytes = n_panel * tern_ternary_panel_bytes(linear->n_col, weights.is_binary);
	size_t n_scale = weights.group ? n_panel * TERN_PANEL_ROWS * (linear->n_col / weights.group) : 0;
	bool adopted = tern_bind_adopt(b, weights.panels, n_bytes);
	if (n_scale)
		adopted = tern_bind_adopt(b, weights.group_scales, n_scale * sizeof *weights.group_scales) && adopted;
	if (!adopted)
		return tern_fail_memory(b->err, n_bytes);
	linear->panels = weights.panels;
	linear->is_binary = weights.is_binary;
	linear->scale = weights.scale;
	linear->scale_group = weights.group;
	linear->group_scales = weights.group_scales;
	snprintf(name, sizeof name, "%s.scale", stem);
	if ((status = tern_bind_floats(b, name, 1, false, &scale)) || !scale)
		return status;
	linear->scale *= *scale;
	if (weights.group || !(linear->scale > 0.0f) || !isfinite(linear->scale))
		return tern_bind_fail(b, name,
		                      weights.group ? "the matrix has scales of groups already"
		                                    : "expected a number above 0");
	return TERN_OK;
}

static enum tern_status bind_transform(struct tern_binder *b, const char *stem, const struct gguf_tensor *tensor,
                                       struct tern_linear *linear)
{
	if (!tern_hadamard_take(&b->hadamard, b->gguf, tensor))
		return TERN_OK;
	if (linear->has_norm)
		return tern_bind_fail(b, stem, "a norm in front of weights in a rotated basis is not supported");
	linear->hadamard_block = b->hadamard.block;
	linear->signs = tern_hadamard_signs(&b->hadamard, linear->n_col);
	return TERN_OK;
}

/* The ternary matrix and its scales. */
static enum tern_status bind_weights(struct tern_binder *b, const char *stem, size_t n_expert,
                                     struct tern_linear *linear)
{
	char name[GGUF_MAX_NAME_LENGTH + 32];

	snprintf(name, sizeof name, "%s.weight", stem);
	const struct gguf_tensor *tensor = tern_bind_take(b, name);
	if (!tensor)
		return tern_bind_fail(b, name, "missing");
	if (n_expert && (tensor->n_dims != 3 || tensor->dims[0] != linear->n_col || tensor->dims[2] != n_expert ||
	                 tensor->dims[1] != linear->n_row / n_expert))
		return tern_bind_fail(b, name, "expected %zu columns, %zu rows and %zu experts", linear->n_col,
		                      linear->n_row / n_expert, n_expert);
	if (!n_expert && (tensor->n_dims != 2 || tensor->dims[0] != linear->n_col || tensor->dims[1] != linear->n_row))
		return tern_bind_fail(b, name, "expected %zu columns and %zu rows, got %llu and %llu", linear->n_col,
		                      linear->n_row, (unsigned long long)tensor->dims[0],
		                      (unsigned long long)tensor->dims[1]);
	if (tern_is_foreign_ternary(tensor->type) || tern_is_float_type(tensor->type)) {
		/* Only what the repacker has counted on: a router's floats, or those of one gate of two, stay. */
		if (tern_repacked_type(b->gguf, tensor) == tensor->type)
			return tern_bind_fail(b, name, "type %s, where a ternary matrix is expected",
			                      tern_gguf_type_name(tensor->type));
		return bind_foreign_weights(b, stem, tensor, linear);
	}
	if (!tern_is_own_ternary(tensor->type))
		return tern_bind_fail(b, name,
		                      "type %s, which is not ternary; tern runs models trained to ternary weights only",
		                      tern_gguf_type_name(tensor->type));
	linear->panels = tensor->data;
	linear->is_binary = tensor->type == GGUF_TENSOR_T1R16;
	if (linear->is_binary && !tern_t1r16_fits(linear->n_col, 0, b->transformer->hparams.activation_group))
		return tern_bind_fail(b, name, "type T1R16 wants a tern.activation_group that is a multiple of 32");
	snprintf(name, sizeof name, "%s.scale", stem);
	return bind_scale(b, name, linear);
}

enum tern_status tern_bind_linear(struct tern_binder *b, const char *stem, const struct tern_layer_matrix *matrix)
{
	struct tern_linear *linear = matrix->linear;
	char name[GGUF_MAX_NAME_LENGTH + 32];
	enum tern_status status;

	*linear = (struct tern_linear){.n_row = matrix->n_row, .n_col = matrix->n_col};
	if (matrix->n_expert && b->transformer->hparams.linear_norm != TERN_LINEAR_NORM_NONE)
		return tern_bind_fail(b, stem, "norms in front of the projections of experts are not supported");
	if ((status = bind_weights(b, stem, matrix->n_expert, linear)) || matrix->n_expert)
		return status;
	snprintf(name, sizeof name, "%s.bias", stem);
	if ((status = tern_bind_floats(b, name, linear->n_row, false, &linear->bias)))
		return status;
	if ((status = bind_linear_norm(b, stem, linear)))
		return status;
	snprintf(name, sizeof name, "%s.weight", stem);
	return bind_transform(b, stem, tern_gguf_find_tensor(b->gguf, name), linear);
}
