#include "infer/delta_state.h"

size_t tern_delta_state_floats(const struct tern_delta_shape *shape)
{
	return TERN_DELTA_PAST * shape->n_convolved + shape->n_value * shape->head_dim;
}

uint64_t tern_state_bytes(const struct tern_hparams *h)
{
	return (uint64_t)(h->n_layer - h->n_layer_kv) * tern_delta_state_floats(&h->delta) * sizeof(float);
}
