#include "tune/outdir.h"

#include "console/signals.h"

#include <stdio.h>

enum tern_status outdir_path(char path[OUTDIR_PATH_SIZE], const char *directory, const char *name,
                             struct tern_error *err)
{
	if (snprintf(path, OUTDIR_PATH_SIZE, "%s/%s", directory, name) >= OUTDIR_PATH_SIZE)
		return tern_fail(err, TERN_ERR_USAGE, "%s: the path is too long", directory);
	return TERN_OK;
}

enum tern_status outdir_create(struct tern_outfile *out, const char *directory, const char *name,
                               const struct listener *listener, struct tern_error *err)
{
	char path[OUTDIR_PATH_SIZE];
	enum tern_status status = outdir_path(path, directory, name, err);

	if (status)
		return status;
	signals_hold();
	status = tern_outfile_open(out, path, true, err);
	if (!status)
		listener->on_temp_file(listener->user, out->temp_path);
	signals_release();
	return status;
}

enum tern_status outdir_finish(struct tern_outfile *out, enum tern_status status, const struct listener *listener,
                               struct tern_error *err)
{
	if (!status)
		status = tern_outfile_commit(out, err);
	else
		tern_outfile_abort(out);
	listener->on_temp_file(listener->user, NULL);
	return status;
}
