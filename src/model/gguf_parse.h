/* Reading the header of a GGUF file from memory, trusting nothing. */
#ifndef TERN_MODEL_GGUF_PARSE_H
#define TERN_MODEL_GGUF_PARSE_H

#include "model/gguf.h"

/* Parses and validates the whole header: counts, types, sizes, duplicates, overlaps, bounds. Tensor names may be any
 * bytes, keys are printable ASCII. Holes between tensors and bytes after the last are allowed. On failure *gguf needs
 * no freeing. */
enum tern_status tern_gguf_parse(struct gguf *gguf, const char *path, const uint8_t *bytes, size_t n_bytes,
                                 struct tern_error *err);

/* The same for a file of file_size bytes of which only the first n_bytes, with the whole header, are in memory: `data`
 * is NULL for tensors that are not completely in these bytes. */
enum tern_status tern_gguf_parse_header(struct gguf *gguf, const char *path, const uint8_t *bytes, size_t n_bytes,
                                        uint64_t file_size, struct tern_error *err);

#endif
