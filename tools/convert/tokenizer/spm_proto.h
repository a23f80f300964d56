/* SentencePiece models (tokenizer.model): the few fields of the ModelProto message that make a tokenizer, read from
 * protobuf wire format. Only BPE models are accepted. Field numbers: sentencepiece_model.proto. */
#ifndef CONVERT_TOKENIZER_SPM_PROTO_H
#define CONVERT_TOKENIZER_SPM_PROTO_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SPM_MAX_PIECES = 1 << 22,
	SPM_MAX_PIECE_BYTES = 64 << 10,
};

/* The types' numbers are those of tokenizer.ggml.token_type. */
struct spm_piece {
	const char *bytes; /* inside the file's bytes; not NUL-terminated, valid UTF-8 */
	size_t length;
	float score;
	int32_t type; /* 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte */
};

struct spm_model {
	struct spm_piece *pieces;
	size_t n_pieces, capacity;
	int32_t unk_id, bos_id, eos_id, pad_id; /* -1 = none; else < n_pieces */
	bool byte_fallback;
	bool add_dummy_prefix;         /* a space before the text */
	bool remove_extra_whitespaces; /* runs of spaces become one */
	bool has_charsmap;             /* characters are normalized (NFKC or the like) */
};

/* Parses a whole file. The pieces point into `bytes`. Messages: "PATH: byte 123: ...". On error there is nothing to
 * free. */
enum tern_status spm_parse(struct spm_model *model, const char *path, const uint8_t *bytes, size_t n_bytes,
                           struct tern_error *err);
void spm_free(struct spm_model *model);

#endif
