/* Mapping the token embedding and the output head: shared or not, dense or ternary. */
#ifndef CONVERT_MAPPING_VOCABULARY_H
#define CONVERT_MAPPING_VOCABULARY_H

#include "convert/mapping/mapper.h"

/* Appends the token embedding. */
enum tern_status map_embedding(struct mapper *m, const struct tensor *tensor);
/* Appends the head, unless it is the embedding itself. */
enum tern_status map_head(struct mapper *m, const struct tensor *embedding);

#endif
