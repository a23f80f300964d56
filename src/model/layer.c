#include "model/layer.h"

#include "model/names.h"

enum {
	N_ATTENTION = 4,
	N_DENSE = 3,
	N_EXPERTS = 3,
	N_DELTA = 5,
	N_DELTA_FLOAT_GATES = 3,
};

static void attention_matrix(const struct tern_hparams *h, struct tern_attention_weights *a, size_t index,
                             struct tern_layer_matrix *matrix)
{
	size_t o_width = h->n_head * h->head_dim, q_width = h->gates_attention ? 2 * o_width : o_width;
	size_t kv_width = h->n_head_kv * h->head_dim;
	const struct tern_layer_matrix matrices[N_ATTENTION] = {
	        {tern_matrix_names[TERN_ATTN_Q], q_width, h->n_embd, &a->q, true, 0},
	        {tern_matrix_names[TERN_ATTN_K], kv_width, h->n_embd, &a->k, false, 0},
	        {tern_matrix_names[TERN_ATTN_V], kv_width, h->n_embd, &a->v, false, 0},
	        {tern_matrix_names[TERN_ATTN_OUTPUT], h->n_embd, o_width, &a->o, true, 0},
	};
	*matrix = matrices[index];
}

static void delta_matrix(const struct tern_hparams *h, struct tern_delta_weights *d, size_t index,
                         struct tern_layer_matrix *matrix)
{
	const struct tern_layer_matrix matrices[N_DELTA] = {
	        {tern_matrix_names[TERN_DELTA_QKV], h->delta.n_convolved, h->n_embd, &d->qkv, true, 0},
	        {tern_matrix_names[TERN_DELTA_GATE], h->delta.n_value, h->n_embd, &d->gate, false, 0},
	        {tern_matrix_names[TERN_DELTA_BETA], h->delta.n_head, h->n_embd, &d->beta, false, 0},
	        {tern_matrix_names[TERN_DELTA_ALPHA], h->delta.n_head, h->n_embd, &d->alpha, false, 0},
	        {tern_matrix_names[TERN_DELTA_OUT], h->n_embd, h->delta.n_value, &d->out, true, 0},
	};
	/* Dense gates are none of these. */
	*matrix = matrices[index + (d->gates_are_float && index == 2 ? 2 : 0)];
}

static void dense_matrix(const struct tern_hparams *h, struct tern_dense_weights *d, size_t index,
                         struct tern_layer_matrix *matrix)
{
	const struct tern_layer_matrix matrices[N_DENSE] = {
	        {tern_matrix_names[TERN_FFN_GATE], h->n_ff, h->n_embd, &d->gate, true, 0},
	        {tern_matrix_names[TERN_FFN_UP], h->n_ff, h->n_embd, &d->up, false, 0},
	        {tern_matrix_names[TERN_FFN_DOWN], h->n_embd, h->n_ff, &d->down, true, 0},
	};
	*matrix = matrices[index];
}

static void experts_matrix(const struct tern_hparams *h, struct tern_expert_weights *e, size_t index,
                           struct tern_layer_matrix *matrix)
{
	size_t n = h->n_expert, n_ff = h->n_ff_expert;
	const struct tern_layer_matrix matrices[N_EXPERTS] = {
	        {tern_matrix_names[TERN_FFN_GATE_EXPS], n * n_ff, h->n_embd, &e->gate, true, n},
	        {tern_matrix_names[TERN_FFN_UP_EXPS], n * n_ff, h->n_embd, &e->up, false, n},
	        {tern_matrix_names[TERN_FFN_DOWN_EXPS], n * h->n_embd, n_ff, &e->down, true, n},
	};
	*matrix = matrices[index];
}

struct tern_linear tern_expert_linear(const struct tern_linear *all, size_t n_expert, size_t index)
{
	struct tern_linear one = *all;
	size_t first = index * (all->n_row / n_expert); /* whole panels: both widths are multiples of 16 */

	one.n_row = all->n_row / n_expert;
	one.panels += first / TERN_PANEL_ROWS * tern_linear_panel_bytes(all);
	if (all->scale_group)
		one.group_scales += first * (all->n_col / all->scale_group);
	return one;
}

bool tern_layer_matrix(const struct tern_hparams *h, struct tern_layer *layer, size_t index,
                       struct tern_layer_matrix *matrix)
{
	switch (layer->mixer) {
	case TERN_MIXER_ATTENTION:
		if (index < N_ATTENTION) {
			attention_matrix(h, &layer->attention, index, matrix);
			return true;
		}
		index -= N_ATTENTION;
		break;
	case TERN_MIXER_DELTA:
		if (index < (layer->delta.gates_are_float ? N_DELTA_FLOAT_GATES : N_DELTA)) {
			delta_matrix(h, &layer->delta, index, matrix);
			return true;
		}
		index -= layer->delta.gates_are_float ? N_DELTA_FLOAT_GATES : N_DELTA;
		break;
	}
	switch (layer->ffn) {
	case TERN_FFN_DENSE:
		if (index < N_DENSE) {
			dense_matrix(h, &layer->dense, index, matrix);
			return true;
		}
		break;
	case TERN_FFN_EXPERTS:
		if (index < N_EXPERTS) {
			experts_matrix(h, &layer->experts, index, matrix);
			return true;
		}
	}
	return false;
}
