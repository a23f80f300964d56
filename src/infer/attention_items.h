/* The items of work of a layer's attention, and the memory that they begin with: for attention.c, which computes them,
 * and prefetch.c, which loads it before. */
#ifndef TERN_INFER_ATTENTION_ITEMS_H
#define TERN_INFER_ATTENTION_ITEMS_H

#include "infer/attention_schedule.h"
#include "infer/engine.h"

/* The attention of a segment in one layer, divided. */
struct tern_attention_schedule tern_schedule_attention(const struct tern_engine *engine,
                                                       const struct tern_attention_weights *attention,
                                                       const struct tern_segment *segment);

/* The keys that an item begins with. */
const void *tern_item_keys(const struct tern_attention_weights *attention, const struct tern_sequence *sequence,
                           const struct tern_attention_item *item);

#endif
