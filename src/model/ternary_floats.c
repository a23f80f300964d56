#include "model/ternary_floats.h"

#include <math.h>
#include <string.h>

enum {
	CELL = 16 /* the least group of columns */
};

void tern_group_sizes_list(struct tern_group_sizes *list, size_t n_col, size_t x_group)
{
	*list = (struct tern_group_sizes){.n_col = n_col};
	for (size_t n_group = 1; n_group <= n_col / CELL; n_group++) {
		size_t size = n_col / n_group;
		if (n_col % n_group == 0 && size % CELL == 0 &&
		    (!x_group || size % x_group == 0 || x_group % size == 0) && list->n < TERN_MAX_GROUP_SIZES)
			list->sizes[list->n++] = size;
	}
}

struct tern_float_facts tern_float_facts_none(void) { return (struct tern_float_facts){.groups = UINT64_MAX}; }

/* The one magnitude of a cell's values (0 if all are zero), or -1 and the examples if there are several. */
static float cell_magnitude(const float *values, struct tern_float_facts *facts)
{
	float magnitude = 0.0f;

	for (size_t i = 0; i < CELL; i++) {
		float a = fabsf(values[i]);
		if (a == 0.0f || a == magnitude)
			continue;
		if (magnitude != 0.0f) {
			facts->examples[0] = magnitude;
			facts->examples[1] = a;
			return -1.0f;
		}
		magnitude = a;
	}
	return magnitude;
}

/* Whether every group of n_cell cells has one magnitude. */
static bool groups_agree(const float *cells, size_t n_cells, size_t n_cell)
{
	for (size_t start = 0; start < n_cells; start += n_cell) {
		float magnitude = 0.0f;
		for (size_t i = start; i < start + n_cell; i++) {
			if (cells[i] == 0.0f || cells[i] == magnitude)
				continue;
			if (magnitude != 0.0f)
				return false;
			magnitude = cells[i];
		}
	}
	return true;
}

void tern_float_facts_look(struct tern_float_facts *facts, const struct tern_group_sizes *list, const float *row,
                           float *cells)
{
	size_t n_cells = list->n_col / CELL;

	for (size_t c = 0; c < n_cells && facts->groups; c++) {
		cells[c] = cell_magnitude(row + c * CELL, facts);
		if (cells[c] < 0.0f)
			facts->groups = 0;
		else if (cells[c] > 0.0f && facts->magnitude == 0.0f)
			facts->magnitude = cells[c];
		else if (cells[c] > 0.0f && cells[c] != facts->magnitude)
			facts->has_several = true;
	}
	if (facts->groups == 0 || !facts->has_several)
		return;
	for (unsigned i = 0; i < list->n; i++)
		if ((facts->groups >> i & 1) && !groups_agree(cells, n_cells, list->sizes[i] / CELL))
			facts->groups &= ~(1ull << i);
}

void tern_float_facts_merge(struct tern_float_facts *all, const struct tern_float_facts *part)
{
	if (all->magnitude == 0.0f)
		all->magnitude = part->magnitude;
	all->has_several =
	        all->has_several || part->has_several || (part->magnitude != 0.0f && part->magnitude != all->magnitude);
	if (part->groups == 0 && all->groups != 0)
		memcpy(all->examples, part->examples, sizeof all->examples);
	all->groups &= part->groups;
}

bool tern_float_facts_group(const struct tern_float_facts *all, const struct tern_group_sizes *list, size_t *group)
{
	unsigned i = 0;

	*group = 0;
	if (all->groups && !all->has_several)
		return true;
	while (i < list->n && !(all->groups >> i & 1))
		i++;
	if (i == list->n)
		return false;
	*group = list->sizes[i];
	return true;
}
