/* How much a token costs at least: bytes to read, numbers to multiply. */
#include "cli/bench.h"
#include "model/layout.h"

static uint64_t linear_bytes(const struct tern_linear *linear)
{
	size_t n_panel = tern_panel_count(linear->n_row);
	uint64_t n = n_panel * tern_t2r16_panel_bytes(linear->n_col);

	if (linear->scale_group)
		n += n_panel * TERN_PANEL_ROWS * (linear->n_col / linear->scale_group) * sizeof(uint16_t);
	if (linear->bias)
		n += linear->n_row * sizeof *linear->bias;
	if (linear->norm_gain)
		n += linear->n_col * sizeof *linear->norm_gain;
	return n;
}

uint64_t bench_head_bytes(const struct tern_transformer *t, double second_pass)
{
	const struct tern_matrix *m = &t->head;
	const uint64_t dims[GGUF_MAX_DIMS] = {m->n_col, m->n_row, 1, 1};
	uint64_t n = 0, n_norm = t->hparams.n_embd * sizeof(float);

	if (t->head_is_ternary)
		return linear_bytes(&t->ternary_head) + n_norm;
	tern_gguf_tensor_bytes(m->type, 2, dims, &n);
	if (m->type == GGUF_TENSOR_Q8P) /* half of it are low nibbles */
		n = n / 2 + (uint64_t)((double)(n / 2) * second_pass) + m->n_row * sizeof *m->row_scales;
	return n + n_norm;
}

uint64_t bench_layer_bytes(const struct tern_transformer *t)
{
	const struct tern_hparams *h = &t->hparams;
	uint64_t n = 0;

	for (size_t i = 0; i < h->n_layer; i++) {
		const struct tern_layer *l = &t->layers[i];
		const struct tern_linear *const linears[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
		for (size_t k = 0; k < sizeof linears / sizeof *linears; k++)
			n += linear_bytes(linears[k]);
		n += 2 * h->n_embd * sizeof(float);
		n += (l->q_norm ? 2 * h->head_dim * sizeof(float) : 0);
		n += (l->attn_sub_norm ? (h->n_head * h->head_dim + h->n_ff) * sizeof(float) : 0);
	}
	return n;
}

static uint64_t linear_macs(const struct tern_linear *linear) { return (uint64_t)linear->n_row * linear->n_col; }

uint64_t bench_layer_macs(const struct tern_transformer *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->hparams.n_layer; i++) {
		const struct tern_layer *l = &t->layers[i];
		n += linear_macs(&l->q) + linear_macs(&l->k) + linear_macs(&l->v) + linear_macs(&l->o);
		n += linear_macs(&l->gate) + linear_macs(&l->up) + linear_macs(&l->down);
	}
	return n;
}

uint64_t bench_head_macs(const struct tern_transformer *t) { return (uint64_t)t->hparams.n_vocab * t->hparams.n_embd; }
