#include "infer/attention.h"

#include "base/exactmath.h"

#include <math.h>
#include <string.h>

/* ---- positions ---- */

static void fill_angles(float *cosine, float *sine, const double *freq, double factor, size_t n_pair, size_t first,
                        size_t n_token)
{
	for (size_t t = 0; t < n_token; t++)
		for (size_t i = 0; i < n_pair; i++) {
			double s, c;
			tern_sincos_f64((double)(first + t) * freq[i], &s, &c);
			*cosine++ = (float)(c * factor);
			*sine++ = (float)(s * factor);
		}
}

void tern_rope_fill(struct tern_session *session, size_t n_token)
{
	const struct tern_hparams *h = &session->transformer->hparams;

	fill_angles(session->rope_cos, session->rope_sin, h->rope_freq, h->rope_factor, h->n_rot / 2, session->n_past,
	            n_token);
	if (h->rope_freq_local)
		fill_angles(session->rope_cos_local, session->rope_sin_local, h->rope_freq_local, 1.0, h->n_rot / 2,
		            session->n_past, n_token);
}

static void rotate(float *head, const float *cosine, const float *sine, size_t n_rot, bool interleaved)
{
	size_t half = n_rot / 2;

	for (size_t i = 0; i < half; i++) {
		float *a = interleaved ? &head[2 * i] : &head[i];
		float *b = interleaved ? &head[2 * i + 1] : &head[i + half];
		float rotated = *a * cosine[i] - *b * sine[i];
		*b = *a * sine[i] + *b * cosine[i];
		*a = rotated;
	}
}

struct prepare_task {
	struct tern_session *session;
	const struct tern_layer *layer;
	size_t layer_index;
};

static void prepare_head(const struct tern_session *session, float *head, const float *norm, bool is_local,
                         size_t token)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	const float *cosine = is_local ? session->rope_cos_local : session->rope_cos;
	const float *sine = is_local ? session->rope_sin_local : session->rope_sin;
	size_t at = token * (h->n_rot / 2);

	if (norm)
		session->kernels->rms_scale(head, head, norm,
		                            tern_inv_rms(session->kernels, head, h->head_dim, h->rms_eps), h->head_dim);
	rotate(head, cosine + at, sine + at, h->n_rot, h->rope_interleaved);
}

static void prepare_token(void *context, size_t token, int worker)
{
	const struct prepare_task *task = context;
	const struct tern_session *session = task->session;
	const struct tern_hparams *h = &session->transformer->hparams;
	size_t dim = h->head_dim;

	(void)worker;
	for (size_t head = 0; head < h->n_head; head++)
		prepare_head(session, session->q + (token * h->n_head + head) * dim, task->layer->q_norm,
		             task->layer->rope_is_local, token);
	for (size_t head = 0; head < h->n_head_kv; head++) {
		size_t at = (token * h->n_head_kv + head) * dim;
		prepare_head(session, session->k + at, task->layer->k_norm, task->layer->rope_is_local, token);
		tern_kv_store(&session->kv, task->layer_index, head, session->n_past + token, session->k + at,
		              session->v + at);
	}
}

void tern_attention_prepare(struct tern_session *session, const struct tern_layer *layer, size_t layer_index,
                            size_t n_token)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	struct prepare_task task = {session, layer, layer_index};
	tern_session_run(session, prepare_token, &task, n_token,
	                 n_token * (h->n_head + h->n_head_kv) * h->head_dim * 16);
}

/* ---- attention ---- */

/* Scratch of one worker: results of one block, and the scores. */
struct block_result {
	float *out;       /* [n_query, value_stride] */
	float *max, *sum; /* [n_query] */
	float *scores;    /* [n_query, TERN_ATTENTION_BLOCK] */
};

static size_t heads_per_group(const struct tern_hparams *h) { return h->n_head / h->n_head_kv; }

/* Floats for one query: two outputs (running and of the block), two maxima and sums, the scores. */
static size_t floats_per_query(const struct tern_hparams *h)
{
	size_t value_stride = (h->head_dim + 15) / 16 * 16;
	return 2 * value_stride + 4 + TERN_ATTENTION_BLOCK;
}

size_t tern_attention_scratch_bytes(const struct tern_hparams *h)
{
	return heads_per_group(h) * floats_per_query(h) * sizeof(float);
}

static float *carve(float **scratch, size_t n)
{
	float *part = *scratch;
	*scratch += n;
	return part;
}

/* Adds a block's partial softmax to the running one. Blocks come in order, so the result does not depend on who
 * computed them: both are brought to the common maximum and added. */
static void combine(struct block_result *total, const struct block_result *block, size_t n_query, size_t value_stride)
{
	for (size_t i = 0; i < n_query; i++) {
		float max = block->max[i] > total->max[i] ? block->max[i] : total->max[i];
		float keep = tern_exp(total->max[i] - max), add = tern_exp(block->max[i] - max);
		float *out = total->out + i * value_stride;
		const float *more = block->out + i * value_stride;

		total->max[i] = max;
		total->sum[i] = total->sum[i] * keep + block->sum[i] * add;
		for (size_t d = 0; d < value_stride; d++)
			out[d] = out[d] * keep + more[d] * add;
	}
}

struct attention_task {
	struct tern_session *session;
	size_t layer_index;
};

/* One chunk: the queries of one token that share one key/value head. */
static void attend(void *context, size_t chunk, int worker)
{
	const struct attention_task *task = context;
	const struct tern_session *session = task->session;
	const struct tern_hparams *h = &session->transformer->hparams;
	const struct tern_kv *kv = &session->kv;
	size_t token = chunk / h->n_head_kv, head = chunk % h->n_head_kv, n_query = heads_per_group(h);
	size_t n_pos = session->n_past + token + 1, dim = h->head_dim;
	size_t at = (token * h->n_head + head * n_query) * dim;
	const uint16_t *keys = tern_kv_keys(kv, task->layer_index, head);
	const uint16_t *values = tern_kv_values(kv, task->layer_index, head);
	float scale = 1.0f / sqrtf((float)dim), *scratch = tern_worker_scratch(session, worker);
	struct block_result total, block;

	total = (struct block_result){carve(&scratch, n_query * kv->value_stride), carve(&scratch, n_query),
	                              carve(&scratch, n_query), carve(&scratch, n_query * TERN_ATTENTION_BLOCK)};
	block = (struct block_result){carve(&scratch, n_query * kv->value_stride), carve(&scratch, n_query),
	                              carve(&scratch, n_query), total.scores};
	for (size_t first = 0; first < n_pos; first += TERN_ATTENTION_BLOCK) {
		size_t n = n_pos - first < TERN_ATTENTION_BLOCK ? n_pos - first : TERN_ATTENTION_BLOCK;
		struct block_result *to = first ? &block : &total;
		session->kernels->attention_block(to->out, to->max, to->sum, to->scores, session->q + at,
		                                  keys + first * dim, values + first * kv->value_stride, n_query, n,
		                                  dim, scale);
		if (first)
			combine(&total, &block, n_query, kv->value_stride);
	}
	for (size_t i = 0; i < n_query; i++)
		for (size_t d = 0; d < dim; d++)
			session->attended[at + i * dim + d] = total.out[i * kv->value_stride + d] / total.sum[i];
}

void tern_attention(struct tern_session *session, size_t layer_index, size_t n_token)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	struct attention_task task = {session, layer_index};
	size_t n_pos = session->n_past + n_token;

	tern_session_run(session, attend, &task, n_token * h->n_head_kv, n_token * h->n_head * h->head_dim * n_pos * 4);
}
