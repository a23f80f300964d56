#include "infer/qkv.h"

#include "base/exactmath.h"

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
	float *q = session->q + token * h->n_head * dim;

	for (size_t head = 0; head < h->n_head; head++)
		prepare_head(session, q + head * dim, task->layer->q_norm, task->layer->rope_is_local, token);
	session->kernels->narrow(q, h->n_head * dim);
	for (size_t head = 0; head < h->n_head_kv; head++) {
		size_t at = (token * h->n_head_kv + head) * dim;
		prepare_head(session, session->k + at, task->layer->k_norm, task->layer->rope_is_local, token);
		tern_kv_store(&session->kv, session->kernels, task->layer_index, head, session->n_past + token,
		              session->k + at, session->v + at, tern_worker_scratch(session, worker));
	}
}

void tern_qkv_prepare(struct tern_session *session, const struct tern_layer *layer, size_t layer_index, size_t n_token)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	struct prepare_task task = {session, layer, layer_index};
	tern_session_run(session, prepare_token, &task, n_token,
	                 n_token * (h->n_head + h->n_head_kv) * h->head_dim * 16);
}
