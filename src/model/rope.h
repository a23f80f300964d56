/* Rotary position embedding: the angle by which each pair of a head turns per position. */
#ifndef TERN_MODEL_ROPE_H
#define TERN_MODEL_ROPE_H

#include "model/hparams.h"

/* Computes the frequencies with the scaling that the file asks for: none, linear, YaRN, LongRoPE, or divisors in
 * rope_freqs.weight. Allocates hparams->rope_freq and, for layers with windows, rope_freq_local; for LongRoPE,
 * rope_freq_long. */
enum tern_status tern_rope_load(struct tern_hparams *hparams, const struct gguf *gguf, struct tern_error *err);

#endif
