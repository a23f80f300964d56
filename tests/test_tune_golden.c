/* Losses, gradients and AdamW steps of three tiny checkpoints next to those of an independent implementation of the
 * recipe in float64: 27 cases of tests/data/recipe (see tests/data/recipe/README.md). */
#include "test.h"

#include "convert/checkpoint/checkpoint.h"
#include "convert/config/config.h"
#include "tune/adamw.h"
#include "tune/graph.h"
#include "json/value.h"

#include <math.h>
#include <string.h>

enum {
	MAX_TOKENS = 64,
	N_LAYER = 3
};

static struct tern_pool *pool;
static const struct tern_kernels *kernels;

/* A checkpoint directory with its goldens. */
struct fixture {
	struct directory dir;
	struct config config;
	struct checkpoint ckpt;
	struct json golden;
	struct network teacher;
	struct graph teacher_graph;
};

static double number(struct json_value object, const char *key)
{
	double value = NAN;
	struct tern_error err;
	CHECK(!json_get_f64(object, key, &value, NULL, &err), "%s: %s", key, err.message);
	return value;
}

static double to_number(struct json_value value)
{
	double out = NAN;
	struct tern_error err;
	CHECK(!json_to_f64(value, &out, &err), "%s", err.message);
	return out;
}

static bool open_fixture(struct fixture *f, const char *path)
{
	struct tern_error err = {0};

	*f = (struct fixture){0};
	bool ok = !directory_open(&f->dir, path, &err) && !config_read(&f->config, &f->dir, false, &err) &&
	          !checkpoint_open(&f->ckpt, &f->dir, &err) &&
	          !directory_read_json(&f->dir, "golden.json", 0, &f->golden, &err) &&
	          !network_init(&f->teacher, &f->config, &f->ckpt, NORMS_OF_CHECKPOINT, MAX_TOKENS, &err) &&
	          !network_read(&f->teacher, &f->ckpt, &err) &&
	          !graph_init(&f->teacher_graph, &f->teacher, kernels, pool, MAX_TOKENS, MAX_TOKENS, false, &err);
	CHECK(ok, "%s", err.message);
	return ok;
}

static void close_fixture(struct fixture *f)
{
	graph_free(&f->teacher_graph);
	network_free(&f->teacher);
	directory_free_json(&f->golden);
	checkpoint_close(&f->ckpt);
	config_free(&f->config);
	directory_close(&f->dir);
}

/* ---- a case ---- */

struct buffers {
	int32_t ids[MAX_TOKENS], targets[MAX_TOKENS];
	uint32_t positions[MAX_TOKENS];
	struct segment segments[2];
	float lambdas[N_LAYER];
};

static struct batch read_batch(struct buffers *b, struct json_value test)
{
	struct batch batch = {.ids = b->ids, .targets = b->targets, .positions = b->positions, .segments = b->segments};

	for (struct json_iterator it = json_items(json_find(test, "ids")); json_next(&it);) {
		size_t first = batch.n_token;
		for (struct json_iterator id = json_items(it.value); json_next(&id);) {
			b->ids[batch.n_token] = (int32_t)to_number(id.value);
			b->positions[batch.n_token] = (uint32_t)(batch.n_token - first);
			b->targets[batch.n_token] = -1;
			if (batch.n_token > first)
				b->targets[batch.n_token - 1] = b->ids[batch.n_token];
			batch.n_token++;
		}
		b->segments[batch.n_segment++] = (struct segment){first, batch.n_token - first};
		batch.n_target += batch.n_token - first - 1;
	}
	return batch;
}

/* Norm and samples of every tensor. `relative`: samples may be off by a share of the norm, and so may the norm. */
static void check_tensors(const char *name, const struct network *net, const float *values, struct json_value expected,
                          double tolerance, bool relative)
{
	size_t n_seen = 0;

	for (size_t i = 0; i < net->n_parameters; i++) {
		const struct parameter *p = &net->parameters[i];
		const char *key = strncmp(p->name, "model.", 6) ? p->name : p->name + 6;
		struct json_value golden = json_find(expected, key);
		double sum = 0, norm;
		CHECK(json_exists(golden), "%s: no golden for %s", name, key);
		if (!json_exists(golden))
			continue;
		norm = number(golden, "norm");
		for (size_t j = 0; j < p->n; j++)
			sum += (double)values[p->offset + j] * (double)values[p->offset + j];
		if (relative)
			CHECK(fabs(sqrt(sum) - norm) <= tolerance * norm + 1e-9, "%s: %s: norm %.9g, expected %.9g",
			      name, key, sqrt(sum), norm);
		double allowed = relative ? tolerance * norm + 1e-9 : tolerance;
		struct json_iterator at = json_items(json_find(golden, "at")),
		                     value = json_items(json_find(golden, "value"));
		while (json_next(&at) && json_next(&value)) {
			double got = (double)values[p->offset + (size_t)to_number(at.value)];
			CHECK(fabs(got - to_number(value.value)) <= allowed, "%s: %s[%.0f]: %.9g, expected %.9g", name,
			      key, to_number(at.value), got, to_number(value.value));
		}
		n_seen++;
	}
	CHECK(n_seen == json_count(expected), "%s: %zu tensors of %zu", name, n_seen, json_count(expected));
}

static double run_step(struct graph *g, const struct fixture *f, const struct batch *batch, const struct blend *blend,
                       double weight)
{
	struct distillation distillation = {weight > 0 ? f->teacher_graph.stream : NULL, (float)weight};
	double distilled;

	graph_quantize(g, blend);
	graph_forward(g, batch, blend);
	return graph_backward(g, batch, blend, &distillation, &distilled);
}

static void follow_steps(const char *name, struct fixture *f, struct graph *g, struct network *net,
                         const struct batch *batch, const struct blend *blend, struct json_value test)
{
	double weight = number(test, "distill_weight");
	struct json_iterator losses = json_items(json_find(test, "losses")),
	                     norms = json_items(json_find(test, "gradient_norms"));
	struct tern_error err;
	struct adamw adamw;

	if (adamw_init(&adamw, net, 0.05, 1.0, &err))
		return;
	for (int step = 0; step < 4 && json_next(&losses); step++) {
		double loss = run_step(g, f, batch, blend, weight), expected = to_number(losses.value);
		CHECK(fabs(loss - expected) <= (step ? 1e-3 : 1e-5) * expected, "%s, step %d: loss %.9g, expected %.9g",
		      name, step, loss, expected);
		if (step == 0)
			check_tensors(name, net, g->gradients, json_find(test, "gradients"), 1e-3, true);
		if (!json_next(&norms))
			break;
		double norm = adamw_step(&adamw, net, g->gradients, 1e-3, pool);
		/* After a step, activations that nearly tie may round the other way than in float64. */
		CHECK(fabs(norm - to_number(norms.value)) <= (step ? 1e-2 : 1e-3) * norm, "%s, step %d: norm %.9g",
		      name, step, norm);
	}
	check_tensors(name, net, net->values, json_find(test, "after"), 1e-4, false);
	adamw_free(&adamw);
}

static void check_case(struct fixture *f, struct json_value test)
{
	static const float zeros[N_LAYER];
	struct buffers buffers;
	struct batch batch = read_batch(&buffers, test);
	struct blend blend = {.lambdas = buffers.lambdas}, none = {.lambdas = zeros};
	struct tern_error err = {0};
	struct network net;
	struct graph g;
	char name[128];
	bool extra_norm = false, acts = false;
	size_t i = 0;

	struct json_string label = json_string(json_find(test, "name"));
	snprintf(name, sizeof name, "%s: %.*s", f->config.arch, (int)label.length, label.bytes);
	json_get_bool(test, "extra_norm", &extra_norm, NULL, &err);
	json_get_bool(test, "quantise_activations", &acts, NULL, &err);
	blend.keeps_activations = !acts;
	for (struct json_iterator it = json_items(json_find(test, "lambdas")); json_next(&it) && i < N_LAYER; i++)
		buffers.lambdas[i] = (float)to_number(it.value);
	graph_forward(&f->teacher_graph, &batch, &none);
	bool ok = !network_init(&net, &f->config, &f->ckpt, extra_norm ? NORMS_EXTRA : NORMS_OF_CHECKPOINT, MAX_TOKENS,
	                        &err) &&
	          !network_read(&net, &f->ckpt, &err) &&
	          !graph_init(&g, &net, kernels, pool, MAX_TOKENS, MAX_TOKENS, true, &err);
	CHECK(ok, "%s: %s", name, err.message);
	if (ok)
		follow_steps(name, f, &g, &net, &batch, &blend, test);
	graph_free(&g);
	network_free(&net);
}

int main(void)
{
	static const char *const kinds[] = {"llama", "qwen2", "qwen3"};
	struct tern_error err;

	kernels = tern_kernels_select(&err);
	if (!kernels || tern_pool_new(&pool, 2, &err))
		return 1;
	for (size_t i = 0; i < 3; i++) {
		struct fixture f;
		char path[64];
		snprintf(path, sizeof path, "tests/data/recipe/%s", kinds[i]);
		size_t n_cases = 0;
		if (open_fixture(&f, path))
			for (struct json_iterator it = json_items(json_find(json_root(&f.golden), "cases"));
			     json_next(&it); n_cases++)
				check_case(&f, it.value);
		CHECK(n_cases == 9, "%s: %zu cases", path, n_cases);
		close_fixture(&f);
	}
	tern_pool_free(pool);
	return test_summary();
}
