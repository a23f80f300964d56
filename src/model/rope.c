/* The formulas are those of the papers (RoPE arXiv 2104.09864, YaRN arXiv 2309.00071, LongRoPE arXiv 2402.13753); key
 * names: llama.cpp. */
#include "model/rope.h"

#include "base/bytes.h"
#include "base/exactmath.h"
#include "base/memory.h"

#include <math.h>

struct scaling {
	enum {
		SCALING_NONE,
		SCALING_LINEAR,
		SCALING_YARN,
		SCALING_LONGROPE
	} type;
	float factor;
	float attn_factor; /* multiplies cosines and sines, beside YaRN's own factor */
	bool has_attn_factor;
	/* YaRN keeps waves that turn more than beta_fast times over the original context and interpolates those that
	 * turn less than beta_slow times. ext_factor: how much of this there is, 0 interpolates all. */
	float beta_fast, beta_slow, ext_factor;
	uint32_t original_context; /* tokens */
};

/* A finite number above 0 under "ARCH.suffix". *value holds the default. */
static enum tern_status get_positive(const struct gguf *gguf, const char *suffix, float *value, bool *found,
                                     struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status = tern_arch_key(key, gguf, suffix, err);
	return status ? status : tern_get_positive(gguf, key, value, found, err);
}

static enum tern_status load_scaling_type(struct scaling *scaling, const struct gguf *gguf, bool has_factor,
                                          struct tern_error *err)
{
	struct gguf_string type = {has_factor ? "linear" : "none", has_factor ? 6 : 4};
	static const char *const names[] = {"none", "linear", "yarn", "longrope"}; /* as in struct scaling */
	char key[GGUF_MAX_KEY_LENGTH + 1], quoted[TERN_QUOTE_SIZE];
	enum tern_status status = tern_arch_key(key, gguf, "rope.scaling.type", err);

	if (!status)
		status = tern_gguf_get_string(gguf, key, &type, NULL, err);
	if (status)
		return status;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (tern_gguf_string_is(type, names[i])) {
			scaling->type = i;
			return TERN_OK;
		}
	return tern_gguf_fail_key(gguf, key, err, "'%s' is not supported; tern knows none, linear, yarn and longrope",
	                          tern_quote(quoted, type.bytes, type.length));
}

/* YaRN proper is 1, plain interpolation 0. */
static enum tern_status load_ext_factor(float *value, const struct gguf *gguf, struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status = tern_arch_key(key, gguf, "rope.scaling.yarn_ext_factor", err);

	if (!status)
		status = tern_gguf_get_f32(gguf, key, value, NULL, err);
	if (!status && !(*value >= 0.0f && *value <= 1.0f))
		return tern_gguf_fail_key(gguf, key, err, "expected a number from 0 to 1, got %g", (double)*value);
	return status;
}

static enum tern_status load_original_context(uint32_t *value, const struct gguf *gguf, struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status = tern_arch_key(key, gguf, "rope.scaling.original_context_length", err);

	if (!status)
		status = tern_gguf_get_u32(gguf, key, value, NULL, err);
	if (!status && *value < 1)
		return tern_gguf_fail_key(gguf, key, err, "expected at least 1 token");
	return status;
}

static enum tern_status load_scaling(struct scaling *s, const struct gguf *gguf, const struct tern_hparams *h,
                                     struct tern_error *err)
{
	bool has_factor, has_legacy_factor;
	enum tern_status status;

	*s = (struct scaling){.factor = 1.0f,
	                      .attn_factor = 1.0f,
	                      .beta_fast = 32.0f,
	                      .beta_slow = 1.0f,
	                      .ext_factor = 1.0f,
	                      .original_context = (uint32_t)h->n_ctx_train};
	if ((status = get_positive(gguf, "rope.scale_linear", &s->factor, &has_legacy_factor, err)) ||
	    (status = get_positive(gguf, "rope.scaling.factor", &s->factor, &has_factor, err)) ||
	    (status = load_scaling_type(s, gguf, has_factor || has_legacy_factor, err)) ||
	    (status = get_positive(gguf, "rope.scaling.attn_factor", &s->attn_factor, &s->has_attn_factor, err)) ||
	    (status = get_positive(gguf, "rope.scaling.yarn_attn_factor", &s->attn_factor, NULL, err)) ||
	    (status = get_positive(gguf, "rope.scaling.yarn_beta_fast", &s->beta_fast, NULL, err)) ||
	    (status = get_positive(gguf, "rope.scaling.yarn_beta_slow", &s->beta_slow, NULL, err)) ||
	    (status = load_ext_factor(&s->ext_factor, gguf, err)))
		return status;
	return load_original_context(&s->original_context, gguf, err);
}

/* The pair index, not whole, whose wave turns `rotations` times over the original context. */
static double yarn_dim(const struct tern_hparams *h, const struct scaling *s, double base, double rotations)
{
	const double two_pi = 6.283185307179586;
	return (double)h->n_rot * tern_log_f64(s->original_context / (rotations * two_pi)) / (2.0 * tern_log_f64(base));
}

/* Slow waves are interpolated (divided by the factor), fast ones kept, with a ramp between. */
static void apply_yarn(struct tern_hparams *h, const struct scaling *s, double base)
{
	double low = fmax(floor(yarn_dim(h, s, base, s->beta_fast)), 0.0);
	double high = fmin(ceil(yarn_dim(h, s, base, s->beta_slow)), (double)h->n_rot - 1.0);

	if (low == high)
		high += 0.001;
	for (size_t i = 0; i < h->n_rot / 2; i++) {
		double ramp = fmin(fmax(((double)i - low) / (high - low), 0.0), 1.0);
		double interpolated = s->ext_factor * ramp + (1.0 - s->ext_factor);
		h->rope_freq[i] = h->rope_freq[i] / s->factor * interpolated + h->rope_freq[i] * (1.0 - interpolated);
	}
	/* The paper's temperature: longer contexts need sharper attention. */
	if (s->factor > 1.0f && s->ext_factor > 0.0f)
		h->rope_factor *= 0.1 * tern_log_f64(s->factor) + 1.0;
}

/* Divides n frequencies by a tensor of the file, if it is there. */
static enum tern_status apply_divisors(double *frequencies, size_t n, const struct gguf *gguf, const char *name,
                                       struct tern_error *err)
{
	const struct gguf_tensor *divisors = tern_gguf_find_tensor(gguf, name);

	if (!divisors)
		return TERN_OK;
	if (divisors->type != GGUF_TENSOR_F32 || divisors->n_dims != 1 || divisors->dims[0] != n)
		return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s': expected F32 [%zu]", gguf->path, name, n);
	for (size_t i = 0; i < n; i++) {
		float divisor = tern_load_f32(divisors->data + i * sizeof(float));
		if (!(divisor > 0.0f) || !isfinite(divisor))
			return tern_fail(err, TERN_ERR_FILE,
			                 "%s: tensor '%s': expected finite numbers above 0, got %g at %zu", gguf->path,
			                 name, (double)divisor, i);
		frequencies[i] /= divisor;
	}
	return TERN_OK;
}

/* Angles without scaling. NULL when memory runs out. */
static double *plain_frequencies(const struct tern_hparams *h, double base)
{
	double *frequencies = tern_alloc(h->n_rot / 2, sizeof *frequencies);

	if (frequencies)
		tern_rope_frequencies(frequencies, h->n_rot, base);
	return frequencies;
}

static enum tern_status get_base(const struct gguf *gguf, const char *suffix, float *base, struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status = tern_arch_key(key, gguf, suffix, err);

	if (!status)
		status = tern_get_positive(gguf, key, base, NULL, err);
	if (!status && !(*base > 1.0f))
		return tern_gguf_fail_key(gguf, key, err, "expected a number above 1, got %g", (double)*base);
	return status;
}

/* Layers with a window turn by a base of their own, without scaling. Gemma 3 is the architecture with such layers, and
 * 10000 its base, which files need not give. */
static enum tern_status load_local(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	float base = 10000.0f;
	bool has_local = false;
	enum tern_status status = get_base(gguf, "rope.freq_base_swa", &base, err);

	for (size_t i = 0; i < h->n_layer; i++)
		has_local = has_local || tern_layer_has_window(h, i);
	if (status || !has_local)
		return status;
	h->rope_freq_local = plain_frequencies(h, (double)base);
	return h->rope_freq_local ? TERN_OK : tern_fail_memory(err, h->n_rot / 2 * sizeof *h->rope_freq_local);
}

/* LongRoPE: the file lists divisors for contexts of up to original_context tokens, and others for longer ones. What the
 * latter do to the sharpness of attention, a factor corrects, which files may give. */
static enum tern_status apply_longrope(struct tern_hparams *h, const struct scaling *s, double base,
                                       const struct gguf *gguf, struct tern_error *err)
{
	static const char *const names[] = {"rope_factors_short.weight", "rope_factors_long.weight"};
	enum tern_status status;

	if (s->factor != 1.0f)
		return tern_fail(err, TERN_ERR_FILE, "%s: RoPE scaling 'longrope' with a factor is not supported",
		                 gguf->path);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!tern_gguf_find_tensor(gguf, names[i]))
			return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s': missing", gguf->path, names[i]);
	if (!(h->rope_freq_long = plain_frequencies(h, base)))
		return tern_fail_memory(err, h->n_rot / 2 * sizeof *h->rope_freq_long);
	h->n_ctx_short = s->original_context;
	if (!s->has_attn_factor && h->n_ctx_train > h->n_ctx_short && h->n_ctx_short > 1)
		h->rope_factor = sqrt(1.0 + tern_log_f64((double)h->n_ctx_train / (double)h->n_ctx_short) /
		                                    tern_log_f64((double)h->n_ctx_short));
	status = apply_divisors(h->rope_freq, h->n_rot / 2, gguf, names[0], err);
	return status ? status : apply_divisors(h->rope_freq_long, h->n_rot / 2, gguf, names[1], err);
}

enum tern_status tern_rope_load(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	float base = 10000.0f;
	struct scaling scaling;
	enum tern_status status;

	if ((status = get_base(gguf, "rope.freq_base", &base, err)) ||
	    (status = load_scaling(&scaling, gguf, h, err)) ||
	    (status = h->rope_in_windows_only ? get_base(gguf, "rope.freq_base_swa", &base, err)
	                                      : load_local(h, gguf, err)))
		return status;
	h->rope_freq = plain_frequencies(h, (double)base);
	if (!h->rope_freq)
		return tern_fail_memory(err, h->n_rot / 2 * sizeof *h->rope_freq);
	h->rope_factor = scaling.attn_factor;
	if (scaling.type == SCALING_YARN)
		apply_yarn(h, &scaling, base);
	else if (scaling.type == SCALING_LINEAR)
		for (size_t i = 0; i < h->n_rot / 2; i++)
			h->rope_freq[i] /= scaling.factor;
	else if (scaling.type == SCALING_LONGROPE && (status = apply_longrope(h, &scaling, base, gguf, err)))
		return status;
	return apply_divisors(h->rope_freq, h->n_rot / 2, gguf, "rope_freqs.weight", err);
}

void tern_rope_free(struct tern_hparams *hparams)
{
	tern_free(hparams->rope_freq);
	tern_free(hparams->rope_freq_local);
	tern_free(hparams->rope_freq_long);
	hparams->rope_freq = hparams->rope_freq_local = hparams->rope_freq_long = NULL;
}

void tern_rope_frequencies(double *frequencies, size_t n_rot, double base)
{
	for (size_t i = 0; i < n_rot / 2; i++)
		frequencies[i] = tern_exp_f64(-2.0 * (double)i / (double)n_rot * tern_log_f64(base));
}

void tern_rope_angles(float *cosine, float *sine, const double *frequencies, size_t n_pair, size_t position,
                      double factor)
{
	for (size_t i = 0; i < n_pair; i++) {
		double s, c;
		tern_sincos_f64((double)position * frequencies[i], &s, &c);
		cosine[i] = (float)(c * factor);
		sine[i] = (float)(s * factor);
	}
}

void tern_rope_rotate(float *head, const float *cosine, const float *sine, size_t n_rot, bool interleaved)
{
	size_t half = n_rot / 2;

	for (size_t i = 0; i < half; i++) {
		float *a = interleaved ? &head[2 * i] : &head[i];
		float *b = interleaved ? &head[2 * i + 1] : &head[i + half];
		float rotated = *a * cosine[i] - *b * sine[i];
		*b = *a * sine[i] + *b * cosine[i];
		*a = rotated;
	}
}
