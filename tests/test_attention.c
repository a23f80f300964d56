/* infer/attention.h against plain softmax in double precision: head sizes that are no multiple of 16, shared key/value
 * heads, both RoPE pairings, rotation of a part of the head, QK-norm, more positions than one block. */
#include "base/bytes.h"
#include "infer/attention.h"
#include "infer/session.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum {
	N_CTX = TERN_ATTENTION_BLOCK + 40,
	N_LAYER = 2,
	LAYER = 1,
	MAX_DIM = 128,
	MAX_WIDTH = 320
};

struct shape {
	size_t n_head, n_head_kv, head_dim, n_rot;
	bool interleaved, has_norm;
};

static float q[N_CTX][MAX_WIDTH], k[N_CTX][MAX_WIDTH], v[N_CTX][MAX_WIDTH], norms[2][MAX_DIM];

static float random_float(void) { return (float)((int64_t)(test_random() % 20001) - 10000) * 2e-4f; }

/* QK-norm and rotation of one head. */
static void prepare(double *out, const float *head, const float *norm, size_t position, const struct tern_hparams *h)
{
	double squares = 0;

	for (size_t d = 0; d < h->head_dim; d++)
		squares += (double)head[d] * (double)head[d];
	for (size_t d = 0; d < h->head_dim; d++)
		out[d] = norm ? (double)head[d] / sqrt(squares / (double)h->head_dim + (double)h->rms_eps) *
		                         (double)norm[d]
		              : (double)head[d];
	for (size_t i = 0; i < h->n_rot / 2; i++) {
		size_t a = h->rope_interleaved ? 2 * i : i, b = h->rope_interleaved ? 2 * i + 1 : i + h->n_rot / 2;
		double angle = (double)position * h->rope_freq[i], x = out[a], y = out[b];
		out[a] = h->rope_factor * (x * cos(angle) - y * sin(angle));
		out[b] = h->rope_factor * (y * cos(angle) + x * sin(angle));
	}
}

static double half(double x) { return (double)tern_f32_from_f16(tern_f16_from_f32((float)x)); }

/* One query head's result at a position. */
static void attend(double *out, const struct tern_layer *layer, const struct tern_hparams *h, size_t position,
                   size_t head)
{
	size_t dim = h->head_dim, kv_head = head / (h->n_head / h->n_head_kv);
	double query[MAX_DIM], key[MAX_DIM], weights[N_CTX], sum = 0;

	prepare(query, &q[position][head * dim], layer->q_norm, position, h);
	for (size_t j = 0; j <= position; j++) {
		double score = 0;
		prepare(key, &k[j][kv_head * dim], layer->k_norm, j, h);
		for (size_t d = 0; d < dim; d++)
			score += query[d] * half(key[d]);
		weights[j] = exp(score / sqrt((double)dim)); /* scores are small enough to do without a maximum */
		sum += weights[j];
	}
	for (size_t d = 0; d < dim; d++) {
		out[d] = 0;
		for (size_t j = 0; j <= position; j++)
			out[d] += weights[j] / sum * half((double)v[j][kv_head * dim + d]);
	}
}

/* Runs n tokens through the cache and compares some of them. */
static void check_batch(struct tern_session *session, const struct tern_layer *layer, size_t n)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	size_t dim = h->head_dim;
	double expected[MAX_DIM], worst = 0;

	for (size_t t = 0; t < n; t++) {
		memcpy(session->q + t * h->n_head * dim, q[session->n_past + t], h->n_head * dim * sizeof(float));
		memcpy(session->k + t * h->n_head_kv * dim, k[session->n_past + t], h->n_head_kv * dim * sizeof(float));
		memcpy(session->v + t * h->n_head_kv * dim, v[session->n_past + t], h->n_head_kv * dim * sizeof(float));
	}
	tern_rope_fill(session, n);
	tern_attention_prepare(session, layer, LAYER, n);
	tern_attention(session, LAYER, n);
	for (size_t t = 0; t<n; t += n> 20 ? 13 : 1)
		for (size_t head = 0; head < h->n_head; head++) {
			attend(expected, layer, h, session->n_past + t, head);
			for (size_t d = 0; d < dim; d++) {
				double difference =
				        (double)session->attended[(t * h->n_head + head) * dim + d] - expected[d];
				worst = fmax(worst, fabs(difference)); /* fmax drops a NaN, so look for it */
				CHECK(!isnan(difference), "position %zu, head %zu: not a number", session->n_past + t,
				      head);
			}
		}
	/* A key may be rounded to the other half float than here: 2^-11 of one term of one score. */
	CHECK(worst < 1e-4, "%zu/%zu heads of %zu, %zu rotate, positions %zu to %zu: off by %g", h->n_head,
	      h->n_head_kv, dim, h->n_rot, session->n_past, session->n_past + n, worst);
	session->n_past += n;
}

static void check_shape(const struct shape *s)
{
	double freq[MAX_DIM / 2];
	struct tern_layer layer = {.q_norm = s->has_norm ? norms[0] : NULL, .k_norm = s->has_norm ? norms[1] : NULL};
	struct tern_transformer t = {.hparams = {.n_layer = N_LAYER,
	                                         .n_embd = 16,
	                                         .n_head = s->n_head,
	                                         .n_head_kv = s->n_head_kv,
	                                         .head_dim = s->head_dim,
	                                         .n_ff = 16,
	                                         .n_vocab = 16,
	                                         .n_rot = s->n_rot,
	                                         .rope_interleaved = s->interleaved,
	                                         .rope_freq = freq,
	                                         .rope_factor = 1.1,
	                                         .rms_eps = 1e-5f}};
	struct tern_session_options options = {.n_ctx = N_CTX, .n_threads = 2, .n_batch = N_CTX};
	struct tern_session session;
	struct tern_error err;

	for (size_t i = 0; i < s->n_rot / 2; i++)
		freq[i] = pow(100, -2.0 * (double)i / (double)s->n_rot);
	for (size_t i = 0; i < N_CTX; i++)
		for (size_t j = 0; j < MAX_WIDTH; j++) {
			q[i][j] = random_float();
			k[i][j] = random_float();
			v[i][j] = random_float();
		}
	if (tern_session_init(&session, &t, &options, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	check_batch(&session, &layer, TERN_ATTENTION_BLOCK - 3);
	check_batch(&session, &layer, 1);
	check_batch(&session, &layer, 5); /* across the edge of a block */
	check_batch(&session, &layer, N_CTX - session.n_past);
	tern_session_clear(&session);
}

int main(void)
{
	static const struct shape shapes[] = {
	        {2, 1, 8, 8, true, false},    {3, 3, 20, 20, false, true}, {3, 1, 100, 100, false, false},
	        {6, 2, 20, 12, false, false}, {5, 1, 8, 4, true, true},    {4, 2, 64, 64, true, false},
	        {2, 2, 2, 2, false, false},   {1, 1, 100, 50, true, true},
	};

	for (size_t i = 0; i < MAX_DIM; i++) {
		norms[0][i] = random_float();
		norms[1][i] = random_float();
	}
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		check_shape(&shapes[i]);
	return test_summary();
}
