#include "convert/checkpoint/name_set.h"

#include "base/memory.h"

#include <string.h>

/* The slot that holds the name, or the free one where it belongs. */
static size_t find_slot(const struct name_set *set, const char *bytes, size_t length)
{
	size_t slot = (size_t)tern_hash_bytes(set->key, bytes, length) & (set->n_slots - 1);

	while (set->slots[slot]) {
		const struct name *there = &set->names[set->slots[slot] - 1];
		if (there->length == length && memcmp(there->bytes, bytes, length) == 0)
			break;
		slot = (slot + 1) & (set->n_slots - 1);
	}
	return slot;
}

/* Doubles the table; at most half of it is used. */
static bool grow_slots(struct name_set *set)
{
	size_t n_slots = set->n_slots ? set->n_slots * 2 : 64;
	uint32_t *old = set->slots, *slots = tern_alloc(n_slots, sizeof *slots);

	if (!slots)
		return false;
	if (!old)
		set->key = tern_hash_new_key(set);
	set->slots = slots;
	set->n_slots = n_slots;
	for (size_t i = 0; i < set->n_names; i++)
		slots[find_slot(set, set->names[i].bytes, set->names[i].length)] = (uint32_t)(i + 1);
	tern_free(old);
	return true;
}

int64_t name_set_add(struct name_set *set, const char *bytes, size_t length, bool *is_new)
{
	*is_new = false;
	if ((set->n_names + 1) * 2 > set->n_slots && !grow_slots(set))
		return -1;
	size_t slot = find_slot(set, bytes, length);
	if (set->slots[slot])
		return (int64_t)set->slots[slot] - 1;
	if (set->n_names >= UINT32_MAX - 1 || !TERN_GROW(set->names, set->capacity, set->n_names + 1))
		return -1;
	set->names[set->n_names] = (struct name){bytes, length};
	set->slots[slot] = (uint32_t)++set->n_names;
	*is_new = true;
	return (int64_t)set->n_names - 1;
}

int64_t name_set_find(const struct name_set *set, const char *bytes, size_t length)
{
	return set->n_slots ? (int64_t)set->slots[find_slot(set, bytes, length)] - 1 : -1;
}

void name_set_free(struct name_set *set)
{
	tern_free(set->names);
	tern_free(set->slots);
	memset(set, 0, sizeof *set);
}
