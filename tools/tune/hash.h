/* Hashes by which a run that is resumed knows what it was started with: of a fixed key, so that they can be kept. */
#ifndef TUNE_HASH_H
#define TUNE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* `before`: the hash of what precedes the bytes, or 0. */
uint64_t hash_bytes(uint64_t before, const void *bytes, size_t n);

#endif
