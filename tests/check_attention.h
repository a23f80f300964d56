/* Checks of attention over a block of positions, for check_kernels. */
#ifndef TESTS_CHECK_ATTENTION_H
#define TESTS_CHECK_ATTENTION_H

#include "check_cases.h"

#include <stdlib.h>

enum {
	MAX_ATTENTION_TOKENS = 12
};

struct attention_case {
	size_t n_token, n_query, n_pos, head_dim;
	struct tern_positions seen[MAX_ATTENTION_TOKENS];
	float scale;
	float *q;
	void *k, *v;
	float *k_scales, *v_scales; /* NULL: f16 */
};

/* Runs both tables on the case, outputs in rooms 3 to 6, and compares. */
static int compare_attention(const struct tern_kernels *kernels, const struct attention_case *c)
{
	size_t value_stride = (c->head_dim + 15) / 16 * 16, n = c->n_token * c->n_query, n_out = n * value_stride;
	float *expected = malloc((n_out + n * (2 + TERN_ATTENTION_BLOCK)) * sizeof *expected);
	struct tern_attention_block block = {
	        .n_token = c->n_token,
	        .n_query = c->n_query,
	        .head_dim = c->head_dim,
	        .n_pos = c->n_pos,
	        .seen = c->seen,
	        .scale = c->scale,
	        .q = c->q,
	        .k = c->k,
	        .v = c->v,
	        .k_scales = c->k_scales,
	        .v_scales = c->v_scales,
	        .next = below(2) ? c->k : NULL,
	        .out = place(&rooms[3], n_out, sizeof(float)),
	        .max = place(&rooms[4], n, sizeof(float)),
	        .sum = place(&rooms[5], n, sizeof(float)),
	        .scores = place(&rooms[6], n * TERN_ATTENTION_BLOCK, sizeof(float)),
	};
	float *out = block.out, *max = block.max, *sum = block.sum, *expected_max, *expected_sum;

	if (!expected)
		exit(1);
	tern_kernels_portable.narrow(c->q, n * c->head_dim);
	(c->k_scales ? kernels->attention_block_q8 : kernels->attention_block)(&block);
	block.out = expected;
	block.max = expected_max = expected + n_out;
	block.sum = expected_sum = expected_max + n;
	block.scores = expected_sum + n;
	(c->k_scales ? tern_kernels_portable.attention_block_q8 : tern_kernels_portable.attention_block)(&block);
	int ok = same_floats("max", max, expected_max, n) && same_floats("sum", sum, expected_sum, n) &&
	         same_floats("out", out, expected, n_out) && rooms_intact(c->k_scales ? 9 : 7);
	free(expected);
	return ok;
}

/* Two positions with scores 0 and q and values 0 and 1 come out as exp(q): the whole range, many at a time. */
static int check_attention_exp(const struct tern_kernels *kernels)
{
	struct attention_case c = {
	        .n_token = 1, .n_query = 512, .n_pos = 2, .seen = {{0, 2}}, .head_dim = 1, .scale = 1.0f};
	uint16_t *k = memset(place(&rooms[1], 16, sizeof *k), 0, 16 * sizeof *k);
	uint16_t *v = memset(place(&rooms[2], 32, sizeof *v), 0, 32 * sizeof *v);

	c.q = place(&rooms[0], c.n_query, sizeof *c.q);
	c.k = k;
	c.v = v;
	k[1] = v[16] = tern_f16_from_f32(1.0f);
	for (size_t i = 0; i < c.n_query; i++) /* -110 .. 0, and finely around where exp is cut off */
		c.q[i] = i % 4 ? -(float)below(1u << 31) * 0x1.b8p-25f : -76.5f - (float)below(1u << 24) * 0x1p-24f;
	run_case("exp");
	return compare_attention(kernels, &c);
}

/* Scores that are negative or, by underflow, zeros of either sign: the first zero is the maximum. */
static int check_attention_zeros(const struct tern_kernels *kernels)
{
	struct attention_case c = {.n_token = 1, .n_query = 1, .n_pos = 2 + below(40), .head_dim = 1, .scale = 1e-44f};
	uint16_t *k = place(&rooms[1], 48, sizeof *k);

	c.seen[0] = (struct tern_positions){0, c.n_pos};
	c.q = place(&rooms[0], 1, sizeof *c.q);
	c.k = k;
	c.v = fill_halves(place(&rooms[2], c.n_pos * 16, sizeof(uint16_t)), c.n_pos * 16, NORMAL);
	c.q[0] = 1.0f;
	for (size_t j = 0; j < 48; j++)
		k[j] = tern_f16_from_f32(below(4) ? -30000.0f : below(2) ? 0.01f : -0.01f);
	run_case("zeros as scores, n_pos %zu", c.n_pos);
	return compare_attention(kernels, &c);
}

/* All the same, as tokens see them that follow each other, or anything. */
static void pick_seen(struct attention_case *c)
{
	size_t kind = below(3), first = below(2) ? 0 : below(c->n_pos < TERN_CACHE_PANEL ? c->n_pos : TERN_CACHE_PANEL);

	for (size_t t = 0; t < c->n_token; t++) {
		size_t n_later = c->n_token - 1 - t;
		c->seen[t] = (struct tern_positions){first, c->n_pos};
		if (kind == 1 && c->n_pos > first + n_later)
			c->seen[t].end = c->n_pos - n_later;
		if (kind == 2) {
			c->seen[t].first = below(c->n_pos);
			c->seen[t].end = c->seen[t].first + 1 + below(c->n_pos - c->seen[t].first);
		}
	}
}

static void pick_attention_shape(struct attention_case *c, int round)
{
	c->n_token = below(2) ? 1 : 1 + below(MAX_ATTENTION_TOKENS);
	c->n_query = 1 + below(12 / c->n_token);
	c->n_pos = below(2) ? 1 + below(TERN_ATTENTION_BLOCK) : PICK(1, 15, 16, 17, 64, 65, 255, 256);
	c->head_dim = below(2) ? 1 + below(40) : PICK(1, 8, 16, 32, 64, 80, 96, 128, 256);
	if (round % 16 && c->n_pos * c->head_dim > 4096)
		c->n_pos = 1 + 4096 / c->head_dim;
	c->scale = random_float(NORMAL);
	pick_seen(c);
}

/* Whether some token sees a position; the others may hold anything. */
static bool is_seen_by_some(const struct attention_case *c, size_t position)
{
	for (size_t t = 0; t < c->n_token; t++)
		if (position >= c->seen[t].first && position < c->seen[t].end)
			return true;
	return false;
}

/* Up to the last position's last dimension, with padding. */
static size_t count_values(const struct attention_case *c)
{
	return tern_value_index(c->n_pos - 1, (c->head_dim - 1) / 16 * 16) + 16;
}

static int check_attention_block(const struct tern_kernels *kernels, int round)
{
	struct attention_case c = {.n_query = 0};
	enum fill fill = pick_fill(round);
	uint16_t *k, *v;

	if (round % 4 == 3)
		return round % 8 == 3 ? check_attention_exp(kernels) : check_attention_zeros(kernels);
	pick_attention_shape(&c, round);

	size_t n_q = c.n_token * c.n_query * c.head_dim, n_key = (c.n_pos + 15) / 16 * 16 * c.head_dim,
	       n_value = count_values(&c);
	c.q = fill_floats(place(&rooms[0], n_q, sizeof *c.q), n_q, fill);
	c.k = k = place(&rooms[1], n_key, sizeof *k);
	c.v = v = place(&rooms[2], n_value, sizeof *v);
	fill_halves(k, n_key, WITH_SPECIALS); /* anything, for the padding */
	fill_halves(v, n_value, WITH_SPECIALS);
	for (size_t j = 0; j < c.n_pos; j++) {
		if (!is_seen_by_some(&c, j))
			continue;
		for (size_t d = 0; d < c.head_dim; d++) {
			fill_halves(&k[(j / 16 * c.head_dim + d) * 16 + j % 16], 1, below(8) ? NORMAL : fill);
			fill_halves(&v[tern_value_index(j, d)], 1, fill);
		}
	}
	run_case("%zu tokens, n_query %zu, %zu positions, head_dim %zu, %s", c.n_token, c.n_query, c.n_pos, c.head_dim,
	         fill_names[fill]);
	return compare_attention(kernels, &c);
}

static int check_attention_block_q8(const struct tern_kernels *kernels, int round)
{
	struct attention_case c = {.n_query = 0};
	enum fill fill = pick_fill(round);

	pick_attention_shape(&c, round);
	size_t n_q = c.n_token * c.n_query * c.head_dim, n_padded = (c.n_pos + 15) / 16 * 16,
	       n_value = count_values(&c);
	c.q = fill_floats(place(&rooms[0], n_q, sizeof *c.q), n_q, fill);
	c.k = place(&rooms[1], n_padded * c.head_dim, 1);
	c.v = place(&rooms[2], n_value, 1);
	c.k_scales = fill_floats(place(&rooms[7], n_padded, sizeof(float)), n_padded, WITH_SPECIALS);
	c.v_scales = fill_floats(place(&rooms[8], n_padded, sizeof(float)), n_padded, WITH_SPECIALS);
	fill_activations(c.k, n_padded * c.head_dim, (int)below(8));
	fill_activations(c.v, n_value, (int)below(8));
	for (size_t j = 0; j < c.n_pos; j++) {
		if (!is_seen_by_some(&c, j))
			continue;
		fill_floats(c.k_scales + j, 1, below(2) ? NORMAL : fill);
		fill_floats(c.v_scales + j, 1, below(2) ? NORMAL : fill);
	}
	run_case("%zu tokens, n_query %zu, %zu positions, head_dim %zu, %s", c.n_token, c.n_query, c.n_pos, c.head_dim,
	         fill_names[fill]);
	return compare_attention(kernels, &c);
}

#endif
