/* Mapping a whole checkpoint: finds every tensor that the network needs and checks its shape and type. A tensor left
 * over is an error, since a norm that is not applied gives fluent nonsense. */
#ifndef CONVERT_MAPPING_MAP_CHECKPOINT_H
#define CONVERT_MAPPING_MAP_CHECKPOINT_H

#include "convert/mapping/mapper.h"

/* Free the mapping in either case. Matrices of floats have not been examined yet. */
enum tern_status map_checkpoint(struct mapping *mapping, struct checkpoint *ckpt, const struct config *config,
                                const struct convert_options *options, struct tern_error *err);

#endif
