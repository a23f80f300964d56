/* A vocabulary so large that several threads look up its merges: the tokenizer and the message about a bad merge are
 * the same as with one thread. */
#include "test.h"

#include "base/memory.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <string.h>

enum {
	N_LETTERS = 26,
	N_PAIRS = N_LETTERS * N_LETTERS,
	N_TRIPLES = N_PAIRS * N_LETTERS,
	N_PIECES = N_LETTERS + N_PAIRS + N_TRIPLES,
	N_MERGES = N_PAIRS + 2 * N_TRIPLES,
};

/* All words of one to three letters, and all merges that make them. */
static char spellings[N_TRIPLES][4], spelled_merges[N_MERGES][5];
static struct tern_piece pieces[N_PIECES], merges[N_MERGES];
static struct tern_vocab vocab = {.kind = TERN_VOCAB_BPE,
                                  .pre = "gpt-2",
                                  .pieces = pieces,
                                  .n_pieces = N_PIECES,
                                  .merges = merges,
                                  .bos_id = -1,
                                  .eos_id = -1,
                                  .unk_id = -1};

static void add_merge(const char *word, size_t n_left, size_t n_bytes)
{
	char *to = spelled_merges[vocab.n_merges];

	memcpy(to, word, n_left);
	to[n_left] = ' ';
	memcpy(to + n_left + 1, word + n_left, n_bytes - n_left);
	merges[vocab.n_merges++] = (struct tern_piece){to, n_bytes + 1};
}

static void make_vocabulary(void)
{
	for (size_t i = 0; i < N_TRIPLES; i++) {
		char *word = spellings[i];
		word[0] = (char)('a' + i / N_PAIRS);
		word[1] = (char)('a' + i / N_LETTERS % N_LETTERS);
		word[2] = (char)('a' + i % N_LETTERS);
		pieces[N_LETTERS + N_PAIRS + i] = (struct tern_piece){word, 3};
		if (i % N_LETTERS == 0)
			pieces[N_LETTERS + i / N_LETTERS] = (struct tern_piece){word, 2};
		if (i % N_PAIRS == 0)
			pieces[i / N_PAIRS] = (struct tern_piece){word, 1};
	}
	for (size_t i = N_LETTERS; i < N_PIECES; i++)
		for (size_t n_left = 1; n_left < pieces[i].length; n_left++)
			add_merge(pieces[i].bytes, n_left, pieces[i].length);
}

static struct tern_ids encode(int n_threads, const char *text)
{
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_error err = {.message = ""};
	struct tern_ids ids = {0};

	vocab.n_threads = n_threads;
	CHECK(!tern_tokenizer_new(&tokenizer, &vocab, "test", &err) &&
	              !tern_tokenizer_encode(tokenizer, text, strlen(text), 0, &ids, &err),
	      "%d threads: %s", n_threads, err.message);
	tern_tokenizer_free(tokenizer);
	return ids;
}

static void check_refused(int n_threads, size_t n_bad)
{
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_error err = {.message = ""};
	char expected[64];

	snprintf(expected, sizeof expected, "test: merge %zu 'q!': expected two tokens", n_bad);
	vocab.n_threads = n_threads;
	CHECK(tern_tokenizer_new(&tokenizer, &vocab, "test", &err) == TERN_ERR_FILE &&
	              !strncmp(err.message, expected, strlen(expected)),
	      "%d threads: '%s'", n_threads, err.message);
}

int main(void)
{
	static char text[20001];

	make_vocabulary();
	CHECK(vocab.n_merges == N_MERGES, "%zu merges", vocab.n_merges);
	for (size_t i = 0; i + 1 < sizeof text; i++)
		text[i] = i % 7 == 6 ? ' ' : (char)('a' + test_random() % N_LETTERS);
	struct tern_ids one = encode(1, text), four = encode(4, text);
	CHECK(one.n_ids > 4000 && one.n_ids == four.n_ids && !memcmp(one.ids, four.ids, one.n_ids * sizeof *one.ids),
	      "%zu and %zu ids", one.n_ids, four.n_ids);
	tern_free(one.ids);
	tern_free(four.ids);

	merges[N_MERGES - 1] = merges[20000] = merges[20001] = (struct tern_piece){"q!", 2};
	check_refused(1, 20000);
	check_refused(4, 20000);
	return test_summary();
}
