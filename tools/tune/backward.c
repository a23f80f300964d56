/* The backward pass: the operations of forward.c in reverse. Names: d_x is the gradient of the loss by x.
 *
 * A projection y = x W^T + b gives d_W = d_y^T x, d_x = d_y W, d_b = the sum of d_y over the tokens; x and W are the
 * quantized ones, and their gradients pass through to what was quantized. */
#include "tune/head.h"

#include "base/sizes.h"

#include <string.h>

enum {
	MAX_SUMS = 4
};

struct backward {
	struct graph *graph;
	const struct batch *batch;
	const struct layer *layer;
	const struct saved *saved;
	const float *in; /* the residual stream before the layer */
	float lambda;
	struct entry entry; /* of the side whose gradient is computed, and where its input came from */
	const float *entry_stream;
	/* Parameters whose gradients a task adds up over the tokens, and how many floats they have. */
	int parameters[MAX_SUMS];
	size_t n_sums;
};

/* ---- sums over tokens ---- */

static void begin_sums(struct backward *b) { b->n_sums = 0; }

static void add_sum(struct backward *b, int parameter) { b->parameters[b->n_sums++] = parameter; }

/* The sums of a chunk: at[i] for the i-th parameter, NULL where there is none. They start at 0. */
static void chunk_sums(const struct backward *b, size_t chunk, float *at[MAX_SUMS])
{
	const struct graph *g = b->graph;
	float *next = g->partial + chunk * g->partial_width;

	for (size_t i = 0; i < b->n_sums; i++) {
		size_t n = b->parameters[i] == NONE ? 0 : g->network->parameters[b->parameters[i]].n;
		at[i] = n ? next : NULL;
		memset(next, 0, n * sizeof *next);
		next += n;
	}
}

/* Runs the task and adds the chunks' sums, in order, to the gradients. */
static void run_with_sums(struct backward *b, tern_task task)
{
	const struct graph *g = b->graph;
	size_t n_chunk = tern_divide_up(b->batch->n_token, TOKEN_CHUNK), at = 0;

	graph_run(g, task, b, b->batch);
	for (size_t i = 0; i < b->n_sums; i++) {
		if (b->parameters[i] == NONE)
			continue;
		const struct parameter *p = &g->network->parameters[b->parameters[i]];
		float *gradient = g->gradients + p->offset;
		for (size_t chunk = 0; chunk < n_chunk; chunk++) {
			const float *sums = g->partial + chunk * g->partial_width + at;
			for (size_t j = 0; j < p->n; j++)
				gradient[j] += sums[j];
		}
		at += p->n;
	}
}

/* ---- projections ---- */

/* d_W += d_y^T input, and d_input = d_y W. */
static void project_back(const struct backward *b, enum tern_matrix_kind which, const float *d_y, float *d_input)
{
	struct graph *g = b->graph;
	const struct linear *linear = &b->layer->projections[which];
	size_t n = b->batch->n_token, n_row = linear->n_row, n_col = linear->n_col;

	product_run(&g->product, g->gradients + g->network->parameters[linear->weight].offset, n_col,
	            (struct view){d_y, 1, n_row}, (struct view){b->saved->inputs[which], n_col, 1}, n_row, n_col, n,
	            true);
	product_run(&g->product, d_input, n_col, (struct view){d_y, n_row, 1},
	            (struct view){graph_matrix(g, linear, b->lambda), n_col, 1}, n, n_col, n_row, false);
}

/* Through a projection's own norm for one token: adds to d_x. */
static void prepare_back(const struct backward *b, enum tern_matrix_kind which, enum place place, float *d_x,
                         float *d_gain, const float *d_input, const float *x, size_t token)
{
	const struct linear *linear = &b->layer->projections[which];

	if (linear->gain == NONE) {
		for (size_t i = 0; i < linear->n_col; i++)
			d_x[i] += d_input[i];
		return;
	}
	rms_backward(d_x, d_gain, d_input, x, network_value(b->graph->network, linear->gain),
	             b->saved->inverse_rms[place][token], linear->n_col);
}

/* Adds d_y to the sum for a bias. */
static void bias_back(float *d_bias, const float *d_y, size_t n)
{
	for (size_t i = 0; d_bias && i < n; i++)
		d_bias[i] += d_y[i];
}

/* From the inputs of the projections of a side to the residual stream. */
static void entry_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	struct graph *g = b->graph;
	const struct entry *entry = &b->entry;
	size_t n_embd = g->network->n_embd, first, end = graph_tokens(b->batch, chunk, &first);
	float *sums[MAX_SUMS], *d_normed = g->scratch + (size_t)worker * g->scratch_width;

	chunk_sums(b, chunk, sums);
	for (size_t t = first; t < end; t++) {
		memset(d_normed, 0, n_embd * sizeof *d_normed);
		for (int p = (int)entry->first, i = 0; p <= (int)entry->last; p++, i++)
			prepare_back(b, (enum tern_matrix_kind)p, entry->place, d_normed, sums[i],
			             g->d_inputs[i] + t * n_embd, entry->normed + t * n_embd, t);
		rms_backward(g->d_stream + t * n_embd, sums[b->n_sums - 1], d_normed, b->entry_stream + t * n_embd,
		             network_value(g->network, entry->norm), entry->rms[t], n_embd);
	}
}

/* d_y: of the projections of the side, in order. */
static void enter_back(struct backward *b, struct entry entry, const float *stream, float *const *d_y)
{
	b->entry = entry;
	b->entry_stream = stream;
	begin_sums(b);
	for (int p = (int)entry.first, i = 0; p <= (int)entry.last; p++, i++) {
		project_back(b, (enum tern_matrix_kind)p, d_y[i], b->graph->d_inputs[i]);
		add_sum(b, b->layer->projections[p].gain);
	}
	add_sum(b, entry.norm);
	run_with_sums(b, entry_back_task);
}

/* ---- feed-forward ---- */

/* From d_inputs[0] of `down` to d_gate and d_up. */
static void gate_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	struct graph *g = b->graph;
	const struct network *net = g->network;
	size_t n_ff = net->n_ff, n_embd = net->n_embd, first, end = graph_tokens(b->batch, chunk, &first);
	float *sums[MAX_SUMS], *scratch = g->scratch + (size_t)worker * g->scratch_width, *d_gated = scratch + 2 * n_ff;

	chunk_sums(b, chunk, sums);
	for (size_t t = first; t < end; t++) {
		memset(d_gated, 0, n_ff * sizeof *d_gated);
		prepare_back(b, TERN_FFN_DOWN, PLACE_DOWN, d_gated, sums[0], g->d_inputs[0] + t * n_ff,
		             b->saved->gated + t * n_ff, t);
		gate_backward(g->kernels, net->gate, g->d_gate + t * n_ff, g->d_up + t * n_ff, d_gated,
		              b->saved->gate + t * n_ff, b->saved->up + t * n_ff, scratch, n_ff);
		bias_back(sums[1], g->d_stream + t * n_embd, n_embd);
		bias_back(sums[2], g->d_gate + t * n_ff, n_ff);
		bias_back(sums[3], g->d_up + t * n_ff, n_ff);
	}
}

static void ffn_back(struct backward *b)
{
	struct graph *g = b->graph;
	const struct linear *projections = b->layer->projections;

	project_back(b, TERN_FFN_DOWN, g->d_stream, g->d_inputs[0]);
	begin_sums(b);
	add_sum(b, projections[TERN_FFN_DOWN].gain);
	add_sum(b, projections[TERN_FFN_DOWN].bias);
	add_sum(b, projections[TERN_FFN_GATE].bias);
	add_sum(b, projections[TERN_FFN_UP].bias);
	run_with_sums(b, gate_back_task);
	enter_back(b, graph_ffn_entry(b->layer, b->saved), b->saved->middle, (float *const[]){g->d_gate, g->d_up});
}

/* ---- attention ---- */

static void output_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	struct graph *g = b->graph;
	size_t n = b->layer->projections[TERN_ATTN_OUTPUT].n_col, n_embd = g->network->n_embd;
	size_t first, end = graph_tokens(b->batch, chunk, &first);
	float *sums[MAX_SUMS];

	(void)worker;
	chunk_sums(b, chunk, sums);
	for (size_t t = first; t < end; t++) {
		memset(g->d_attended + t * n, 0, n * sizeof(float));
		prepare_back(b, TERN_ATTN_OUTPUT, PLACE_OUTPUT, g->d_attended + t * n, sums[0], g->d_inputs[0] + t * n,
		             b->saved->attended + t * n, t);
		bias_back(sums[1], g->d_stream + t * n_embd, n_embd);
	}
}

static void attend_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	struct graph *g = b->graph;
	const struct network *net = g->network;
	struct attention a;

	graph_attention(g, b->batch, b->saved, chunk, worker, &a);
	size_t q_at = (size_t)(a.q - b->saved->q), kv_at = (size_t)(a.k - b->saved->k);
	for (size_t t = 0; t < a.n_token; t++) {
		memset(g->d_k + kv_at + t * a.kv_stride, 0, a.head_dim * sizeof(float));
		memset(g->d_v + kv_at + t * a.kv_stride, 0, a.head_dim * sizeof(float));
	}
	for (size_t i = 0; i < net->n_head / net->n_head_kv; i++, q_at += a.head_dim) {
		attention_backward(&a, g->d_attended + q_at, g->d_q + q_at, g->d_k + kv_at, g->d_v + kv_at);
		a.q += a.head_dim;
		a.o += a.head_dim;
		a.log_sum++;
	}
}

/* Back through RoPE and the norms of the heads of a token, in place. */
static void heads_back(const struct backward *b, float *d_x, float *d_gain, const float *raw, const float *rms,
                       const float *gain, size_t n_head, size_t token, float *scratch)
{
	const struct network *net = b->graph->network;
	size_t head_dim = net->head_dim, at = b->batch->positions[token] * (head_dim / 2);

	for (size_t h = 0; h < n_head; h++) {
		float *d_head = d_x + (token * n_head + h) * head_dim;
		rope_backward(d_head, net->cosine + at, net->sine + at, head_dim);
		if (!gain)
			continue;
		memcpy(scratch, d_head, head_dim * sizeof *scratch);
		memset(d_head, 0, head_dim * sizeof *d_head);
		rms_backward(d_head, d_gain, scratch, raw + (token * n_head + h) * head_dim, gain,
		             rms[token * n_head + h], head_dim);
	}
}

static void heads_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	struct graph *g = b->graph;
	const struct network *net = g->network;
	const struct saved *s = b->saved;
	size_t first, end = graph_tokens(b->batch, chunk, &first);
	float *sums[MAX_SUMS], *scratch = g->scratch + (size_t)worker * g->scratch_width;

	chunk_sums(b, chunk, sums);
	for (size_t t = first; t < end; t++) {
		heads_back(b, g->d_q, sums[0], s->q_raw, s->q_rms, network_value(net, b->layer->q_norm), net->n_head, t,
		           scratch);
		heads_back(b, g->d_k, sums[1], s->k_raw, s->k_rms, network_value(net, b->layer->k_norm), net->n_head_kv,
		           t, scratch);
	}
}

static void qkv_bias_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	const struct graph *g = b->graph;
	size_t q_width = b->layer->projections[TERN_ATTN_Q].n_row, kv_width = b->layer->projections[TERN_ATTN_K].n_row;
	size_t first, end = graph_tokens(b->batch, chunk, &first);
	float *sums[MAX_SUMS];

	(void)worker;
	chunk_sums(b, chunk, sums);
	for (size_t t = first; t < end; t++) {
		bias_back(sums[0], g->d_q + t * q_width, q_width);
		bias_back(sums[1], g->d_k + t * kv_width, kv_width);
		bias_back(sums[2], g->d_v + t * kv_width, kv_width);
	}
}

static void attention_back(struct backward *b)
{
	struct graph *g = b->graph;
	const struct linear *projections = b->layer->projections;

	project_back(b, TERN_ATTN_OUTPUT, g->d_stream, g->d_inputs[0]);
	begin_sums(b);
	add_sum(b, projections[TERN_ATTN_OUTPUT].gain);
	add_sum(b, projections[TERN_ATTN_OUTPUT].bias);
	run_with_sums(b, output_back_task);
	tern_pool_run(g->pool, attend_back_task, b, b->batch->n_segment * g->network->n_head_kv);
	begin_sums(b);
	add_sum(b, b->layer->q_norm);
	add_sum(b, b->layer->k_norm);
	run_with_sums(b, heads_back_task);
	begin_sums(b);
	for (int p = TERN_ATTN_Q; p <= TERN_ATTN_V; p++)
		add_sum(b, projections[p].bias);
	run_with_sums(b, qkv_bias_back_task);
	enter_back(b, graph_attention_entry(b->layer, b->saved), b->in, (float *const[]){g->d_q, g->d_k, g->d_v});
}

/* ---- the ends ---- */

static void last_norm_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	struct graph *g = b->graph;
	const struct network *net = g->network;
	size_t n_embd = net->n_embd, first, end = graph_tokens(b->batch, chunk, &first);
	float *sums[MAX_SUMS];

	(void)worker;
	chunk_sums(b, chunk, sums);
	memset(g->d_stream + first * n_embd, 0, (end - first) * n_embd * sizeof(float));
	for (size_t t = first; t < end; t++)
		rms_backward(g->d_stream + t * n_embd, sums[0], g->d_last + t * n_embd, b->in + t * n_embd,
		             network_value(net, net->norm), g->last_rms[t], n_embd);
}

/* A token may occur several times: one task adds up 64 columns of all. */
enum {
	EMBEDDING_COLUMNS = 64
};

static void embedding_back_task(void *context, size_t chunk, int worker)
{
	const struct backward *b = context;
	struct graph *g = b->graph;
	size_t n_embd = g->network->n_embd, first = chunk * EMBEDDING_COLUMNS;
	size_t end = tern_smaller(first + EMBEDDING_COLUMNS, n_embd);
	float *gradient = g->gradients + g->network->parameters[g->network->embedding].offset;

	(void)worker;
	for (size_t t = 0; t < b->batch->n_token; t++)
		for (size_t i = first; i < end; i++)
			gradient[(size_t)b->batch->ids[t] * n_embd + i] += g->d_stream[t * n_embd + i];
}

/* ---- distillation ---- */

struct distill {
	struct graph *graph;
	const struct batch *batch;
	const float *student, *teacher;
	float factor; /* of student - teacher in the gradient */
};

static void distances_task(void *context, size_t chunk, int worker)
{
	const struct distill *job = context;
	size_t n_embd = job->graph->network->n_embd, first, end = graph_tokens(job->batch, chunk, &first);
	float *sums = job->graph->partial + chunk * job->graph->partial_width;
	double distance = 0, size = 0;

	(void)worker;
	for (size_t i = first * n_embd; i < end * n_embd; i++) {
		double t = (double)job->teacher[i], difference = (double)job->student[i] - t;
		distance += difference * difference;
		size += t * t;
	}
	memcpy(sums, &distance, sizeof distance);
	memcpy(sums + 2, &size, sizeof size);
}

static void distill_back_task(void *context, size_t chunk, int worker)
{
	const struct distill *job = context;
	size_t n_embd = job->graph->network->n_embd, first, end = graph_tokens(job->batch, chunk, &first);

	(void)worker;
	for (size_t i = first * n_embd; i < end * n_embd; i++)
		job->graph->d_stream[i] += job->factor * (job->student[i] - job->teacher[i]);
}

/* Adds to d_stream after a layer; returns the layer's share of the loss. */
static double distill_back(struct graph *g, const struct batch *batch, const struct distillation *distillation,
                           size_t stream)
{
	struct distill job = {g, batch, g->stream[stream], distillation->streams[stream], 0.0f};
	double distance = 0, size = 0, share = (double)distillation->weight / (double)g->network->n_layer;

	graph_run(g, distances_task, &job, batch);
	for (size_t chunk = 0; chunk * TOKEN_CHUNK < batch->n_token; chunk++) {
		double sums[2];
		memcpy(sums, g->partial + chunk * g->partial_width, sizeof sums);
		distance += sums[0];
		size += sums[1];
	}
	job.factor = (float)(2.0 * share / size);
	graph_run(g, distill_back_task, &job, batch);
	return share * distance / size;
}

/* ---- the whole ---- */

static void clear_task(void *context, size_t chunk, int worker)
{
	struct graph *g = context;
	const struct parameter *p = &g->network->parameters[chunk];

	(void)worker;
	memset(g->gradients + p->offset, 0, p->n * sizeof(float));
}

double graph_backward(struct graph *g, const struct batch *batch, const struct blend *blend,
                      const struct distillation *distillation, double *distilled)
{
	const struct network *net = g->network;
	struct backward b = {.graph = g, .batch = batch, .in = g->stream[net->n_layer]};

	tern_pool_run(g->pool, clear_task, g, net->n_parameters);
	double loss = head_loss(g, batch, true);
	begin_sums(&b);
	add_sum(&b, net->norm);
	run_with_sums(&b, last_norm_back_task);
	*distilled = 0;
	for (size_t i = net->n_layer; i-- > 0;) {
		b.layer = &net->layers[i];
		b.saved = &g->saved[i];
		b.in = g->stream[i];
		b.lambda = blend->lambdas[i];
		if (distillation->streams)
			*distilled += distill_back(g, batch, distillation, i + 1);
		ffn_back(&b);
		attention_back(&b);
	}
	tern_pool_run(g->pool, embedding_back_task, &b, tern_divide_up(net->n_embd, EMBEDDING_COLUMNS));
	return loss + *distilled;
}
