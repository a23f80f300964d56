#include "cli/open_model.h"

#include "base/clock.h"
#include "base/memory.h"
#include "cli/models.h"
#include "console/format.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"

#include <string.h>

enum tern_status open_model_find(struct opened *opened, const struct common_options *options,
                                 struct tern_model_options *settings)
{
	enum tern_status status;

	*opened = (struct opened){.kv = (enum tern_kv_type)options->kv};
	*settings = (struct tern_model_options){.no_mmap = options->no_mmap,
	                                        .lock = options->mlock,
	                                        .overcommit = options->overcommit,
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

enum tern_status open_model_load(struct opened *opened, struct tern_model_options settings, struct tern_error *err)
{
	uint64_t started = tern_clock_ns();
	enum tern_status status = tern_model_open(&opened->model, opened->path, &settings, err);
	struct tern_error second;

	/* Go on without --mlock if the system refuses to lock memory. */
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

void open_model_tell_repacking(const char *path, uint64_t n_bytes, bool is_verbose)
{
	const uint64_t worth_telling = (uint64_t)256 << 20; /* less takes no time */
	char bytes[FORMAT_SIZE];

	if (term_is_quiet() || (n_bytes < worth_telling && !is_verbose))
		return;
	note("(its weights are brought into tern's layout first, which takes %s of memory; to do that once and for "
	     "all: tern-convert %s -o NEW.gguf)",
	     format_bytes(bytes, n_bytes), path);
}

static void report_opened(const struct opened *opened, const struct common_options *options)
{
	if (opened->not_locked.status)
		warn("%s; going on without --mlock", opened->not_locked.message);
	if (options->verbose)
		note("%s: %s, %.4g M parameters, %.4g MiB, opened in %.3g ms", opened->path, opened->info.arch,
		     (double)opened->info.n_params * 1e-6, (double)opened->info.n_weight_bytes / (1 << 20),
		     (double)opened->open_ns * 1e-6);
}

enum tern_status open_model_report(const struct opened *opened, const struct common_options *options)
{
	report_opened(opened, options);
	if (opened->info.n_layer > 0)
		return TERN_OK;
	report("%s: holds a vocabulary and no weights", opened->path);
	return TERN_ERR_FILE;
}

/* What the callbacks of opening need. */
struct opening {
	struct progress progress;
	const char *path;
	bool is_verbose;
};

static void on_repack(void *user, uint64_t n_bytes)
{
	const struct opening *opening = user;
	open_model_tell_repacking(opening->path, n_bytes, opening->is_verbose);
}

static bool on_progress(void *user, uint64_t n_done, uint64_t n_total)
{
	struct opening *opening = user;
	return progress_callback(&opening->progress, n_done, n_total);
}

/* Opens and reports; on failure nothing is left open. */
static enum tern_status find_and_open(struct opened *opened, const struct common_options *options)
{
	struct tern_model_options settings;
	struct tern_error err = {0};
	struct opening opening = {.is_verbose = options->verbose};
	enum tern_status status = open_model_find(opened, options, &settings);

	if (status)
		return status;
	opening.path = opened->path;
	settings.on_repack = on_repack;
	settings.on_progress = on_progress;
	settings.user = &opening;
	signals_clean_on_death(NULL);
	progress_start(&opening.progress, "repacking weights");
	status = open_model_load(opened, settings, &err);
	progress_end(&opening.progress);
	if (!status)
		return status;
	report_error(&err);
	open_model_close(opened);
	return status;
}

enum tern_status open_model(struct opened *opened, const struct common_options *options)
{
	enum tern_status status = find_and_open(opened, options);

	if (!status)
		report_opened(opened, options);
	return status;
}

enum tern_status open_model_with_weights(struct opened *opened, const struct common_options *options)
{
	enum tern_status status = find_and_open(opened, options);

	return status ? status : open_model_report(opened, options);
}

void open_model_close(struct opened *opened)
{
	tern_model_close(opened->model);
	tern_free(opened->path);
	memset(opened, 0, sizeof *opened);
}
