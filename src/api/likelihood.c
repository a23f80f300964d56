/* How likely the model thinks tokens are: softmax of the logits, with no setting of a sampler in it. Computed in one
 * order with tern's own exp, so the same on every machine. */
#include "kernels/kernels.h"

#include <tern.h>

/* The sum of exp(logit - max), so that p(i) = exp(logits[i] - max) / sum; less their maximum, no logit overflows. */
static double sum_of_exp(const float *logits, size_t n_vocab, float *max)
{
	double sum = 0.0;

	*max = logits[0];
	for (size_t i = 1; i < n_vocab; i++)
		*max = logits[i] > *max ? logits[i] : *max;
	for (size_t i = 0; i < n_vocab; i++)
		sum += (double)tern_exp(logits[i] - *max);
	return sum;
}

float tern_token_probability(const float *logits, size_t n_vocab, int32_t id)
{
	float max;
	double sum = sum_of_exp(logits, n_vocab, &max);

	return (float)((double)tern_exp(logits[id] - max) / sum);
}

size_t tern_top_tokens(const float *logits, size_t n_vocab, struct tern_candidate *top, size_t n_top)
{
	float max;
	double sum = sum_of_exp(logits, n_vocab, &max);
	size_t n = 0;

	/* Insertion: n_top is small, and most logits are below all that are in. While sorting, the field of the
	 * probability holds the logit. */
	for (size_t i = 0; i < n_vocab; i++) {
		size_t at;
		if (n == n_top && (n == 0 || logits[i] <= top[n - 1].probability))
			continue;
		n += n < n_top;
		for (at = n - 1; at > 0 && logits[i] > top[at - 1].probability; at--)
			top[at] = top[at - 1];
		top[at] = (struct tern_candidate){(int32_t)i, logits[i]};
	}
	for (size_t i = 0; i < n; i++)
		top[i].probability = (float)((double)tern_exp(top[i].probability - max) / sum);
	return n;
}
