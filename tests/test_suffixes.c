/* The longest suffix that came before, next to a search of the whole text, after every token of random texts. */
#include "api/suffixes.h"
#include "test.h"

enum {
	N_TOKENS = 600
};

/* How many of the tokens before a and before b are the same, backwards. */
static size_t common(const int32_t *ids, size_t a, size_t b)
{
	size_t n = 0;

	while (n < a && n < b && ids[a - 1 - n] == ids[b - 1 - n])
		n++;
	return n;
}

static size_t longest(const int32_t *ids, size_t n_ids)
{
	size_t best = 0;

	for (size_t end = 1; end < n_ids; end++) {
		size_t n = common(ids, end, n_ids);
		best = n > best ? n : best;
	}
	return best;
}

static void check_match(const struct tern_suffixes *s)
{
	struct tern_suffix_match match = tern_suffixes_match(s);
	size_t expected = longest(s->ids, s->n_ids);

	CHECK(match.length == expected, "after %zu tokens: %zu, not %zu", s->n_ids, match.length, expected);
	if (match.length)
		CHECK(match.next < s->n_ids && common(s->ids, match.next, s->n_ids) == match.length,
		      "after %zu tokens: the place %zu has %zu of %zu tokens", s->n_ids, match.next,
		      common(s->ids, match.next, s->n_ids), match.length);
}

/* Random tokens of n_vocab, and with copies of what came before in between. */
static int32_t next_id(const struct tern_suffixes *s, uint32_t n_vocab, uint32_t n_copy, size_t *copy)
{
	if (s->n_ids > 0 && test_random() % 16 == 0)
		*copy = test_random() % s->n_ids;
	if (s->n_ids > 0 && *copy < s->n_ids && test_random() % 16 < n_copy)
		return s->ids[(*copy)++];
	return (int32_t)(test_random() % n_vocab);
}

static void check_text(struct tern_suffixes *s, uint32_t n_vocab, uint32_t n_copy)
{
	size_t copy = 0;

	tern_suffixes_clear(s);
	CHECK(tern_suffixes_match(s).length == 0, "an empty text has a suffix");
	for (size_t i = 0; i < N_TOKENS; i++) {
		CHECK(tern_suffixes_append(s, next_id(s, n_vocab, n_copy, &copy)), "memory");
		check_match(s);
	}
}

int main(void)
{
	static const uint32_t vocabularies[] = {1, 2, 3, 10, 100, 100000};
	struct tern_suffixes suffixes = {0};

	for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++)
		for (uint32_t n_copy = 0; n_copy <= 16; n_copy += 5)
			check_text(&suffixes, vocabularies[i], n_copy);
	tern_suffixes_free(&suffixes);
	CHECK(tern_suffixes_match(&suffixes).length == 0, "a text that was freed has a suffix");
	return test_summary();
}
