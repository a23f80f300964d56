/* The GGUF file that a conversion writes, and how far it is. */
#ifndef CONVERT_JOB_OUT_FILE_H
#define CONVERT_JOB_OUT_FILE_H

#include "convert/job/options.h"
#include "model/gguf_write.h"

#include <stddef.h>
#include <sys/stat.h>

struct out_file {
	const struct convert_options *options;
	struct gguf_writer *writer; /* NULL: not created yet, or a dry run */
	uint64_t n_written;         /* bytes of tensor data; also counted in a dry run */
	uint64_t n_read, n_to_read; /* bytes of the input's tensors, for progress */
	struct tern_error *err;
};

/* Whether the output would replace this file of the input, and so destroy it. */
bool out_file_is(const struct out_file *output, const struct stat *input);

/* Starts the file, unless this is a dry run; TERN_ERR_USAGE if it exists and options->force is false. Signals are held
 * until the listener knows the temporary name. */
enum tern_status out_file_create(struct out_file *output);

/* Writes more tensor data. */
enum tern_status out_file_write(struct out_file *output, const void *bytes, size_t n_bytes);

/* Reports that n_bytes more of the input are done. */
void out_file_advance(struct out_file *output, uint64_t n_bytes);

/* Moves the file into place if `status` is TERN_OK, else removes it. Returns the status of the whole conversion. */
enum tern_status out_file_finish(struct out_file *output, enum tern_status status);

#endif
