/* Binding a projection. */
#ifndef TERN_MODEL_BIND_LINEAR_H
#define TERN_MODEL_BIND_LINEAR_H

#include "model/bind.h"

/* Everything of one projection: weights, scales, bias, its own norm. stem: its tensor's name without ".weight". */
enum tern_status tern_bind_linear(struct tern_binder *b, const char *stem, size_t n_row, size_t n_col,
                                  struct tern_linear *linear);

#endif
