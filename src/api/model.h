/* The inside of struct tern_model, shared by the files of api/. */
#ifndef TERN_API_MODEL_H
#define TERN_API_MODEL_H

#include "api/vocab.h"
#include "base/file.h"
#include "model/load.h"

#include <tern.h>

struct tern_model {
	char *path, *arch, *name;
	struct tern_file file;
	struct gguf gguf;
	bool has_weights; /* false: a file of a tokenizer alone */
	struct tern_transformer transformer;
	struct tern_text text; /* without a tokenizer if it was not wanted */
	bool is_locked;        /* weights are kept from being paged out, or some are */
};

/* Loads the GGUF file whose bytes are in model->file and whose name for messages is model->path. */
enum tern_status tern_model_load(struct tern_model *model, const struct tern_model_options *options,
                                 struct tern_error *err);

/* TERN_ERR_FILE if the file has no weights. */
enum tern_status tern_model_need_weights(const struct tern_model *model, struct tern_error *err);

/* TERN_ERR_USAGE if the model was opened without its tokenizer. */
enum tern_status tern_model_need_text(const struct tern_model *model, struct tern_error *err);

#endif
