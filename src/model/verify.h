/* Checks every weight of a GGUF file: ternary codes, scales, floats. */
#ifndef TERN_MODEL_VERIFY_H
#define TERN_MODEL_VERIFY_H

#include "model/gguf.h"

struct tern_verify_fault {
	const struct gguf_tensor *tensor;
	const char *what; /* "invalid ternary codes" */
	uint64_t count;
};

struct tern_verify_result {
	struct tern_verify_fault *faults;
	size_t n_faults, capacity;
	/* Bytes of no tensor, between them and after the last, padding not counted. The format allows them; they hint
	 * at a file that was edited by hand. */
	uint64_t n_hole_bytes, n_trailing_bytes;
};

/* Reads all tensors of a file of file_size bytes and lists what is wrong in *result, to be freed with
 * tern_verify_free() also after an error. progress may be NULL; it is called after each tensor with the bytes read
 * so far and returns false to give up (TERN_ERR_FAILED). */
enum tern_status tern_verify_weights(const struct gguf *gguf, uint64_t file_size, struct tern_verify_result *result,
                                     bool (*progress)(void *user, uint64_t n_done, uint64_t n_total), void *user,
                                     struct tern_error *err);
void tern_verify_free(struct tern_verify_result *result);

#endif
