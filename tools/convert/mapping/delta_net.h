/* Mapping the gated delta net of a layer. */
#ifndef CONVERT_MAPPING_DELTA_NET_H
#define CONVERT_MAPPING_DELTA_NET_H

#include "convert/mapping/mapper.h"

/* Appends the tensors of a layer that are a delta net's. Value heads that share a key head lie side by side in the
 * checkpoint; in the output, as llama.cpp wants it, head t shares key head t mod n_key. */
enum tern_status map_delta_net(struct mapper *m, uint64_t layer);

#endif
