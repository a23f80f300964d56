/* From a GGUF file to another: matrices of other engines brought into tern's layout for good, tern's own brought into
 * theirs, or the parts of a split model put together. */
#ifndef CONVERT_CONVERT_GGUF_H
#define CONVERT_CONVERT_GGUF_H

#include "convert/job/options.h"

#include <stddef.h>
#include <stdint.h>

/* What was done. */
struct gguf_summary {
	size_t n_parts, n_tensors;
	size_t n_ternary; /* matrices that changed their layout */
	size_t n_dense;   /* embedding and head, if they changed their type */
	uint64_t n_bytes_in, n_bytes_out;
	double seconds;
};

/* The output appears whole, under its name, or not at all. Statuses as those of convert_checkpoint(). */
enum tern_status convert_gguf(const struct convert_options *options, struct gguf_summary *summary,
                              struct tern_error *err);

#endif
