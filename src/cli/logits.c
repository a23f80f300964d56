/* tern logits: writes the logits of every position of a list of token ids to a file, to compare engines. */
#include "base/file.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/open_model.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct own_options {
	const char *ids, *out;
	int n_batch; /* 0 = not given */
};

struct logits_options {
	struct common_options common;
	struct own_options own;
};

#define FIELD(name) offsetof(struct own_options, name)

static const struct option own_options[] = {
        {.name = "ids",
         .kind = OPTION_TEXT,
         .offset = FIELD(ids),
         .argument = "IDS",
         .help = "token ids: 1,2,3",
         .once = true},
        {.name = "out",
         .letter = 'o',
         .kind = OPTION_TEXT,
         .offset = FIELD(out),
         .argument = "FILE",
         .help = "where to write; -: standard output",
         .aliases = "output",
         .once = true},
        {.name = "batch",
         .letter = 'b',
         .kind = OPTION_INT,
         .offset = FIELD(n_batch),
         .argument = "N",
         .min = 1,
         .max = INT_MAX,
         .help = "compute N tokens together; changes nothing in the result",
         .aliases = "batch-size"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Logits:", own_options, offsetof(struct logits_options, own)},
        COMMON_MODEL_GROUP(struct logits_options, common),
        COMMON_COMPUTING_GROUP(struct logits_options, common),
        COMMON_MESSAGE_GROUP(struct logits_options, common),
        {.options = NULL},
};

static enum tern_status logits_main(int argc, char **argv);

const struct command command_logits = {
        .name = "logits",
        .summary = "Write the logits of given tokens to a file",
        .usage = "tern logits [OPTION...] [MODEL.gguf] --ids IDS -o FILE",
        .examples = "  tern logits -m model.gguf --ids 1,2,3 -o logits.f32\n"
                    "  tern logits --ids \"$(tern tokenize --ids hello)\" -o - | sha256sum\n",
        .notes = "The file holds little-endian 32-bit floats, one row of vocabulary size per\n"
                 "token: row i is what the model expects after tokens 0 to i. It appears complete or\n"
                 "not at all.\n",
        .groups = groups,
        .values_size = sizeof(struct logits_options),
        .run = logits_main,
};

/* Floats computed at a time. */
enum {
	MAX_BUFFERED = 1 << 24
};

struct logits {
	struct logits_options options;
	struct operands operands;
	struct opened opened;
	struct tern_session *session;
	int32_t *ids;
	size_t n_ids;
	float *rows; /* [n_batch, n_vocab] */
	struct tern_outfile file;
	bool to_stdout;
};

static enum tern_status write_rows(struct logits *l, size_t n_rows, struct tern_error *err)
{
	size_t n_bytes = n_rows * (size_t)l->opened.info.n_vocab * sizeof(float);

	if (!l->to_stdout)
		return tern_outfile_write(&l->file, l->rows, n_bytes, err);
	output_write((const char *)l->rows, n_bytes);
	return output_flush() ? TERN_OK : tern_fail(err, TERN_ERR_FAILED, "standard output: write error");
}

static enum tern_status compute(struct logits *l, size_t n_batch, struct tern_error *err)
{
	struct progress progress;
	enum tern_status status = TERN_OK;

	progress_start(&progress, "computing logits");
	for (size_t i = 0; i < l->n_ids && !status; i += n_batch) {
		size_t n = tern_smaller(l->n_ids - i, n_batch);
		status = tern_session_feed(l->session, l->ids + i, n, l->rows, err);
		if (!status)
			status = write_rows(l, n, err);
		progress_update(&progress, i + n, l->n_ids);
	}
	progress_end(&progress);
	return status;
}

static enum tern_status prepare(struct logits *l, size_t *n_batch, struct tern_error *err)
{
	size_t n_vocab = (size_t)l->opened.info.n_vocab, n_fitting = MAX_BUFFERED / n_vocab;
	struct tern_session_options settings = {.n_ctx = (int)l->n_ids,
	                                        .n_batch = l->options.own.n_batch,
	                                        .kv = (enum tern_kv_type)l->options.common.kv,
	                                        .state_cache = -1};
	enum tern_status status;

	/* As many as asked for, else as many as a reasonable buffer holds. */
	*n_batch = l->options.own.n_batch ? (size_t)l->options.own.n_batch : n_fitting ? n_fitting : 1;
	if (*n_batch > l->n_ids)
		*n_batch = l->n_ids;
	common_threads(&l->options.common, &settings.n_threads);
	if ((status = tern_session_new(&l->session, l->opened.model, &settings, err)))
		return status;
	l->rows = tern_alloc_aligned(*n_batch * n_vocab, sizeof *l->rows);
	return l->rows ? TERN_OK : tern_fail_memory(err, *n_batch * n_vocab * sizeof *l->rows);
}

/* Writes under a temporary name, then renames to FILE. */
static enum tern_status write_file(struct logits *l, struct tern_error *err)
{
	size_t n_batch;
	enum tern_status status = prepare(l, &n_batch, err);

	if (status || l->to_stdout)
		return status ? status : compute(l, n_batch, err);
	signals_hold();
	if (!(status = tern_outfile_open(&l->file, l->options.own.out, true, err)))
		signals_clean_on_death(l->file.temp_path);
	signals_release();
	if (status)
		return status;
	status = compute(l, n_batch, err);
	if (status == TERN_OK)
		status = tern_outfile_commit(&l->file, err);
	signals_clean_on_death(NULL);
	tern_outfile_abort(&l->file);
	return status;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static enum tern_status check_out(const struct logits *l)
{
	if (l->to_stdout && term_is_terminal(STDOUT_FILENO))
		return usage_error(&command_logits, "-o -: standard output is a terminal");
	if (!l->to_stdout && is_same_file(l->options.own.out, l->opened.path))
		return usage_error(&command_logits, "-o %.200s: that is the model", l->options.own.out);
	return TERN_OK;
}

static enum tern_status work(struct logits *l)
{
	struct tern_error err = {0};
	const char *ids = l->options.own.ids;
	enum tern_status status;

	if (l->options.own.out && !*l->options.own.out)
		return usage_error(&command_logits, "-o: the name of the file is empty");
	if (!ids || !l->options.own.out || l->operands.n_items)
		return usage_error(&command_logits, l->operands.n_items ? "unexpected '%.64s'" : "%s",
		                   l->operands.n_items ? l->operands.items[0] : "--ids IDS and -o FILE are needed");
	l->options.common.no_text = true;
	l->to_stdout = strcmp(l->options.own.out, "-") == 0;
	if ((status = open_model_with_weights(&l->opened, &l->options.common)) || (status = check_out(l)) ||
	    (status = input_parse_ids(ids, strlen(ids), l->opened.info.n_vocab, &l->ids, &l->n_ids)))
		return status;
	if (l->n_ids == 0)
		return usage_error(&command_logits, "--ids: the list is empty");
	if (l->n_ids > (size_t)l->opened.info.n_ctx_train) {
		report("%zu ids, the model's context is %d", l->n_ids, l->opened.info.n_ctx_train);
		return TERN_ERR_CONTEXT;
	}
	if ((status = write_file(l, &err)) && !(l->to_stdout && !output_flush()))
		report_error(&err);
	return status;
}

static enum tern_status logits_main(int argc, char **argv)
{
	struct logits l = {.file = {.fd = -1}};
	enum tern_status status;

	if (!options_parse(&command_logits, argc, argv, &l.options, &l.operands, &status))
		return status;
	common_apply(&l.options.common, &l.operands);
	status = work(&l);
	tern_free(l.rows);
	tern_free(l.ids);
	tern_session_free(l.session);
	open_model_close(&l.opened);
	options_free(&command_logits, &l.options, &l.operands);
	return output_finish(status);
}
