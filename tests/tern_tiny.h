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

static inline struct tern_tokenizer *tern_tiny_tokenizer(void)
{
	static struct tern_piece pieces[TERN_TINY_PIECES], merges[TERN_TINY_PIECES];
	static int32_t types[TERN_TINY_PIECES];
	static char merge_text[TERN_TINY_PIECES * 32];
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
	char *to = merge_text;

	parse_json_file(&json, "models/tern-tiny/tokenizer.json");
	struct json_value model = json_find(json_root(&json), "model");
	for (struct json_iterator it = json_items(json_find(model, "vocab")); json_next(&it);) {
		uint64_t id = 0;
		json_to_u64(it.value, &id, NULL);
		pieces[id] = (struct tern_piece){json_string(it.key).bytes, json_string(it.key).length};
		types[id] = TERN_TOKEN_NORMAL;
	}
	for (struct json_iterator it = json_items(json_find(json_root(&json), "added_tokens")); json_next(&it);) {
		struct json_string spelled = json_string(json_find(it.value, "content"));
		uint64_t id = 0;
		json_to_u64(json_find(it.value, "id"), &id, NULL);
		pieces[id] = (struct tern_piece){spelled.bytes, spelled.length};
		types[id] = TERN_TOKEN_CONTROL;
	}
	for (struct json_iterator it = json_items(json_find(model, "merges")); json_next(&it);) {
		struct json_iterator side = json_items(it.value);
		char *begin = to;
		while (json_next(&side)) {
			struct json_string spelled = json_string(side.value);
			memcpy(to, spelled.bytes, spelled.length);
			to += spelled.length;
			*to++ = ' ';
		}
		merges[vocab.n_merges++] = (struct tern_piece){begin, (size_t)(to - 1 - begin)};
	}
	struct json_iterator parts =
	        json_items(json_find(json_find(json_root(&json), "pre_tokenizer"), "pretokenizers"));
	json_next(&parts);
	struct json_string regex = json_string(json_find(json_find(parts.value, "pattern"), "Regex"));
	vocab.pre = tern_pretokenizer_for_regex(regex.bytes, regex.length, false, false);
	CHECK(tern_tokenizer_new(&tokenizer, &vocab, "tern-tiny", &err) == TERN_OK, "%s", err.message);
	json_free(&json);
	if (!tokenizer)
		exit(test_summary());
	return tokenizer;
}

#endif
