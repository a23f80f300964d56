/* Tokenizers of byte-level vocabularies: the ids of Hugging Face's library, round trips, special tokens, time, and
 * vocabularies that must be refused. */
#include "vocab_build.h"

#include "tern_tiny.h"

static struct vocab_build build;

/* tests/data/tern-tiny.jsonl: texts, and their ids from Hugging Face's tokenizers. */
static void check_golden(const struct tern_tokenizer *tokenizer)
{
	struct tern_error err = {.message = ""};
	uint8_t *bytes;
	size_t n, n_cases = 0;

	if (tern_read_file("tests/data/tern-tiny.jsonl", 1 << 24, &bytes, &n, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	for (char *line = (char *)bytes, *end; (end = memchr(line, '\n', (size_t)((char *)bytes + n - line)));
	     line = end + 1, n_cases++) {
		static int32_t ids[4096];
		size_t n_ids = 0, length = (size_t)(end - line);
		struct json json;
		char *copy = memcpy(tern_alloc(length + 1, 1), line, length);
		if (json_parse(&json, "tern-tiny.jsonl", copy, length, 0, &err)) {
			CHECK(false, "%s", err.message);
			break;
		}
		for (struct json_iterator it = json_items(json_find(json_root(&json), "ids")); json_next(&it);) {
			uint64_t id = 0;
			CHECK(!json_to_u64(it.value, &id, &err), "%s", err.message);
			ids[n_ids++] = (int32_t)id;
		}
		struct json_string text = json_string(json_find(json_root(&json), "text"));
		check_ids(__FILE__, __LINE__, tokenizer, text.bytes, text.length, TERN_TOKENIZE_SPECIAL, ids, n_ids);
		check_round_trip(tokenizer, text.bytes, text.length, TERN_TOKENIZE_SPECIAL);
		json_free(&json);
	}
	CHECK(n_cases == 202, "%zu cases", n_cases);
	tern_free(bytes);
}

static void check_round_trips(const struct tern_tokenizer *tokenizer)
{
	static const char *const texts[] = {"",
	                                    " ",
	                                    "\n",
	                                    "\xff",
	                                    "\xc3",
	                                    "\xe2\x82",
	                                    "\xf0\x9f\x98",
	                                    "a\x80z",
	                                    "\xc0\x80",
	                                    "\xed\xa0\x80",
	                                    "\xf4\x90\x80\x80",
	                                    "\xef\xbb\xbfx",
	                                    " \xe2\x96\x81 x",
	                                    "<|user|>",
	                                    "tab\tand\rreturn\r\n\r\n  x  "};
	static char text[600];

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		check_round_trip(tokenizer, texts[i], strlen(texts[i]), 0);
	check_round_trip(tokenizer, "a\0b\0", 4, 0);
	for (int i = 0; i < 3000; i++)
		check_round_trip(tokenizer, text, random_text(text, sizeof text, i & 1),
		                 i & 2 ? TERN_TOKENIZE_SPECIAL : 0);
}

/* Texts made of the spellings of special tokens, complete and cut: none becomes a special token without the flag. */
static void check_specials(const struct tern_tokenizer *tokenizer)
{
	static const char *const parts[] = {
	        "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|", "|>", "<|e", "nd|>", "user", "<", " "};
	static char text[256];

	for (int round = 0; round < 2000; round++) {
		struct tern_ids ids = {0};
		text[0] = '\0';
		for (int i = 0; i < 12; i++)
			strcat(text, parts[test_random() % (sizeof parts / sizeof parts[0])]);
		CHECK(tern_tokenizer_encode(tokenizer, text, strlen(text), 0, &ids, NULL) == TERN_OK, "%s", text);
		for (size_t i = 0; i < ids.n_ids; i++)
			CHECK(ids.ids[i] < TERN_TINY_BEGIN, "'%s' gave %d", text, (int)ids.ids[i]);
		check_round_trip(tokenizer, text, strlen(text), 0);
		check_round_trip(tokenizer, text, strlen(text), TERN_TOKENIZE_SPECIAL);
		tern_free(ids.ids);
	}
	CHECK_IDS(tokenizer, "<|user|><|end|>", TERN_TOKENIZE_SPECIAL, TERN_TINY_USER, TERN_TINY_END);
	CHECK_IDS(tokenizer, "<|user|>", TERN_TOKENIZE_SPECIAL | TERN_TOKENIZE_BOS, TERN_TINY_BEGIN, TERN_TINY_USER);
	CHECK(tern_tokenizer_is_special(tokenizer, TERN_TINY_END), "control token");
	CHECK(!tern_tokenizer_is_special(tokenizer, 33), "ordinary token");
	CHECK(tern_tokenizer_find(tokenizer, "<|end|>", 7) == TERN_TINY_END, "by its name");
	CHECK(tern_tokenizer_find(tokenizer, "\xc4\xa0", 2) == 32, "a space, as it is spelled");
	CHECK(tern_tokenizer_find(tokenizer, " ", 1) == -1, "a space, as it is not");
	CHECK(tern_tokenizer_find(tokenizer, "", 0) == -1, "nothing");
	CHECK(tern_tokenizer_bos_id(tokenizer) == TERN_TINY_BEGIN && tern_tokenizer_eos_id(tokenizer) == TERN_TINY_END,
	      "ids");
	CHECK(tern_tokenizer_n_pieces(tokenizer) == TERN_TINY_PIECES, "pieces");
}

/* Control tokens are found inside spans that allow them; spans do not affect anything else. */
static void check_spans(const struct tern_tokenizer *tokenizer)
{
	static const char text[] = "<|user|>hello <|end|> there<|end|>";
	static const struct tern_span spans[] = {{4, true}, {4, true}, {19, false}, {0, true}, {7, true}, {0, false}};
	static const struct tern_span plain[] = {{8, false}, {26, false}};
	static const struct tern_span split[] = {{3, true}, {5, false}, {24, true}, {2, false}};
	struct tern_ids ids = {0}, want = {0};

	CHECK(!tern_tokenizer_encode_spans(tokenizer, text, spans, 6, &ids, NULL), "spans");
	CHECK(ids.n_ids > 2 && ids.ids[0] == TERN_TINY_USER && ids.ids[ids.n_ids - 1] == TERN_TINY_END, "markup");
	CHECK(!tern_tokenizer_encode(tokenizer, text + 8, 19, 0, &want, NULL), "content");
	CHECK(want.n_ids == ids.n_ids - 2 && !memcmp(ids.ids + 1, want.ids, want.n_ids * 4), "content is plain text");

	ids.n_ids = want.n_ids = 0;
	CHECK(!tern_tokenizer_encode_spans(tokenizer, text, plain, 2, &ids, NULL), "spans");
	CHECK(!tern_tokenizer_encode(tokenizer, text, sizeof text - 1, 0, &want, NULL), "no spans");
	CHECK(want.n_ids == ids.n_ids && !memcmp(ids.ids, want.ids, want.n_ids * 4), "plain spans are no spans");

	ids.n_ids = 0;
	CHECK(!tern_tokenizer_encode_spans(tokenizer, text, split, 4, &ids, NULL), "spans");
	int n_special = 0;
	for (size_t i = 0; i < ids.n_ids; i++)
		n_special += ids.ids[i] >= TERN_TINY_BEGIN;
	CHECK(n_special == 1, "%d tokens reach over the end of a span", n_special - 1);
	tern_free(ids.ids);
	tern_free(want.ids);
}

/* A megabyte of newlines takes a fraction of a second, and minutes if every join looks at all pairs. */
static void check_time(const struct tern_tokenizer *tokenizer)
{
	static const char *const fillings[] = {"\n", "a", " ", "e ", "\xcc\x81", "<", "\xff", "1", "'s", " \n"};
	char *text = malloc(1 << 20);
	double begin = test_cpu_seconds();

	for (size_t i = 0; text && i < sizeof fillings / sizeof fillings[0]; i++) {
		size_t n = i ? 1 << 17 : 1 << 20;
		for (size_t j = 0; j < n; j++)
			text[j] = fillings[i][j % strlen(fillings[i])];
		check_round_trip(tokenizer, text, n, TERN_TOKENIZE_SPECIAL);
	}
	CHECK(test_cpu_seconds() - begin < TEST_LINEAR_SECONDS, "%.0f s", test_cpu_seconds() - begin);
	free(text);
}

/* ---- merges ---- */

/* The definition of merging, in its slowest form: join the pair of the lowest rank, the leftmost of equals, and repeat.
 */
static size_t merge_slowly(int32_t (*ranks)[3], size_t n_ranks, int32_t *ids, size_t n)
{
	for (;;) {
		size_t best = n_ranks, at = 0;
		for (size_t i = 0; i + 1 < n; i++)
			for (size_t r = 0; r < best; r++)
				if (ranks[r][0] == ids[i] && ranks[r][1] == ids[i + 1]) {
					best = r;
					at = i;
				}
		if (best == n_ranks)
			return n;
		ids[at] = ranks[best][2];
		memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
		n--;
	}
}

/* The first token with this spelling. */
static int32_t find_spelling(const struct vocab_build *b, const char *bytes, size_t length)
{
	int32_t id = 0;

	while (b->pieces[id].length != length || memcmp(b->pieces[id].bytes, bytes, length) != 0)
		id++;
	return id;
}

/* Random merges of the letters a, b and c; words up to lengths where the heap is used. */
static void check_merges(int32_t (*ranks)[3], size_t n_ranks)
{
	struct tern_tokenizer *tokenizer;
	char merge[64];

	vocab_begin(&build, TERN_VOCAB_BPE, "smaug-bpe");
	vocab_add_bytes(&build);
	for (size_t i = 0; i < n_ranks; i++) {
		size_t n_known = i + 3;
		struct tern_piece sides[2];
		for (int side = 0; side < 2; side++) {
			size_t pick = test_random() % n_known;
			int32_t id = (int32_t)(pick < 3 ? 'a' + pick : 256 + pick - 3);
			sides[side] = build.pieces[build.pieces[id].length > 7 ? 'a' : id];
			ranks[i][side] = find_spelling(&build, sides[side].bytes, sides[side].length);
		}
		snprintf(merge, sizeof merge, "%.*s %.*s", (int)sides[0].length, sides[0].bytes, (int)sides[1].length,
		         sides[1].bytes);
		vocab_merge(&build, merge);
		memmove(merge + sides[0].length, merge + sides[0].length + 1, sides[1].length + 1);
		vocab_add(&build, merge, TERN_TOKEN_NORMAL, 0);
		ranks[i][2] = find_spelling(&build, merge, strlen(merge));
	}
	tokenizer = vocab_make(&build);
	for (int round = 0; round < 200; round++) {
		char word[160];
		int32_t ids[160];
		size_t n = 1 + test_random() % (round & 1 ? sizeof word : 12);
		for (size_t i = 0; i < n; i++)
			ids[i] = word[i] = (char)('a' + test_random() % 3);
		check_ids(__FILE__, __LINE__, tokenizer, word, n, 0, ids, merge_slowly(ranks, n_ranks, ids, n));
	}
	tern_tokenizer_free(tokenizer);
}

/* Only with ignore_merges does a word that is a token become this token without merging. */
static void check_ignore_merges(void)
{
	for (int ignored = 0; ignored < 2; ignored++) {
		vocab_begin(&build, TERN_VOCAB_BPE, ignored ? "llama-bpe" : "smaug-bpe");
		vocab_add_bytes(&build);
		int32_t ab = vocab_add(&build, "ab", TERN_TOKEN_NORMAL, 0),
		        bc = vocab_add(&build, "bc", TERN_TOKEN_NORMAL, 0);
		int32_t abc = vocab_add(&build, "abc", TERN_TOKEN_NORMAL, 0);
		vocab_merge(&build, "b c");
		vocab_merge(&build, "a b");
		vocab_merge(&build, "ab c"); /* never used: b c has a lower rank */
		struct tern_tokenizer *tokenizer = vocab_make(&build);
		CHECK_IDS(tokenizer, "abx", 0, ab, 'x');
		if (ignored)
			CHECK_IDS(tokenizer, "abc", 0, abc);
		else
			CHECK_IDS(tokenizer, "abc", 0, 'a', bc);
		tern_tokenizer_free(tokenizer);
	}
}

/* User-defined tokens, equal tokens, tokens that no text is spelled like, composed characters. */
static void check_odd_tokens(void)
{
	vocab_begin(&build, TERN_VOCAB_BPE, "qwen2");
	vocab_add_bytes(&build);
	int32_t think = vocab_add(&build, "<think>", TERN_TOKEN_USER_DEFINED, 0);
	int32_t thinking = vocab_add(&build, "<think>ing", TERN_TOKEN_USER_DEFINED, 0);
	int32_t marker = vocab_add(&build, "<|file_sep|>", TERN_TOKEN_USER_DEFINED, 0);
	int32_t again = vocab_add(&build, "a", TERN_TOKEN_NORMAL, 0);
	int32_t raw = vocab_add(&build, "\xe4\xb8\xad", TERN_TOKEN_NORMAL, 0); /* not in the byte-level alphabet */
	int32_t padding = vocab_add(&build, "[PAD]", TERN_TOKEN_UNUSED, 0);
	vocab_add(&build, "", TERN_TOKEN_NORMAL, 0);
	int32_t joined = vocab_add(&build, "[P", TERN_TOKEN_NORMAL, 0);
	int32_t control = vocab_add(&build, "xy", TERN_TOKEN_CONTROL, 0);
	vocab_merge(&build, "[ P");
	vocab_merge(&build, "x y"); /* would turn text into a control token */
	struct tern_tokenizer *t = vocab_make(&build);

	CHECK_IDS(t, "<think>in", 0, think, 'i', 'n');
	CHECK_IDS(t, "<<think>ing", 0, '<', thinking);
	CHECK_IDS(t, "<|file_sep|>", TERN_TOKENIZE_SPECIAL, marker);
	CHECK(tern_tokenizer_is_special(t, marker) && !tern_tokenizer_is_special(t, think),
	      "markers are control tokens");
	check_round_trip(t, "<|file_sep|>", 12, 0);
	CHECK_IDS(t, "a", 0, 'a');
	CHECK(tern_tokenizer_piece(t, again).length == 1 && tern_tokenizer_find(t, "a", 1) == 'a', "equal tokens");
	CHECK_IDS(t, "\xe4\xb8\xad", 0, 0xe4, 0xb8, 0xad);
	CHECK(tern_tokenizer_find(t, "\xe4\xb8\xad", 3) == raw, "by its odd name");
	CHECK_IDS(t, "[PAD]", TERN_TOKENIZE_SPECIAL, joined, 'A', 'D', ']');
	CHECK(tern_tokenizer_find(t, "[PAD]", 5) == padding, "padding has a name");
	CHECK_IDS(t, "xy", 0, 'x', 'y');
	CHECK_IDS(t, "xy", TERN_TOKENIZE_SPECIAL, control);
	CHECK_IDS(t, "e\xcc\x81", 0, 0xc3, 0xa9); /* normal form C */
	CHECK_IDS(t, "1\xcc\x81", 0, '1', 0xcc, 0x81);
	tern_tokenizer_free(t);
}

/* A byte without token: the unknown token, or nothing. */
static void check_missing_bytes(void)
{
	for (int has_unknown = 0; has_unknown < 2; has_unknown++) {
		vocab_begin(&build, TERN_VOCAB_BPE, "gpt-2");
		vocab_add(&build, "a", TERN_TOKEN_NORMAL, 0);
		vocab_add(&build, "<unk>", TERN_TOKEN_UNKNOWN, 0);
		build.vocab.unk_id = has_unknown ? 1 : -1;
		struct tern_tokenizer *t = vocab_make(&build);
		if (has_unknown)
			CHECK_IDS(t, "aba", 0, 0, 1, 0);
		else
			CHECK_IDS(t, "aba", 0, 0, 0);
		tern_tokenizer_free(t);
	}
}

/* ---- vocabularies that are refused ---- */

static void check_refused(const char *what, const char *message)
{
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_error err = {.message = ""};
	enum tern_status status = tern_tokenizer_new(&tokenizer, &build.vocab, "file.gguf", &err);

	CHECK(status == TERN_ERR_FILE && !tokenizer, "%s: accepted", what);
	CHECK(!strncmp(err.message, "file.gguf: ", 11) && strstr(err.message, message), "%s: %s", what, err.message);
	tern_tokenizer_free(tokenizer);
}

static void begin_good(void)
{
	vocab_begin(&build, TERN_VOCAB_BPE, "llama-bpe");
	vocab_add_bytes(&build);
	vocab_add(&build, "ab", TERN_TOKEN_NORMAL, 0);
	vocab_merge(&build, "a b");
}

static void check_refused_vocabularies(void)
{
	begin_good();
	build.vocab.pre = "llama\x1b-bpe";
	check_refused("unknown pre", "unknown pre-tokenizer 'llama\\x1b-bpe'");
	build.vocab.pre = "default";
	check_refused("default pre", "unknown pre-tokenizer 'default'");
	build.vocab.pre = NULL;
	check_refused("no pre", "no pre-tokenizer");
	begin_good();
	build.vocab.n_pieces = 0;
	check_refused("no tokens", "0 tokens");
	build.vocab.n_pieces = (size_t)1 << 30;
	check_refused("too many tokens", "1073741824 tokens");
	begin_good();
	build.vocab.n_merges = SIZE_MAX;
	check_refused("too many merges", "merges");
	begin_good();
	build.vocab.bos_id = 257;
	check_refused("bos", "257");
	begin_good();
	build.vocab.eos_id = -2;
	check_refused("eos", "-2");
	begin_good();
	build.vocab.unk_id = INT32_MAX;
	check_refused("unk", "2147483647");
}

/* A piece that is longer than any may be. */
static struct tern_piece long_piece(void)
{
	static char text[70000];

	memset(text, 'x', sizeof text);
	return (struct tern_piece){text, sizeof text};
}

static void check_refused_pieces(void)
{
	begin_good();
	build.types[7] = 9;
	check_refused("type", "token 7: unknown type 9");
	begin_good();
	build.types[7] = TERN_TOKEN_BYTE;
	check_refused("byte token", "token 7");
	begin_good();
	build.pieces[3] = long_piece();
	check_refused("long token", "token 3 'xxx");
	build.pieces[3].length = 300;
	build.types[3] = TERN_TOKEN_CONTROL;
	check_refused("long control token", "token 3 'xxx");
}

static void check_refused_merges(void)
{
	static const char *const bad[] = {"", " ", "a", "a ", " a", "ab", "zz a", "a zz", "b a"};

	begin_good();
	vocab_merge(&build, "a \xe4\xb8\xad");
	check_refused("merge of no letters", "merge 1 'a \\xe4\\xb8\\xad': it names no tokens");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		begin_good();
		vocab_merge(&build, bad[i]);
		check_refused(bad[i], "merge 1 '");
	}
	begin_good();
	build.merges[0] = long_piece();
	build.merges[0].length *= 2;
	check_refused("long merge", "merge");
}

int main(void)
{
	static int32_t ranks[200][3];
	struct tern_tokenizer *tokenizer = tern_tiny_tokenizer();

	CHECK(tern_tokenizer_least_ids(tokenizer, 1 << 20) > 1 << 14, "%zu",
	      tern_tokenizer_least_ids(tokenizer, 1 << 20));
	check_golden(tokenizer);
	check_round_trips(tokenizer);
	check_specials(tokenizer);
	check_spans(tokenizer);
	check_time(tokenizer);
	tern_tokenizer_free(tokenizer);
	for (size_t n_ranks = 1; n_ranks <= 200; n_ranks += n_ranks / 2 + 1)
		check_merges(ranks, n_ranks);
	check_ignore_merges();
	check_odd_tokens();
	check_missing_bytes();
	check_refused_vocabularies();
	check_refused_pieces();
	check_refused_merges();
	return test_summary();
}
