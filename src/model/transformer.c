#include "model/transformer.h"

#include "base/memory.h"
#include "model/rope.h"

#include <string.h>

/* Appends what a token reads in a layer; the keys and values come before the matrix o. Which experts
 * it reads is known only after the router. */
static void order_layer(struct tern_transformer *t, struct tern_layer *layer)
{
	struct tern_layer_matrix matrix;

	for (size_t i = 0; tern_layer_matrix(&t->hparams, layer, i, &matrix); i++) {
		if (layer->mixer == TERN_MIXER_ATTENTION && matrix.linear == &layer->attention.o) {
			t->reads[t->n_read++].attention = &layer->attention;
			layer->attention.next_read = t->n_read;
		}
		if (matrix.n_expert) {
			t->reads[t->n_read].router = &layer->experts.router;
			matrix.linear->next_read = t->n_read + 1;
			continue;
		}
		t->n_read += matrix.begins_read;
		struct tern_read *read = &t->reads[t->n_read - 1];
		read->linears[read->n_linear++] = matrix.linear;
		matrix.linear->next_read = t->n_read;
	}
	t->n_read += layer->ffn == TERN_FFN_EXPERTS;
}

bool tern_transformer_order_reads(struct tern_transformer *t)
{
	struct tern_layer_matrix matrix;
	size_t n_most = 1; /* an empty read behind the last */

	for (size_t i = 0; i < t->hparams.n_layer; i++, n_most++) /* keys and values */
		for (size_t k = 0; tern_layer_matrix(&t->hparams, &t->layers[i], k, &matrix); k++)
			n_most++;
	if (!(t->reads = tern_alloc(n_most, sizeof *t->reads)))
		return false;
	t->n_read = 0;
	for (size_t i = 0; i < t->hparams.n_layer; i++)
		order_layer(t, &t->layers[i]);
	return true;
}

void tern_transformer_free(struct tern_transformer *t)
{
	for (size_t i = 0; i < t->n_owned; i++)
		tern_free(t->owned[i].block);
	tern_free(t->owned);
	tern_free(t->layers);
	tern_free(t->reads);
	tern_rope_free(&t->hparams);
	memset(t, 0, sizeof *t);
}
