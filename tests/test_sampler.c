/* The sampler: what each setting keeps, that it draws with the right probabilities, and that nothing breaks it. */
#include "api/sampler.h"
#include "test.h"

#include <math.h>

static struct tern_error err;

static struct tern_sampler *create(size_t n_vocab, struct tern_sampler_options options)
{
	struct tern_sampler *sampler;
	CHECK(tern_sampler_create(&sampler, n_vocab, &options, &err) == TERN_OK, "%s", err.message);
	return sampler;
}

static const struct tern_sampler_options plain = {.temperature = 1.0f, .top_p = 1.0f, .repeat_penalty = 1.0f};

/* Draws n times; counts[id]. */
static void draw(struct tern_sampler *sampler, const float *logits, int n, int *counts)
{
	for (int i = 0; i < n; i++) {
		int32_t id = -1;
		CHECK(tern_sampler_pick(sampler, logits, &id, &err) == TERN_OK, "%s", err.message);
		counts[id]++;
	}
}

static void check_frequencies(void)
{
	const float logits[4] = {0.0f, logf(2.0f), logf(4.0f), logf(1.0f / 2)};
	const double expected[4] = {1 / 7.5, 2 / 7.5, 4 / 7.5, 0.5 / 7.5};
	struct tern_sampler *sampler = create(4, plain);
	int counts[4] = {0}, n = 40000;

	draw(sampler, logits, n, counts);
	for (int i = 0; i < 4; i++) { /* five standard deviations */
		double deviation = sqrt(n * expected[i] * (1 - expected[i]));
		CHECK(fabs(counts[i] - n * expected[i]) < 5 * deviation, "token %d: %d of %d", i, counts[i], n);
	}
	tern_sampler_free(sampler);
}

/* Which of five tokens with probabilities 1/2, 1/4, 1/8, 1/16, 1/16 can come up. */
static void check_kept(struct tern_sampler_options options, const char *name, int n_kept)
{
	const float half = logf(0.5f);
	const float logits[5] = {3 * half, half, 4 * half, 2 * half, 4 * half}; /* best first: 1, 3, 0, 2, 4 */
	const int order[5] = {1, 3, 0, 2, 4};
	struct tern_sampler *sampler = create(5, options);
	int counts[5] = {0};

	draw(sampler, logits, 2000, counts);
	for (int i = 0; i < 5; i++)
		CHECK((counts[order[i]] > 0) == (i < n_kept), "%s: token %d came %d times", name, order[i],
		      counts[order[i]]);
	tern_sampler_free(sampler);
}

static void check_filters(void)
{
	struct tern_sampler_options options = plain;

	check_kept(options, "no filter", 5);
	options.top_k = 2;
	check_kept(options, "top-k", 2);
	options.top_k = 0, options.top_p = 0.7f;
	check_kept(options, "top-p", 2);
	options.top_p = 0.76f;
	check_kept(options, "top-p", 3);
	options.top_p = 0.0f;
	check_kept(options, "top-p 0", 1);
	options.top_p = 1.0f, options.min_p = 0.2f;
	check_kept(options, "min-p", 3);
	options.min_p = 1.0f;
	check_kept(options, "min-p 1", 1);
	options.min_p = 0.0f, options.temperature = 0.0f;
	check_kept(options, "greedy", 1);
	options.temperature = 1e-30f;
	check_kept(options, "nearly greedy", 1);
}

static void check_penalty(void)
{
	struct tern_sampler_options options = {
	        .temperature = 0.0f, .top_p = 1.0f, .repeat_penalty = 2.0f, .repeat_last_n = 2};
	const float logits[3] = {4.0f, 3.0f, -1.0f};
	struct tern_sampler *sampler = create(3, options);
	int32_t id = -1;

	tern_sampler_accept(sampler, 0);
	tern_sampler_accept(sampler, 0); /* twice, but halved once: 2 < 3 */
	tern_sampler_pick(sampler, logits, &id, &err);
	CHECK(id == 1, "picked %d", id);
	tern_sampler_accept(sampler, 1); /* now 2 and 1.5 */
	tern_sampler_pick(sampler, logits, &id, &err);
	CHECK(id == 0, "picked %d", id);
	tern_sampler_accept(sampler, 2);
	tern_sampler_accept(sampler, 2); /* the others are forgotten */
	tern_sampler_pick(sampler, logits, &id, &err);
	CHECK(id == 0, "picked %d", id);
	tern_sampler_accept(sampler, -1);
	tern_sampler_accept(sampler, 3); /* ignored */
	tern_sampler_free(sampler);
}

static void check_odd_logits(void)
{
	const float equal[3] = {1.0f, 1.0f, 1.0f}, extreme[3] = {-3e38f, 3e38f, 0.0f};
	float broken[3] = {0.0f, NAN, 1.0f};
	struct tern_sampler *sampler = create(3, plain);
	int counts[3] = {0};
	int32_t id = -1;

	draw(sampler, equal, 300, counts);
	CHECK(counts[0] && counts[1] && counts[2], "equal logits: %d %d %d", counts[0], counts[1], counts[2]);
	CHECK(tern_sampler_pick(sampler, extreme, &id, &err) == TERN_OK && id == 1, "extreme logits: %d", id);
	CHECK(tern_sampler_pick(sampler, broken, &id, &err) == TERN_ERR_FAILED, "NaN accepted");
	broken[1] = INFINITY;
	CHECK(tern_sampler_pick(sampler, broken, &id, &err) == TERN_ERR_FAILED, "infinity accepted");
	broken[1] = -INFINITY;
	CHECK(tern_sampler_pick(sampler, broken, &id, &err) == TERN_ERR_FAILED, "-infinity accepted");
	tern_sampler_free(sampler);
}

static void check_settings(void)
{
	struct tern_sampler_options bad[8];
	struct tern_sampler *sampler;

	for (int i = 0; i < 8; i++)
		bad[i] = plain;
	bad[0].temperature = -1.0f;
	bad[1].temperature = NAN;
	bad[2].top_k = -1;
	bad[3].top_p = -0.1f;
	bad[4].top_p = 2.0f;
	bad[5].min_p = NAN;
	bad[6].repeat_penalty = 0.0f;
	bad[7].repeat_last_n = -5;
	for (int i = 0; i < 8; i++)
		CHECK(tern_sampler_create(&sampler, 10, &bad[i], &err) == TERN_ERR_USAGE && !sampler,
		      "bad setting %d accepted", i);
}

int main(void)
{
	check_frequencies();
	check_filters();
	check_penalty();
	check_odd_logits();
	check_settings();
	return test_summary();
}
