/* make_model: writes a GGUF file of random weights in the shape of a public model, with a vocabulary, so that whole
 * programs can be measured on a model that nobody has to download. It generates noise.
 *
 *     make build/bench/make_model && build/bench/make_model --shape 2b -o random-2b.gguf
 *
 * With --vocab the tokenizer is copied from another GGUF file, whose vocabulary has to be of the shape's size. */
#include "api/inspect.h"
#include "base/file.h"
#include "console/options.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"
#include "model/gguf_parse.h"
#include "vocabulary.h"

#include <string.h>

struct values {
	const char *shape, *output, *vocab;
	bool force;
};

#define FIELD(name) offsetof(struct values, name)

static const struct option options[] = {
        {.name = "shape", .kind = OPTION_TEXT, .offset = FIELD(shape), .argument = "SHAPE", .help = "see below"},
        {.name = "output",
         .letter = 'o',
         .kind = OPTION_TEXT,
         .offset = FIELD(output),
         .argument = "OUT.gguf",
         .help = "the file to write"},
        {.name = "vocab",
         .kind = OPTION_TEXT,
         .offset = FIELD(vocab),
         .argument = "FILE.gguf",
         .help = "copy the tokenizer from this file; default: an invented one"},
        {.name = "force", .offset = FIELD(force), .help = "replace OUT.gguf if it exists"},
        {.name = "help", .letter = 'h', .kind = OPTION_HELP, .help = "this text"},
        {.name = NULL},
};

static const struct option_group groups[] = {{"Options:", options, 0}, {.options = NULL}};

static const struct command command = {
        .name = "make_model",
        .summary = "Write a GGUF file of random weights, for measurements",
        .usage = "make_model --shape SHAPE -o OUT.gguf [OPTION...]",
        .examples = "  make_model --shape 2b -o random-2b.gguf\n",
        .notes = TERN_SHAPES_TEXT,
        .groups = groups,
        .values_size = sizeof(struct values),
};

static bool is_tokenizer_key(const struct gguf_pair *pair)
{
	return pair->key.length > 10 && memcmp(pair->key.bytes, "tokenizer.", 10) == 0;
}

static enum tern_status copy_vocabulary(struct gguf_writer *writer, const char *path, struct tern_error *err)
{
	struct tern_file file = {0};
	struct gguf gguf = {0};
	enum tern_status status;

	if (!(status = tern_file_open(&file, path, true, err)))
		status = tern_gguf_parse(&gguf, path, file.data, file.size, err);
	for (size_t i = 0; i < gguf.n_pairs && !status; i++)
		if (is_tokenizer_key(&gguf.pairs[i]))
			tern_gguf_put_pair(writer, &gguf.pairs[i]);
	tern_gguf_free(&gguf);
	tern_file_close(&file);
	return status;
}

static enum tern_status write_model(struct gguf_writer *writer, const struct gguf *gguf, const char *vocab,
                                    struct tern_error *err)
{
	const struct gguf_tensor *embedding = tern_gguf_find_tensor(gguf, "token_embd.weight");
	enum tern_status status;

	for (size_t i = 0; i < gguf->n_pairs; i++)
		tern_gguf_put_pair(writer, &gguf->pairs[i]);
	status = vocab ? copy_vocabulary(writer, vocab, err)
	               : put_invented_vocabulary(writer, (size_t)embedding->dims[1], err);
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *t = &gguf->tensors[i];
		char name[GGUF_MAX_NAME_LENGTH + 1] = "";
		memcpy(name, t->name.bytes, t->name.length);
		tern_gguf_add_tensor(writer, name, t->type, t->n_dims, t->dims);
	}
	if (!status)
		status = tern_gguf_begin_data(writer, err);
	for (size_t i = 0; i < gguf->n_tensors && !status; i++)
		status = tern_gguf_write_data(writer, gguf->tensors[i].data, (size_t)gguf->tensors[i].n_bytes, err);
	return status;
}

static enum tern_status create(struct gguf_writer **writer, const struct values *values, struct tern_error *err)
{
	enum tern_status status;

	signals_hold();
	if (!(status = tern_gguf_create(writer, values->output, values->force, err)))
		signals_clean_on_death(tern_gguf_writer_temp_path(*writer));
	signals_release();
	return status;
}

static enum tern_status make(const struct values *values, struct tern_error *err)
{
	struct progress progress;
	struct tern_model_options settings = {.on_progress = progress_callback, .user = &progress};
	struct gguf_writer *writer;
	struct tern_model *model;
	enum tern_status status;

	progress_start(&progress, "making weights");
	status = tern_model_make_random(&model, values->shape, &settings, err);
	progress_end(&progress);
	if (!status && !(status = create(&writer, values, err))) {
		status = write_model(writer, tern_model_gguf(model), values->vocab, err);
		if (status)
			tern_gguf_abort(writer);
		else
			status = tern_gguf_commit(writer, err);
		signals_clean_on_death(NULL);
	}
	tern_model_close(model);
	return status;
}

int main(int argc, char **argv)
{
	struct values values;
	struct operands operands;
	struct tern_error err;
	enum tern_status status;

	term_start();
	term_set_program("make_model");
	signals_start();
	if (!options_parse(&command, argc, argv, &values, &operands, &status))
		return (int)status;
	if (!values.shape || !values.output || operands.n_items)
		status = usage_error(&command, "expected --shape SHAPE and -o OUT.gguf and nothing else");
	else if ((status = make(&values, &err)))
		report_error(&err);
	options_free(&command, &values, &operands);
	return (int)output_finish(status);
}
