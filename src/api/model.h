/* The inside of struct tern_model, shared by the files of api/. */
#ifndef TERN_API_MODEL_H
#define TERN_API_MODEL_H

#include "base/file.h"
#include "model/gguf.h"
#include "model/load.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#include <tern.h>

struct tern_model {
	char *path, *arch, *name;
	struct tern_file file;
	struct gguf gguf;
	bool has_weights; /* false: a file of a tokenizer alone */
	struct tern_transformer transformer;
	struct tern_tokenizer *tokenizer; /* NULL if it was not wanted */
	bool has_chat_template;           /* the file carries one, known or not */
	enum tern_chat_format chat_format;
	struct tern_chat_efforts chat_efforts;          /* of the file's template, or the format's own */
	const char *chat_stops[TERN_CHAT_MAX_ENDS + 1]; /* texts that end an answer and are no tokens; then NULL */
	int32_t bos_id;                                 /* that texts begin with, or -1 */
	bool *is_end;                                   /* [n_pieces] tokens that end a text or a turn */
};

/* Loads the GGUF file whose bytes are in model->file and whose name for messages is model->path. In model.c. */
enum tern_status tern_model_load(struct tern_model *model, const struct tern_model_options *options,
                                 struct tern_error *err);

/* Fills tokenizer, chat_format and what ends texts from the metadata and the options. In vocab.c. */
enum tern_status tern_model_load_text(struct tern_model *model, const struct tern_model_options *options,
                                      struct tern_error *err);

/* TERN_ERR_USAGE if the model was opened without its tokenizer. In text.c. */
enum tern_status tern_model_need_text(const struct tern_model *model, struct tern_error *err);

#endif
