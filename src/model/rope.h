/* Rotary position embedding: the angle by which each pair of a head turns per position. */
#ifndef TERN_MODEL_ROPE_H
#define TERN_MODEL_ROPE_H

#include "model/hparams.h"

/* Computes the frequencies with the scaling that the file asks for: none, linear, YaRN, LongRoPE, or divisors in
 * rope_freqs.weight. Allocates hparams->rope_freq and, for layers with windows, rope_freq_local; for LongRoPE,
 * rope_freq_long. */
enum tern_status tern_rope_load(struct tern_hparams *hparams, const struct gguf *gguf, struct tern_error *err);
/* Frees these, also after an error, and sets them to NULL. */
void tern_rope_free(struct tern_hparams *hparams);

/* frequencies[i] = base^(-2i / n_rot), i < n_rot / 2: the angle in radians by which pair i turns per position. */
void tern_rope_frequencies(double *frequencies, size_t n_rot, double base);

/* Cosines and sines of n_pair angles at a position, multiplied by `factor`. */
void tern_rope_angles(float *cosine, float *sine, const double *frequencies, size_t n_pair, size_t position,
                      double factor);

/* Turns the first n_rot values of a head: pairs (i, i + n_rot / 2), or (2i, 2i + 1) if interleaved. */
void tern_rope_rotate(float *head, const float *cosine, const float *sine, size_t n_rot, bool interleaved);

#endif
