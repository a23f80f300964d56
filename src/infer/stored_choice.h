/* Chooses up to how many tokens weights are multiplied as they are stored (tern_streaming.most_stored) by measuring
 * both ways: it depends on how many instructions a CPU executes beside its multiplications. Results are the same bits
 * either way. */
#ifndef TERN_INFER_STORED_CHOICE_H
#define TERN_INFER_STORED_CHOICE_H

#include "kernels/kernels.h"

#include <stdbool.h>

/* What is known about a kernel. Zero-initialized: nothing. */
struct tern_stored_choice {
	tern_dot_panels *dot;
	size_t most;   /* tokens for which multiplying stored tiles has been faster */
	bool is_final; /* for more it was not, or there is no limit that matters */
};

enum {
	TERN_STORED_KERNELS = 3 /* dot_ternary, dot_binary and dot_nibble */
};

/* The limit for products of at most n_token tokens by `dot`, one of the kernels' three. Measures what is not known yet,
 * which takes about a millisecond for each kernel, altogether; where both ways are equally fast, another measurement
 * may choose the other. Without memory for it the limit is what is known. */
size_t tern_most_stored(struct tern_stored_choice choices[TERN_STORED_KERNELS], const struct tern_kernels *kernels,
                        tern_dot_panels *dot, size_t n_token);

#endif
