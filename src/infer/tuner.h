/* Chooses how the weights are streamed that a few tokens are multiplied by (struct tern_streaming), by measuring the
 * engine's own reads while it generates: results are the same bits whatever is chosen, so every choice can be tried on
 * real work. */
#ifndef TERN_INFER_TUNER_H
#define TERN_INFER_TUNER_H

#include "base/error.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TERN_TUNED_TOKENS = 12, /* for more, multiplying takes longer than reading, however it is done */
	TERN_TUNER_KINDS = 24,
	TERN_TUNER_CHOICES = 11,
	TERN_TUNER_READS = 32, /* of a choice in a round of the tournament, at most */
	TERN_TUNER_DUELS = 11, /* with a rival, at most: it has to win three quarters of them to take over */
};

/* Reads of one kind are alike: the same layers' matrices, of other layers. */
struct tern_read_kind {
	const void *first; /* where the first read of this kind began: when it comes again, all have been read once */
	size_t panel_bytes, n_bytes;
	bool is_few; /* several tokens, multiplied by the tiles as they are stored */

	bool is_warm;    /* all have been read once, so they are in memory */
	bool is_settled; /* the tournament is over: n_alive is 1 */
	uint8_t best;    /* the choice that reads use */
	/* The tournament: the choices that are left take turns, n_sample of each have been measured. */
	uint8_t n_alive, alive[TERN_TUNER_CHOICES], turn, n_sample, round;
	float times[TERN_TUNER_CHOICES][TERN_TUNER_READS]; /* nanoseconds */
	/* After it: `rival` is tried now and then, right after `best` has been measured. */
	uint8_t rival, n_duel; /* with this rival */
	unsigned n_until_duel;
	float best_time;                /* 0: not measured for this duel yet */
	float ratios[TERN_TUNER_DUELS]; /* rival's time over best's */
};

struct tern_tuner {
	bool is_fixed, fixes_stored; /* fixes_stored: fixed.most_stored, too */
	struct tern_streaming fixed;
	size_t n_kind;
	struct tern_read_kind kinds[TERN_TUNER_KINDS];
	struct tern_read_kind *measured; /* the read that is measured now; NULL: none is */
	uint64_t start;
};

/* Nothing is chosen yet; or for all reads what the environment variable TERN_STREAMING says, "STREAMS:BYTES[:TOKENS]",
 * for tests and measurements. */
enum tern_status tern_tuner_init(struct tern_tuner *tuner, struct tern_error *err);

/* All weights that one step of the computation reads. */
struct tern_read_extent {
	const void *first;           /* where its first panel is */
	size_t panel_bytes, n_bytes; /* of a panel, and of all that is read */
};

/* What the next read should use: a read is between start and stop, by the thread that waits for it. n_token: that the
 * weights are multiplied by. */
struct tern_streaming tern_tuner_start(struct tern_tuner *tuner, struct tern_read_extent read, size_t n_token);
void tern_tuner_stop(struct tern_tuner *tuner);
/* As tern_tuner_stop(), with a given time instead of the measured one. */
void tern_tuner_record(struct tern_tuner *tuner, uint64_t ns);

/* Kind number `index` of the reads so far, for reports; NULL behind the last. */
const struct tern_read_kind *tern_tuner_kind(const struct tern_tuner *tuner, size_t index);
struct tern_streaming tern_tuner_best(const struct tern_read_kind *kind);

/* What a read uses that will not be timed; the tuner gets to know its kind. */
struct tern_streaming tern_tuner_choice(struct tern_tuner *tuner, struct tern_read_extent read, size_t n_token);

#endif
