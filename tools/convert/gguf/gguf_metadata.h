/* What a GGUF file says about its model, besides its tensors. */
#ifndef CONVERT_GGUF_GGUF_METADATA_H
#define CONVERT_GGUF_GGUF_METADATA_H

#include "model/hparams.h"

/* Reads the metadata as loading a model does, by the same functions: what would be refused of the output is refused
 * before there is one. The tokenizer only if with_text. *hparams has no tables of frequencies afterwards. n_threads: 0
 * as tern_choose_threads() does. */
enum tern_status gguf_read_metadata(struct tern_hparams *hparams, const struct gguf *gguf, bool with_text,
                                    int n_threads, struct tern_error *err);

#endif
