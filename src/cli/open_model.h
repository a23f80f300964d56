/* Opening the model that the options name. */
#ifndef TERN_CLI_OPEN_MODEL_H
#define TERN_CLI_OPEN_MODEL_H

#include "cli/common_options.h"

#include <stdint.h>
#include <tern.h>

/* An open model and where it came from. */
struct opened {
	struct tern_model *model;
	char *path;
	enum tern_kv_type kv; /* for its sessions */
	struct tern_model_info info;
	struct tern_error not_locked; /* why --mlock failed; status TERN_OK if it did not */
	uint64_t open_ns;             /* how long opening took */
};

/* Finds and opens the model. Errors are reported. With --verbose, prints what was opened. */
enum tern_status open_model(struct opened *opened, const struct common_options *options);
/* The same; refuses a file that holds only a vocabulary. */
enum tern_status open_model_with_weights(struct opened *opened, const struct common_options *options);
void open_model_close(struct opened *opened);

/* The steps of open_model_with_weights(), for opening in another thread. */
/* Finds the file. Errors are reported. */
enum tern_status open_model_find(struct opened *opened, const struct common_options *options,
                                 struct tern_model_options *settings);
/* Opens it. Prints nothing, so that it may run in any thread. */
enum tern_status open_model_load(struct opened *opened, struct tern_model_options settings, struct tern_error *err);
/* Says that weights take n_bytes of memory in tern's layout, and how to make that permanent; for few bytes only with
 * --verbose. */
void open_model_tell_repacking(const char *path, uint64_t n_bytes, bool is_verbose);
/* Prints what was opened, with --verbose. TERN_ERR_FILE, reported, for a file that holds only a vocabulary. */
enum tern_status open_model_report(const struct opened *opened, const struct common_options *options);

#endif
