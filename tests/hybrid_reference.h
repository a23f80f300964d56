/* The network of hybrid_model.h in double precision, token after token, by the formulas of the architecture's papers
 * and of transformers' qwen3_5; and every mistake that engines are known to make, one at a time. */
#ifndef TESTS_HYBRID_REFERENCE_H
#define TESTS_HYBRID_REFERENCE_H

#include "hybrid_model.h"

enum mistake {
	NO_MISTAKE,
	/* attention */
	GATE_IN_HALVES, /* all queries, then all gates */
	GATE_SILU,
	KV_HEADS_TILED,  /* query head j with key head j mod n */
	ROPE_WHOLE_HEAD, /* pairs (i, i + dim / 2) */
	ROPE_INTERLEAVED,
	ROPE_BASE_OF_HEAD, /* frequencies by the head's size, not by what rotates */
	ROPE_SECTION,      /* only the first section turns */
	NO_QK_NORM,
	/* delta nets */
	DELTA_HEADS_TILED,
	OUT_TILED, /* the last projection's columns in the other order */
	TAPS_REVERSED,
	VALUES_NOT_ACTIVATED,
	NOTHING_ACTIVATED,
	KEYS_NOT_NORMALISED,
	NO_QUERY_SCALE,
	KEY_SCALED,
	BETA_RAW,
	ALPHA_RAW,       /* no softplus */
	DECAY_EXP_AGAIN, /* -exp of what is that already */
	READ_BEFORE_DECAY,
	OUT_OF_OLD_STATE,
	NORM_OF_ALL_HEADS,
	GATE_BEFORE_NORM,
	OUTPUT_GATE_SIGMOID,
	STATE_FORGOTTEN, /* between tokens */
	CONV_FORGOTTEN,
	/* everywhere */
	NORM_PLUS_ONE,
	NORM_ORDER, /* the second norm after the first half instead of in front of the second */
	/* files with transforms */
	FIRST_OF_TRANSFORMS,
	NO_FACTOR = FIRST_OF_TRANSFORMS,
	WHOLE_ROW,
	SEQUENCY_ORDER,
	SIGNS_AFTER,
	NO_SIGNS,
	SIGNS_OF_TILED,    /* the permutation after the signs */
	GATES_TRANSFORMED, /* alpha and beta */
	EMBEDDING_PLAIN,
	EMBEDDING_AS_WEIGHT,
	HEAD_PLAIN,
	N_MISTAKES
};

static struct reference {
	enum mistake mistake;
	bool is_folded, is_tied;
	double k[LAYERS][256][HEADS_KV * DIM], v[LAYERS][256][HEADS_KV * DIM];
	double raw[LAYERS][TAPS][CONV]; /* the last rows in front of the convolution, the newest last */
	double state[LAYERS][VALUES][SIZE][SIZE];
} ref;

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
static double silu(double x) { return x * sigmoid(x); }

static void rms_norm(double *out, const double *x, const float *gain, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	for (size_t i = 0; i < n; i++)
		out[i] = x[i] / sqrt(sum / (double)n + 1e-6) * ((double)gain[i] + (ref.mistake == NORM_PLUS_ONE));
}

static const float *signs_of(size_t n)
{
	return n == EMBD ? net.signs_embd : n == WIDTH ? net.signs_width : net.signs_value;
}

/* Walsh's order of the rows, by how often they change sign, is that of the bit-reversed Gray code. */
static size_t sequency(size_t i)
{
	size_t gray = i ^ i >> 1, reversed = 0;

	for (size_t bit = 1; bit < BLOCK; bit *= 2)
		reversed |= gray & bit ? BLOCK / 2 / bit : 0;
	return reversed;
}

static void transform(double *x, size_t n)
{
	double y[WIDTH];
	size_t block = ref.mistake == WHOLE_ROW && !(n & (n - 1)) ? n : BLOCK;

	for (size_t r = 0; r < n; r++) {
		size_t row = ref.mistake == SEQUENCY_ORDER ? sequency(r % block) : r % block;
		y[r] = 0.0;
		for (size_t c = 0; c < block; c++)
			y[r] += (__builtin_popcount((unsigned)(row & c)) % 2 ? -1.0 : 1.0) * x[r / block * block + c];
		y[r] /= ref.mistake == NO_FACTOR ? 1.0 : sqrt((double)block);
	}
	memcpy(x, y, n * sizeof *x);
}

static void apply_signs(double *x, size_t n)
{
	for (size_t i = 0; i < n && ref.mistake != NO_SIGNS; i++)
		x[i] *= (double)signs_of(n)[ref.mistake == SIGNS_OF_TILED && n == N_VALUE ? value_of(i) : i];
}

static void dense(double *y, const float *w, size_t n_row, size_t n_col, const double *x)
{
	for (size_t r = 0; r < n_row; r++) {
		y[r] = 0.0;
		for (size_t c = 0; c < n_col; c++)
			y[r] += (double)w[r * n_col + c] * x[c];
	}
}

static void linear(double *y, const float *w, size_t n_row, size_t n_col, const double *input)
{
	double x[WIDTH];

	memcpy(x, input, n_col * sizeof *x);
	if (ref.is_folded && ref.mistake == SIGNS_AFTER) {
		transform(x, n_col);
		apply_signs(x, n_col);
	} else if (ref.is_folded) {
		apply_signs(x, n_col);
		transform(x, n_col);
	}
	dense(y, w, n_row, n_col, x);
}

static void rope(double *x, size_t position)
{
	size_t half = ref.mistake == ROPE_WHOLE_HEAD ? DIM / 2 : ROT / 2;
	size_t n_pair = ref.mistake == ROPE_SECTION ? SECTIONS_ROT / 2 : ROT / 2;

	for (size_t i = 0; i < n_pair; i++) {
		double width = ref.mistake == ROPE_BASE_OF_HEAD ? DIM : ROT;
		double angle = (double)position * pow(rope_base, -2.0 * (double)i / width);
		double *a = ref.mistake == ROPE_INTERLEAVED ? x + 2 * i : x + i;
		double *b = ref.mistake == ROPE_INTERLEAVED ? a + 1 : a + half;
		double rotated = *a * cos(angle) - *b * sin(angle);
		*b = *b * cos(angle) + *a * sin(angle);
		*a = rotated;
	}
}

static void head_norm(double *x, const float *gain)
{
	if (ref.mistake != NO_QK_NORM)
		rms_norm(x, x, gain, DIM);
}

/* Softmax over the positions so far. */
static void attend(double *out, const double *q, size_t layer, size_t head, size_t position)
{
	double weights[256], sum = 0.0;

	for (size_t j = 0; j <= position; j++) {
		double score = 0.0;
		for (size_t d = 0; d < DIM; d++)
			score += q[d] * ref.k[layer][j][head * DIM + d];
		weights[j] = exp(score / sqrt(DIM));
		sum += weights[j];
	}
	for (size_t d = 0; d < DIM; d++) {
		out[d] = 0.0;
		for (size_t j = 0; j <= position; j++)
			out[d] += weights[j] / sum * ref.v[layer][j][head * DIM + d];
	}
}

static void attention(double *out, const double *h, size_t layer, size_t position)
{
	const struct hybrid_layer *l = &net.layers[layer];
	double both[2 * WIDTH], mixed[WIDTH], *k = ref.k[layer][position];
	bool in_halves = ref.mistake == GATE_IN_HALVES;

	linear(both, l->q, 2 * WIDTH, EMBD, h);
	linear(k, l->k, HEADS_KV * DIM, EMBD, h);
	linear(ref.v[layer][position], l->v, HEADS_KV * DIM, EMBD, h);
	for (size_t j = 0; j < HEADS_KV; j++) {
		head_norm(k + j * DIM, l->k_norm);
		rope(k + j * DIM, position);
	}
	for (size_t j = 0; j < HEADS; j++) {
		double *q = both + (in_halves ? j : 2 * j) * DIM, *gate = q + (in_halves ? WIDTH : DIM);
		head_norm(q, l->q_norm);
		rope(q, position);
		attend(mixed + j * DIM, q, layer, ref.mistake == KV_HEADS_TILED ? j % HEADS_KV : j / (HEADS / HEADS_KV),
		       position);
		for (size_t d = 0; d < DIM; d++)
			mixed[j * DIM + d] *= ref.mistake == GATE_SILU ? silu(gate[d]) : sigmoid(gate[d]);
	}
	linear(out, l->o, EMBD, WIDTH, mixed);
}

static void convolve(double *out, const double *raw, size_t layer)
{
	const float *taps = net.layers[layer].conv;

	if (ref.mistake == CONV_FORGOTTEN)
		memset(ref.raw[layer], 0, sizeof ref.raw[layer]);
	memmove(ref.raw[layer][0], ref.raw[layer][1], sizeof ref.raw[layer][0] * (TAPS - 1));
	memcpy(ref.raw[layer][TAPS - 1], raw, sizeof ref.raw[layer][0]);
	for (size_t c = 0; c < CONV; c++) {
		double y = 0.0;
		for (size_t j = 0; j < TAPS; j++)
			y += (double)taps[c * TAPS + (ref.mistake == TAPS_REVERSED ? TAPS - 1 - j : j)] *
			     ref.raw[layer][j][c];
		bool is_plain =
		        ref.mistake == NOTHING_ACTIVATED || (ref.mistake == VALUES_NOT_ACTIVATED && c >= 2 * N_KEY);
		out[c] = is_plain ? y : silu(y);
	}
}

static void normalize(double *x, double scale)
{
	double sum = 0.0;

	for (size_t i = 0; i < SIZE; i++)
		sum += x[i] * x[i];
	for (size_t i = 0; i < SIZE; i++)
		x[i] *= scale / sqrt(sum + 1e-6);
}

/* One step of a head: S' = decay S + k (beta (v - decay S^T k))^T, out = S'^T q. */
static void step(double *out, double state[SIZE][SIZE], const double *q, const double *k, const double *v, double decay,
                 double beta)
{
	double read[SIZE] = {0}, old[SIZE] = {0};
	bool early = ref.mistake == READ_BEFORE_DECAY;

	for (size_t i = 0; i < SIZE; i++)
		for (size_t c = 0; c < SIZE; c++) {
			read[c] += (early ? 1.0 : decay) * state[i][c] * k[i];
			state[i][c] *= decay;
			old[c] += state[i][c] * q[i];
		}
	for (size_t c = 0; c < SIZE; c++) {
		out[c] = 0.0;
		for (size_t i = 0; i < SIZE; i++) {
			state[i][c] += k[i] * beta * (v[c] - read[c]);
			out[c] += state[i][c] * q[i];
		}
		out[c] = ref.mistake == OUT_OF_OLD_STATE ? old[c] : out[c];
	}
}

/* The norm of the heads' outputs, and their gate. */
static void gate_output(double *o, const double *z, const float *norm)
{
	float wide[N_VALUE];

	for (size_t i = 0; i < N_VALUE; i++) {
		wide[i] = norm[i % SIZE];
		o[i] *= ref.mistake == GATE_BEFORE_NORM ? silu(z[i]) : 1.0;
	}
	if (ref.mistake == NORM_OF_ALL_HEADS)
		rms_norm(o, o, wide, N_VALUE);
	for (size_t h = 0; h < VALUES && ref.mistake != NORM_OF_ALL_HEADS; h++)
		rms_norm(o + h * SIZE, o + h * SIZE, norm, SIZE);
	for (size_t i = 0; i < N_VALUE && ref.mistake != GATE_BEFORE_NORM; i++)
		o[i] *= ref.mistake == OUTPUT_GATE_SIGMOID ? sigmoid(z[i]) : silu(z[i]);
}

static void delta(double *out, const double *h, size_t layer)
{
	const struct hybrid_layer *l = &net.layers[layer];
	double raw[CONV], qkv[CONV], z[N_VALUE], b[VALUES], a[VALUES], o[N_VALUE], gates[EMBD], tiled[N_VALUE];
	enum mistake m = ref.mistake;

	linear(raw, l->qkv, CONV, EMBD, h);
	linear(z, l->gate, N_VALUE, EMBD, h);
	memcpy(gates, h, sizeof gates);
	if (m == GATES_TRANSFORMED) {
		apply_signs(gates, EMBD);
		transform(gates, EMBD);
	}
	dense(b, l->beta, VALUES, EMBD, gates);
	dense(a, l->alpha, VALUES, EMBD, gates);
	convolve(qkv, raw, layer);
	for (size_t i = 0; i < KEYS; i++) {
		normalize(qkv + i * SIZE, m == NO_QUERY_SCALE ? 1.0 : 1.0 / sqrt(SIZE));
		if (m != KEYS_NOT_NORMALISED)
			normalize(qkv + N_KEY + i * SIZE, m == KEY_SCALED ? 1.0 / sqrt(SIZE) : 1.0);
	}
	if (m == STATE_FORGOTTEN)
		memset(ref.state[layer], 0, sizeof ref.state[layer]);
	for (size_t i = 0; i < VALUES; i++) {
		size_t key = m == DELTA_HEADS_TILED ? i % KEYS : i / REP;
		double x = a[i] + (double)l->bias[i], rate = (double)l->decay[i];
		double log_decay =
		        (m == DECAY_EXP_AGAIN ? -exp(rate) : rate) * (m == ALPHA_RAW ? x : log(1.0 + exp(x)));
		step(o + i * SIZE, ref.state[layer][i], qkv + key * SIZE, qkv + N_KEY + key * SIZE,
		     qkv + 2 * N_KEY + i * SIZE, exp(log_decay), m == BETA_RAW ? b[i] : sigmoid(b[i]));
	}
	gate_output(o, z, l->norm);
	for (size_t i = 0; i < N_VALUE; i++)
		tiled[i] = o[value_of(i)];
	linear(out, l->out, EMBD, N_VALUE, m == OUT_TILED ? tiled : o);
}

static void embed(double *x, size_t id)
{
	for (size_t i = 0; i < EMBD; i++)
		x[i] = (double)net.embedding[id * EMBD + i];
	if (!ref.is_folded || ref.mistake == EMBEDDING_PLAIN)
		return;
	if (ref.mistake == EMBEDDING_AS_WEIGHT)
		apply_signs(x, EMBD);
	transform(x, EMBD);
	if (ref.mistake != EMBEDDING_AS_WEIGHT)
		apply_signs(x, EMBD);
}

static void feed_forward(double *x, const struct hybrid_layer *l)
{
	double h[EMBD], gate[FF], up[FF];

	rms_norm(h, x, l->ffn_norm, EMBD);
	linear(gate, l->ffn_gate, FF, EMBD, h);
	linear(up, l->ffn_up, FF, EMBD, h);
	for (size_t i = 0; i < FF; i++)
		gate[i] = silu(gate[i]) * up[i];
	linear(h, l->ffn_down, EMBD, FF, gate);
	for (size_t i = 0; i < EMBD; i++)
		x[i] += h[i];
}

/* Logits [VOCAB] after one more token. */
static void reference_token(double *logits, size_t id, size_t position)
{
	const float *head = ref.is_tied ? net.embedding : net.head;
	double x[EMBD], h[EMBD], added[EMBD];

	embed(x, id);
	for (size_t i = 0; i < LAYERS; i++) {
		const struct hybrid_layer *l = &net.layers[i];
		rms_norm(h, x, l->attn_norm, EMBD);
		if ((i + 1) % PERIOD == 0)
			attention(added, h, i, position);
		else
			delta(added, h, i);
		if (ref.mistake == NORM_ORDER)
			rms_norm(added, added, l->ffn_norm, EMBD);
		for (size_t k = 0; k < EMBD; k++)
			x[k] += added[k];
		feed_forward(x, l);
	}
	rms_norm(h, x, net.output_norm, EMBD);
	if (ref.mistake == HEAD_PLAIN)
		dense(logits, head, VOCAB, EMBD, h);
	else
		linear(logits, head, VOCAB, EMBD, h);
}

static void reference_run(double *logits, const int32_t *ids, size_t n_ids, const struct hybrid_kind *kind,
                          enum mistake mistake)
{
	memset(&ref, 0, sizeof ref);
	ref.mistake = mistake;
	ref.is_folded = kind->is_folded;
	ref.is_tied = kind->is_tied;
	for (size_t i = 0; i < n_ids; i++)
		reference_token(logits + i * VOCAB, (size_t)ids[i], i);
}

#endif
