/* GGUF files of random weights in the shapes of public models, made in memory: what a machine does with a model can be
 * measured before the model is downloaded. */
#ifndef TERN_MODEL_RANDOM_MODEL_H
#define TERN_MODEL_RANDOM_MODEL_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <tern.h>

/* Makes the bytes of such a file, without a vocabulary; the caller frees *image with tern_free(). `shape` is a name
 * from the table in random_model.c ("2b"), or name:N for models with a scale for every N columns ("2b:128"). Of
 * `options`, n_threads (at least 1) and on_progress are used. TERN_ERR_USAGE if there is no such shape. */
enum tern_status tern_random_image(const char *shape, const struct tern_model_options *options, uint8_t **image,
                                   size_t *n_bytes, struct tern_error *err);

/* Name number `index` of that table, from 0; NULL after the last. */
const char *tern_shape_name(size_t index);

#endif
