/* RoPE settings in config.json: `rope_scaling` beside `rope_theta`, or the newer `rope_parameters`, which holds both.
 * The type is spelled rope_type or type. */
#include "convert/config/rope.h"

#include "base/exactmath.h"
#include "json/value.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static enum tern_status read_llama3(struct rope *rope, struct json_value r, struct tern_error *err)
{
	enum tern_status status;

	rope->type = ROPE_LLAMA3;
	if ((status = json_get_positive(r, "low_freq_factor", true, &rope->low_freq_factor, err)) ||
	    (status = json_get_positive(r, "high_freq_factor", true, &rope->high_freq_factor, err)))
		return status;
	if (!(rope->low_freq_factor < rope->high_freq_factor))
		return json_fail(r, err, "low_freq_factor has to be below high_freq_factor");
	return TERN_OK;
}

/* YaRN's factor on cosine and sine: given, or from mscale and mscale_all_dim, or 0.1 ln(factor) + 1. */
static enum tern_status read_attention_factor(struct rope *rope, struct json_value r, struct tern_error *err)
{
	double log_factor = rope->factor > 1.0 ? tern_log_f64(rope->factor) : 0.0, mscale = 0.0, mscale_all_dim = 0.0;
	enum tern_status status;

	if ((status = json_get_f64(r, "mscale", &mscale, NULL, err)) ||
	    (status = json_get_f64(r, "mscale_all_dim", &mscale_all_dim, NULL, err)))
		return status;
	rope->attention_factor = 0.1 * log_factor + 1.0;
	if (mscale != 0.0 && mscale_all_dim != 0.0)
		rope->attention_factor = (0.1 * mscale * log_factor + 1.0) / (0.1 * mscale_all_dim * log_factor + 1.0);
	if (!(rope->attention_factor > 0.0))
		return json_fail(r, err, "mscale and mscale_all_dim give an attention factor that is not above 0");
	return json_get_positive(r, "attention_factor", false, &rope->attention_factor, err);
}

static enum tern_status read_yarn(struct rope *rope, struct json_value r, struct tern_error *err)
{
	bool truncates = true;
	enum tern_status status;

	rope->type = ROPE_YARN;
	rope->beta_fast = 32.0;
	rope->beta_slow = 1.0;
	if ((status = json_get_positive(r, "beta_fast", false, &rope->beta_fast, err)) ||
	    (status = json_get_positive(r, "beta_slow", false, &rope->beta_slow, err)) ||
	    (status = json_get_bool(r, "truncate", &truncates, NULL, err)))
		return status;
	if (!truncates)
		return json_fail(json_find(r, "truncate"), err, "YaRN without truncation is not supported");
	return read_attention_factor(rope, r, err);
}

/* n numbers above 0. */
static enum tern_status read_factors(struct json_value r, const char *key, uint64_t n, struct json_value *factors,
                                     struct tern_error *err)
{
	enum tern_status status = json_get_container(r, key, JSON_ARRAY, factors, err);

	if (status)
		return status;
	if (!json_exists(*factors) || json_count(*factors) != n)
		return json_fail(r, err, "%s: expected an array of %llu numbers", key, (unsigned long long)n);
	for (struct json_iterator it = json_items(*factors); json_next(&it);) {
		double value;
		if ((status = json_to_f64(it.value, &value, err)))
			return status;
		if (!(value > 0.0 && value < 1e30))
			return json_fail(it.value, err, "%g; expected a number above 0", value);
	}
	return TERN_OK;
}

/* The factor on cosine and sine is that of LongRoPE's paper for the extended context. */
static enum tern_status read_longrope(struct rope *rope, struct json_value r, struct tern_error *err)
{
	enum tern_status status;

	rope->type = ROPE_LONGROPE;
	rope->attention_factor = 1.0;
	if (rope->factor > 1.0 && rope->original_context > 1)
		rope->attention_factor =
		        sqrt(1.0 + tern_log_f64(rope->factor) / tern_log_f64((double)rope->original_context));
	status = read_factors(r, "short_factor", rope->n_rot / 2, &rope->short_factor, err);
	return status ? status : read_factors(r, "long_factor", rope->n_rot / 2, &rope->long_factor, err);
}

static enum tern_status read_scaling(struct rope *rope, struct json_value r, uint64_t n_ctx, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	struct json_value type = json_find(r, "rope_type");
	bool is_llama3, is_yarn, is_linear, is_longrope;
	enum tern_status status;

	if (!json_exists(type))
		type = json_find(r, "type");
	if (!json_exists(type) || json_type(type) == JSON_NULL || json_string_is(type, "default"))
		return TERN_OK;
	if (json_type(type) != JSON_STRING)
		return json_fail_type(type, "a string", err);
	is_linear = json_string_is(type, "linear");
	is_llama3 = json_string_is(type, "llama3");
	is_yarn = json_string_is(type, "yarn");
	is_longrope = json_string_is(type, "longrope");
	if (!is_linear && !is_llama3 && !is_yarn && !is_longrope) {
		struct json_string name = json_string(type);
		return json_fail(type, err,
		                 "'%s' is not supported; tern knows default, linear, llama3, yarn and longrope",
		                 tern_quote(quoted, name.bytes, name.length));
	}
	rope->original_context = n_ctx;
	if ((status = json_get_size(r, "original_max_position_embeddings", is_llama3 || is_longrope, 1, 1 << 24,
	                            &rope->original_context, err)))
		return status;
	rope->factor = (double)n_ctx / (double)rope->original_context;
	if (is_longrope)
		return read_longrope(rope, r, err);
	if ((status = json_get_positive(r, "factor", !is_yarn, &rope->factor, err)))
		return status;
	if (is_llama3)
		return read_llama3(rope, r, err);
	if (is_yarn)
		return read_yarn(rope, r, err);
	rope->type = ROPE_LINEAR;
	return TERN_OK;
}

static enum tern_status read_rotated_part(struct rope *rope, struct json_value root, struct json_value r,
                                          uint64_t head_dim, struct tern_error *err)
{
	double part = 1.0;
	enum tern_status status;

	if ((status = json_get_positive(root, "partial_rotary_factor", false, &part, err)) ||
	    (json_exists(r) && (status = json_get_positive(r, "partial_rotary_factor", false, &part, err))))
		return status;
	rope->n_rot = (uint64_t)((double)head_dim * part);
	if (part > 1.0 || rope->n_rot < 2 || rope->n_rot % 2)
		return json_fail(root, err, "partial_rotary_factor %g of a head of %llu is no even number of values",
		                 part, (unsigned long long)head_dim);
	return TERN_OK;
}

/* Reads the settings of layers with a window: rope_local_base_freq, or in rope_parameters one object per kind of layer.
 * *r then becomes the object of the layers that see all. */
static enum tern_status read_local(struct rope *rope, struct json_value root, struct json_value *r,
                                   struct tern_error *err)
{
	struct json_value local = {0}, full = {0}, type;
	enum tern_status status;

	if ((status = json_get_positive(root, "rope_local_base_freq", false, &rope->local_theta, err)))
		return status;
	if (!json_exists(*r))
		return TERN_OK;
	if ((status = json_get_container(*r, "sliding_attention", JSON_OBJECT, &local, err)) ||
	    (status = json_get_container(*r, "full_attention", JSON_OBJECT, &full, err)))
		return status;
	if (json_exists(full))
		*r = full;
	if (!json_exists(local))
		return TERN_OK;
	type = json_find(local, "rope_type");
	if (json_exists(type) && json_type(type) != JSON_NULL && !json_string_is(type, "default"))
		return json_fail_type(type, "\"default\" in layers with a window", err);
	return json_get_positive(local, "rope_theta", false, &rope->local_theta, err);
}

enum tern_status rope_read(struct rope *rope, struct json_value root, double default_theta, double default_local_theta,
                           uint64_t head_dim, uint64_t n_ctx, struct tern_error *err)
{
	struct json_value r;
	enum tern_status status;

	rope->theta = default_theta;
	rope->local_theta = default_local_theta;
	if ((status = json_get_container(root, "rope_parameters", JSON_OBJECT, &r, err)) ||
	    (!json_exists(r) && (status = json_get_container(root, "rope_scaling", JSON_OBJECT, &r, err))) ||
	    (default_local_theta > 0.0 && (status = read_local(rope, root, &r, err))))
		return status;
	for (struct json_iterator it = json_items(r); json_next(&it);)
		if (json_type(it.value) == JSON_OBJECT)
			return json_fail(it.value, err, "RoPE that differs from layer to layer is not supported");
	if ((status = json_get_positive(root, "rope_theta", false, &rope->theta, err)) ||
	    (json_exists(r) && (status = json_get_positive(r, "rope_theta", false, &rope->theta, err))))
		return status;
	if (!(rope->theta > 1.0) || (default_local_theta > 0.0 && !(rope->local_theta > 1.0)))
		return json_fail(root, err, "rope_theta is %g; expected a number above 1",
		                 rope->theta > 1.0 ? rope->local_theta : rope->theta);
	if ((status = read_rotated_part(rope, root, r, head_dim, err)))
		return status;
	return json_exists(r) ? read_scaling(rope, r, n_ctx, err) : TERN_OK;
}

/* Waves longer than the original context / low_freq_factor turn `factor` times slower, those shorter than the original
 * context / high_freq_factor as before, and between the two the frequencies are blended. */
void rope_llama3_divisors(const struct rope *rope, float *divisors)
{
	double context = (double)rope->original_context, low = rope->low_freq_factor, high = rope->high_freq_factor;

	for (uint64_t i = 0; i < rope->n_rot / 2; i++) {
		double frequency = tern_exp_f64(-2.0 * (double)i / (double)rope->n_rot * tern_log_f64(rope->theta));
		double wavelength = 2.0 * pi / frequency, blend = (context / wavelength - low) / (high - low);
		double divisor = 1.0 / ((1.0 - blend) / rope->factor + blend);
		if (wavelength < context / high)
			divisor = 1.0;
		else if (wavelength > context / low)
			divisor = rope->factor;
		divisors[i] = (float)divisor;
	}
}

void rope_longrope_divisors(struct json_value factors, float *divisors)
{
	for (struct json_iterator it = json_items(factors); json_next(&it);) {
		struct tern_error err;
		double value = 1.0;
		json_to_f64(it.value, &value, &err); /* read_factors() has checked it */
		*divisors++ = (float)value;
	}
}
