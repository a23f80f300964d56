/* The gradient of the whole network next to finite differences of its loss, parameter by parameter: projections with
 * and without biases, inserted norms, norms of heads, embedding, tied and untied heads, distillation. In full
 * precision: rounding has no derivative, and what passes straight through it is compared in test_tune_golden.c. */
#include "test.h"

#include "tune/graph.h"

#include <math.h>
#include <string.h>

enum {
	N_SEGMENT = 2,
	LENGTH = 12,
	N_TOKEN = N_SEGMENT * LENGTH,
	MAX_LAYERS = 4
};

static struct tern_pool *pool;
static const struct tern_kernels *kernels;
static const float zeros[MAX_LAYERS];

struct subject {
	struct network network, teacher;
	struct graph graph, teacher_graph;
	struct batch batch;
};

static double random_unit(void) { return (double)(test_random() >> 11) * 0x1p-52 - 1.0; }

static void fill_batch(struct batch *batch, size_t n_vocab)
{
	static int32_t ids[N_TOKEN], targets[N_TOKEN];
	static uint32_t positions[N_TOKEN];
	static struct segment segments[N_SEGMENT];

	*batch = (struct batch){N_TOKEN, N_SEGMENT, 0, ids, targets, positions, segments};
	for (size_t t = 0; t < N_TOKEN; t++) {
		bool learned = t % 5 != 4;
		ids[t] = (int32_t)(test_random() % n_vocab);
		targets[t] = learned ? (int32_t)(test_random() % n_vocab) : -1;
		positions[t] = (uint32_t)(t % LENGTH);
		batch->n_target += learned;
	}
	for (size_t i = 0; i < N_SEGMENT; i++)
		segments[i] = (struct segment){i * LENGTH, LENGTH};
}

/* The loss with distillation, and its gradient. */
static double loss(struct subject *s)
{
	const struct blend blend = {.lambdas = zeros};
	const struct distillation distillation = {s->teacher_graph.stream, 0.5f};
	double distilled;

	graph_forward(&s->graph, &s->batch, &blend);
	return graph_backward(&s->graph, &s->batch, &blend, &distillation, &distilled);
}

/* The derivative of the loss by `step` along a direction of one parameter. */
static double measure(struct subject *s, const struct parameter *p, const float *direction, float step)
{
	float *values = s->network.values + p->offset, *old = malloc(p->n * sizeof *old);
	double sides[2];

	memcpy(old, values, p->n * sizeof *old);
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < p->n; i++)
			values[i] = old[i] + (side ? -step : step) * direction[i];
		sides[side] = loss(s);
	}
	memcpy(values, old, p->n * sizeof *old);
	free(old);
	return (sides[0] - sides[1]) / (2.0 * (double)step);
}

/* Along the gradient, where the derivative is its norm, and along a random direction of the same length as the unit
 * vector along it. */
static void check_parameter(struct subject *s, const char *path, const struct parameter *p, const float *gradients)
{
	const float *gradient = gradients + p->offset;
	float *direction = malloc(p->n * sizeof *direction);
	double norm = 0, length = 0, size = 0, along = 0;

	for (size_t i = 0; i < p->n; i++) {
		norm += (double)gradient[i] * (double)gradient[i];
		size += (double)s->network.values[p->offset + i] * (double)s->network.values[p->offset + i];
	}
	norm = sqrt(norm);
	/* A small step against the loss' error in float32, a large one against curvature. */
	float step = (float)fmax(2e-3 * sqrt(size), 1e-3);
	CHECK(norm > 0, "%s: %s: no gradient", path, p->name);
	for (size_t i = 0; i < p->n; i++)
		direction[i] = (float)((double)gradient[i] / norm);
	double measured = measure(s, p, direction, step);
	CHECK(fabs(measured - norm) < 1e-2 * norm + 2e-4, "%s: %s: measured %g along the gradient, its norm is %g",
	      path, p->name, measured, norm);
	for (size_t i = 0; i < p->n; i++) {
		double x = random_unit();
		direction[i] = (float)x;
		length += x * x;
	}
	for (size_t i = 0; i < p->n; i++) {
		direction[i] /= (float)sqrt(length);
		along += (double)gradient[i] * (double)direction[i];
	}
	measured = measure(s, p, direction, step);
	CHECK(fabs(measured - along) < 1e-2 * norm + 2e-4, "%s: %s: measured %g, computed %g", path, p->name, measured,
	      along);
	free(direction);
}

/* All parameters but those of the layers in between, which are like the first's. */
static void check_parameters(struct subject *s, const char *path)
{
	const struct network *net = &s->network;
	float *gradients = malloc(net->n_floats * sizeof *gradients);
	char last[32];

	snprintf(last, sizeof last, "model.layers.%zu.", net->n_layer - 1);
	loss(s);
	memcpy(gradients, s->graph.gradients, net->n_floats * sizeof *gradients);
	for (size_t i = 0; i < net->n_parameters; i++) {
		const struct parameter *p = &net->parameters[i];
		bool is_first = strncmp(p->name, "model.layers.0.", 15) == 0, is_last = strstr(p->name, last);
		if (is_first || is_last || !strstr(p->name, "layers."))
			check_parameter(s, path, p, gradients);
	}
	free(gradients);
}

static void check_network(const char *path)
{
	struct directory dir;
	struct config config = {0};
	struct checkpoint ckpt = {0};
	struct subject s = {0};
	struct tern_error err = {0};
	const struct blend none = {.lambdas = zeros};

	bool ok = !directory_open(&dir, path, &err) && !config_read(&config, &dir, false, &err) &&
	          !checkpoint_open(&ckpt, &dir, &err) &&
	          !network_init(&s.teacher, &config, &ckpt, NORMS_OF_CHECKPOINT, LENGTH, &err) &&
	          !network_read(&s.teacher, &ckpt, &err) &&
	          !network_init(&s.network, &config, &ckpt, NORMS_EXTRA, LENGTH, &err) &&
	          !network_read(&s.network, &ckpt, &err) &&
	          !graph_init(&s.teacher_graph, &s.teacher, kernels, pool, N_TOKEN, LENGTH, false, &err) &&
	          !graph_init(&s.graph, &s.network, kernels, pool, N_TOKEN, LENGTH, true, &err);
	CHECK(ok && s.network.n_layer <= MAX_LAYERS, "%s: %s", path, err.message);
	if (ok) {
		fill_batch(&s.batch, s.network.n_vocab);
		graph_forward(&s.teacher_graph, &s.batch, &none);
		check_parameters(&s, path);
	}
	graph_free(&s.graph);
	graph_free(&s.teacher_graph);
	network_free(&s.network);
	network_free(&s.teacher);
	checkpoint_close(&ckpt);
	config_free(&config);
	directory_close(&dir);
}

int main(void)
{
	struct tern_error err;

	kernels = tern_kernels_select(&err);
	if (!kernels || tern_pool_new(&pool, 1, &err))
		return 1;
	check_network("tests/data/recipe/llama");
	check_network("tests/data/recipe/qwen2");
	check_network("tests/data/recipe/qwen3");
	tern_pool_free(pool);
	return test_summary();
}
