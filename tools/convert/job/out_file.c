#include "convert/job/out_file.h"

#include "console/signals.h"

bool out_file_is(const struct out_file *output, const struct stat *input)
{
	struct stat st;
	const char *path = output->options->output;

	return path && stat(path, &st) == 0 && st.st_dev == input->st_dev && st.st_ino == input->st_ino;
}

static void announce(const struct out_file *output, const char *temp_path)
{
	const struct listener *listener = &output->options->listener;

	if (listener->on_temp_file)
		listener->on_temp_file(listener->user, temp_path);
}

enum tern_status out_file_create(struct out_file *output)
{
	const struct convert_options *options = output->options;
	struct stat existing;
	enum tern_status status;

	if (options->dry_run)
		return TERN_OK;
	if (!options->force && stat(options->output, &existing) == 0 && S_ISREG(existing.st_mode))
		return tern_fail(output->err, TERN_ERR_USAGE, "%s: exists already; --force replaces it",
		                 options->output);
	signals_hold();
	status = tern_gguf_create(&output->writer, options->output, options->force, output->err);
	if (!status)
		announce(output, tern_gguf_writer_temp_path(output->writer));
	signals_release();
	return status;
}

enum tern_status out_file_write(struct out_file *output, const void *bytes, size_t n_bytes)
{
	output->n_written += n_bytes;
	return output->writer ? tern_gguf_write_data(output->writer, bytes, n_bytes, output->err) : TERN_OK;
}

void out_file_advance(struct out_file *output, uint64_t n_bytes)
{
	const struct listener *listener = &output->options->listener;

	output->n_read += n_bytes;
	if (listener->on_progress)
		listener->on_progress(listener->user, output->n_read, output->n_to_read);
}

enum tern_status out_file_finish(struct out_file *output, enum tern_status status)
{
	if (!output->writer)
		return status;
	if (status)
		tern_gguf_abort(output->writer);
	else
		status = tern_gguf_commit(output->writer, output->err);
	output->writer = NULL;
	announce(output, NULL);
	return status;
}
