/* Mapping the token embedding and the output head: shared or not, dense or ternary. */
#ifndef CONVERT_MAPPING_VOCABULARY_H
#define CONVERT_MAPPING_VOCABULARY_H

#include "convert/mapping/mapper.h"

/* Appends the token embedding. */
enum tern_status map_embedding(struct mapper *m, const struct tensor *tensor);
/* Appends the head, unless it is the embedding itself. */
enum tern_status map_head(struct mapper *m, const struct tensor *embedding);
/* A head that is there though it is tied has to be the embedding once more. */
enum tern_status map_check_tied_head(const struct checkpoint *ckpt, const struct tensor *head,
                                     const struct tensor *embedding, struct tern_error *err);

#endif
