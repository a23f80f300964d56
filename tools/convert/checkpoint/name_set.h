/* A set of names, numbered in the order they came: for tensors, shards and vocabulary entries, looked up by spelling.
 * Names may hold any bytes. */
#ifndef CONVERT_CHECKPOINT_NAME_SET_H
#define CONVERT_CHECKPOINT_NAME_SET_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name {
	const char *bytes;
	size_t length;
};

/* Empty if zero-initialized. */
struct name_set {
	struct name *names;
	size_t n_names, capacity;
	uint32_t *slots; /* index + 1; 0 is free */
	size_t n_slots;  /* a power of two */
	struct tern_hash_key key;
};

/* The name's number: of an equal name already there (*is_new false) or of the one added. The bytes must outlive the
 * set. -1 when memory runs out. */
int64_t name_set_add(struct name_set *set, const char *bytes, size_t length, bool *is_new);

/* -1 if the name is not there. */
int64_t name_set_find(const struct name_set *set, const char *bytes, size_t length);

void name_set_free(struct name_set *set);

#endif
