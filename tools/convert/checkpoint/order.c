#include "convert/checkpoint/order.h"

uint64_t order_source(const struct order *order, uint64_t at)
{
	if (order->n_rot) {
		uint64_t in_head = at % order->head_dim;
		if (in_head >= order->n_rot)
			return at;
		return at - in_head + in_head % 2 * (order->n_rot / 2) + in_head / 2;
	}
	if (!order->n_key || at < order->first)
		return at;
	uint64_t head = (at - order->first) / order->head_dim, in_head = (at - order->first) % order->head_dim;
	uint64_t source = head % order->n_key * order->n_per_key + head / order->n_key;
	return order->first + source * order->head_dim + in_head;
}
