/* What the delta nets of a model keep of a sequence: for each of these layers the past of its convolution,
 * [TERN_DELTA_PAST, n_convolved] with position p in row p mod TERN_DELTA_PAST, then S of each value head in panels of
 * columns, [n_head, head_dim / TERN_DELTA_PANEL, head_dim, TERN_DELTA_PANEL]. All floats, zeros before the first token.
 */
#ifndef TERN_INFER_DELTA_STATE_H
#define TERN_INFER_DELTA_STATE_H

#include "model/transformer.h"

#include <stddef.h>
#include <stdint.h>

enum {
	TERN_DELTA_PAST = TERN_CONV_TAPS - 1, /* tokens that the convolution of the next one reads */
	TERN_DELTA_PANEL = 16                 /* columns that tern_kernels.delta_rule takes */
};

/* Floats of one layer. */
size_t tern_delta_state_floats(const struct tern_delta_shape *shape);

/* Bytes of all layers; 0 without delta nets. */
uint64_t tern_state_bytes(const struct tern_hparams *hparams);

#endif
