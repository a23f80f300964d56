/* Binding a projection. */
#ifndef TERN_MODEL_BIND_LINEAR_H
#define TERN_MODEL_BIND_LINEAR_H

#include "model/bind.h"

/* Everything of one projection: weights, scales, bias, its own norm; of experts, weights and scales. stem: its tensor's
 * name without ".weight". Fills in matrix->linear. */
enum tern_status tern_bind_linear(struct tern_binder *b, const char *stem, const struct tern_layer_matrix *matrix);

#endif
