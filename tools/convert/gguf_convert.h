/* From a GGUF file to another: matrices of other engines brought into tern's layout for good, tern's own brought into
 * theirs, or the parts of a split model put together. */
#ifndef CONVERT_GGUF_CONVERT_H
#define CONVERT_GGUF_CONVERT_H

#include "convert/reporter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

enum gguf_target {
	GGUF_TARGET_T2R16, /* for tern */
	GGUF_TARGET_TQ2_0, /* for llama.cpp */
	GGUF_TARGET_I2_S,  /* for bitnet.cpp */
	GGUF_TARGET_SAME,  /* every tensor as it is: merging */
};

struct gguf_convert_options {
	const char *input;  /* a GGUF file, or any part of a split one */
	const char *output; /* may be NULL with dry_run */
	bool force;         /* replace an existing output */
	bool dry_run;       /* everything but writing */
	enum gguf_target target;
	bool keep_embedding, keep_head; /* not in int8; for T2R16 */
	enum tern_i2s_layout i2s_layout;
	int n_threads; /* 0 = tern_default_threads() */
	struct reporter reporter;
};

struct gguf_convert_summary {
	size_t n_parts, n_tensors;
	size_t n_ternary; /* matrices that changed their layout */
	size_t n_dense;   /* embedding and head, if they changed their type */
	uint64_t n_bytes_in, n_bytes_out;
	double seconds;
};

/* The output appears whole, under its name, or not at all. Statuses as those of convert(). */
enum tern_status gguf_convert(const struct gguf_convert_options *options, struct gguf_convert_summary *summary,
                              struct tern_error *err);

#endif
