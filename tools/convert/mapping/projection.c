#include "convert/mapping/projection.h"

#include "model/names.h"

#include <stdio.h>

/* Packed weights and codes: the scale that goes with them. */
static enum tern_status read_weight_scale(struct mapper *m, const struct linear *linear, struct matrix *matrix)
{
	struct tensor *tensor;
	enum tern_status status;
	float scale;

	if ((status = mapper_require(m, &tensor, "without it the size of the packed weights is unknown",
	                             "%s.weight_scale", linear->module)) ||
	    (status = floats_read(m->ckpt, tensor, 1, &scale, m->err)))
		return status;
	matrix->scale = m->config->quantization.divides ? 1.0f / scale : scale;
	if (!(scale > 0.0f) || !(matrix->scale > 0.0f) || matrix->scale > 3e38f)
		return checkpoint_fail(m->ckpt, tensor, m->err, "%g; expected a number above 0", (double)scale);
	return TERN_OK;
}

/* A projection that was left in full precision has to be ternary all the same. */
bool may_be_master(const struct mapper *m, const char *module)
{
	return (m->is_trained || m->options->masters) &&
	       !(json_exists(m->config->quantization.not_converted) && config_is_not_converted(m->config, module));
}

/* MLX's words, and a scale for each row; experts are the first dimension of both. */
static enum tern_status find_words(struct mapper *m, const struct linear *linear, struct matrix *matrix)
{
	const uint64_t shape[] = {linear->n_expert, linear->n_row / (linear->n_expert ? linear->n_expert : 1),
	                          linear->n_col / WORD_CODES};
	int first = linear->n_expert ? 0 : 1;
	struct tensor *scales;
	enum tern_status status;

	matrix->storage = STORAGE_WORDS;
	matrix->group = matrix->group_sizes.sizes[0];
	if ((status = mapper_check_shape(m, matrix->weight, 3 - first, shape + first)) ||
	    (status = mapper_require(m, &scales, "without it the sizes of the packed weights are unknown",
	                             "%s.row_alpha", linear->module)) ||
	    (status = mapper_check_shape(m, scales, 2 - first, shape + first)))
		return status;
	matrix->scales = scales;
	return mapper_check_floats(m, scales);
}

/* How the weights are stored, as far as type and shape tell. */
static enum tern_status find_storage(struct mapper *m, const struct linear *linear, struct matrix *matrix)
{
	const struct tensor *weight = matrix->weight;
	bool is_byte = weight->dtype == DTYPE_U8 || weight->dtype == DTYPE_I8;
	bool is_quarter = weight->n_dims == 2 && weight->shape[0] == linear->n_row / 4 && linear->n_row % 4 == 0;

	if (is_byte && is_quarter && weight->shape[1] == linear->n_col) {
		matrix->storage = STORAGE_PACKED;
		return read_weight_scale(m, linear, matrix);
	}
	if (weight->dtype == DTYPE_U32)
		return find_words(m, linear, matrix);
	if (weight->dtype == DTYPE_U8)
		return mapper_fail_shape(m, weight, "packed weights: a quarter of the rows, all columns");
	enum tern_status status = mapper_check_shape(m, weight, 2, (uint64_t[]){linear->n_row, linear->n_col});
	if (status)
		return status;
	if (weight->dtype == DTYPE_I8) {
		matrix->storage = STORAGE_CODES;
		return read_weight_scale(m, linear, matrix);
	}
	if (!dtype_is_float(weight->dtype))
		return checkpoint_fail(m->ckpt, weight, m->err, "type %s; expected floats or packed uint8",
		                       dtype_name(weight->dtype));
	matrix->storage = STORAGE_FLOATS;
	matrix->may_be_master = may_be_master(m, linear->module);
	return TERN_OK;
}

static enum tern_status add_matrix(struct mapper *m, const struct linear *linear, const struct tensor *weight)
{
	const struct config *config = m->config;
	bool is_permuted =
	        config->family->permutes_qk && (linear->which == TERN_ATTN_Q || linear->which == TERN_ATTN_K);
	struct matrix *matrix = &m->mapping->matrices[m->mapping->n_matrices++]; /* allocated for all */
	struct output_tensor tensor = {.kind = OUTPUT_TERNARY,
	                               .matrix = matrix,
	                               .which = linear->which,
	                               .n_row = linear->n_row,
	                               .n_col = linear->n_col,
	                               .n_expert = linear->n_expert};
	enum tern_status status;

	*matrix = (struct matrix){.ckpt = m->ckpt,
	                          .weight = weight,
	                          .n_row = linear->n_row,
	                          .n_col = linear->n_col,
	                          .rows = linear->rows,
	                          .columns = linear->columns};
	if (is_permuted)
		matrix->rows = (struct order){.head_dim = config->head_dim, .n_rot = config->rope.n_rot};
	matrix_list_group_sizes(matrix);
	if ((status = find_storage(m, linear, matrix)) || (status = mapper_add(m, &tensor, "%s.weight", linear->out)))
		return status;
	tensor.kind = OUTPUT_SCALE;
	return mapper_add(m, &tensor, "%s.scale", linear->out);
}

static enum tern_status add_bias(struct mapper *m, const struct linear *linear)
{
	const struct matrix *matrix = &m->mapping->matrices[m->mapping->n_matrices - 1];
	struct tensor *tensor = mapper_take(m, "%s.bias", linear->module);
	char out[GGUF_MAX_NAME_LENGTH + 1];

	if (!tensor)
		return linear->wants_bias
		               ? mapper_require(m, &tensor, "config.json promises a bias", "%s.bias", linear->module)
		               : TERN_OK;
	if (matrix->storage == STORAGE_PACKED && !m->config->quantization.divides)
		return checkpoint_fail(
		        m->ckpt, tensor, m->err,
		        "a bias with packed autobitlinear weights is not supported: transformers scales it, too");
	snprintf(out, sizeof out, "%s.bias", linear->out);
	if (!linear->wants_bias && !m->warned_of_bias)
		listener_warn(&m->options->listener, "%s exists though config.json does not ask for it; it is applied",
		              out);
	m->warned_of_bias = m->warned_of_bias || !linear->wants_bias;
	return mapper_add_vector(m, tensor, linear->n_row, (struct output_tensor){.order = matrix->rows}, out);
}

/* The names of a projection's own norm; the second belongs to models whose norms use the model's epsilon. */
static const char rms_norm_suffix[] = ".rms_norm.weight", norm_suffix[] = ".norm.weight";

bool has_linear_norms(const struct mapper *m)
{
	char name[MAPPER_NAME_SIZE];

	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof name, "%slayers.0.self_attn.q_proj%s", m->prefix,
		         i ? norm_suffix : rms_norm_suffix);
		if (checkpoint_find(m->ckpt, name))
			return true;
	}
	return false;
}

static enum tern_status add_linear_norm(struct mapper *m, const struct linear *linear)
{
	const struct tensor *rms_norm = mapper_take(m, "%s%s", linear->module, rms_norm_suffix);
	const struct tensor *norm = mapper_take(m, "%s%s", linear->module, norm_suffix);
	bool counts = linear->which < TERN_N_LAYER_MATRICES;
	char out[GGUF_MAX_NAME_LENGTH + 1];

	if (rms_norm && norm)
		return checkpoint_fail(m->ckpt, norm, m->err,
		                       "there is also a rms_norm.weight; which of the two is to be applied?");
	m->n_linear += counts;
	if (!rms_norm && !norm) {
		if (counts || m->config->quantization.use_rms_norm)
			snprintf(m->without_norm, sizeof m->without_norm, "%s", linear->module);
		return TERN_OK;
	}
	snprintf(m->with_norm, sizeof m->with_norm, "%s", linear->module);
	m->n_with_norm += counts;
	m->n_model_eps += counts && norm;
	snprintf(out, sizeof out, "%s%s", linear->out, tern_linear_norm_suffixes[0]);
	return mapper_add_vector(m, rms_norm ? rms_norm : norm, linear->n_col,
	                         (struct output_tensor){.order = linear->columns}, out);
}

enum tern_status map_projection(struct mapper *m, const struct linear *linear)
{
	struct tensor *weight;
	enum tern_status status;

	if ((status = mapper_require(m, &weight, MAPPER_EVERY_LAYER, "%s.weight", linear->module)) ||
	    (status = add_matrix(m, linear, weight)) || (status = add_bias(m, linear)))
		return status;
	return add_linear_norm(m, linear);
}
