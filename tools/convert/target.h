/* The file that a conversion writes: temporary and known to the reporter until it is whole. */
#ifndef CONVERT_TARGET_H
#define CONVERT_TARGET_H

#include "convert/reporter.h"
#include "model/gguf_write.h"

/* Starts the file; TERN_ERR_USAGE if it exists and `force` is false. Signals wait until the reporter knows the
 * temporary name. */
enum tern_status target_create(struct gguf_writer **writer, const char *path, bool force,
                               const struct reporter *reporter, struct tern_error *err);

/* Ends it: puts it in place if `status` says that all went well, else drops it. Returns the status of the whole.
 * *writer may be NULL (nothing was to be written), and is NULL afterwards. */
enum tern_status target_finish(struct gguf_writer **writer, enum tern_status status, const struct reporter *reporter,
                               struct tern_error *err);

#endif
