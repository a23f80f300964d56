/* The tokenizer of a checkpoint, gathered from several files; see vocab_read.h. */
#ifndef CONVERT_TOKENIZER_VOCAB_H
#define CONVERT_TOKENIZER_VOCAB_H

#include "convert/checkpoint/directory.h"
#include "convert/checkpoint/name_set.h"
#include "convert/job/listener.h"
#include "convert/tokenizer/spm_proto.h"
#include "model/gguf.h"
#include "text/vocabulary.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VOCAB_MAX_TEMPLATE = 1 << 20, /* bytes of a chat template */
	VOCAB_MAX_TEMPLATES = 16,
	VOCAB_MAX_END_IDS = 16,
};

struct chat_template {
	struct json_string name; /* "default" or another */
	struct json_string source;
};

struct vocab {
	const struct directory *dir;
	const struct listener *listener;
	char *source; /* the path of the file the tokens come from; begins messages */

	enum tern_vocab_kind kind;
	const char *pre;            /* BPE */
	struct gguf_string *tokens; /* [n_tokens] */
	float *scores;              /* [n_tokens]; SPM */
	int32_t *types;             /* [n_tokens] enum tern_token_type */
	size_t n_tokens;
	struct gguf_string *merges; /* "left right" */
	size_t n_merges;
	int32_t bos_id, eos_id, unk_id, pad_id; /* -1 = none */
	int32_t end_ids[VOCAB_MAX_END_IDS];     /* other tokens that end a text */
	size_t n_end_ids;
	bool add_bos, add_eos;
	bool add_space_prefix, prefix_if_missing; /* SPM */
	/* What tokenizer.json's post_processor puts before and after a text, -1 = nothing; has_template: it says so. */
	bool has_template;
	int32_t template_first, template_last;
	struct chat_template templates[VOCAB_MAX_TEMPLATES];
	size_t n_templates;

	/* What all of the above points into. */
	struct json tokenizer, tokenizer_config, generation_config, added_tokens, special_tokens_map, template_json;
	struct spm_model spm;
	uint8_t *spm_bytes, *template_bytes;
	char *merge_text, *padding_text, *user_defined_text;
	struct name_set ids; /* the tokens by their spelling; number = id */
};

/* Makes room for n tokens; all are without spelling (bytes NULL) and normal. */
enum tern_status vocab_allocate(struct vocab *vocab, size_t n, struct tern_error *err);
/* The id of a token by its spelling, or -1. */
int32_t vocab_find(const struct vocab *vocab, const char *bytes, size_t length);

/* Frees everything it owns and leaves it empty. */
void vocab_free(struct vocab *vocab);

#endif
