#include "infer/router.h"

#include "infer/float_matrix.h"
#include "model/limits.h"

/* The indices of the n_used largest logits, the largest first; which ones is undefined where logits are NaN. */
static void choose_largest(uint32_t *choices, size_t n_used, const float *logits, size_t n_expert)
{
	size_t n = 0;

	for (size_t e = 0; e < n_expert; e++) {
		if (n == n_used && !(logits[e] > logits[choices[n - 1]]))
			continue;
		size_t at = n < n_used ? n++ : n - 1;
		for (; at > 0 && logits[e] > logits[choices[at - 1]]; at--)
			choices[at] = choices[at - 1];
		choices[at] = (uint32_t)e;
	}
}

static void choose_token(void *context, size_t token, int worker)
{
	const struct tern_engine *engine = context;
	const struct tern_hparams *h = &engine->transformer->hparams;
	const float *logits = engine->experts->logits + token * h->n_expert;
	uint32_t *choices = engine->experts->choices + token * h->n_expert_used;
	float *weights = engine->experts->weights + token * h->n_expert_used;
	float sum = 0.0f;

	(void)worker;
	choose_largest(choices, h->n_expert_used, logits, h->n_expert);
	float largest = logits[choices[0]];
	for (size_t k = 0; k < h->n_expert_used; k++) {
		weights[k] = tern_exp(logits[choices[k]] - largest);
		sum += weights[k];
	}
	if (!h->normalizes_experts) {
		sum = 0.0f;
		for (size_t e = 0; e < h->n_expert; e++)
			sum += tern_exp(logits[e] - largest);
	}
	for (size_t k = 0; k < h->n_expert_used; k++)
		weights[k] = weights[k] / sum * h->expert_scale;
}

/* Lists the experts that tokens have chosen, with as many slots as tokens, and gives each choice its slot. */
static void make_slots(struct tern_engine *engine)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_expert_scratch *s = engine->experts;
	size_t counts[TERN_MAX_EXPERTS] = {0}, n_choice = engine->n_token * h->n_expert_used, n_slot = 0;

	for (size_t i = 0; i < n_choice; i++)
		counts[s->choices[i]]++;
	s->n_use = 0;
	for (size_t e = 0; e < h->n_expert; e++) {
		if (counts[e])
			s->uses[s->n_use++] =
			        (struct tern_expert_use){.index = e, .first_slot = n_slot, .n_slot = counts[e]};
		n_slot += counts[e];
		counts[e] = n_slot - counts[e]; /* from here on the expert's next slot */
	}
	s->uses[s->n_use] = (struct tern_expert_use){.first_slot = n_slot};
	for (size_t i = 0; i < n_choice; i++) {
		size_t slot = counts[s->choices[i]]++;
		s->slots[i] = (uint32_t)slot;
		s->slot_tokens[slot] = (uint32_t)(i / h->n_expert_used);
		s->slot_weights[slot] = s->weights[i];
	}
}

void tern_route(struct tern_engine *engine, const struct tern_expert_weights *weights)
{
	const struct tern_hparams *h = &engine->transformer->hparams;

	if (!tern_engine_may_go_on(engine))
		return;
	tern_multiply_floats(engine, &weights->router, engine->normed, engine->n_token, engine->experts->logits);
	tern_engine_run(engine, choose_token, engine, engine->n_token, engine->n_token * h->n_expert * 4);
	make_slots(engine);
}
