#include "infer/attention_schedule.h"

#include "base/sizes.h"

enum {
	/* Enough items that waiting for the last one costs little. Smaller ranges read keys and values more often, so
	 * they are few; items of one block cost only their start. */
	RANGES_PER_THREAD = 8,
	ITEMS_PER_THREAD = 64,
};

/* ---- what a token sees ---- */

static size_t first_position(const struct tern_attention_schedule *s, size_t token)
{
	size_t position = s->position + token;
	return s->window && position >= s->window ? position - s->window + 1 : 0;
}

size_t tern_attention_first_block(const struct tern_attention_schedule *s, size_t token)
{
	return first_position(s, token) / TERN_ATTENTION_BLOCK;
}

size_t tern_attention_end_block(const struct tern_attention_schedule *s, size_t token)
{
	return (s->position + token) / TERN_ATTENTION_BLOCK + 1;
}

struct tern_positions tern_attention_visible(const struct tern_attention_schedule *s, size_t token, size_t block)
{
	size_t block_first = block * TERN_ATTENTION_BLOCK;
	size_t first = tern_larger(block_first, first_position(s, token));
	size_t end = tern_smaller(block_first + TERN_ATTENTION_BLOCK, s->position + token + 1);

	return first < end ? (struct tern_positions){first, end} : (struct tern_positions){0};
}

/* ---- the division ---- */

size_t tern_attention_max_tokens(size_t n_query) { return n_query < TERN_MAX_QUERIES ? TERN_MAX_QUERIES / n_query : 1; }

/* Ranges are as large as possible and split if there are too few of them; where they cannot be split they are made
 * smaller. */
void tern_attention_divide(struct tern_attention_schedule *s)
{
	size_t n_range_wanted = s->n_thread > 1 ? s->n_thread * RANGES_PER_THREAD : 1;
	size_t end = tern_attention_end_block(s, s->n_token - 1), first = tern_attention_first_block(s, 0);
	size_t n = tern_smaller(s->n_token, tern_attention_max_tokens(s->n_query));

	s->is_split = s->n_head_kv * tern_divide_up(s->n_token, n) < s->n_thread * ITEMS_PER_THREAD &&
	              end - first > 1 && s->n_token <= TERN_KEPT_RESULTS / 4;
	while (!s->is_split && n > 1 && s->n_head_kv * tern_divide_up(s->n_token, n) < n_range_wanted)
		n = tern_divide_up(n, 2);
	s->tokens_per_range = n;
	s->n_range = tern_divide_up(s->n_token, n);
	s->first_block = s->end_block = first;
}

bool tern_attention_next_pass(struct tern_attention_schedule *s)
{
	size_t end = tern_attention_end_block(s, s->n_token - 1), n_pair = s->n_head_kv * s->n_range, n_block;

	if (s->end_block == end)
		return false;
	s->first_block = s->end_block;
	n_block = end - s->first_block;
	if (s->is_split) /* one result is of the passes before */
		n_block = tern_smaller(n_block, TERN_KEPT_RESULTS / s->n_token - 1);
	s->end_block = s->first_block + n_block;
	s->n_item = s->is_split ? n_pair * n_block : n_pair;
	return true;
}

struct tern_attention_item tern_attention_item(const struct tern_attention_schedule *s, size_t index)
{
	size_t n_pair = s->n_head_kv * s->n_range, pair = index % n_pair, range = s->n_range - 1 - pair % s->n_range;
	struct tern_attention_item item = {.head_kv = pair / s->n_range, .token = range * s->tokens_per_range};

	item.n_token = tern_smaller(s->n_token - item.token, s->tokens_per_range);
	item.range = item.head_kv * s->n_range + range;
	if (s->is_split) {
		item.first_block = s->first_block + index / n_pair;
		item.end_block = item.first_block + 1;
	} else {
		item.first_block = tern_attention_first_block(s, item.token);
		item.end_block = tern_attention_end_block(s, item.token + item.n_token - 1);
	}
	return item;
}
