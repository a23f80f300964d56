/* Looks at every weight of a GGUF file for what a sound file does not hold. */
#ifndef TERN_CLI_VERIFY_H
#define TERN_CLI_VERIFY_H

#include "model/gguf.h"

struct verify_fault {
	const struct gguf_tensor *tensor;
	const char *what; /* "invalid ternary codes" */
	uint64_t count;
};

struct verify_result {
	struct verify_fault *faults; /* with tern_free() */
	size_t n_faults, capacity;
	/* Bytes that belong to nothing: allowed, but a sign of a file put together by hand. */
	uint64_t n_hole_bytes, n_trailing_bytes;
};

/* Reads all tensors; the file has file_size bytes. progress (may be NULL) is told how many tensor bytes are done.
 * What is wrong with the weights is in *result, which the caller frees also after an error. */
enum tern_status verify_weights(const struct gguf *gguf, uint64_t file_size, struct verify_result *result,
                                void (*progress)(void *user, uint64_t n_done, uint64_t n_total), void *user,
                                struct tern_error *err);
void verify_free(struct verify_result *result);

#endif
