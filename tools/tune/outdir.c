#include "tune/outdir.h"

#include "base/sizes.h"
#include "console/signals.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum tern_status outdir_path(char path[OUTDIR_PATH_SIZE], const char *directory, const char *name,
                             struct tern_error *err)
{
	if (snprintf(path, OUTDIR_PATH_SIZE, "%s/%s", directory, name) >= OUTDIR_PATH_SIZE)
		return tern_fail(err, TERN_ERR_USAGE, "%s: the path is too long", directory);
	return TERN_OK;
}

enum tern_status outdir_fail_taken(const struct directory *output, const char *name, struct tern_error *err)
{
	return tern_fail(err, TERN_ERR_USAGE, "%s: holds %s, which would be replaced; use another -o", output->path,
	                 name);
}

enum tern_status outdir_check_own(const struct directory *output, const char *name, const char *beginning,
                                  struct tern_error *err)
{
	char found[128];
	int fd;
	enum tern_status status = directory_open_file(output, name, strlen(name), &fd, err);

	if (status || fd < 0)
		return status;
	ssize_t n = read(fd, found, tern_smaller(sizeof found, strlen(beginning)));
	if (n < 0 || memcmp(found, beginning, (size_t)n) != 0)
		status = outdir_fail_taken(output, name, err);
	close(fd);
	return status;
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
