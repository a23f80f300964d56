/* RoPE frequencies from a file's keys: none, linear, YaRN, and divisors written out, against values computed
 * elsewhere; and what the loader refuses. */
#include "gguf_build.h"
#include "model/gguf_parse.h"
#include "model/rope.h"
#include "test.h"

#include <math.h>

enum {
	N_ROT = 128,
	N_CTX = 32768
};

static struct tern_error err;

/* A key of architecture llama. */
struct setting {
	const char *suffix;
	double number;
	const char *text; /* makes it a string; else original_context_length is a u32, all others f32 */
};

static void put_setting(struct build *b, const struct setting *s)
{
	char key[64];

	snprintf(key, sizeof key, "llama.%s", s->suffix);
	build_string(b, key);
	if (s->text) {
		build_number(b, 4, GGUF_STRING);
		build_string(b, s->text);
	} else if (!strcmp(s->suffix, "rope.scaling.original_context_length")) {
		build_number(b, 4, GGUF_U32);
		build_number(b, 4, (uint32_t)s->number);
	} else {
		float value = (float)s->number;
		build_number(b, 4, GGUF_F32);
		build_bytes(b, &value, 4);
	}
}

/* A tensor F32 [n]; name NULL: none. */
struct divisors {
	const char *name;
	const float *values;
	uint64_t n;
};

static void put_tensors(struct build *b, const struct divisors tensors[2], size_t n_tensors)
{
	uint64_t offset = 0;

	for (size_t i = 0; i < n_tensors; offset += tensors[i++].n * sizeof(float)) {
		build_string(b, tensors[i].name);
		build_text(b, "4:1");
		build_number(b, 8, tensors[i].n);
		build_text(b, "4:0");
		build_number(b, 8, offset);
	}
	build_text(b, "@32");
	for (size_t i = 0; i < n_tensors; i++)
		build_bytes(b, tensors[i].values, tensors[i].n * sizeof(float));
}

/* Loads the frequencies of a file with these settings (ended by an empty one) and up to 2 tensors. */
static enum tern_status load_with(struct tern_hparams *h, const struct setting *settings,
                                  const struct divisors tensors[2])
{
	struct build b = {0};
	struct gguf gguf;
	size_t n = 0, n_tensors = !tensors[0].name ? 0 : tensors[1].name ? 2 : 1;

	while (settings[n].suffix)
		n++;
	build_header(&b, 3, n_tensors, n + 1);
	build_text(&b, "'general.architecture' 4:8 'llama'");
	for (size_t i = 0; i < n; i++)
		put_setting(&b, &settings[i]);
	if (n_tensors)
		put_tensors(&b, tensors, n_tensors);
	*h = (struct tern_hparams){.n_rot = N_ROT, .n_ctx_train = N_CTX};
	enum tern_status status = tern_gguf_parse(&gguf, "model.gguf", b.bytes, b.n, &err);
	CHECK(status == TERN_OK, "%s", err.message);
	if (!status)
		status = tern_rope_load(h, &gguf, &err);
	tern_gguf_free(&gguf);
	tern_free(b.bytes);
	return status;
}

/* The same with rope_freqs.weight, if divisors is not NULL. */
static enum tern_status load(struct tern_hparams *h, const struct setting *settings, const float *divisors,
                             uint64_t n_divisors)
{
	const struct divisors tensors[2] = {{divisors ? "rope_freqs.weight" : NULL, divisors, n_divisors}, {0}};
	return load_with(h, settings, tensors);
}

/* The same with the divisors of LongRoPE: N_ROT / 2 short ones, then as many long ones. */
static enum tern_status load_longrope(struct tern_hparams *h, const struct setting *settings,
                                      const float divisors[N_ROT])
{
	const struct divisors tensors[2] = {{"rope_factors_short.weight", divisors, N_ROT / 2},
	                                    {"rope_factors_long.weight", divisors + N_ROT / 2, N_ROT / 2}};
	return load_with(h, settings, tensors);
}

static void free_frequencies(const struct tern_hparams *h)
{
	tern_free(h->rope_freq);
	tern_free(h->rope_freq_long);
}

static bool is_near(double a, double b) { return fabs(a - b) <= 1e-9 * fabs(b); }

static double plain(double base, size_t i) { return pow(base, -2.0 * (double)i / N_ROT); }

/* All frequencies are the plain ones divided by the same number. */
static void check_divided(const char *what, const struct setting *settings, double base, double divisor)
{
	struct tern_hparams h;

	if (load(&h, settings, NULL, 0)) {
		CHECK(false, "%s: %s", what, err.message);
		return;
	}
	for (size_t i = 0; i < N_ROT / 2; i++)
		CHECK(is_near(h.rope_freq[i], plain(base, i) / divisor), "%s: f_%zu = %.10g", what, i, h.rope_freq[i]);
	CHECK(h.rope_factor == 1.0, "%s: factor %g", what, h.rope_factor);
	tern_free(h.rope_freq);
}

static void check_simple(void)
{
	const struct setting none[] = {{0}}, base[] = {{"rope.freq_base", 5e5, NULL}, {0}};
	const struct setting named[] = {{"rope.scaling.type", 0, "none"}, {"rope.scaling.factor", 4, NULL}, {0}};
	const struct setting linear[] = {{"rope.scaling.type", 0, "linear"}, {"rope.scaling.factor", 4, NULL}, {0}};
	const struct setting untyped[] = {{"rope.scaling.factor", 4, NULL}, {0}};
	const struct setting legacy[] = {{"rope.scale_linear", 2, NULL}, {0}};

	check_divided("no keys", none, 10000, 1);
	check_divided("base", base, 5e5, 1);
	check_divided("type none", named, 10000, 1);
	check_divided("linear", linear, 10000, 4);
	check_divided("factor without type", untyped, 10000, 4);
	check_divided("scale_linear", legacy, 10000, 2);
}

/* Ternary-Bonsai 1.7B: the ramp goes from pair 17 to pair 34. */
static void check_yarn(void)
{
	const struct setting settings[] = {{"rope.freq_base", 1e6, NULL},
	                                   {"rope.scaling.type", 0, "yarn"},
	                                   {"rope.scaling.factor", 4, NULL},
	                                   {"rope.scaling.original_context_length", 8192, NULL},
	                                   {0}};
	struct tern_hparams h;

	if (load(&h, settings, NULL, 0)) {
		CHECK(false, "%s", err.message);
		return;
	}
	CHECK(fabs(h.rope_factor - 1.1386294) < 1e-7, "%.9g", h.rope_factor);
	CHECK(is_near(h.rope_freq[17], 2.548296748e-2), "f_17 = %.10g", h.rope_freq[17]);
	CHECK(is_near(h.rope_freq[25], 2.932201177e-3), "f_25 = %.10g", h.rope_freq[25]);
	CHECK(is_near(h.rope_freq[34], 1.623454079e-4), "f_34 = %.10g", h.rope_freq[34]);
	for (size_t i = 0; i < N_ROT / 2; i++) {
		double ratio = h.rope_freq[i] / plain(1e6, i);
		CHECK(i <= 17   ? is_near(ratio, 1)
		      : i >= 34 ? is_near(ratio, 0.25)
		                : ratio < 1 && ratio > 0.25,
		      "pair %zu: %g", i, ratio);
	}
	tern_free(h.rope_freq);
}

/* The factor on cosine and sine. */
static void check_yarn_factor(void)
{
	const struct setting attn[] = {{"rope.scaling.type", 0, "yarn"},
	                               {"rope.scaling.factor", 4, NULL},
	                               {"rope.scaling.attn_factor", 0.5, NULL},
	                               {0}};
	const struct setting plain_interpolation[] = {{"rope.scaling.type", 0, "yarn"},
	                                              {"rope.scaling.factor", 4, NULL},
	                                              {"rope.scaling.yarn_ext_factor", 0, NULL},
	                                              {0}};
	struct tern_hparams h;

	if (load(&h, attn, NULL, 0) == TERN_OK)
		CHECK(is_near(h.rope_factor, 0.5 * (1.0 + 0.1 * log(4.0))), "%.9g", h.rope_factor);
	else
		CHECK(false, "%s", err.message);
	tern_free(h.rope_freq);
	check_divided("ext_factor 0", plain_interpolation, 10000, 4);
}

/* Llama 3's scaling, as converters write it out. */
static void llama3_divisors(float g[N_ROT / 2])
{
	const double factor = 8, low = 1, high = 4, original = 8192, pi = 3.14159265358979323846;

	for (size_t i = 0; i < N_ROT / 2; i++) {
		double wavelength = 2 * pi / plain(5e5, i), s = (original / wavelength - low) / (high - low);
		g[i] = (float)(s > 1 ? 1 : s < 0 ? factor : 1 / ((1 - s) / factor + s));
	}
	CHECK(g[28] == 1.0f && fabsf(g[29] - 1.2074839f) < 1e-6f && fabsf(g[31] - 2.0263132f) < 1e-6f &&
	              fabsf(g[34] - 5.2573266f) < 1e-6f && g[35] == 8.0f,
	      "%.8g %.8g %.8g %.8g %.8g", (double)g[28], (double)g[29], (double)g[31], (double)g[34], (double)g[35]);
}

static void check_divisors(void)
{
	const struct setting settings[] = {{"rope.freq_base", 5e5, NULL}, {0}};
	struct tern_hparams h;
	float g[N_ROT / 2];

	llama3_divisors(g);
	if (load(&h, settings, g, N_ROT / 2) == TERN_OK)
		for (size_t i = 0; i < N_ROT / 2; i++)
			CHECK(is_near(h.rope_freq[i], plain(5e5, i) / (double)g[i]), "f_%zu = %.10g", i,
			      h.rope_freq[i]);
	else
		CHECK(false, "%s", err.message);
	tern_free(h.rope_freq);

	CHECK(load(&h, settings, g, N_ROT / 2 - 1) == TERN_ERR_FILE && strstr(err.message, "rope_freqs.weight"), "%s",
	      err.message);
	tern_free(h.rope_freq);
	for (int i = 0; i < 3; i++) {
		g[40] = i == 0 ? 0.0f : i == 1 ? NAN : -1.0f;
		CHECK(load(&h, settings, g, N_ROT / 2) == TERN_ERR_FILE && strstr(err.message, "rope_freqs.weight"),
		      "%s", err.message);
		tern_free(h.rope_freq);
	}
}

/* Short and long divisors; the factor by Phi-3's formula, or as the file gives it. */
static void check_longrope(void)
{
	const struct setting settings[] = {
	        {"rope.scaling.type", 0, "longrope"}, {"rope.scaling.original_context_length", 4096, NULL}, {0}};
	const struct setting own_factor[] = {{"rope.scaling.type", 0, "longrope"},
	                                     {"rope.scaling.original_context_length", 4096, NULL},
	                                     {"rope.scaling.attn_factor", 1.25, NULL},
	                                     {0}};
	const struct setting no_original[] = {{"rope.scaling.type", 0, "longrope"}, {0}};
	float g[N_ROT];
	struct tern_hparams h;

	for (size_t i = 0; i < N_ROT; i++)
		g[i] = 1.0f + (float)i / 16.0f;
	if (load_longrope(&h, settings, g) == TERN_OK)
		for (size_t i = 0; i < N_ROT / 2; i++)
			CHECK(is_near(h.rope_freq[i], plain(10000, i) / (double)g[i]) &&
			              is_near(h.rope_freq_long[i], plain(10000, i) / (double)g[N_ROT / 2 + i]),
			      "f_%zu = %.10g, %.10g", i, h.rope_freq[i], h.rope_freq_long[i]);
	else
		CHECK(false, "%s", err.message);
	CHECK(h.n_ctx_short == 4096 && is_near(h.rope_factor, sqrt(1.25)), "%zu, %.9g", h.n_ctx_short, h.rope_factor);
	free_frequencies(&h);
	CHECK(load_longrope(&h, own_factor, g) == TERN_OK && h.rope_factor == 1.25, "%.9g", h.rope_factor);
	free_frequencies(&h);
	CHECK(load_longrope(&h, no_original, g) == TERN_OK && h.n_ctx_short == N_CTX && h.rope_factor == 1.0,
	      "%zu, %.9g", h.n_ctx_short, h.rope_factor);
	free_frequencies(&h);
	g[N_ROT - 1] = 0.0f;
	CHECK(load_longrope(&h, settings, g) == TERN_ERR_FILE && strstr(err.message, "'rope_factors_long.weight'"),
	      "%s", err.message);
	free_frequencies(&h);
	CHECK(load(&h, settings, NULL, 0) == TERN_ERR_FILE &&
	              strstr(err.message, "'rope_factors_short.weight': missing"),
	      "%s", err.message);
	free_frequencies(&h);
}

static void check_refused(void)
{
	static const struct setting bad[] = {
	        {"rope.freq_base", 0, NULL},
	        {"rope.freq_base", 1, NULL},
	        {"rope.freq_base", INFINITY, NULL},
	        {"rope.scaling.type", 0, "dynamic"},
	        {"rope.scaling.factor", 0, NULL},
	        {"rope.scaling.factor", NAN, NULL},
	        {"rope.scaling.attn_factor", 0, NULL},
	        {"rope.scaling.yarn_beta_fast", -32, NULL},
	        {"rope.scaling.yarn_ext_factor", 2, NULL},
	        {"rope.scaling.original_context_length", 0, NULL},
	};
	struct tern_hparams h;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const struct setting settings[] = {bad[i], {0}};
		char key[64];
		snprintf(key, sizeof key, "key 'llama.%s'", bad[i].suffix);
		CHECK(load(&h, settings, NULL, 0) == TERN_ERR_FILE && strstr(err.message, key), "%s %g: %s",
		      bad[i].suffix, bad[i].number, err.message);
		tern_free(h.rope_freq);
	}
}

int main(void)
{
	check_simple();
	check_yarn();
	check_yarn_factor();
	check_divisors();
	check_longrope();
	check_refused();
	return test_summary();
}
