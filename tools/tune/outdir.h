/* The output directory of a training run: paths of its files, and files that appear whole or not at all. */
#ifndef TUNE_OUTDIR_H
#define TUNE_OUTDIR_H

#include "base/file.h"
#include "convert/checkpoint/directory.h"
#include "convert/job/listener.h"

enum {
	OUTDIR_PATH_SIZE = 4200
};

/* DIRECTORY/NAME; TERN_ERR_USAGE if that is too long. */
enum tern_status outdir_path(char path[OUTDIR_PATH_SIZE], const char *directory, const char *name,
                             struct tern_error *err);

/* "DIRECTORY: holds NAME, ...", status TERN_ERR_USAGE. */
enum tern_status outdir_fail_taken(const struct directory *output, const char *name, struct tern_error *err);
/* TERN_ERR_USAGE for a file that begins with other bytes than `beginning`, and so is not what a run leaves under this
 * name; one that ends sooner and none at all are fine. */
enum tern_status outdir_check_own(const struct directory *output, const char *name, const char *beginning,
                                  struct tern_error *err);

/* Starts a file, replacing an existing one when it is finished. Signals are held until the listener knows the temporary
 * name. */
enum tern_status outdir_create(struct tern_outfile *out, const char *directory, const char *name,
                               const struct listener *listener, struct tern_error *err);
/* Moves the file into place if `status` is TERN_OK, else removes it. Returns the status of the whole. */
enum tern_status outdir_finish(struct tern_outfile *out, enum tern_status status, const struct listener *listener,
                               struct tern_error *err);

#endif
