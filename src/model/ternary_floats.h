/* Floats that are ternary already: -s, 0 or s, with one s for the whole matrix or one for each group of consecutive
 * columns of a row (models whose scales are per group, or whose matrices were cut across machines, each part with its
 * own scale). The values decide which of the two it is. */
#ifndef TERN_MODEL_TERNARY_FLOATS_H
#define TERN_MODEL_TERNARY_FLOATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TERN_MAX_GROUP_SIZES = 64 /* candidates; no number of columns up to 2^16 has more than 48 */
};

/* Sizes that a group of columns may have, largest first. */
struct tern_group_sizes {
	size_t n_col;
	size_t sizes[TERN_MAX_GROUP_SIZES];
	unsigned n;
};

/* Multiples of 16 that divide n_col and that divide x_group or are a multiple of it; x_group: columns that share an
 * activation scale, 0 for all. */
void tern_group_sizes_list(struct tern_group_sizes *list, size_t n_col, size_t x_group);

/* What the rows of a matrix have shown so far. */
struct tern_float_facts {
	float magnitude;   /* of a value that is not zero; 0: there is none */
	bool has_several;  /* different magnitudes */
	uint64_t groups;   /* bit i: one magnitude in each group of sizes[i] columns */
	float examples[2]; /* different magnitudes within 16 columns, if groups is 0 */
};

/* Start with this, look at every row, merge parts in their order, conclude. */
struct tern_float_facts tern_float_facts_none(void);

/* row: [n_col], all finite. cells: scratch for n_col / 16 floats. */
void tern_float_facts_look(struct tern_float_facts *facts, const struct tern_group_sizes *list, const float *row,
                           float *cells);
void tern_float_facts_merge(struct tern_float_facts *all, const struct tern_float_facts *part);

/* *group: columns that share a scale, 0 for the whole matrix. False: not ternary. */
bool tern_float_facts_group(const struct tern_float_facts *all, const struct tern_group_sizes *list, size_t *group);

#endif
