/* The forward pass, operation by operation. */
#include "model/rope.h"
#include "tune/graph.h"

#include <string.h>

/* What the tasks of a layer share. */
struct pass {
	struct graph *graph;
	const struct batch *batch;
	const struct blend *blend;
	const struct layer *layer;
	const struct saved *saved;
	const float *in; /* the residual stream before the layer */
	float *out;      /* after it */
	float lambda;
	struct entry entry; /* of the side that is computed, and where its input comes from */
	const float *entry_stream;
};

/* The input of a projection for one token: x, through the projection's own norm if there is one, quantized. */
static void prepare(const struct pass *pass, enum tern_matrix_kind which, enum place place, const float *x,
                    size_t token, int worker)
{
	const struct graph *g = pass->graph;
	const struct linear *linear = &pass->layer->projections[which];
	size_t n = linear->n_col;
	float *input = pass->saved->inputs[which] + token * n;

	if (linear->gain != NONE)
		pass->saved->inverse_rms[place][token] = rms_forward(
		        g->kernels, input, x, network_value(g->network, linear->gain), g->network->linear_norm_eps, n);
	else
		memcpy(input, x, n * sizeof *input);
	if (pass->lambda > 0.0f && !pass->blend->keeps_activations)
		quantize_activations(g->kernels, input,
		                     (int8_t *)(void *)(g->scratch + (size_t)worker * g->scratch_width), pass->lambda,
		                     n);
}

/* y[n_token, n_row] = input W^T, or += with `accumulate`. */
static void project(const struct pass *pass, enum tern_matrix_kind which, float *y, bool accumulate)
{
	const struct linear *linear = &pass->layer->projections[which];
	const float *w = graph_matrix(pass->graph, linear, pass->lambda);

	product_run(&pass->graph->product, y, linear->n_row,
	            (struct view){pass->saved->inputs[which], linear->n_col, 1}, (struct view){w, 1, linear->n_col},
	            pass->batch->n_token, linear->n_row, linear->n_col, accumulate);
}

static void add_bias(const struct pass *pass, enum tern_matrix_kind which, float *y)
{
	const struct linear *linear = &pass->layer->projections[which];
	const float *bias = network_value(pass->graph->network, linear->bias);

	for (size_t i = 0; bias && i < linear->n_row; i++)
		y[i] += bias[i];
}

/* From the residual stream to the inputs of the projections of a side. */
static void entry_task(void *context, size_t chunk, int worker)
{
	const struct pass *pass = context;
	const struct network *net = pass->graph->network;
	const struct entry *entry = &pass->entry;
	size_t n_embd = net->n_embd, first, end = graph_tokens(pass->batch, chunk, &first);

	for (size_t t = first; t < end; t++) {
		float *normed = entry->normed + t * n_embd;
		entry->rms[t] = rms_forward(pass->graph->kernels, normed, pass->entry_stream + t * n_embd,
		                            network_value(net, entry->norm), net->rms_eps, n_embd);
		for (int p = (int)entry->first; p <= (int)entry->last; p++)
			prepare(pass, (enum tern_matrix_kind)p, entry->place, normed, t, worker);
	}
}

static void enter(struct pass *pass, struct entry entry, const float *stream)
{
	pass->entry = entry;
	pass->entry_stream = stream;
	graph_run(pass->graph, entry_task, pass, pass->batch);
}

/* ---- attention ---- */

/* Norm of each head, and RoPE, of the queries or keys of a token. */
static void finish_heads(const struct pass *pass, float *x, float *raw, float *rms, const float *gain, size_t n_head,
                         size_t token)
{
	const struct network *net = pass->graph->network;
	size_t head_dim = net->head_dim, at = pass->batch->positions[token] * (head_dim / 2);

	x += token * n_head * head_dim;
	if (gain)
		memcpy(raw + token * n_head * head_dim, x, n_head * head_dim * sizeof *x);
	for (size_t h = 0; h < n_head; h++) {
		if (gain)
			rms[token * n_head + h] =
			        rms_forward(pass->graph->kernels, x + h * head_dim,
			                    raw + (token * n_head + h) * head_dim, gain, net->rms_eps, head_dim);
		tern_rope_rotate(x + h * head_dim, net->cosine + at, net->sine + at, head_dim, false);
	}
}

static void finish_qkv_task(void *context, size_t chunk, int worker)
{
	const struct pass *pass = context;
	const struct network *net = pass->graph->network;
	const struct saved *s = pass->saved;
	const struct layer *layer = pass->layer;
	size_t first, end = graph_tokens(pass->batch, chunk, &first);

	(void)worker;
	for (size_t t = first; t < end; t++) {
		add_bias(pass, TERN_ATTN_Q, s->q + t * net->n_head * net->head_dim);
		add_bias(pass, TERN_ATTN_K, s->k + t * net->n_head_kv * net->head_dim);
		add_bias(pass, TERN_ATTN_V, s->v + t * net->n_head_kv * net->head_dim);
		finish_heads(pass, s->q, s->q_raw, s->q_rms, network_value(net, layer->q_norm), net->n_head, t);
		finish_heads(pass, s->k, s->k_raw, s->k_rms, network_value(net, layer->k_norm), net->n_head_kv, t);
	}
}

static void attend_task(void *context, size_t chunk, int worker)
{
	const struct pass *pass = context;
	const struct network *net = pass->graph->network;
	struct attention a;

	graph_attention(pass->graph, pass->batch, pass->saved, chunk, worker, &a);
	for (size_t i = 0; i < net->n_head / net->n_head_kv; i++) {
		attention_forward(&a);
		a.q += net->head_dim;
		a.o += net->head_dim;
		a.log_sum++;
	}
}

/* The output projection adds to the stream. */
static void attention_output_task(void *context, size_t chunk, int worker)
{
	const struct pass *pass = context;
	const struct network *net = pass->graph->network;
	size_t n_embd = net->n_embd, first, end = graph_tokens(pass->batch, chunk, &first);

	for (size_t t = first; t < end; t++) {
		float *middle = pass->saved->middle + t * n_embd;
		prepare(pass, TERN_ATTN_OUTPUT, PLACE_OUTPUT, pass->saved->attended + t * net->n_head * net->head_dim,
		        t, worker);
		memcpy(middle, pass->in + t * n_embd, n_embd * sizeof *middle);
		add_bias(pass, TERN_ATTN_OUTPUT, middle);
	}
}

/* ---- feed-forward ---- */

static void gate_task(void *context, size_t chunk, int worker)
{
	const struct pass *pass = context;
	const struct network *net = pass->graph->network;
	const struct saved *s = pass->saved;
	size_t n_embd = net->n_embd, n_ff = net->n_ff, first, end = graph_tokens(pass->batch, chunk, &first);

	for (size_t t = first; t < end; t++) {
		add_bias(pass, TERN_FFN_GATE, s->gate + t * n_ff);
		add_bias(pass, TERN_FFN_UP, s->up + t * n_ff);
		gate_forward(pass->graph->kernels, net->gate, s->gated + t * n_ff, s->gate + t * n_ff, s->up + t * n_ff,
		             n_ff);
		prepare(pass, TERN_FFN_DOWN, PLACE_DOWN, s->gated + t * n_ff, t, worker);
		memcpy(pass->out + t * n_embd, s->middle + t * n_embd, n_embd * sizeof(float));
		add_bias(pass, TERN_FFN_DOWN, pass->out + t * n_embd);
	}
}

/* ---- the whole ---- */

static void forward_layer(struct pass *pass)
{
	const struct graph *g = pass->graph;
	const struct saved *s = pass->saved;

	enter(pass, graph_attention_entry(pass->layer, s), pass->in);
	project(pass, TERN_ATTN_Q, s->q, false);
	project(pass, TERN_ATTN_K, s->k, false);
	project(pass, TERN_ATTN_V, s->v, false);
	graph_run(g, finish_qkv_task, pass, pass->batch);
	tern_pool_run(g->pool, attend_task, pass, pass->batch->n_segment * g->network->n_head_kv);
	graph_run(g, attention_output_task, pass, pass->batch);
	project(pass, TERN_ATTN_OUTPUT, s->middle, true);
	enter(pass, graph_ffn_entry(pass->layer, s), s->middle);
	project(pass, TERN_FFN_GATE, s->gate, false);
	project(pass, TERN_FFN_UP, s->up, false);
	graph_run(g, gate_task, pass, pass->batch);
	project(pass, TERN_FFN_DOWN, pass->out, true);
}

static void last_norm_task(void *context, size_t chunk, int worker)
{
	const struct pass *pass = context;
	struct graph *g = pass->graph;
	const struct network *net = g->network;
	size_t n_embd = net->n_embd, first, end = graph_tokens(pass->batch, chunk, &first);

	(void)worker;
	for (size_t t = first; t < end; t++)
		g->last_rms[t] = rms_forward(g->kernels, g->last + t * n_embd, pass->in + t * n_embd,
		                             network_value(net, net->norm), net->rms_eps, n_embd);
}

void graph_forward(struct graph *g, const struct batch *batch, const struct blend *blend)
{
	const struct network *net = g->network;
	const float *embedding = network_value(net, net->embedding);
	struct pass pass = {.graph = g, .batch = batch, .blend = blend};

	for (size_t t = 0; t < batch->n_token; t++)
		memcpy(g->stream[0] + t * net->n_embd, embedding + (size_t)batch->ids[t] * net->n_embd,
		       net->n_embd * sizeof(float));
	for (size_t i = 0; i < net->n_layer; i++) {
		pass.layer = &net->layers[i];
		pass.saved = &g->saved[i];
		pass.in = g->stream[i];
		pass.out = g->stream[i + 1];
		pass.lambda = blend->lambdas[i];
		forward_layer(&pass);
	}
	pass.in = g->stream[net->n_layer];
	graph_run(g, last_norm_task, &pass, batch);
}
