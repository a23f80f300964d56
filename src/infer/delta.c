/* A delta net, for a token whose projections are qkv, gate, beta and alpha:
 *
 *     q, k, v = silu(conv(qkv));  q = q / |q| / sqrt(head_dim);  k = k / |k|
 *     decay = exp(a * softplus(alpha + bias));  beta = sigmoid(beta)
 *     S = decay * S;  S = S + k (beta * (v - S^T k))^T;  o = S^T q          for each value head
 *     attended = rms_norm(o) * silu(gate)
 *
 * A panel of S (delta_state.h) stays in the first-level cache over the tokens of a batch, which go through it one after
 * the other: the bits do not depend on batches or threads. */
#include "infer/delta.h"

#include "base/exactmath.h"
#include "infer/delta_state.h"
#include "infer/norm.h"

#include <math.h>
#include <string.h>

/* Of reference implementations: x / sqrt(sum x^2 + L2_EPS). */
static const float L2_EPS = 1e-6f;

struct delta_task {
	struct tern_engine *engine;
	const struct tern_delta_weights *weights;
	const struct tern_delta_shape *shape;
	struct tern_segment segment;
	float *past, *states; /* of the segment's sequence, see delta_state.h */
};

/* ---- gates of the state ---- */

/* exp(a * ln(1 + e^x)), in double precision: errors add up over the tokens that a state remembers. */
static float decay_of(float a, float x)
{
	if (!isfinite(x))
		return NAN;
	double softplus = x > 20.0f ? (double)x : x < -40.0f ? 0.0 : tern_log_f64(1.0 + tern_exp_f64((double)x));
	double log_decay = (double)a * softplus;

	if (!(log_decay <= 0.0)) /* not finite */
		return NAN;
	return log_decay < -100.0 ? 0.0f : (float)tern_exp_f64(log_decay);
}

static void make_gates(const struct delta_task *task, size_t token)
{
	const struct tern_delta_weights *w = task->weights;
	size_t n_head = task->shape->n_head;
	float *decay = task->engine->delta_decay + token * n_head, *beta = task->engine->delta_beta + token * n_head;

	for (size_t i = 0; i < n_head; i++) {
		decay[i] = decay_of(w->decay[i], decay[i] + w->bias[i]);
		beta[i] = 1.0f / (1.0f + tern_exp(-beta[i]));
	}
}

/* ---- the convolution ---- */

/* qkv of a token in front of the convolution; `back` tokens before one of the segment. */
static const float *raw_before(const struct delta_task *task, size_t token, size_t back)
{
	size_t n = task->shape->n_convolved,
	       row = (task->segment.position + token + TERN_DELTA_PAST - back) % TERN_DELTA_PAST;

	if (back <= token)
		return task->engine->delta_raw + (task->segment.first + token - back) * n;
	return task->past + row * n;
}

static void normalize(const struct tern_kernels *kernels, float *head, size_t n, float factor)
{
	float inv_norm = 1.0f / sqrtf(kernels->sum_squares(head, n) + L2_EPS);
	kernels->rms_scale(head, head, NULL, inv_norm * factor, n);
}

static void prepare_token(void *context, size_t token, int worker)
{
	const struct delta_task *task = context;
	const struct tern_delta_shape *shape = task->shape;
	const struct tern_kernels *kernels = task->engine->kernels;
	float *q = task->engine->delta_qkv + (task->segment.first + token) * shape->n_convolved, *k = q + shape->n_key;
	const float *raw[TERN_CONV_TAPS];
	float q_factor = 1.0f / sqrtf((float)shape->head_dim);

	(void)worker;
	for (size_t i = 0; i < TERN_CONV_TAPS; i++)
		raw[i] = raw_before(task, token, TERN_DELTA_PAST - i);
	kernels->conv_silu(q, raw, task->weights->conv, shape->n_convolved);
	for (size_t i = 0; i < shape->n_key; i += shape->head_dim) {
		normalize(kernels, q + i, shape->head_dim, q_factor);
		normalize(kernels, k + i, shape->head_dim, 1.0f);
	}
	make_gates(task, task->segment.first + token);
}

/* Keeps the segment's last qkv for the tokens that follow. */
static void keep_past(const struct delta_task *task)
{
	const struct tern_segment *segment = &task->segment;
	size_t n = task->shape->n_convolved,
	       first = segment->n_token < TERN_DELTA_PAST ? 0 : segment->n_token - TERN_DELTA_PAST;

	for (size_t token = first; token < segment->n_token; token++)
		memcpy(task->past + (segment->position + token) % TERN_DELTA_PAST * n, raw_before(task, token, 0),
		       n * sizeof *task->past);
}

/* ---- the state ---- */

/* Where the values of a head are in what the last projection reads. */
static size_t place_of_head(const struct delta_task *task, size_t head)
{
	size_t n_key = task->shape->n_head_key, n_per_key = task->shape->n_head / n_key;
	return task->weights->groups_heads ? head % n_key * n_per_key + head / n_key : head;
}

/* 16 columns of a head's state. */
static void run_panel(void *context, size_t index, int worker)
{
	const struct delta_task *task = context;
	const struct tern_delta_shape *shape = task->shape;
	const struct tern_engine *e = task->engine;
	size_t n_panel = shape->head_dim / TERN_DELTA_PANEL, head = index / n_panel,
	       column = index % n_panel * TERN_DELTA_PANEL;
	size_t first = task->segment.first;
	const float *qkv = e->delta_qkv + first * shape->n_convolved;
	const float *q = qkv + head % shape->n_head_key * shape->head_dim;

	(void)worker;
	e->kernels->delta_rule(&(struct tern_delta_rule){
	        .n_token = task->segment.n_token,
	        .n_key = shape->head_dim,
	        .state = task->states + index * shape->head_dim * TERN_DELTA_PANEL,
	        .q = q,
	        .k = q + shape->n_key,
	        .v = qkv + 2 * shape->n_key + head * shape->head_dim + column,
	        .decay = e->delta_decay + first * shape->n_head + head,
	        .beta = e->delta_beta + first * shape->n_head + head,
	        .out = e->attended + first * shape->n_value + place_of_head(task, head) * shape->head_dim + column,
	        .qkv_stride = shape->n_convolved,
	        .gate_stride = shape->n_head,
	        .out_stride = shape->n_value,
	});
}

static void gate_token(void *context, size_t token, int worker)
{
	const struct delta_task *task = context;
	const struct tern_delta_shape *shape = task->shape;
	const struct tern_engine *e = task->engine;
	size_t n = shape->head_dim;

	(void)worker;
	for (size_t head = 0; head < shape->n_head; head++) {
		float *out = e->attended + token * shape->n_value + place_of_head(task, head) * n;
		float *gate = e->delta_gate + token * shape->n_value + head * n;
		float inv_rms = tern_inv_rms(e->kernels, out, n, e->transformer->hparams.rms_eps);
		e->kernels->rms_scale(out, out, task->weights->norm, inv_rms, n);
		e->kernels->silu_mul(gate, out, n);
		memcpy(out, gate, n * sizeof *out);
	}
}

/* ---- the whole ---- */

static void run_segment(struct delta_task *task)
{
	const struct tern_delta_shape *shape = task->shape;
	size_t n_token = task->segment.n_token, n_state = shape->n_value * shape->head_dim;

	task->past = (float *)(void *)task->segment.sequence->state +
	             task->weights->state_index * tern_delta_state_floats(shape);
	task->states = task->past + TERN_DELTA_PAST * shape->n_convolved;
	tern_engine_run(task->engine, prepare_token, task, n_token, n_token * shape->n_convolved * TERN_WORK_EXP);
	keep_past(task);
	tern_engine_run(task->engine, run_panel, task, shape->n_value / TERN_DELTA_PANEL, n_token * n_state * 4);
}

void tern_delta(struct tern_engine *engine, const struct tern_delta_weights *delta)
{
	const struct tern_delta_shape *shape = &engine->transformer->hparams.delta;
	struct delta_task task = {.engine = engine, .weights = delta, .shape = shape};

	if (engine->is_stopped)
		return;
	while (tern_next_segment(engine->tokens, engine->n_token, &task.segment))
		run_segment(&task);
	tern_engine_run(engine, gate_token, &task, engine->n_token, engine->n_token * shape->n_value * TERN_WORK_EXP);
}
