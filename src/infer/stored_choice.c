/* Both ways are timed on weights that lie in a cache. From memory, unpacking waits for the weights, while multiplying
 * stored tiles overlaps with reading them, so unpacking has to win by the share that reading has of the work. Numbers
 * of tokens are doubled until it does, since its cost is shared by all tokens. */
#include "infer/stored_choice.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdint.h>
#include <string.h>

enum {
	LEAST_TRIED = 8,
	MOST_TRIED = 64, /* tokens; for more the cost of unpacking is too small to matter */
	N_ROUND = 6,     /* the shortest time of so many counts */
	N_PANEL = 4,
	N_COL = 512,
	PANEL_BYTES = N_COL * TERN_PANEL_ROWS / 2, /* of nibbles, the largest */
};

/* Operands of the products that are timed; what the values are does not matter. */
struct trial {
	tern_dot_panels *dot;
	size_t n_token;
	uint8_t *panels; /* [N_PANEL, PANEL_BYTES] */
	int8_t *x;       /* [MOST_TRIED, N_COL] */
	int32_t *sums;   /* [MOST_TRIED, N_PANEL * TERN_PANEL_ROWS] */
};

/* Nanoseconds, for as many products as MOST_TRIED tokens have. */
static uint64_t time_products(const struct trial *trial, size_t most_stored)
{
	const struct tern_streaming streaming = {.n_stream = 1, .most_stored = most_stored};
	uint64_t start = tern_clock_ns();

	for (size_t n = 0; n < MOST_TRIED; n += trial->n_token)
		trial->dot(trial->sums, trial->panels, PANEL_BYTES, N_PANEL, trial->x, N_COL, trial->n_token, N_COL,
		           streaming);
	return tern_clock_ns() - start;
}

/* What reading is of the work for one token, measured where a core reads 37 GB/s and multiplies 200 to 430 G/s; for n
 * tokens it is an nth of that. */
#define READING_SHARE 1.6

static bool stored_is_faster(const struct trial *trial)
{
	uint64_t stored = UINT64_MAX, unpacked = UINT64_MAX;

	for (int round = 0; round < N_ROUND; round++) {
		uint64_t ns = time_products(trial, trial->n_token);
		stored = ns < stored ? ns : stored;
		ns = time_products(trial, 0);
		unpacked = ns < unpacked ? ns : unpacked;
	}
	return (double)stored < (double)unpacked * (1 + READING_SHARE / (double)trial->n_token);
}

/* Raises choice->most until it is at least n_token or final. */
static void find_most(struct tern_stored_choice *choice, size_t n_token)
{
	struct trial trial = {.dot = choice->dot,
	                      .panels = tern_alloc_aligned(N_PANEL, PANEL_BYTES),
	                      .x = tern_alloc_aligned(MOST_TRIED, N_COL),
	                      .sums = tern_alloc_aligned(MOST_TRIED * N_PANEL * TERN_PANEL_ROWS, sizeof *trial.sums)};

	choice->is_final = !trial.panels || !trial.x || !trial.sums;
	if (!choice->is_final) {
		memset(trial.panels, 0x55, N_PANEL * PANEL_BYTES);
		memset(trial.x, 1, MOST_TRIED * N_COL);
	}
	while (!choice->is_final && choice->most < n_token) {
		trial.n_token = choice->most < LEAST_TRIED ? LEAST_TRIED : 2 * choice->most;
		choice->is_final = trial.n_token > MOST_TRIED || !stored_is_faster(&trial);
		choice->most = choice->is_final ? choice->most : trial.n_token;
	}
	tern_free(trial.panels);
	tern_free(trial.x);
	tern_free(trial.sums);
}

size_t tern_most_stored(struct tern_stored_choice choices[TERN_STORED_KERNELS], const struct tern_kernels *kernels,
                        tern_dot_panels *dot, size_t n_token)
{
	struct tern_stored_choice *choice = choices;

	if (n_token <= kernels->turn_tokens || kernels->turn_tokens == 0)
		return kernels->turn_tokens;
	while (choice->dot && choice->dot != dot)
		choice++;
	choice->dot = dot;
	if (choice->most < n_token && !choice->is_final)
		find_most(choice, n_token);
	return choice->most;
}
