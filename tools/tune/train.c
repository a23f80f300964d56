/* The steps of a training run. */
#include "tune/train.h"

#include "base/clock.h"
#include "tune/export.h"
#include "tune/outdir.h"
#include "tune/trainer.h"

#include <math.h>
#include <unistd.h>

static double seconds_now(void) { return (double)tern_clock_ns() * 1e-9; }

/* ---- steps ---- */

static void set_lambdas(struct trainer *t, uint64_t step)
{
	for (size_t i = 0; i < t->network.n_layer; i++)
		t->lambdas[i] = schedule_lambda(&t->schedule, step, i);
}

/* The mean loss over the evaluation text, with weights as they are in this step. */
static enum tern_status evaluate(struct trainer *t, double *loss)
{
	struct blend blend = {.lambdas = t->lambdas};
	double sum = 0;
	size_t n = 0;
	struct walk walk;
	enum tern_status status = walk_init(&walk, &t->evaluation, 0, false, t->options->batch_tokens, t->err);

	graph_quantize(&t->graph, &blend);
	while (!status && walk.at < t->evaluation.n_pieces) {
		walk_next(&walk, &t->batch);
		graph_forward(&t->graph, &t->batch, &blend);
		sum += graph_loss(&t->graph, &t->batch) * (double)t->batch.n_target;
		n += t->batch.n_target;
	}
	walk_free(&walk);
	*loss = sum / (double)n;
	return status;
}

static enum tern_status run_step(struct trainer *t, struct train_step *report)
{
	struct blend blend = {.lambdas = t->lambdas}, none = {.lambdas = t->zeros};
	struct distillation distillation = {.weight = (float)t->options->teacher_weight};
	uint64_t at = t->state.step;

	walk_next(&t->walk, &t->batch);
	set_lambdas(t, at);
	if (t->options->teacher) {
		graph_forward(&t->teacher_graph, &t->batch, &none);
		distillation.streams = t->teacher_graph.stream;
	}
	graph_quantize(&t->graph, &blend);
	graph_forward(&t->graph, &t->batch, &blend);
	report->loss =
	        graph_backward(&t->graph, &t->batch, &blend, &distillation, &report->distilled) - report->distilled;
	report->rate = schedule_rate(&t->schedule, at);
	report->norm = adamw_step(&t->adamw, &t->network, t->graph.gradients, report->rate, t->pool);
	if (!isfinite(report->loss) || !isfinite(report->norm))
		return tern_fail(t->err, TERN_ERR_FAILED,
		                 "step %llu: the loss is no longer a number; a lower --lr or a lower --clip may help",
		                 (unsigned long long)at + 1);
	t->state.step++;
	return TERN_OK;
}

static void fill_report(const struct trainer *t, struct train_step *report, uint64_t n_tokens)
{
	double elapsed = seconds_now() - t->started;
	uint64_t done = t->state.step - t->first_step, left = t->schedule.n_steps - t->state.step;

	report->step = t->state.step;
	report->n_steps = t->schedule.n_steps;
	report->tokens_per_second = (double)n_tokens / elapsed;
	report->seconds_left = elapsed / (double)done * (double)left;
	report->lambda = 0;
	for (size_t i = 0; i < t->network.n_layer; i++)
		report->lambda += (double)t->lambdas[i] / (double)t->network.n_layer;
}

static bool is_due(uint64_t every, uint64_t step) { return every && step % every == 0; }

/* Steps until the last one or until keep_going() says no. */
static enum tern_status run_steps(struct trainer *t, enum train_end *end)
{
	const struct train_options *o = t->options;
	const struct train_reporter *reporter = t->reporter;
	uint64_t n_tokens = 0;
	enum tern_status status = TERN_OK;

	t->started = seconds_now();
	while (!status && t->state.step < t->schedule.n_steps) {
		struct train_step report = {.evaluation = NAN};
		if ((status = run_step(t, &report)))
			break;
		n_tokens += t->batch.n_token;
		bool is_last = t->state.step == t->schedule.n_steps;
		fill_report(t, &report, n_tokens);
		if (o->evaluation && (is_last || is_due(o->eval_every, t->state.step)))
			status = evaluate(t, &report.evaluation);
		if (!status)
			status = log_add(&t->log, &report, t->err);
		reporter->on_step(reporter->listener.user, &report);
		bool stops = !is_last && !reporter->keep_going(reporter->listener.user);
		if (!status && (stops || is_last || is_due(o->save_every, t->state.step)))
			status = state_write(o->output, &t->state, &t->network, &t->adamw, &reporter->listener, t->err);
		if (stops) {
			*end = TRAIN_INTERRUPTED;
			break;
		}
	}
	return status;
}

static enum tern_status finish(struct trainer *t)
{
	const struct train_options *o = t->options;
	char path[OUTDIR_PATH_SIZE];
	enum export_form form = (o->schedule == SCHEDULE_FULL_PRECISION) ? EXPORT_FULL_PRECISION
	                        : o->packed                              ? EXPORT_PACKED
	                                                                 : EXPORT_MASTER;
	enum tern_status status = network_check_finite(&t->network, t->err);

	if (!status)
		status = export_write(o->output, &t->network, &t->base.dir, &t->base.config, form,
		                      &t->reporter->listener, t->err);

	/* The state goes when the checkpoint is there. */
	if (!status && !(status = outdir_path(path, o->output, STATE_NAME, t->err)))
		unlink(path);
	return status;
}

/* ---- the whole ---- */

enum tern_status train(const struct train_options *options, const struct train_reporter *reporter, enum train_end *end,
                       struct tern_error *err)
{
	struct trainer t = {.options = options,
	                    .reporter = reporter,
	                    .base = {.dir = {.fd = -1}},
	                    .teacher_source = {.dir = {.fd = -1}},
	                    .err = err};
	enum tern_status status = trainer_prepare(&t);

	*end = TRAIN_DONE;
	if (!status)
		status = run_steps(&t, end);
	if (!status && *end == TRAIN_DONE)
		status = finish(&t);
	trainer_close(&t);
	return status;
}
