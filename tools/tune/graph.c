/* The buffers of a graph, and what forward and backward pass share. */
#include "tune/graph.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "tune/product_select.h"

/* ---- memory: one pass over the buffers counts, a second one hands out ---- */

struct layout {
	float *base; /* NULL: only count */
	size_t n;    /* floats so far */
};

static void take(struct layout *layout, float **buffer, size_t n)
{
	*buffer = layout->base ? layout->base + layout->n : NULL;
	layout->n += (n + 15) & ~(size_t)15;
}

static void lay_out_layer(struct layout *layout, const struct network *net, struct saved *s, size_t n_token)
{
	size_t n_embd = net->n_embd, q_width = net->n_head * net->head_dim, kv_width = net->n_head_kv * net->head_dim,
	       n_ff = net->n_ff;
	const size_t widths[TUNE_N_PROJECTIONS] = {n_embd, n_embd, n_embd, q_width, n_embd, n_embd, n_ff};

	for (int p = 0; p < TUNE_N_PROJECTIONS; p++)
		take(layout, &s->inputs[p], n_token * widths[p]);
	for (int p = 0; p < N_PLACES; p++)
		take(layout, &s->inverse_rms[p], n_token);
	take(layout, &s->input_rms, n_token);
	take(layout, &s->post_rms, n_token);
	take(layout, &s->normed, n_token * n_embd);
	take(layout, &s->post_normed, n_token * n_embd);
	s->q_raw = s->k_raw = NULL;
	if (net->layers[0].q_norm != NONE) {
		take(layout, &s->q_raw, n_token * q_width);
		take(layout, &s->k_raw, n_token * kv_width);
		take(layout, &s->q_rms, n_token * net->n_head);
		take(layout, &s->k_rms, n_token * net->n_head_kv);
	}
	take(layout, &s->q, n_token * q_width);
	take(layout, &s->k, n_token * kv_width);
	take(layout, &s->v, n_token * kv_width);
	take(layout, &s->attended, n_token * q_width);
	take(layout, &s->log_sums, n_token * net->n_head);
	take(layout, &s->middle, n_token * n_embd);
	take(layout, &s->gate, n_token * n_ff);
	take(layout, &s->up, n_token * n_ff);
	take(layout, &s->gated, n_token * n_ff);
}

static void lay_out_backward(struct layout *layout, const struct network *net, struct graph *g, size_t n_token)
{
	size_t n_embd = net->n_embd, q_width = net->n_head * net->head_dim, kv_width = net->n_head_kv * net->head_dim,
	       n_ff = net->n_ff;

	take(layout, &g->d_stream, n_token * n_embd);
	take(layout, &g->d_last, n_token * n_embd);
	take(layout, &g->d_inputs[0], n_token * tern_larger(n_embd, tern_larger(q_width, n_ff)));
	take(layout, &g->d_inputs[1], n_token * n_embd);
	take(layout, &g->d_inputs[2], n_token * n_embd);
	take(layout, &g->d_gate, n_token * n_ff);
	take(layout, &g->d_up, n_token * n_ff);
	take(layout, &g->d_q, n_token * q_width);
	take(layout, &g->d_k, n_token * kv_width);
	take(layout, &g->d_v, n_token * kv_width);
	take(layout, &g->d_attended, n_token * q_width);
	take(layout, &g->partial, tern_divide_up(n_token, TOKEN_CHUNK) * g->partial_width);
}

static void lay_out(struct layout *layout, const struct network *net, struct graph *g, size_t n_threads, bool backward)
{
	size_t n_token = g->max_tokens, n_embd = net->n_embd,
	       widest = tern_larger(net->n_ff, tern_larger(n_embd, net->n_head * net->head_dim));
	float *losses;

	g->partial_width = 4 * widest + 64; /* no task sums up more: see the add_sum() of backward.c */
	g->scratch_width = tern_larger(2 * ATTENTION_ROWS * g->max_segment, 4 * widest) + 64;
	g->n_logit_rows = tern_smaller(tern_larger((1 << 22) / net->n_vocab, TOKEN_CHUNK), n_token);
	for (size_t i = 0; i <= net->n_layer; i++)
		take(layout, &g->stream[i], n_token * n_embd);
	for (size_t i = 0; i < net->n_layer; i++) {
		if (i == 0 || backward)
			lay_out_layer(layout, net, &g->saved[i], n_token);
		else
			g->saved[i] = g->saved[0];
	}
	take(layout, &g->last, n_token * n_embd);
	take(layout, &g->last_rms, n_token);
	take(layout, &g->logits, g->n_logit_rows * net->n_vocab);
	take(layout, &losses, 2 * n_token);
	g->losses = (double *)(void *)losses;
	take(layout, &g->scratch, n_threads * g->scratch_width);
	if (backward)
		lay_out_backward(layout, net, g, n_token);
}

uint64_t graph_bytes(const struct network *network, size_t n_threads, size_t max_tokens, size_t max_segment,
                     bool backward)
{
	struct graph g = {.max_tokens = max_tokens, .max_segment = max_segment};
	struct layout layout = {0};
	uint64_t n;

	g.stream = tern_alloc(network->n_layer + 1, sizeof *g.stream);
	g.saved = tern_alloc(network->n_layer, sizeof *g.saved);
	if (g.stream && g.saved)
		lay_out(&layout, network, &g, n_threads, backward);
	tern_free(g.stream);
	tern_free(g.saved);
	n = layout.n + network->n_floats * (backward ? 2 : 1);
	return n * sizeof(float);
}

enum tern_status graph_init(struct graph *g, const struct network *network, const struct tern_kernels *kernels,
                            struct tern_pool *pool, size_t max_tokens, size_t max_segment, bool backward,
                            struct tern_error *err)
{
	size_t n_threads = (size_t)tern_pool_size(pool);
	struct layout layout = {0};

	*g = (struct graph){.network = network,
	                    .kernels = kernels,
	                    .pool = pool,
	                    .max_tokens = max_tokens,
	                    .max_segment = max_segment};
	g->stream = tern_alloc(network->n_layer + 1, sizeof *g->stream);
	g->saved = tern_alloc(network->n_layer, sizeof *g->saved);
	if (!g->stream || !g->saved)
		return tern_fail_memory(err, network->n_layer * sizeof *g->saved);
	lay_out(&layout, network, g, n_threads, backward);
	g->memory = layout.base = tern_alloc_huge(layout.n, sizeof(float));
	g->quantized = tern_alloc_aligned(network->n_floats, sizeof(float));
	if (backward)
		g->gradients = tern_alloc_huge(network->n_floats, sizeof(float));
	if (!g->memory || !g->quantized || (backward && !g->gradients) ||
	    !product_init(&g->product, product_kernel_of(kernels), pool))
		return tern_fail_memory(err, (layout.n + 2 * network->n_floats) * sizeof(float));
	layout.n = 0;
	lay_out(&layout, network, g, n_threads, backward);
	return TERN_OK;
}

void graph_free(struct graph *g)
{
	product_free(&g->product);
	tern_free(g->stream);
	tern_free(g->saved);
	tern_free(g->memory);
	tern_free(g->quantized);
	tern_free(g->gradients);
	*g = (struct graph){0};
}

/* ---- tasks ---- */

void graph_run(const struct graph *g, tern_task task, void *context, const struct batch *batch)
{
	tern_pool_run(g->pool, task, context, tern_divide_up(batch->n_token, TOKEN_CHUNK));
}

size_t graph_tokens(const struct batch *batch, size_t chunk, size_t *first)
{
	*first = chunk * TOKEN_CHUNK;
	return tern_smaller(*first + TOKEN_CHUNK, batch->n_token);
}

struct entry graph_attention_entry(const struct layer *layer, const struct saved *saved)
{
	return (struct entry){TERN_ATTN_Q,       TERN_ATTN_V,      PLACE_ATTENTION,
	                      layer->input_norm, saved->input_rms, saved->normed};
}

struct entry graph_ffn_entry(const struct layer *layer, const struct saved *saved)
{
	return (struct entry){TERN_FFN_GATE,    TERN_FFN_UP,     PLACE_FFN,
	                      layer->post_norm, saved->post_rms, saved->post_normed};
}

void graph_attention(const struct graph *g, const struct batch *batch, const struct saved *saved, size_t chunk,
                     int worker, struct attention *a)
{
	const struct network *net = g->network;
	const struct segment *segment = &batch->segments[chunk / net->n_head_kv];
	size_t kv_head = chunk % net->n_head_kv, head = kv_head * (net->n_head / net->n_head_kv);
	size_t q_stride = net->n_head * net->head_dim, kv_stride = net->n_head_kv * net->head_dim;
	size_t q_at = segment->first * q_stride + head * net->head_dim,
	       kv_at = segment->first * kv_stride + kv_head * net->head_dim;

	*a = (struct attention){.product = &g->product,
	                        .worker = worker,
	                        .n_token = segment->n_token,
	                        .head_dim = net->head_dim,
	                        .q_stride = q_stride,
	                        .kv_stride = kv_stride,
	                        .q = saved->q + q_at,
	                        .k = saved->k + kv_at,
	                        .v = saved->v + kv_at,
	                        .o = saved->attended + q_at,
	                        .log_sum = saved->log_sums + segment->first * net->n_head + head,
	                        .log_stride = net->n_head,
	                        .scratch = g->scratch + (size_t)worker * g->scratch_width};
}

/* ---- quantized matrices ---- */

struct quantize {
	const struct graph *graph;
	const struct blend *blend;
};

static void quantize_task(void *context, size_t chunk, int worker)
{
	const struct quantize *job = context;
	const struct network *net = job->graph->network;
	size_t layer = chunk / TUNE_N_PROJECTIONS;
	const struct linear *linear = &net->layers[layer].projections[chunk % TUNE_N_PROJECTIONS];
	const struct parameter *p = &net->parameters[linear->weight];
	const float *values = net->values + p->offset;
	float lambda = job->blend->lambdas[layer];

	(void)worker;
	if (lambda > 0.0f)
		quantize_weights(job->graph->quantized + p->offset, values, ternary_of(values, p->n), lambda, p->n);
}

void graph_quantize(struct graph *g, const struct blend *blend)
{
	struct quantize job = {g, blend};
	tern_pool_run(g->pool, quantize_task, &job, g->network->n_layer * TUNE_N_PROJECTIONS);
}

const float *graph_matrix(const struct graph *g, const struct linear *linear, float lambda)
{
	size_t offset = g->network->parameters[linear->weight].offset;
	return (lambda > 0.0f ? g->quantized : g->network->values) + offset;
}
