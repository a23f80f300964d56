/* Mapping one layer, and what it is called in a checkpoint. */
#ifndef CONVERT_MAPPING_LAYER_H
#define CONVERT_MAPPING_LAYER_H

#include "convert/mapping/mapper.h"

/* A projection of attention or of a dense feed-forward part: its module below "layers.N.", and whether it has a bias.
 */
const char *layer_module(enum tern_matrix_kind which);
bool layer_has_bias(const struct config *config, enum tern_matrix_kind which);

/* Appends the tensors of a layer. */
enum tern_status map_layer(struct mapper *m, uint64_t layer);

/* Appends a norm of the network, from PREFIX.module.weight; the checkpoint must have it. `why`: for the message if
 * not. */
enum tern_status map_norm(struct mapper *m, const char *module, const char *out, uint64_t n, const char *why);

#endif
