/* Picking the next token; the public half is in tern.h. */
#ifndef TERN_API_SAMPLER_H
#define TERN_API_SAMPLER_H

#include "base/error.h"

#include <stddef.h>
#include <tern.h>

/* tern_sampler_new() for logits of n_vocab tokens. */
enum tern_status tern_sampler_create(struct tern_sampler **sampler, size_t n_vocab,
                                     const struct tern_sampler_options *options, struct tern_error *err);

/* How many logits it picks from. */
size_t tern_sampler_n_vocab(const struct tern_sampler *sampler);

/* How many of the largest logits the next tern_sampler_pick() decides by, once n_ids more tokens are accepted: the
 * others need only be lower than these, in the same place. 0: by all. */
size_t tern_sampler_n_top(struct tern_sampler *sampler, const int32_t *ids, size_t n_ids);

#endif
