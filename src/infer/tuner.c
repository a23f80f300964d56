/* A tournament: all 11 choices take turns. After 2, 4, 16 and 32 reads each the slower half leaves, so that 6, 3, 2 and
 * 1 are left, after 158 reads altogether: five tokens of a model with 30 layers. The first rounds are short since bad
 * choices show at once; those left at the end are nearly equal, and take more reads to tell apart. Reads that are rare,
 * an output head's and those for a few tokens, take the choice of another kind as soon as there is one.
 *
 * Then duels: every DUEL_READSth read is timed, and the next is done as a rival would and timed too. A rival that is
 * clearly faster in 9 of 11 duels takes over; as soon as it cannot be, the next rival's turn comes. Neighbors in time
 * are compared, so a drift of the machine's speed cancels out, and choices follow a machine that changes without
 * flapping. */
#include "infer/tuner.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
	MIN_BYTES = 128 * 1024, /* smaller reads are from caches, and too short to be measured */
	LARGE_BYTES = 32 << 20, /* an output head's */
	DUEL_READS = 64,
	MIN_DUELS = 3, /* after so many a rival that does not win is done with */
};

static const uint8_t reads_of_round[] = {2, 4, 16, TERN_TUNER_READS};
_Static_assert(TERN_TUNER_CHOICES > 1 && TERN_TUNER_CHOICES <= 1 << sizeof reads_of_round,
               "halved after each round, the choices become one in the last");

#define CLEARLY_FASTER 0.97f /* a rival's time over the best's */

static const struct tern_streaming choices[TERN_TUNER_CHOICES] = {
        {.n_stream = 4, .prefetch = 2048}, /* before anything is known */
        {.n_stream = 1},
        {.n_stream = 1, .prefetch = 2048},
        {.n_stream = 1, .prefetch = 4096},
        {.n_stream = 1, .prefetch = 8192},
        {.n_stream = 1, .prefetch = 16384},
        {.n_stream = 2, .prefetch = 2048},
        {.n_stream = 2, .prefetch = 4096},
        {.n_stream = 2, .prefetch = 8192},
        {.n_stream = 4, .prefetch = 1536},
        {.n_stream = 4, .prefetch = 4096},
};

/* A number of at most 7 digits, which *at then points behind. */
static bool read_number(const char **at, size_t *number)
{
	size_t n_digit = strspn(*at, "0123456789");

	if (n_digit == 0 || n_digit > 7)
		return false;
	*number = strtoul(*at, NULL, 10);
	*at += n_digit;
	return true;
}

/* "STREAMS:BYTES" or "STREAMS:BYTES:TOKENS". */
static bool read_streaming(const char *text, struct tern_streaming *streaming, bool *has_stored)
{
	if (!read_number(&text, &streaming->n_stream) || *text++ != ':' || !read_number(&text, &streaming->prefetch))
		return false;
	*has_stored = *text == ':';
	if (*has_stored && (text++, !read_number(&text, &streaming->most_stored)))
		return false;
	return !*text &&
	       (streaming->n_stream == 1 || streaming->n_stream == 2 || streaming->n_stream == TERN_MAX_STREAMS) &&
	       streaming->prefetch % TERN_TILE_BYTES == 0 && streaming->prefetch <= 1 << 20;
}

enum tern_status tern_tuner_init(struct tern_tuner *tuner, struct tern_error *err)
{
	const char *text = getenv("TERN_STREAMING");

	memset(tuner, 0, sizeof *tuner);
	if (!text || !*text)
		return TERN_OK;
	tuner->is_fixed = true;
	if (!read_streaming(text, &tuner->fixed, &tuner->fixes_stored))
		return tern_fail(err, TERN_ERR_USAGE,
		                 "TERN_STREAMING=%.40s: expected 1, 2 or 4 streams, a colon, and how far ahead to "
		                 "prefetch: a multiple of %d up to 1048576; perhaps another colon and a number of "
		                 "tokens",
		                 text, TERN_TILE_BYTES);
	return TERN_OK;
}

/* The kind of a read, a new one if there is none; NULL if it is not tuned. */
static struct tern_read_kind *find_kind(struct tern_tuner *tuner, struct tern_read_extent read, size_t n_token)
{
	struct tern_read_kind *kind = tuner->kinds;
	bool is_few = n_token > 1;

	if (read.n_bytes < MIN_BYTES || n_token > TERN_TUNED_TOKENS)
		return NULL;
	for (size_t i = 0; i < tuner->n_kind; i++, kind++)
		if (kind->panel_bytes == read.panel_bytes && kind->n_bytes == read.n_bytes && kind->is_few == is_few)
			return kind;
	if (tuner->n_kind == TERN_TUNER_KINDS)
		return NULL;
	tuner->n_kind++;
	*kind = (struct tern_read_kind){.panel_bytes = read.panel_bytes,
	                                .n_bytes = read.n_bytes,
	                                .is_few = is_few,
	                                .n_alive = TERN_TUNER_CHOICES};
	for (uint8_t c = 0; c < TERN_TUNER_CHOICES; c++)
		kind->alive[c] = c;
	return kind;
}

struct tern_streaming tern_tuner_choice(struct tern_tuner *tuner, struct tern_read_extent read, size_t n_token)
{
	const struct tern_read_kind *kind = tuner->is_fixed ? NULL : find_kind(tuner, read, n_token);
	return tuner->is_fixed ? tuner->fixed : choices[kind ? kind->best : 0];
}

static void settle(struct tern_read_kind *kind, uint8_t best)
{
	kind->best = kind->rival = best;
	kind->n_duel = 0;
	kind->n_until_duel = DUEL_READS;
	kind->is_settled = true;
}

/* Takes the choice of another kind that is settled: of the same matrices for another number of tokens, else of the
 * largest reads. */
static void settle_like_others(const struct tern_tuner *tuner, struct tern_read_kind *kind)
{
	const struct tern_read_kind *like = NULL;

	for (const struct tern_read_kind *other = tuner->kinds; other < tuner->kinds + tuner->n_kind; other++) {
		if (!other->is_settled)
			continue;
		if (other->panel_bytes == kind->panel_bytes && other->n_bytes == kind->n_bytes) {
			like = other;
			break;
		}
		if (!like || other->n_bytes > like->n_bytes)
			like = other;
	}
	if (like)
		settle(kind, like->best);
}

struct tern_streaming tern_tuner_start(struct tern_tuner *tuner, struct tern_read_extent read, size_t n_token)
{
	struct tern_read_kind *kind = tuner->is_fixed ? NULL : find_kind(tuner, read, n_token);
	uint8_t choice;

	tuner->measured = NULL;
	if (!kind)
		return tuner->is_fixed ? tuner->fixed : choices[0];
	if (!kind->is_warm) {
		kind->is_warm = kind->first == read.first;
		kind->first = kind->first ? kind->first : read.first;
		return choices[kind->best];
	}
	if (!kind->is_settled && (kind->is_few || kind->n_bytes >= LARGE_BYTES))
		settle_like_others(tuner, kind);
	if (!kind->is_settled) {
		choice = kind->alive[kind->turn];
	} else if (kind->n_until_duel > 0) {
		kind->n_until_duel--;
		return choices[kind->best];
	} else {
		choice = kind->best_time > 0 ? kind->rival : kind->best;
	}
	tuner->measured = kind;
	tuner->start = tern_clock_ns();
	return choices[choice];
}

const struct tern_read_kind *tern_tuner_kind(const struct tern_tuner *tuner, size_t index)
{
	return index < tuner->n_kind ? &tuner->kinds[index] : NULL;
}

struct tern_streaming tern_tuner_best(const struct tern_read_kind *kind) { return choices[kind->best]; }

/* ---- the tournament ---- */

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* The sum of the faster half of n times: what disturbed the others does not count. Sorts them. */
static float faster_half(float *times, size_t n)
{
	float sum = 0;

	qsort(times, n, sizeof *times, compare_floats);
	for (size_t i = 0; i < n / 2; i++)
		sum += times[i];
	return sum;
}

/* The faster half of the choices goes on. */
static void end_round(struct tern_read_kind *kind)
{
	float sums[TERN_TUNER_CHOICES];

	for (size_t i = 0; i < kind->n_alive; i++) { /* sorts alive by time */
		uint8_t choice = kind->alive[i];
		size_t at = i;
		sums[choice] = faster_half(kind->times[choice], kind->n_sample);
		for (; at > 0 && sums[kind->alive[at - 1]] > sums[choice]; at--)
			kind->alive[at] = kind->alive[at - 1];
		kind->alive[at] = choice;
	}
	kind->best = kind->alive[0];
	kind->n_alive = (uint8_t)((kind->n_alive + 1) / 2);
	kind->n_sample = 0;
	kind->round++;
	if (kind->n_alive == 1)
		settle(kind, kind->best);
}

static void add_to_tournament(struct tern_read_kind *kind, float time)
{
	kind->times[kind->alive[kind->turn]][kind->n_sample] = time;
	if (++kind->turn < kind->n_alive)
		return;
	kind->turn = 0;
	if (++kind->n_sample == reads_of_round[kind->round])
		end_round(kind);
}

/* ---- duels ---- */

static void next_rival(struct tern_read_kind *kind)
{
	kind->n_duel = 0;
	do
		kind->rival = (uint8_t)((kind->rival + 1) % TERN_TUNER_CHOICES);
	while (kind->rival == kind->best);
}

static void add_to_duel(struct tern_read_kind *kind, float time)
{
	if (kind->best_time == 0) {
		kind->best_time = time;
		if (kind->rival == kind->best)
			next_rival(kind);
		return;
	}
	kind->ratios[kind->n_duel++] = time / kind->best_time;
	kind->best_time = 0;
	kind->n_until_duel = DUEL_READS;
	if (kind->n_duel < MIN_DUELS)
		return;
	qsort(kind->ratios, kind->n_duel, sizeof *kind->ratios, compare_floats);
	if (kind->ratios[kind->n_duel * 3 / 4] > CLEARLY_FASTER) {
		next_rival(kind);
	} else if (kind->n_duel == TERN_TUNER_DUELS) {
		kind->best = kind->rival;
		next_rival(kind);
	}
}

void tern_tuner_record(struct tern_tuner *tuner, uint64_t ns)
{
	if (!tuner->measured)
		return;
	if (tuner->measured->is_settled)
		add_to_duel(tuner->measured, (float)(ns + 1));
	else
		add_to_tournament(tuner->measured, (float)(ns + 1));
	tuner->measured = NULL;
}

void tern_tuner_stop(struct tern_tuner *tuner)
{
	if (tuner->measured)
		tern_tuner_record(tuner, tern_clock_ns() - tuner->start);
}
