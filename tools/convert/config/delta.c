#include "convert/config/delta.h"

#include "model/limits.h"
#include "json/value.h"

static enum tern_status read_shape(struct delta *delta, struct json_value root, struct tern_error *err)
{
	uint64_t n_tap = DELTA_TAPS, value_dim;
	enum tern_status status;

	if ((status = json_get_size(root, "linear_num_key_heads", true, 1, TERN_MAX_WIDTH, &delta->n_head_key, err)) ||
	    (status = json_get_size(root, "linear_num_value_heads", true, 1, TERN_MAX_WIDTH, &delta->n_head, err)) ||
	    (status = json_get_size(root, "linear_key_head_dim", true, 16, TERN_MAX_HEAD_DIM, &delta->head_dim, err)) ||
	    (status = json_get_size(root, "linear_value_head_dim", true, 16, TERN_MAX_HEAD_DIM, &value_dim, err)) ||
	    (status = json_get_size(root, "linear_conv_kernel_dim", false, DELTA_TAPS, DELTA_TAPS, &n_tap, err)))
		return status;
	if (delta->head_dim % 16)
		return json_fail_type(json_find(root, "linear_key_head_dim"), "a multiple of 16", err);
	if (value_dim != delta->head_dim)
		return json_fail(json_find(root, "linear_value_head_dim"), err,
		                 "%llu; expected linear_key_head_dim, %llu", (unsigned long long)value_dim,
		                 (unsigned long long)delta->head_dim);
	if (delta->n_head % delta->n_head_key)
		return json_fail(json_find(root, "linear_num_key_heads"), err,
		                 "%llu does not divide linear_num_value_heads, %llu",
		                 (unsigned long long)delta->n_head_key, (unsigned long long)delta->n_head);
	if ((2 * delta->n_head_key + delta->n_head) * delta->head_dim > TERN_MAX_WIDTH)
		return json_fail(json_find(root, "linear_num_value_heads"), err,
		                 "queries, keys and values of all heads are wider than %d", TERN_MAX_WIDTH);
	return TERN_OK;
}

/* layer_types says it for each layer, full_attention_interval for all. */
static enum tern_status read_layers(struct delta *delta, struct json_value root, uint64_t n_layer,
                                    struct tern_error *err)
{
	struct json_value types;
	uint64_t n = 0;
	enum tern_status status;

	delta->period = 4;
	if ((status = json_get_size(root, "full_attention_interval", false, 1, n_layer, &delta->period, err)) ||
	    (status = json_get_container(root, "layer_types", JSON_ARRAY, &types, err)) || !json_exists(types))
		return status;
	for (struct json_iterator it = json_items(types); json_next(&it); n++) {
		const char *expected = delta_is_layer(delta, n) ? "linear_attention" : "full_attention";
		if (!json_string_is(it.value, expected))
			return json_fail(it.value, err, "expected \"%s\" with full_attention_interval %llu", expected,
			                 (unsigned long long)delta->period);
	}
	if (n != n_layer)
		return json_fail(types, err, "%llu layers; num_hidden_layers is %llu", (unsigned long long)n,
		                 (unsigned long long)n_layer);
	return TERN_OK;
}

/* Texts need no sections, but other readers of the file do. */
static enum tern_status read_sections(struct delta *delta, struct json_value rope, uint64_t n_rot,
                                      struct tern_error *err)
{
	struct json_value sections;
	uint64_t n = 0, sum = 0, pairs;
	enum tern_status status = json_get_container(rope, "mrope_section", JSON_ARRAY, &sections, err);

	if (status || !json_exists(sections))
		return status;
	for (struct json_iterator it = json_items(sections); json_next(&it) && n < DELTA_SECTIONS; n++) {
		if ((status = json_to_u64(it.value, &pairs, err)))
			return status;
		if (n == DELTA_SECTIONS - 1 || pairs > n_rot / 2)
			break;
		delta->sections[n] = (int32_t)pairs;
		sum += pairs;
	}
	if (n != DELTA_SECTIONS - 1 || json_count(sections) != n || sum != n_rot / 2)
		return json_fail(sections, err, "expected three numbers that add up to %llu",
		                 (unsigned long long)(n_rot / 2));
	delta->has_sections = true;
	return TERN_OK;
}

/* What tern computes in these models, and what else a configuration could ask for. */
static enum tern_status check_gates(struct json_value root, struct json_value rope, struct tern_error *err)
{
	struct json_value gate = json_find(root, "output_gate_type");
	bool is_gated = true, has_bias = false;
	enum tern_status status;

	if ((status = json_get_bool(root, "attn_output_gate", &is_gated, NULL, err)) ||
	    (status = json_get_bool(root, "attention_bias", &has_bias, NULL, err)))
		return status;
	if (!is_gated)
		return json_fail(json_find(root, "attn_output_gate"), err, "attention without a gate is not supported");
	if (has_bias)
		return json_fail(json_find(root, "attention_bias"), err, "is not supported");
	/* It names the delta nets' gate, which is SiLU anyway. */
	if (json_exists(gate) && json_type(gate) != JSON_NULL && !json_string_is(gate, "swish"))
		return json_fail_type(gate, "\"swish\"", err);
	if (!json_exists(json_find(root, "partial_rotary_factor")) &&
	    !(json_exists(rope) && json_exists(json_find(rope, "partial_rotary_factor"))))
		return json_fail_missing(root, "partial_rotary_factor", "0.25 or the like, here or in rope_parameters",
		                         err);
	return TERN_OK;
}

enum tern_status delta_read(struct delta *delta, struct json_value root, uint64_t n_layer, uint64_t n_rot,
                            struct tern_error *err)
{
	struct json_value rope;
	enum tern_status status = json_get_container(root, "rope_parameters", JSON_OBJECT, &rope, err);

	if (!status && !json_exists(rope))
		status = json_get_container(root, "rope_scaling", JSON_OBJECT, &rope, err);
	if (status || (status = check_gates(root, rope, err)) || (status = read_shape(delta, root, err)) ||
	    (status = read_layers(delta, root, n_layer, err)) || !json_exists(rope))
		return status;
	return read_sections(delta, rope, n_rot, err);
}
