/* Mapping a whole checkpoint: finds every tensor that the network needs and checks its shape and type. A tensor left
 * over is an error, since a norm that is not applied gives fluent nonsense. */
#ifndef CONVERT_MAPPING_MAP_CHECKPOINT_H
#define CONVERT_MAPPING_MAP_CHECKPOINT_H

#include "convert/mapping/mapper.h"

/* Free the mapping in either case. Matrices of floats have not been examined yet. */
enum tern_status map_checkpoint(struct mapping *mapping, struct checkpoint *ckpt, const struct config *config,
                                const struct convert_options *options, struct tern_error *err);

/* TERN_ERR_FILE for a tensor that is not marked as used, unless it makes no difference to what the model computes. */
enum tern_status map_check_all_used(const struct checkpoint *ckpt, const struct config *config, struct tern_error *err);

#endif
