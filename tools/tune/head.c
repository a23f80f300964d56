/* The head and the loss: logits of a part of the batch at a time, since with a large vocabulary those of all tokens
 * would outweigh the rest. */
#include "tune/head.h"

#include "base/sizes.h"

#include <string.h>

struct part {
	struct graph *graph;
	const struct batch *batch;
	size_t first;
	float weight; /* of a token's loss in the gradient; 0: no gradient */
};

static void loss_task(void *context, size_t chunk, int worker)
{
	const struct part *part = context;
	struct graph *g = part->graph;
	size_t n_vocab = g->network->n_vocab, t = part->first + chunk;
	float *logits = g->logits + chunk * n_vocab;
	int32_t target = part->batch->targets[t];

	(void)worker;
	g->losses[t] = target < 0 ? 0.0 : cross_entropy(logits, n_vocab, (size_t)target, part->weight);
	if (target < 0)
		memset(logits, 0, n_vocab * sizeof *logits);
}

double head_loss(struct graph *g, const struct batch *batch, bool backward)
{
	const struct network *net = g->network;
	size_t n_embd = net->n_embd, n_vocab = net->n_vocab;
	const float *w = network_value(net, net->head);
	struct part part = {.graph = g, .batch = batch};
	double sum = 0;

	if (backward)
		part.weight = 1.0f / (float)batch->n_target;
	for (size_t first = 0; first < batch->n_token; first += g->n_logit_rows) {
		size_t n = tern_smaller(batch->n_token - first, g->n_logit_rows);
		const float *x = g->last + first * n_embd;
		product_run(&g->product, g->logits, n_vocab, (struct view){x, n_embd, 1}, (struct view){w, 1, n_embd},
		            n, n_vocab, n_embd, false);
		part.first = first;
		tern_pool_run(g->pool, loss_task, &part, n);
		if (!backward)
			continue;
		product_run(&g->product, g->d_last + first * n_embd, n_embd, (struct view){g->logits, n_vocab, 1},
		            (struct view){w, n_embd, 1}, n, n_embd, n_vocab, false);
		product_run(&g->product, g->gradients + net->parameters[net->head].offset, n_embd,
		            (struct view){g->logits, 1, n_vocab}, (struct view){x, n_embd, 1}, n_vocab, n_embd, n,
		            true);
	}
	for (size_t t = 0; t < batch->n_token; t++)
		sum += g->losses[t];
	return batch->n_target ? sum / (double)batch->n_target : 0.0;
}

double graph_loss(struct graph *g, const struct batch *batch) { return head_loss(g, batch, false); }
