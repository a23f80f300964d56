/* Where rows, columns or values of the output are in the checkpoint. */
#ifndef CONVERT_CHECKPOINT_ORDER_H
#define CONVERT_CHECKPOINT_ORDER_H

#include <stdint.h>

/* All zero: in the same place. Otherwise one of two orders: */
struct order {
	uint64_t head_dim;
	/* Values of each head that rotate, for interleaved RoPE: 2j + h of the output is h * n_rot / 2 + j of the
	 * checkpoint's head. */
	uint64_t n_rot;
	/* From `first` on, value heads of a delta net, n_per_key for each of n_key key heads: side by side in the
	 * checkpoint, head r * n_key + g of the output is g * n_per_key + r there. */
	uint64_t first, n_key, n_per_key;
};

uint64_t order_source(const struct order *order, uint64_t at);

#endif
