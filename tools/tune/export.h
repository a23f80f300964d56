/* The tuned checkpoint: config.json, the tokenizer's files and model.safetensors in a directory that transformers and
 * tern-convert read. model.safetensors comes last: where it is, the checkpoint is whole. */
#ifndef TUNE_EXPORT_H
#define TUNE_EXPORT_H

#include "convert/job/listener.h"
#include "tune/network.h"

enum export_form {
	EXPORT_FULL_PRECISION, /* floats, and config.json as it was but for their type */
	EXPORT_MASTER,         /* floats that are ternarized when they are loaded (AutoBitLinear, online) */
	EXPORT_PACKED,         /* projections as 2-bit codes with a scale (AutoBitLinear, offline) */
};

/* Packed rows come four to a byte row, and without biases. TERN_ERR_USAGE if a matrix cannot be packed. */
enum tern_status export_check(const struct network *network, enum export_form form, struct tern_error *err);

/* The first of the names that a checkpoint's files have that is taken in `output`; NULL: none is. */
const char *export_find(const struct directory *output);

/* Writes into the directory `path`. `base` is where config.json and tokenizer come from. The listener hears of
 * temporary files. */
enum tern_status export_write(const char *path, const struct network *network, const struct directory *base,
                              const struct config *config, enum export_form form, const struct listener *listener,
                              struct tern_error *err);

#endif
