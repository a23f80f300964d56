/* The order is llama.cpp's: repetition penalty, top-k, top-p, min-p, temperature, one draw. Everything is computed in
 * the same order on every machine, so a seed gives the same text everywhere. */
#include "api/sampler.h"

#include "api/model.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/sizes.h"
#include "infer/top.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

struct tern_sampler {
	struct tern_sampler_options options;
	size_t n_vocab;
	uint64_t random_state;
	int32_t *recent; /* ring of the last repeat_last_n tokens */
	size_t n_recent, next_recent;
	bool *is_recent;                /* [n_vocab]; false between calls */
	float *logits;                  /* [n_vocab] after penalties */
	struct tern_ranked *candidates; /* [n_vocab] */
};

struct tern_sampler_options tern_sampler_defaults(void)
{
	return (struct tern_sampler_options){.temperature = 0.8f,
	                                     .top_k = 40,
	                                     .top_p = 0.95f,
	                                     .min_p = 0.05f,
	                                     .repeat_penalty = 1.0f,
	                                     .repeat_last_n = 64};
}

static const char *find_fault(const struct tern_sampler_options *o)
{
	if (!(o->temperature >= 0.0f) || !isfinite(o->temperature))
		return "temperature: expected a number, at least 0";
	if (o->top_k < 0)
		return "top_k: expected a whole number, at least 0";
	if (!(o->top_p >= 0.0f && o->top_p <= 1.0f))
		return "top_p: expected a number from 0 to 1";
	if (!(o->min_p >= 0.0f && o->min_p <= 1.0f))
		return "min_p: expected a number from 0 to 1";
	if (!(o->repeat_penalty > 0.0f) || !isfinite(o->repeat_penalty))
		return "repeat_penalty: expected a number above 0";
	if (o->repeat_last_n < 0)
		return "repeat_last_n: expected a whole number, at least 0";
	return NULL;
}

enum tern_status tern_sampler_create(struct tern_sampler **out, size_t n_vocab,
                                     const struct tern_sampler_options *options, struct tern_error *err)
{
	struct tern_sampler_options chosen = options ? *options : tern_sampler_defaults();
	const char *fault = find_fault(&chosen);
	struct tern_sampler *s;

	*out = NULL;
	if (fault)
		return tern_fail(err, TERN_ERR_USAGE, "%s", fault);
	if (!(s = tern_alloc(1, sizeof *s)))
		return tern_fail_memory(err, sizeof *s);
	s->options = chosen;
	s->n_vocab = n_vocab;
	s->random_state = chosen.seed;
	s->recent = tern_alloc((size_t)chosen.repeat_last_n, sizeof *s->recent);
	s->is_recent = tern_alloc(n_vocab, sizeof *s->is_recent);
	s->logits = tern_alloc(n_vocab, sizeof *s->logits);
	s->candidates = tern_alloc(n_vocab, sizeof *s->candidates);
	if (!s->recent || !s->is_recent || !s->logits || !s->candidates) {
		tern_sampler_free(s);
		return tern_fail_memory(
		        err, (size_t)chosen.repeat_last_n * sizeof *s->recent +
		                     n_vocab * (sizeof *s->is_recent + sizeof *s->logits + sizeof *s->candidates));
	}
	*out = s;
	return TERN_OK;
}

enum tern_status tern_sampler_new(struct tern_sampler **sampler, const struct tern_model *model,
                                  const struct tern_sampler_options *options, struct tern_error *err)
{
	enum tern_status status = tern_model_need_weights(model, err);

	*sampler = NULL;
	return status ? status : tern_sampler_create(sampler, model->transformer.hparams.n_vocab, options, err);
}

void tern_sampler_free(struct tern_sampler *s)
{
	if (!s)
		return;
	tern_free(s->recent);
	tern_free(s->is_recent);
	tern_free(s->logits);
	tern_free(s->candidates);
	tern_free(s);
}

void tern_sampler_accept(struct tern_sampler *s, int32_t id)
{
	size_t n = (size_t)s->options.repeat_last_n;

	if (!n || id < 0 || (size_t)id >= s->n_vocab)
		return;
	s->recent[s->next_recent] = id;
	s->next_recent = (s->next_recent + 1) % n;
	s->n_recent += s->n_recent < n;
}

/* Marks the tokens in is_recent that are recent once n_ids more are accepted, or removes the marks. Returns how many
 * different ones there are. */
static size_t mark_recent(struct tern_sampler *s, const int32_t *ids, size_t n_ids, bool mark)
{
	size_t most = (size_t)s->options.repeat_last_n, n_new = tern_smaller(n_ids, most), n = 0;
	size_t n_old = tern_smaller(s->n_recent, most - n_new);

	for (size_t i = 0; i < n_new + n_old; i++) {
		int32_t id = i < n_new ? ids[n_ids - 1 - i] : s->recent[(s->next_recent + most + n_new - 1 - i) % most];
		n += s->is_recent[id] != mark;
		s->is_recent[id] = mark;
	}
	return n;
}

/* Each recent token is made less likely once, however often it occurred. */
static void penalize(struct tern_sampler *s)
{
	float penalty = s->options.repeat_penalty;

	if (penalty == 1.0f)
		return;
	mark_recent(s, NULL, 0, true);
	for (size_t i = 0; i < s->n_recent; i++) {
		int32_t id = s->recent[i];
		if (s->is_recent[id])
			s->logits[id] = s->logits[id] > 0.0f ? s->logits[id] / penalty : s->logits[id] * penalty;
		s->is_recent[id] = false;
	}
}

size_t tern_sampler_n_vocab(const struct tern_sampler *sampler) { return sampler->n_vocab; }

/* A penalty above 1 lowers the recent tokens, whose places those behind them take; one below 1 may raise any. */
size_t tern_sampler_n_top(struct tern_sampler *s, const int32_t *ids, size_t n_ids)
{
	size_t k = s->options.temperature == 0.0f ? 1 : (size_t)s->options.top_k;

	if (k == 0 || s->options.repeat_penalty < 1.0f)
		return 0;
	if (s->options.repeat_penalty > 1.0f) {
		k += mark_recent(s, ids, n_ids, true);
		mark_recent(s, ids, n_ids, false);
	}
	return k;
}

/* The k best candidates, best first. */
static size_t take_top_k(struct tern_sampler *s)
{
	size_t k = s->options.top_k ? (size_t)s->options.top_k : s->n_vocab;
	struct tern_top top = {.heap = s->candidates, .k = tern_smaller(k, s->n_vocab)};

	for (size_t i = 0; i < s->n_vocab; i++)
		tern_top_offer(&top, s->logits[i], (int32_t)i);
	tern_top_sort(&top);
	return top.n;
}

/* How many of the n best remain: enough to make up top_p of the probability, none below min_p of the best. */
static size_t cut_improbable(const struct tern_sampler *s, size_t n)
{
	const struct tern_ranked *c = s->candidates;
	double total = 0.0, sum = 0.0;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		total += (double)tern_exp(c[i].value - c[0].value);
	while (kept < n) {
		float p = tern_exp(c[kept].value - c[0].value);
		if (kept > 0 && (p < s->options.min_p || sum >= (double)s->options.top_p * total))
			break;
		sum += (double)p;
		kept++;
	}
	return kept;
}

static int32_t draw(struct tern_sampler *s, size_t n)
{
	const struct tern_ranked *c = s->candidates;
	double total = 0.0;
	size_t i = 0;

	for (size_t j = 0; j < n; j++)
		total += (double)tern_exp((c[j].value - c[0].value) / s->options.temperature);
	double left = tern_random_fraction(&s->random_state) * total;
	while (i + 1 < n && (left -= (double)tern_exp((c[i].value - c[0].value) / s->options.temperature)) >= 0.0)
		i++;
	return c[i].id;
}

static int32_t best(const struct tern_sampler *s)
{
	size_t at = 0;
	for (size_t i = 1; i < s->n_vocab; i++)
		if (s->logits[i] > s->logits[at])
			at = i;
	return (int32_t)at;
}

enum tern_status tern_sampler_pick(struct tern_sampler *s, const float *logits, int32_t *id, struct tern_error *err)
{
	int is_finite = 1;

	for (size_t i = 0; i < s->n_vocab; i++)
		is_finite &= fabsf(logits[i]) < INFINITY; /* false for a NaN too */
	if (!is_finite)
		return tern_fail(err, TERN_ERR_FAILED,
		                 "logits are not finite; the model file is damaged or the model is not supported");
	memcpy(s->logits, logits, s->n_vocab * sizeof *logits);
	penalize(s);
	if (s->options.temperature == 0.0f)
		*id = best(s);
	else
		*id = draw(s, cut_improbable(s, take_top_k(s)));
	return TERN_OK;
}
