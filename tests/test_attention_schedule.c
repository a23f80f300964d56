/* How attention is divided among threads: whatever the division, every token of every key/value head attends to every
 * block it sees exactly once, an item is no larger than its scratch, and a pass keeps no more partial results than
 * there is memory for. */
#include "infer/attention_schedule.h"
#include "kernels/kernels.h"
#include "test.h"

#include <stdbool.h>
#include <string.h>

enum {
	MAX_HEADS = 8,
	MAX_TOKENS = 300,
	MAX_BLOCKS = 40,
	N_RANDOM = 3000
};

static unsigned char n_read[MAX_HEADS][MAX_TOKENS][MAX_BLOCKS];

/* Notes which blocks an item reads for its tokens. */
static void read_blocks(const struct tern_attention_schedule *s, const struct tern_attention_item *item)
{
	CHECK(item->head_kv < s->n_head_kv && item->n_token > 0 && item->token + item->n_token <= s->n_token,
	      "head %zu, tokens %zu and %zu more", item->head_kv, item->token, item->n_token);
	CHECK(item->n_token <= tern_attention_max_tokens(s->n_query), "%zu tokens of %zu queries", item->n_token,
	      s->n_query);
	CHECK(item->range < s->n_head_kv * s->n_range, "range %zu", item->range);
	for (size_t t = item->token; t < item->token + item->n_token; t++)
		for (size_t b = item->first_block; b < item->end_block; b++)
			if (tern_attention_visible(s, t, b).end)
				n_read[item->head_kv][t][b]++;
}

/* Whether a token sees a block, by the definition of a causal window. */
static bool is_seen(const struct tern_attention_schedule *s, size_t token, size_t block)
{
	size_t position = s->position + token, first = block * TERN_ATTENTION_BLOCK;
	size_t last = first + TERN_ATTENTION_BLOCK - 1;

	return first <= position && (!s->window || last + s->window > position);
}

static void check_division(struct tern_attention_schedule s)
{
	size_t n_pass = 0, n_wrong = 0;

	memset(n_read, 0, sizeof n_read);
	tern_attention_divide(&s);
	while (tern_attention_next_pass(&s)) {
		n_pass++;
		CHECK(!s.is_split || s.n_token * (s.end_block - s.first_block + 1) <= TERN_KEPT_RESULTS,
		      "%zu tokens times %zu blocks kept", s.n_token, s.end_block - s.first_block + 1);
		for (size_t i = 0; i < s.n_item; i++) {
			struct tern_attention_item item = tern_attention_item(&s, i);
			read_blocks(&s, &item);
		}
	}
	for (size_t h = 0; h < s.n_head_kv; h++)
		for (size_t t = 0; t < s.n_token; t++)
			for (size_t b = 0; b < MAX_BLOCKS; b++)
				n_wrong += n_read[h][t][b] != is_seen(&s, t, b);
	CHECK(n_wrong == 0 && (s.is_split || n_pass == 1),
	      "%zu blocks wrong, %zu passes: position %zu, %zu tokens, window %zu, %zu heads of %zu queries, %zu "
	      "threads",
	      n_wrong, n_pass, s.position, s.n_token, s.window, s.n_head_kv, s.n_query, s.n_thread);
}

int main(void)
{
	static const struct tern_attention_schedule edges[] = {
	        {.position = 0, .n_token = 1, .n_head_kv = 1, .n_query = 1, .n_thread = 1},
	        {.position = TERN_ATTENTION_BLOCK - 1, .n_token = 2, .n_head_kv = 1, .n_query = 1, .n_thread = 2},
	        {.position = TERN_ATTENTION_BLOCK,
	         .n_token = 1,
	         .window = 1,
	         .n_head_kv = 2,
	         .n_query = 4,
	         .n_thread = 2},
	        {.position = 9000, .n_token = 1, .n_head_kv = 8, .n_query = 40, .n_thread = 64},
	        {.position = 9000, .n_token = 32, .window = 512, .n_head_kv = 3, .n_query = 5, .n_thread = 16},
	        {.position = 9000, .n_token = 33, .n_head_kv = 1, .n_query = 1, .n_thread = 16},
	};

	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
		check_division(edges[i]);
	for (int i = 0; i < N_RANDOM; i++)
		check_division((struct tern_attention_schedule){
		        .position = test_random() % 9000,
		        .n_token = 1 + test_random() % (i % 2 ? 8 : MAX_TOKENS),
		        .window = i % 3 ? 0 : 1 + test_random() % 1500,
		        .n_head_kv = 1 + test_random() % MAX_HEADS,
		        .n_query = 1 + test_random() % 10,
		        .n_thread = 1 + test_random() % 20,
		});
	return test_summary();
}
