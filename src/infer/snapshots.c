#include "infer/snapshots.h"

#include "base/machine.h"
#include "base/memory.h"

#include <string.h>

void tern_snapshots_free(struct tern_snapshots *s)
{
	for (size_t i = 0; i < s->n_items; i++)
		tern_free(s->items[i].state);
	tern_free(s->items);
	*s = (struct tern_snapshots){0};
}

/* The item of the nearest position; NULL for the state of zeros. */
static struct tern_snapshot *find(const struct tern_snapshots *s, size_t position)
{
	struct tern_snapshot *best = NULL;

	for (size_t i = 0; i < s->n_items; i++)
		if (s->items[i].position > 0 && s->items[i].position <= position &&
		    (!best || s->items[i].position > best->position))
			best = &s->items[i];
	return best;
}

static struct tern_snapshot *find_oldest(const struct tern_snapshots *s)
{
	struct tern_snapshot *oldest = s->n_items > 0 ? &s->items[0] : NULL;

	for (size_t i = 1; i < s->n_items; i++)
		if (s->items[i].used < oldest->used)
			oldest = &s->items[i];
	return oldest;
}

/* The item whose memory the next snapshot takes: one that is not in use, or a new one as long as there is room, or the
 * oldest. NULL: there is no memory at all. */
static struct tern_snapshot *make_room(struct tern_snapshots *s)
{
	struct tern_snapshot *oldest = find_oldest(s);

	if (oldest && oldest->used == 0)
		return oldest;
	/* A snapshot only saves time: it must not take the memory that the system is about to need. */
	if ((s->n_items + 1) * s->n_state_bytes <= s->max_bytes && tern_available_memory() / 2 >= s->n_state_bytes &&
	    TERN_GROW(s->items, s->capacity, s->n_items + 1)) {
		s->items[s->n_items].state = tern_alloc_huge(s->n_state_bytes, 1);
		if (s->items[s->n_items].state)
			return &s->items[s->n_items++];
	}
	return find_oldest(s);
}

void tern_snapshots_take(struct tern_snapshots *s, size_t position, const uint8_t *state)
{
	struct tern_snapshot *item;

	if (position == 0 || s->n_state_bytes == 0 || tern_snapshots_nearest(s, position) == position ||
	    !(item = make_room(s)))
		return;
	item->position = position;
	item->used = ++s->clock;
	memcpy(item->state, state, s->n_state_bytes);
}

size_t tern_snapshots_nearest(const struct tern_snapshots *s, size_t position)
{
	const struct tern_snapshot *item = find(s, position);
	return item ? item->position : 0;
}

size_t tern_snapshots_restore(struct tern_snapshots *s, size_t position, uint8_t *state)
{
	struct tern_snapshot *item = find(s, position);
	size_t reached = item ? item->position : 0;

	if (item) {
		item->used = ++s->clock;
		memcpy(state, item->state, s->n_state_bytes);
	} else {
		memset(state, 0, s->n_state_bytes);
	}
	for (size_t i = 0; i < s->n_items; i++)
		if (s->items[i].position > reached)
			s->items[i].position = s->items[i].used = 0;
	return reached;
}
