/* Planning the projections: how a matrix is stored, its scale, its bias and its own norm. */
#include "convert/plan_linear.h"

#include <stdio.h>

/* Packed weights and codes: the scale that goes with them. */
static enum tern_status read_weight_scale(struct planner *p, const struct linear *linear, struct matrix *matrix)
{
	const struct tensor *tensor = planner_take(p, "%s.weight_scale", linear->module);
	char name[PLANNER_NAME_SIZE + 16];
	enum tern_status status;
	float scale;

	if (!tensor) {
		snprintf(name, sizeof name, "%s.weight_scale", linear->module);
		return planner_fail_missing(p, name, "without it the packed weights have no size");
	}
	if ((status = floats_read(p->ckpt, tensor, 1, &scale, p->err)))
		return status;
	if (p->config->quantization.divides)
		matrix->scale = 1.0f / scale;
	else
		matrix->scale = scale;
	if (!(scale > 0.0f) || !(matrix->scale > 0.0f) || matrix->scale > 3e38f)
		return checkpoint_fail(p->ckpt, tensor, p->err, "%g; expected a number above 0", (double)scale);
	return TERN_OK;
}

/* How the weights are stored, as far as type and shape tell. */
static enum tern_status find_storage(struct planner *p, const struct linear *linear, struct matrix *matrix)
{
	const struct tensor *weight = matrix->weight;
	bool is_byte = weight->dtype == DTYPE_U8 || weight->dtype == DTYPE_I8;
	bool is_quarter = weight->n_dims == 2 && weight->shape[0] == linear->n_row / 4 && linear->n_row % 4 == 0;

	if (is_byte && is_quarter && weight->shape[1] == linear->n_col) {
		matrix->storage = STORAGE_PACKED;
		return read_weight_scale(p, linear, matrix);
	}
	if (weight->dtype == DTYPE_U8)
		return planner_fail_shape(p, weight, "packed weights: a quarter of the rows, all columns");
	enum tern_status status = planner_check_shape(p, weight, linear->n_row, linear->n_col);
	if (status)
		return status;
	if (weight->dtype == DTYPE_I8) {
		matrix->storage = STORAGE_CODES;
		return read_weight_scale(p, linear, matrix);
	}
	if (!dtype_is_float(weight->dtype))
		return checkpoint_fail(p->ckpt, weight, p->err, "type %s; expected floats or packed uint8",
		                       dtype_name(weight->dtype));
	matrix->storage = STORAGE_FLOATS;
	/* A projection that was left in full precision has to be ternary all the same. */
	matrix->may_be_master = p->is_trained && !(json_exists(p->config->quantization.not_converted) &&
	                                           config_is_not_converted(p->config, linear->module));
	return TERN_OK;
}

static enum tern_status add_matrix(struct planner *p, const struct linear *linear, const struct tensor *weight)
{
	const struct config *config = p->config;
	bool is_permuted = config->family->permutes_qk &&
	                   (linear->projection == PROJECTION_Q || linear->projection == PROJECTION_K);
	struct matrix *matrix = &p->plan->matrices[p->plan->n_matrices++]; /* room was made for all */
	struct step step = {.kind = STEP_TERNARY,
	                    .matrix = matrix,
	                    .projection = linear->projection,
	                    .n_row = linear->n_row,
	                    .n_col = linear->n_col};
	enum tern_status status;

	*matrix = (struct matrix){.ckpt = p->ckpt,
	                          .weight = weight,
	                          .n_row = linear->n_row,
	                          .n_col = linear->n_col,
	                          .head_dim = config->head_dim,
	                          .n_rot = is_permuted ? config->rope.n_rot : 0};
	matrix_list_group_sizes(matrix);
	if ((status = find_storage(p, linear, matrix)) ||
	    (status = planner_add_step(p, &step, "%s.weight", linear->out)))
		return status;
	step.kind = STEP_SCALE;
	return planner_add_step(p, &step, "%s.scale", linear->out);
}

static enum tern_status add_bias(struct planner *p, const struct linear *linear)
{
	const struct matrix *matrix = &p->plan->matrices[p->plan->n_matrices - 1];
	const struct tensor *tensor = planner_take(p, "%s.bias", linear->module);
	char name[PLANNER_NAME_SIZE + 8];
	enum tern_status status;

	snprintf(name, sizeof name, "%s.bias", tensor ? linear->out : linear->module);
	if (!tensor)
		return linear->wants_bias ? planner_fail_missing(p, name, "config.json promises a bias") : TERN_OK;
	if (matrix->storage == STORAGE_PACKED && !p->config->quantization.divides)
		return checkpoint_fail(
		        p->ckpt, tensor, p->err,
		        "a bias with packed autobitlinear weights is not supported: transformers scales it, too");
	if (!linear->wants_bias && !p->warned_of_bias)
		reporter_warn(p->reporter, "%s is there though config.json does not ask for it, and is applied", name);
	p->warned_of_bias = p->warned_of_bias || !linear->wants_bias;
	if ((status = planner_add_vector(p, tensor, linear->n_row, name)))
		return status;
	p->plan->steps[p->plan->n_steps - 1].head_dim = matrix->head_dim;
	p->plan->steps[p->plan->n_steps - 1].n_rot = matrix->n_rot;
	return TERN_OK;
}

/* The projection's own norm. */
static enum tern_status add_linear_norm(struct planner *p, const struct linear *linear)
{
	const struct tensor *rms_norm = planner_take(p, "%s.rms_norm.weight", linear->module);
	const struct tensor *norm = planner_take(p, "%s.norm.weight", linear->module);
	bool counts = linear->projection < PROJECTION_HEAD;
	char name[GGUF_MAX_NAME_LENGTH + 1];

	if (rms_norm && norm)
		return checkpoint_fail(p->ckpt, norm, p->err,
		                       "there is a rms_norm.weight, too; which one is to be applied?");
	p->n_linear += counts;
	if (!rms_norm && !norm) {
		if (counts || p->config->quantization.use_rms_norm)
			snprintf(p->without_norm, sizeof p->without_norm, "%s", linear->module);
		return TERN_OK;
	}
	snprintf(p->with_norm, sizeof p->with_norm, "%s", linear->module);
	p->n_with_norm += counts;
	p->n_model_eps += counts && norm;
	snprintf(name, sizeof name, "%s_norm_in.weight", linear->out);
	return planner_add_vector(p, rms_norm ? rms_norm : norm, linear->n_col, name);
}

enum tern_status planner_add_linear(struct planner *p, const struct linear *linear)
{
	const struct tensor *weight = planner_take(p, "%s.weight", linear->module);
	char name[PLANNER_NAME_SIZE + 8];
	enum tern_status status;

	if (!weight) {
		snprintf(name, sizeof name, "%s.weight", linear->module);
		return planner_fail_missing(p, name, "every layer has to have it, or config.json counts too many");
	}
	if ((status = add_matrix(p, linear, weight)) || (status = add_bias(p, linear)))
		return status;
	return add_linear_norm(p, linear);
}
