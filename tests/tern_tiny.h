/* The tokenizer of models/tern-tiny, read from its tokenizer.json. */
#ifndef TESTS_TERN_TINY_H
#define TESTS_TERN_TINY_H

#include "base/file.h"
#include "base/memory.h"
#include "test.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "json/parse.h"
#include "json/value.h"

#include <string.h>

enum {
	TERN_TINY_PIECES = 1536,
	TERN_TINY_BEGIN = 1532,
	TERN_TINY_END,
	TERN_TINY_USER,
	TERN_TINY_ASSISTANT
};

/* Parses a JSON file; a failure ends the program. */
static inline void parse_json_file(struct json *json, const char *path)
{
	struct tern_error err = {.message = ""};
	uint8_t *bytes;
	size_t n;
	bool ok =
	        !tern_read_file(path, 1 << 24, &bytes, &n, &err) && !json_parse(json, path, (char *)bytes, n, 0, &err);

	CHECK(ok, "%s", err.message);
	if (!ok)
		exit(test_summary());
}

static inline void tern_tiny_read_pieces(const struct json *json, struct tern_piece *pieces, int32_t *types)
{
	struct json_value vocab = json_find(json_find(json_root(json), "model"), "vocab");
	uint64_t id = 0;

	for (struct json_iterator it = json_items(vocab); json_next(&it);) {
		json_to_u64(it.value, &id, NULL);
		pieces[id] = (struct tern_piece){json_string(it.key).bytes, json_string(it.key).length};
		types[id] = TERN_TOKEN_NORMAL;
	}
	for (struct json_iterator it = json_items(json_find(json_root(json), "added_tokens")); json_next(&it);) {
		struct json_string spelled = json_string(json_find(it.value, "content"));
		json_to_u64(json_find(it.value, "id"), &id, NULL);
		pieces[id] = (struct tern_piece){spelled.bytes, spelled.length};
		types[id] = TERN_TOKEN_CONTROL;
	}
}

/* Each merge is an array of its two sides; the vocabulary has them with a space between. Returns how many there are. */
static inline size_t tern_tiny_read_merges(const struct json *json, struct tern_piece *merges)
{
	static char text[TERN_TINY_PIECES * 32];
	struct json_value list = json_find(json_find(json_root(json), "model"), "merges");
	char *to = text;
	size_t n = 0;

	for (struct json_iterator it = json_items(list); json_next(&it);) {
		struct json_iterator side = json_items(it.value);
		char *begin = to;
		while (json_next(&side)) {
			struct json_string spelled = json_string(side.value);
			memcpy(to, spelled.bytes, spelled.length);
			to += spelled.length;
			*to++ = ' ';
		}
		merges[n++] = (struct tern_piece){begin, (size_t)(to - 1 - begin)};
	}
	return n;
}

static inline const char *tern_tiny_read_pattern(const struct json *json)
{
	struct json_iterator parts =
	        json_items(json_find(json_find(json_root(json), "pre_tokenizer"), "pretokenizers"));
	json_next(&parts);
	struct json_string regex = json_string(json_find(json_find(parts.value, "pattern"), "Regex"));
	return tern_pretokenizer_for_regex(regex.bytes, regex.length, false, false);
}

static inline struct tern_tokenizer *tern_tiny_tokenizer(void)
{
	static struct tern_piece pieces[TERN_TINY_PIECES], merges[TERN_TINY_PIECES];
	static int32_t types[TERN_TINY_PIECES];
	struct tern_vocab vocab = {.kind = TERN_VOCAB_BPE,
	                           .n_pieces = TERN_TINY_PIECES,
	                           .pieces = pieces,
	                           .types = types,
	                           .merges = merges,
	                           .bos_id = TERN_TINY_BEGIN,
	                           .eos_id = TERN_TINY_END,
	                           .unk_id = -1,
	                           .add_bos = true};
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_error err = {.message = ""};
	struct json json;

	parse_json_file(&json, "models/tern-tiny/tokenizer.json");
	tern_tiny_read_pieces(&json, pieces, types);
	vocab.n_merges = tern_tiny_read_merges(&json, merges);
	vocab.pre = tern_tiny_read_pattern(&json);
	CHECK(tern_tokenizer_new(&tokenizer, &vocab, "tern-tiny", &err) == TERN_OK, "%s", err.message);
	json_free(&json);
	if (!tokenizer)
		exit(test_summary());
	return tokenizer;
}

#endif
