/* Token ids to vectors: rows of the embedding matrix as floats. */
#include "infer/embedding.h"

#include "base/bytes.h"
#include "model/layout.h"

#include <string.h>

/* One row of int8. */
size_t tern_embedding_scratch_bytes(const struct tern_hparams *h) { return h->n_embd; }

static void embed_token(struct tern_session *session, int32_t id, float *x)
{
	const struct tern_matrix *m = &session->transformer->embedding;
	size_t at = (size_t)id * m->n_col;
	const uint16_t *halves = (const uint16_t *)(const void *)m->data;
	int8_t *q = tern_worker_scratch(session, 0);

	switch (m->type) {
	case GGUF_TENSOR_F32:
		memcpy(x, m->data + at * sizeof(float), m->n_col * sizeof(float));
		break;
	case GGUF_TENSOR_F16:
		for (size_t c = 0; c < m->n_col; c++)
			x[c] = tern_f32_from_f16(halves[at + c]);
		break;
	case GGUF_TENSOR_BF16:
		for (size_t c = 0; c < m->n_col; c++)
			x[c] = tern_f32_from_bf16(halves[at + c]);
		break;
	default: /* Q8P */
		tern_q8p_unpack_row(q, m->data, m->n_row, m->n_col, (size_t)id);
		for (size_t c = 0; c < m->n_col; c++)
			x[c] = (float)q[c] * m->row_scales[id];
	}
}

void tern_embed(struct tern_session *session, const int32_t *ids, size_t n_token)
{
	for (size_t t = 0; t < n_token; t++)
		embed_token(session, ids[t], session->x + t * session->transformer->hparams.n_embd);
}
