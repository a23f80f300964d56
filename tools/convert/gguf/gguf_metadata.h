/* What a GGUF file says about its model, besides its tensors. */
#ifndef CONVERT_GGUF_GGUF_METADATA_H
#define CONVERT_GGUF_GGUF_METADATA_H

#include "model/hparams.h"

/* Reads the metadata as loading a model does, by the same functions: what would be refused of the output is refused
 * before there is one. *hparams has no tables of frequencies afterwards. n_threads: 0 as tern_choose_threads() does. */
enum tern_status gguf_read_metadata(struct tern_hparams *hparams, const struct gguf *gguf, int n_threads,
                                    struct tern_error *err);

#endif
