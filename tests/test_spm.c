/* Tokenizers of SentencePiece vocabularies: joining by score and by merges, byte fallback, unknown text, spaces. */
#include "vocab_build.h"

#include <math.h>

static struct vocab_build build;

#define MARK "\xe2\x96\x81" /* U+2581 */

/* <unk> <s> </s>, the bytes from 3 on, then the letters a to e and the space. */
enum {
	UNK,
	BOS,
	EOS,
	BYTES,
	LETTER_A = BYTES + 256,
	LETTER_B,
	LETTER_C,
	LETTER_D,
	LETTER_E,
	SPACE,
	FIRST_WORD
};

static void begin_llama2(void)
{
	vocab_begin(&build, TERN_VOCAB_SPM, NULL);
	vocab_add(&build, "<unk>", TERN_TOKEN_UNKNOWN, 0);
	vocab_add(&build, "<s>", TERN_TOKEN_CONTROL, 0);
	vocab_add(&build, "</s>", TERN_TOKEN_CONTROL, 0);
	vocab_add_bytes(&build);
	for (char letter[] = "a"; letter[0] <= 'e'; letter[0]++)
		vocab_add(&build, letter, TERN_TOKEN_NORMAL, -1000);
	vocab_add(&build, MARK, TERN_TOKEN_NORMAL, -1000);
	build.vocab.unk_id = UNK;
	build.vocab.bos_id = BOS;
	build.vocab.eos_id = EOS;
	build.vocab.add_bos = build.vocab.add_space_prefix = true;
}

static void check_scores(void)
{
	begin_llama2();
	int32_t ab = vocab_add(&build, "ab", TERN_TOKEN_NORMAL, -2),
	        bc = vocab_add(&build, "bc", TERN_TOKEN_NORMAL, -1);
	int32_t abc = vocab_add(&build, "abc", TERN_TOKEN_NORMAL, -3),
	        aa = vocab_add(&build, "aa", TERN_TOKEN_NORMAL, -4);
	int32_t mark_a = vocab_add(&build, MARK "a", TERN_TOKEN_NORMAL, -5);
	build.vocab.add_eos = true;
	struct tern_tokenizer *t = vocab_make(&build);

	CHECK_IDS(t, "abc", 0, SPACE, abc); /* bc first, then a joins it */
	CHECK_IDS(t, "abd", 0, SPACE, ab, LETTER_D);
	CHECK_IDS(t, "dbcd", 0, SPACE, LETTER_D, bc, LETTER_D);
	CHECK_IDS(t, "aaa", 0, SPACE, aa, LETTER_A); /* the leftmost of equal pairs first */
	CHECK_IDS(t, "a", 0, mark_a);
	CHECK_IDS(t, " a a", TERN_TOKENIZE_BOS, BOS, SPACE, mark_a, mark_a);
	CHECK_IDS(t, "a", TERN_TOKENIZE_BOS | TERN_TOKENIZE_EOS, BOS, mark_a, EOS);
	CHECK(tern_tokenizer_find(t, MARK "a", 4) == mark_a && tern_tokenizer_find(t, " a", 2) == -1, "by spelling");
	CHECK(tern_tokenizer_piece(t, mark_a).length == 2 && tern_tokenizer_piece(t, mark_a).bytes[0] == ' ', "text");
	CHECK(tern_tokenizer_strips_space(t), "a space goes first");
	tern_tokenizer_free(t);
}

/* Two ways to make a piece have different ranks as merges, which scores cannot say. */
static void check_merges(void)
{
	begin_llama2();
	int32_t aa = vocab_add(&build, "aa", TERN_TOKEN_NORMAL, -1),
	        aaa = vocab_add(&build, "aaa", TERN_TOKEN_NORMAL, -2);
	struct tern_tokenizer *by_score = vocab_make(&build);
	begin_llama2();
	vocab_add(&build, "aa", TERN_TOKEN_NORMAL, -1);
	vocab_add(&build, "aaa", TERN_TOKEN_NORMAL, -2);
	vocab_merge(&build, "a a");
	vocab_merge(&build, "a aa"); /* there is no "aa a" */
	build.vocab.scores = NULL;
	struct tern_tokenizer *by_merge = vocab_make(&build);

	CHECK_IDS(by_score, "aaa", 0, SPACE, aaa);
	CHECK_IDS(by_merge, "aaa", 0, SPACE, aa, LETTER_A);
	CHECK_IDS(by_score, "baaaaa", 0, SPACE, LETTER_B, aa, aaa);
	CHECK_IDS(by_merge, "baaaaa", 0, SPACE, LETTER_B, aa, aa, LETTER_A);
	tern_tokenizer_free(by_score);
	tern_tokenizer_free(by_merge);
}

static void check_bytes(void)
{
	begin_llama2();
	struct tern_tokenizer *t = vocab_make(&build);

	CHECK_IDS(t, "xa", 0, SPACE, BYTES + 'x', LETTER_A);
	CHECK_IDS(t, "\xc3\xa9\xff", 0, SPACE, BYTES + 0xc3, BYTES + 0xa9, BYTES + 0xff);
	CHECK_IDS(t, "<0x41>", 0, SPACE, BYTES + '<', BYTES + '0', BYTES + 'x', BYTES + '4', BYTES + '1', BYTES + '>');
	CHECK(tern_tokenizer_piece(t, BYTES + 10).length == 1 && tern_tokenizer_piece(t, BYTES + 10).bytes[0] == '\n',
	      "byte");
	CHECK(tern_tokenizer_find(t, "<0x0A>", 6) == BYTES + 10, "by its name");
	CHECK_IDS(t, MARK, 0, SPACE, BYTES + 0xe2, BYTES + 0x96, BYTES + 0x81); /* not a space */
	tern_tokenizer_free(t);
}

/* If byte tokens are missing: one unknown token for successive characters. */
static void check_unknown(void)
{
	begin_llama2();
	build.types[BYTES + 'x'] = TERN_TOKEN_UNUSED;
	build.types[BYTES + 0xa9] = TERN_TOKEN_UNUSED;
	build.vocab.add_space_prefix = false;
	struct tern_tokenizer *t = vocab_make(&build);
	CHECK_IDS(t, "axxa", 0, LETTER_A, UNK, LETTER_A);
	CHECK_IDS(t, "x\xc3\xa9x z x", 0, UNK, SPACE, BYTES + 'z', SPACE, UNK);
	CHECK_IDS(t, "\xc3", 0, BYTES + 0xc3);
	CHECK(tern_tokenizer_is_special(t, UNK), "unknown is special");
	tern_tokenizer_free(t);

	begin_llama2();
	build.types[BYTES + 'x'] = TERN_TOKEN_UNUSED;
	build.vocab.unk_id = -1;
	t = vocab_make(&build);
	CHECK_IDS(t, "axa", 0, SPACE, LETTER_A, LETTER_A);
	tern_tokenizer_free(t);
}

/* Tokens that are found as a whole, and the space after each of them, as in Llama 2's tokenizer. */
static void check_whole(void)
{
	begin_llama2();
	int32_t tag = vocab_add(&build, "<b>", TERN_TOKEN_USER_DEFINED, 0);
	int32_t spaces = vocab_add(&build, MARK MARK, TERN_TOKEN_USER_DEFINED, 0);
	struct tern_tokenizer *t = vocab_make(&build);

	CHECK_IDS(t, "<s>a</s>", TERN_TOKENIZE_SPECIAL, BOS, SPACE, LETTER_A, EOS);
	CHECK_IDS(t, "<b>a", 0, tag, SPACE, LETTER_A);
	CHECK_IDS(t, "a<b>", 0, SPACE, LETTER_A, tag);
	CHECK_IDS(t, "", TERN_TOKENIZE_BOS, BOS);
	CHECK_IDS(t, " a", 0, spaces, LETTER_A); /* the added space is joined with it */
	CHECK(tern_tokenizer_is_whole(t, tag) && tern_tokenizer_is_whole(t, BOS), "found whole");
	CHECK(!tern_tokenizer_is_whole(t, spaces) && !tern_tokenizer_is_whole(t, LETTER_A), "made by joining");
	check_round_trip(t, "a<b> b<b>  <b>", 14, 0);
	check_round_trip(t, "<s>a</s> b", 10, TERN_TOKENIZE_SPECIAL);
	check_round_trip(t, MARK " " MARK "a", 8, 0);
	tern_tokenizer_free(t);

	/* What is made by joining stays so if another token, found as a whole, is spelled like its text. */
	begin_llama2();
	spaces = vocab_add(&build, MARK MARK, TERN_TOKEN_USER_DEFINED, 0);
	int32_t spelled = vocab_add(&build, "  ", TERN_TOKEN_USER_DEFINED, 0);
	t = vocab_make(&build);
	CHECK(!tern_tokenizer_is_whole(t, spaces) && tern_tokenizer_is_whole(t, spelled), "two of one text");
	CHECK_IDS(t, " a", 0, spaces, LETTER_A);
	CHECK_IDS(t, "  a", 0, spelled, SPACE, LETTER_A);
	check_round_trip(t, " a", 2, 0);
	tern_tokenizer_free(t);
}

/* Metaspace: what begins with a space gets no other. */
static void check_prefix_if_missing(void)
{
	begin_llama2();
	int32_t mark_a = vocab_add(&build, MARK "a", TERN_TOKEN_NORMAL, -1);
	int32_t tag = vocab_add(&build, "<b>", TERN_TOKEN_USER_DEFINED, 0);
	build.vocab.prefix_if_missing = true;
	struct tern_tokenizer *t = vocab_make(&build);

	CHECK_IDS(t, "a", 0, mark_a);
	CHECK_IDS(t, " a", 0, mark_a);
	CHECK_IDS(t, "  a", 0, SPACE, mark_a);
	CHECK_IDS(t, " ", 0, SPACE);
	CHECK_IDS(t, "<b>a<b> a", 0, tag, mark_a, tag, mark_a);
	CHECK_IDS(t, "\n a", 0, SPACE, BYTES + '\n', mark_a);
	check_round_trip(t, "a b<b>c", 7, 0);
	tern_tokenizer_free(t);
}

/* Words are encoded one at a time if no piece crosses their border, and this must not change the ids. The same text
 * with letters instead of spaces gets the same joins without being cut. */
static void check_words(bool by_score)
{
	static const char *const pieces[] = {"ab", "a" MARK, "b" MARK "a", MARK MARK, MARK "a", "bb"};
	static const char *const merges[] = {"a b", "a " MARK, "b " MARK "a", MARK " " MARK, MARK " a", "b b"};

	for (unsigned chosen = 0; chosen < 64; chosen++) {
		struct tern_tokenizer *t[2];
		for (int cut = 0; cut < 2; cut++) {
			begin_llama2();
			build.vocab.add_space_prefix = false;
			for (int i = 0; i < 6; i++) {
				if (!(chosen >> i & 1))
					continue;
				vocab_add(&build, pieces[i], TERN_TOKEN_NORMAL, (float)-i);
				if (!by_score && (i != 2 || chosen >> 4 & 1))
					vocab_merge(&build, merges[i]);
			}
			/* Two pieces that occur in no text here prevent cutting. */
			vocab_add(&build, cut ? "dd" : "a" MARK "d", TERN_TOKEN_NORMAL, -99);
			vocab_add(&build, cut ? "ee" : "b" MARK "d", TERN_TOKEN_NORMAL, -99);
			t[cut] = vocab_make(&build);
			if (chosen == (1 << 2 | 1 << 4)) /* MARK a, then b MARK a: crosses the beginning of a word */
				CHECK_IDS(t[cut], "bb a a", 0, LETTER_B, FIRST_WORD, FIRST_WORD + 1);
		}
		for (int round = 0; round < 50; round++) {
			struct tern_ids ids = {0};
			char text[90];
			size_t n = 1 + test_random() % sizeof text;
			for (size_t i = 0; i < n; i++)
				text[i] = "ab "[test_random() % 3];
			CHECK(!tern_tokenizer_encode(t[0], text, n, 0, &ids, NULL), "encoding");
			check_ids(__FILE__, __LINE__, t[1], text, n, 0, ids.ids, ids.n_ids);
			check_round_trip(t[0], text, n, 0);
			tern_free(ids.ids);
		}
		tern_tokenizer_free(t[0]);
		tern_tokenizer_free(t[1]);
	}
}

/* Without types, tokens spelled <0xXX> are bytes. */
static void check_without_types(void)
{
	vocab_begin(&build, TERN_VOCAB_SPM, NULL);
	vocab_add_bytes(&build);
	vocab_add(&build, "<0xZZ>", TERN_TOKEN_NORMAL, 0);
	build.vocab.types = NULL;
	struct tern_tokenizer *t = vocab_make(&build);
	CHECK_IDS(t, "\n\xff", 0, 10, 255);
	CHECK(tern_tokenizer_piece(t, 256).length == 6, "not a byte");
	tern_tokenizer_free(t);
}

static void check_random(void)
{
	static char text[700];
	begin_llama2();
	vocab_add(&build, "ab", TERN_TOKEN_NORMAL, -1);
	vocab_add(&build, MARK "a", TERN_TOKEN_NORMAL, -2);
	vocab_add(&build, "\n\n", TERN_TOKEN_USER_DEFINED, 0);
	struct tern_tokenizer *t = vocab_make(&build);
	for (int i = 0; i < 2000; i++)
		check_round_trip(t, text, random_text(text, sizeof text, i & 1), i & 2 ? TERN_TOKENIZE_SPECIAL : 0);
	tern_tokenizer_free(t);
}

/* A megabyte of one letter, which takes minutes if every join looks at all pairs. */
static void check_time(bool by_score)
{
	static const char *const fillings[] = {"a", " ", "\n", "ab", "\xff", "\xcc\x81", "<"};
	char *text = malloc(1 << 20);
	double begin = test_cpu_seconds();

	begin_llama2();
	vocab_add(&build, "aa", TERN_TOKEN_NORMAL, -1);
	vocab_add(&build, "aaaa", TERN_TOKEN_NORMAL, -2);
	vocab_add(&build, "\n\n\n", TERN_TOKEN_USER_DEFINED, 0);
	if (!by_score)
		vocab_merge(&build, "a a");
	if (!by_score)
		vocab_merge(&build, "aa aa");
	struct tern_tokenizer *t = vocab_make(&build);
	for (size_t i = 0; text && i < sizeof fillings / sizeof fillings[0]; i++) {
		size_t n = i ? 1 << 16 : 1 << 20;
		for (size_t j = 0; j < n; j++)
			text[j] = fillings[i][j % strlen(fillings[i])];
		check_round_trip(t, text, n, 0);
	}
	CHECK(test_cpu_seconds() - begin < TEST_LINEAR_SECONDS, "%.0f s", test_cpu_seconds() - begin);
	free(text);
	tern_tokenizer_free(t);
}

static void check_refused(const char *message)
{
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_error err = {.message = ""};
	enum tern_status status = tern_tokenizer_new(&tokenizer, &build.vocab, "file", &err);

	CHECK(status == TERN_ERR_FILE && !tokenizer && strstr(err.message, message), "%s: %s", message, err.message);
	tern_tokenizer_free(tokenizer);
}

static void check_refusals(void)
{
	static const char *const bad_bytes[] = {"<0xZZ>", "<0x-1>", "<0x1>", "<0x001>", "<0x1", "", "<0x0g>"};

	begin_llama2();
	build.vocab.scores = NULL;
	check_refused("neither scores nor merges");
	begin_llama2();
	build.scores[LETTER_B] = NAN;
	check_refused("token 260: its score");
	for (size_t i = 0; i < sizeof bad_bytes / sizeof bad_bytes[0]; i++) {
		begin_llama2();
		build.pieces[BYTES + 7] = (struct tern_piece){bad_bytes[i], strlen(bad_bytes[i])};
		check_refused("token 10");
	}
	begin_llama2();
	vocab_merge(&build, "a z");
	check_refused("merge 0 'a z'");
	begin_llama2();
	build.scores[LETTER_A] = INFINITY; /* accepted: it can be sorted */
	build.scores[LETTER_B] = -0.0f;
	tern_tokenizer_free(vocab_make(&build));
}

int main(void)
{
	check_scores();
	check_merges();
	check_bytes();
	check_unknown();
	check_whole();
	check_prefix_if_missing();
	check_words(true);
	check_words(false);
	check_without_types();
	check_random();
	check_time(true);
	check_time(false);
	check_refusals();
	return test_summary();
}
