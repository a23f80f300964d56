#include "convert/target.h"

#include "console/signals.h"

#include <sys/stat.h>

static void tell(const struct reporter *reporter, const char *temp_path)
{
	if (reporter->on_temp_file)
		reporter->on_temp_file(reporter->user, temp_path);
}

enum tern_status target_create(struct gguf_writer **writer, const char *path, bool force,
                               const struct reporter *reporter, struct tern_error *err)
{
	struct stat existing;
	enum tern_status status;

	if (!force && stat(path, &existing) == 0)
		return tern_fail(err, TERN_ERR_USAGE, "%s: exists already; --force replaces it", path);
	signals_hold();
	status = tern_gguf_create(writer, path, force, err);
	if (!status)
		tell(reporter, tern_gguf_writer_temp_path(*writer));
	signals_release();
	return status;
}

enum tern_status target_finish(struct gguf_writer **writer, enum tern_status status, const struct reporter *reporter,
                               struct tern_error *err)
{
	if (!*writer)
		return status;
	if (status)
		tern_gguf_abort(*writer);
	else
		status = tern_gguf_commit(*writer, err);
	*writer = NULL;
	tell(reporter, NULL);
	return status;
}
