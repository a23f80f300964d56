/* Snapshots of a sequence's recurrent state, which cannot be computed backwards: copies of it after some of the tokens,
 * to go back to. They are bounded by their bytes; the one that was not used for longest leaves first. */
#ifndef TERN_INFER_SNAPSHOTS_H
#define TERN_INFER_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

struct tern_snapshot {
	size_t position; /* after how many tokens it was taken; 0: it holds no state, its memory waits for the next one
	                  */
	uint64_t used;   /* when, by the clock below */
	uint8_t *state;
};

/* Zero-initialized: none, and none is taken. */
struct tern_snapshots {
	size_t n_state_bytes; /* of one */
	size_t max_bytes;     /* of all */
	struct tern_snapshot *items;
	size_t n_items, capacity;
	uint64_t clock;
};

void tern_snapshots_free(struct tern_snapshots *snapshots);

/* Copies the state after `position` tokens. Does nothing if there is a snapshot of that position, or no memory. */
void tern_snapshots_take(struct tern_snapshots *snapshots, size_t position, const uint8_t *state);

/* The last position, at most that one, that there is a snapshot of; 0: none, which is the state of zeros. */
size_t tern_snapshots_nearest(const struct tern_snapshots *snapshots, size_t position);

/* Sets the state to that of the nearest position and returns the position. Later snapshots are dropped: the tokens
 * before them are going to be others. */
size_t tern_snapshots_restore(struct tern_snapshots *snapshots, size_t position, uint8_t *state);

#endif
