#include "infer/attention_items.h"

struct tern_attention_schedule tern_schedule_attention(const struct tern_engine *engine,
                                                       const struct tern_attention_weights *attention,
                                                       const struct tern_segment *segment)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_attention_schedule schedule = {.position = segment->position,
	                                           .n_token = segment->n_token,
	                                           .window = attention->window,
	                                           .n_head_kv = h->n_head_kv,
	                                           .n_query = h->n_head / h->n_head_kv,
	                                           .n_thread = (size_t)tern_pool_n_used(engine->pool)};
	tern_attention_divide(&schedule);
	return schedule;
}

const void *tern_item_keys(const struct tern_attention_weights *attention, const struct tern_sequence *sequence,
                           const struct tern_attention_item *item)
{
	struct tern_attention_block at;

	tern_kv_locate(&sequence->kv, attention->cache_index, item->head_kv, item->first_block * TERN_ATTENTION_BLOCK,
	               &at);
	return at.k;
}
