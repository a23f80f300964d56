/* Binding a mixture of experts, as bind.h: the router, and the limit of the activation. The matrices are among those of
 * tern_layer_matrix(). */
#ifndef TERN_MODEL_BIND_EXPERTS_H
#define TERN_MODEL_BIND_EXPERTS_H

#include "model/bind.h"

enum tern_status tern_bind_router(struct tern_binder *b, size_t layer, struct tern_expert_weights *experts);

#endif
