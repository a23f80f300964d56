/* From a parsed GGUF file to a network whose every tensor is found and checked. */
#ifndef TERN_MODEL_LOAD_H
#define TERN_MODEL_LOAD_H

#include "base/file.h"
#include "model/transformer.h"

/* Reads and checks the numbers (every relation between them) and binds every tensor (present once, expected shape and
 * type), in place or repacked (repack.h). The GGUF and its bytes must outlive the result. options, for repacking, may
 * be NULL; file: the mapped file that the GGUF was read from, or NULL. */
enum tern_status tern_transformer_load(struct tern_transformer *transformer, const struct gguf *gguf,
                                       const struct tern_model_options *options, const struct tern_file *file,
                                       struct tern_error *err);

#endif
