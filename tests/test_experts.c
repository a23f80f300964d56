/* infer/router.h and infer/experts.h: which experts are chosen, also of equal logits and where logits are no numbers;
 * that the matrices of all others are not touched, by laying them where reading is forbidden; and the same bits however
 * the tokens are divided among batches, threads and instruction sets, even if all of them choose the same experts. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "base/sizes.h"
#include "infer/engine_init.h"
#include "infer/experts.h"
#include "model/layout.h"
#include "test.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	N_EMBD = 64,
	N_FF = 256,
	N_EXPERT = 40,
	N_USED = 3,
	N_TOKEN = 90,
	N_WEIGHT = N_FF * N_EMBD, /* of one matrix of one expert: a page of 4096 bytes */
};

static float router[N_EXPERT * N_EMBD], h[N_TOKEN * N_EMBD], x_before[N_TOKEN * N_EMBD];
static uint16_t scales[N_EXPERT * N_FF];
static uint8_t *panels[3]; /* of gate, up and down: expert e's are at e * stride */
static size_t stride;

static float random_float(void) { return (float)((int64_t)(test_random() % 20001) - 10000) * 1e-4f; }

static struct tern_linear make_linear(uint8_t *at, size_t n_row, size_t n_col)
{
	return (struct tern_linear){
	        .n_row = N_EXPERT * n_row, .n_col = n_col, .panels = at, .scale_group = n_col, .group_scales = scales};
}

static struct tern_matrix make_router(const float *rows)
{
	return (struct tern_matrix){
	        .type = GGUF_TENSOR_F32, .n_row = N_EXPERT, .n_col = N_EMBD, .data = (const uint8_t *)rows};
}

static void make(struct tern_expert_weights *weights)
{
	for (size_t i = 0; i < sizeof router / sizeof *router; i++)
		router[i] = random_float();
	for (size_t i = 0; i < sizeof h / sizeof *h; i++) {
		h[i] = random_float();
		x_before[i] = random_float();
	}
	for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
		scales[i] = (uint16_t)(0x2c00 + test_random() % 0x400); /* 2^-4 to 2^-3 */
	for (size_t m = 0; m < 3; m++) {
		panels[m] = mmap(NULL, N_EXPERT * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (panels[m] == MAP_FAILED)
			exit(1);
		for (size_t i = 0; i < N_EXPERT * stride; i++) {
			uint8_t bits = (uint8_t)test_random();
			panels[m][i] = (uint8_t)(bits & ~(bits & bits << 1 & 0xaa)); /* no code 3 */
		}
	}
	*weights = (struct tern_expert_weights){.router = make_router(router),
	                                        .gate = make_linear(panels[0], N_FF, N_EMBD),
	                                        .up = make_linear(panels[1], N_FF, N_EMBD),
	                                        .down = make_linear(panels[2], N_EMBD, N_FF),
	                                        .limit = 0.5f};
}

/* ---- plain computation ---- */

struct choice {
	size_t experts[N_USED];
	double weights[N_USED];
};

static struct choice choose(const float *token)
{
	double logits[N_EXPERT], sum = 0;
	bool used[N_EXPERT] = {false};
	struct choice c;

	for (size_t e = 0; e < N_EXPERT; e++) {
		logits[e] = 0;
		for (size_t i = 0; i < N_EMBD; i++)
			logits[e] += (double)router[e * N_EMBD + i] * (double)token[i];
	}
	for (size_t k = 0; k < N_USED; k++) {
		size_t best = N_EXPERT;
		for (size_t e = 0; e < N_EXPERT; e++)
			if (!used[e] && (best == N_EXPERT || logits[e] > logits[best]))
				best = e;
		used[best] = true;
		c.experts[k] = best;
		c.weights[k] = exp(logits[best]);
		sum += c.weights[k];
	}
	for (size_t k = 0; k < N_USED; k++)
		c.weights[k] /= sum;
	return c;
}

/* y = W x of expert e, x as the engine quantizes it: one scale. */
static void multiply(double *y, size_t matrix, size_t e, const double *x, size_t n_row, size_t n_col)
{
	double max = 1e-5;

	for (size_t c = 0; c < n_col; c++)
		max = fmax(max, fabs(x[c]));
	for (size_t r = 0; r < n_row; r++) {
		int8_t w[N_FF];
		double sum = 0;
		tern_t2r16_unpack_row(w, panels[matrix] + e * stride + r / 16 * tern_t2r16_panel_bytes(n_col), r % 16,
		                      n_col);
		for (size_t c = 0; c < n_col; c++)
			sum += w[c] * nearbyint(x[c] * 127 / max);
		uint16_t half = scales[e * n_row + r];
		y[r] = sum * max / 127 * ldexp(1 + (half & 0x3ff) / 1024.0, (half >> 10) - 15);
	}
}

static double clamp(double v, double limit) { return fmax(fmin(v, limit), -limit); }

static void check_values(const float *got, const struct tern_expert_weights *weights)
{
	double limit = (double)weights->limit, gate[N_FF], up[N_FF], in[N_EMBD], y[N_EMBD];

	for (size_t t = 0; t < N_TOKEN; t += 7) {
		struct choice c = choose(h + t * N_EMBD);
		double expected[N_EMBD];
		for (size_t i = 0; i < N_EMBD; i++) {
			in[i] = (double)h[t * N_EMBD + i];
			expected[i] = (double)x_before[t * N_EMBD + i];
		}
		for (size_t k = 0; k < N_USED; k++) {
			multiply(gate, 0, c.experts[k], in, N_FF, N_EMBD);
			multiply(up, 1, c.experts[k], in, N_FF, N_EMBD);
			for (size_t i = 0; i < N_FF; i++) {
				double g = fmin(gate[i], limit);
				gate[i] = g / (1 + exp(-g)) * clamp(up[i], limit);
			}
			multiply(y, 2, c.experts[k], gate, N_EMBD, N_FF);
			for (size_t i = 0; i < N_EMBD; i++)
				expected[i] += c.weights[k] * y[i];
		}
		for (size_t i = 0; i < N_EMBD; i++)
			CHECK(fabs((double)got[t * N_EMBD + i] - expected[i]) < 2e-3, "token %zu, %zu: %g, not %g", t,
			      i, (double)got[t * N_EMBD + i], expected[i]);
	}
}

/* ---- the engine ---- */

static const struct tern_transformer transformer = {.hparams = {.n_layer = 1,
                                                                .n_embd = N_EMBD,
                                                                .n_head = 1,
                                                                .n_head_kv = 1,
                                                                .head_dim = 16,
                                                                .n_vocab = 16,
                                                                .n_rot = 16,
                                                                .rms_eps = 1e-5f,
                                                                .n_expert = N_EXPERT,
                                                                .n_expert_used = N_USED,
                                                                .n_ff_expert = N_FF,
                                                                .normalizes_experts = true,
                                                                .expert_scale = 1.0f}};

/* All tokens in batches of at most n_batch; x: [N_TOKEN, N_EMBD]. */
static void run(float *x, const struct tern_expert_weights *weights, const char *isa, int n_thread, size_t n_batch)
{
	struct tern_engine engine;
	struct tern_error err;

	setenv("TERN_ISA", isa, 1);
	if (tern_engine_init(&engine, &transformer, n_thread, n_batch, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	for (size_t first = 0; first < N_TOKEN; first += engine.n_token) {
		engine.n_token = tern_smaller(N_TOKEN - first, n_batch);
		memcpy(engine.normed, h + first * N_EMBD, engine.n_token * N_EMBD * sizeof *x);
		memcpy(engine.x, x_before + first * N_EMBD, engine.n_token * N_EMBD * sizeof *x);
		tern_route(&engine, weights);
		tern_experts(&engine, weights);
		memcpy(x + first * N_EMBD, engine.x, engine.n_token * N_EMBD * sizeof *x);
	}
	tern_engine_clear(&engine);
}

static void check_one_answer(const char *what, const struct tern_expert_weights *weights)
{
	static float first[N_TOKEN * N_EMBD], x[N_TOKEN * N_EMBD];
	static const struct {
		int n_thread;
		size_t n_batch;
	} splits[] = {{1, N_TOKEN}, {2, N_TOKEN}, {5, N_TOKEN}, {2, 1}, {3, 7}, {1, 40}};
	const struct tern_kernels *const *built = tern_kernels_built();

	run(first, weights, "portable", 1, N_TOKEN);
	check_values(first, weights);
	for (size_t i = 0; built[i]; i++)
		for (size_t k = 0; tern_kernels_usable(built[i]) && k < sizeof splits / sizeof *splits; k++) {
			run(x, weights, built[i]->name, splits[k].n_thread, splits[k].n_batch);
			CHECK(!memcmp(x, first, sizeof x), "%s: %s, %d threads, batches of %zu: other bits", what,
			      built[i]->name, splits[k].n_thread, splits[k].n_batch);
		}
}

/* Of equal logits that of the lower index; a token that is no number chooses, too. */
static void check_choices(const struct tern_expert_weights *weights)
{
	struct tern_engine engine;
	struct tern_error err;
	struct tern_expert_weights zeros = *weights;
	static float rows[N_EXPERT * N_EMBD];

	zeros.router = make_router(rows);
	if (tern_engine_init(&engine, &transformer, 1, 1, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	engine.n_token = 1;
	memcpy(engine.normed, h, N_EMBD * sizeof *h);
	tern_route(&engine, &zeros);
	for (size_t k = 0; k < N_USED; k++)
		CHECK(engine.experts->choices[k] == k && engine.experts->uses[k].index == k &&
		              fabsf(engine.experts->weights[k] - 1.0f / N_USED) < 1e-6f,
		      "choice %zu of equal logits: %u, weight %g", k, engine.experts->choices[k],
		      (double)engine.experts->weights[k]);
	for (size_t e = 20; e < 20 + N_USED; e++)
		memcpy(rows + e * N_EMBD, h, sizeof *h * N_EMBD); /* the only logits above 0 */
	tern_route(&engine, &zeros);
	for (size_t k = 0; k < N_USED; k++)
		CHECK(engine.experts->choices[k] == 20 + k, "choice %zu: %u", k, engine.experts->choices[k]);
	for (size_t i = 0; i < N_EMBD; i++)
		engine.normed[i] = NAN;
	tern_route(&engine, &zeros);
	CHECK(engine.experts->n_use == N_USED, "%zu experts of a token that is no number", engine.experts->n_use);
	tern_engine_clear(&engine);
}

/* Every token chooses experts 5, 6 and 7; whoever reads the others is killed. */
static void check_untouched(struct tern_expert_weights *weights)
{
	for (size_t t = 0; t < N_TOKEN; t++)
		h[t * N_EMBD] = 1.0f; /* column 0 decides */
	for (size_t e = 0; e < N_EXPERT; e++)
		router[e * N_EMBD] = e >= 5 && e < 5 + N_USED ? 90.0f + (float)e : 0.0f;
	for (size_t m = 0; m < 3; m++) {
		mprotect(panels[m], 5 * stride, PROT_NONE);
		mprotect(panels[m] + (5 + N_USED) * stride, (N_EXPERT - 5 - N_USED) * stride, PROT_NONE);
	}
	check_one_answer("three experts of all tokens", weights);
}

int main(void)
{
	struct tern_expert_weights weights;

	stride = N_WEIGHT / 4;
	if (stride % (size_t)sysconf(_SC_PAGESIZE) != 0) {
		fprintf(stderr, "skipped: pages are larger than an expert\n");
		return 0;
	}
	make(&weights);
	check_choices(&weights);
	check_one_answer("experts", &weights);
	check_untouched(&weights);
	return test_summary();
}
