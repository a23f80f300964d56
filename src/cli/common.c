#include "cli/common.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/models.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_THREADS = 1024
};

#define FIELD(name) offsetof(struct common_options, name)

const struct option common_model_options[] = {
        {.name = "model",
         .letter = 'm',
         .kind = OPTION_TEXT,
         .offset = FIELD(model),
         .argument = "FILE|NAME",
         .help = "the model, a GGUF file; default $TERN_MODEL, else the one that ships with tern"},
        {.name = "i2s-layout",
         .kind = OPTION_CHOICE,
         .offset = FIELD(i2s_layout),
         .argument = "128|64|rows4",
         .initial = "128",
         .help = "how weights of type I2_S are packed, which their file does not say; 64: made on ARM"},
        {.name = NULL},
};

const struct option common_computing_options[] = {
        {.name = "threads",
         .letter = 't',
         .kind = OPTION_INT,
         .offset = FIELD(n_threads),
         .argument = "N",
         .min = 1,
         .max = MAX_THREADS,
         .help = "threads; default $TERN_THREADS, else the fast physical cores"},
        {.name = "kv",
         .kind = OPTION_CHOICE,
         .offset = FIELD(kv),
         .argument = COMMON_KV_TYPES,
         .initial = "f16",
         .help = "how the context's keys and values are kept; q8: half the memory, nearly the same results"},
        {.name = "no-mmap", .offset = FIELD(no_mmap), .help = "read the file into memory instead of mapping it"},
        {.name = "mlock", .offset = FIELD(mlock), .help = "keep the weights in memory, never on swap"},
        {.name = NULL},
};

const struct option common_message_options[] = {
        {.name = "quiet", .letter = 'q', .offset = FIELD(quiet), .help = "no warnings, no progress"},
        {.name = "verbose", .letter = 'v', .offset = FIELD(verbose), .help = "speed, seed and facts on standard error"},
        {.name = "color",
         .kind = OPTION_CHOICE,
         .offset = FIELD(color),
         .argument = "auto|always|never",
         .initial = "auto",
         .help = "colour"},
        {.name = "help", .letter = 'h', .kind = OPTION_HELP, .help = "this text"},
        {.name = "version", .kind = OPTION_VERSION, .help = "the version of tern"},
        {.name = NULL},
};

static bool ends_in_gguf(const char *text)
{
	size_t length = strlen(text);
	return length > 5 && strcmp(text + length - 5, ".gguf") == 0;
}

void common_apply(struct common_options *options, struct operands *operands)
{
	term_configure((enum term_color)options->color, options->quiet);
	if (!options->model && operands->n_items > 0 && ends_in_gguf(operands->items[0])) {
		options->model = operands->items[0];
		operands->n_items--;
		memmove((void *)operands->items, (const void *)(operands->items + 1),
		        operands->n_items * sizeof *operands->items);
	}
}

enum tern_status common_threads(const struct common_options *options, int *n_threads)
{
	const char *preset = getenv("TERN_THREADS");

	*n_threads = options->n_threads;
	if (*n_threads || !preset || !*preset || parse_int(preset, 1, MAX_THREADS, n_threads))
		return TERN_OK;
	report("TERN_THREADS: expected a whole number (from 1 to %d), found '%.64s'", MAX_THREADS, preset);
	return TERN_ERR_USAGE;
}

enum tern_status common_find(struct opened *opened, const struct common_options *options,
                             struct tern_model_options *settings)
{
	enum tern_status status;

	*opened = (struct opened){.kv = (enum tern_kv_type)options->kv};
	*settings = (struct tern_model_options){.no_mmap = options->no_mmap,
	                                        .lock = options->mlock,
	                                        .no_text = options->no_text,
	                                        .chat_format = options->chat_format,
	                                        .i2s_layout = (enum tern_i2s_layout)options->i2s_layout};
	if ((status = common_threads(options, &settings->n_threads)) ||
	    (status = models_find(options->model, &opened->path)))
		return status;
	if (!options->no_mmap)
		signals_watch_map(opened->path);
	return TERN_OK;
}

enum tern_status common_open_found(struct opened *opened, struct tern_model_options settings, struct tern_error *err)
{
	uint64_t started = tern_clock_ns();
	enum tern_status status = tern_model_open(&opened->model, opened->path, &settings, err);
	struct tern_error second;

	/* If the system refuses to lock memory, the work can be done all the same. */
	if (status == TERN_ERR_FAILED && settings.lock) {
		settings.lock = false;
		if (tern_model_open(&opened->model, opened->path, &settings, &second) == TERN_OK) {
			opened->not_locked = *err;
			status = TERN_OK;
		}
	}
	if (status)
		return status;
	opened->open_ns = tern_clock_ns() - started;
	tern_model_get_info(opened->model, &opened->info);
	return TERN_OK;
}

static void tell_opened(const struct opened *opened, const struct common_options *options)
{
	if (opened->not_locked.status)
		warn("%s; going on without --mlock", opened->not_locked.message);
	if (options->verbose)
		note("%s: %s, %.4g M parameters, %.4g MiB, opened in %.3g ms", opened->path, opened->info.arch,
		     (double)opened->info.n_params * 1e-6, (double)opened->info.n_weight_bytes / (1 << 20),
		     (double)opened->open_ns * 1e-6);
}

enum tern_status common_tell_opened(const struct opened *opened, const struct common_options *options)
{
	tell_opened(opened, options);
	if (opened->info.n_layer > 0)
		return TERN_OK;
	report("%s: holds a vocabulary and no weights", opened->path);
	return TERN_ERR_FILE;
}

static bool show_progress(void *user, uint64_t n_done, uint64_t n_total)
{
	progress_update(user, n_done, n_total);
	return true;
}

/* Opens and reports; on failure nothing is left open. */
static enum tern_status find_and_open(struct opened *opened, const struct common_options *options)
{
	struct tern_model_options settings;
	struct tern_error err = {0};
	struct progress progress;
	enum tern_status status = common_find(opened, options, &settings);

	if (status)
		return status;
	settings.on_progress = show_progress;
	settings.user = &progress;
	signals_clean_on_death(NULL);
	progress_start(&progress, "repacking weights");
	status = common_open_found(opened, settings, &err);
	progress_end(&progress);
	if (!status)
		return status;
	report_error(&err);
	common_close(opened);
	return status;
}

enum tern_status common_open(struct opened *opened, const struct common_options *options)
{
	enum tern_status status = find_and_open(opened, options);

	if (!status)
		tell_opened(opened, options);
	return status;
}

enum tern_status common_open_weights(struct opened *opened, const struct common_options *options)
{
	enum tern_status status = find_and_open(opened, options);

	return status ? status : common_tell_opened(opened, options);
}

void common_close(struct opened *opened)
{
	tern_model_close(opened->model);
	tern_free(opened->path);
	memset(opened, 0, sizeof *opened);
}
