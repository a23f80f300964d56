/* Writing a GGUF file, version 3. Call order: create, put pairs, add tensors, begin_data, then the data of every tensor
 * in the order added, in pieces of any size, then commit. */
#ifndef TERN_MODEL_GGUF_WRITE_H
#define TERN_MODEL_GGUF_WRITE_H

#include "model/gguf.h"

struct gguf_writer;

/* Starts a file (see tern_outfile_open). */
enum tern_status tern_gguf_create(struct gguf_writer **writer, const char *path, bool overwrite,
                                  struct tern_error *err);
/* The temporary file being written, for a signal handler to unlink. */
const char *tern_gguf_writer_temp_path(const struct gguf_writer *writer);

/* Pairs and tensors. If one fails, for lack of memory or because a type cannot hold a shape, tern_gguf_begin_data()
 * says so. */
void tern_gguf_put_u32(struct gguf_writer *writer, const char *key, uint32_t value);
void tern_gguf_put_f32(struct gguf_writer *writer, const char *key, float value);
void tern_gguf_put_bool(struct gguf_writer *writer, const char *key, bool value);
void tern_gguf_put_string(struct gguf_writer *writer, const char *key, const char *bytes, size_t n_bytes);
/* items: n_items packed little-endian items of a fixed-size type. */
void tern_gguf_put_array(struct gguf_writer *writer, const char *key, enum gguf_value_type item_type, const void *items,
                         size_t n_items);
void tern_gguf_put_strings(struct gguf_writer *writer, const char *key, const struct gguf_string *items,
                           size_t n_items);
/* Copies a pair of a parsed file as it is. Skips general.alignment: the writer puts its own. */
void tern_gguf_put_pair(struct gguf_writer *writer, const struct gguf_pair *pair);

void tern_gguf_add_tensor(struct gguf_writer *writer, const char *name, uint32_t type, int n_dims,
                          const uint64_t *dims);
/* Fails if a pair or tensor did. Else writes the header; tensor data is 64-byte aligned (the writer puts
 * general.alignment = 64). First checks that tern_gguf_parse() will accept it (no duplicate keys, no limit exceeded,
 * ...) and that the file system has room. */
enum tern_status tern_gguf_begin_data(struct gguf_writer *writer, struct tern_error *err);
/* More data of the current tensor, never of two at once; the writer pads and moves on when it is complete. */
enum tern_status tern_gguf_write_data(struct gguf_writer *writer, const void *bytes, size_t n_bytes,
                                      struct tern_error *err);
/* Checks that all data came, then commits (fsync, rename). Frees the writer either way. */
enum tern_status tern_gguf_commit(struct gguf_writer *writer, struct tern_error *err);
/* Drops the file and frees the writer. NULL is fine. */
void tern_gguf_abort(struct gguf_writer *writer);

#endif
