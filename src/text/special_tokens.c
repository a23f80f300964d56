#include "text/special_tokens.h"

#include "base/memory.h"
#include "base/sort.h"

static int compare(const void *context, uint32_t a, uint32_t b)
{
	const struct special *x = (const struct special *)context + a, *y = (const struct special *)context + b;
	int order = tern_compare_bytes(x->bytes, x->length, y->bytes, y->length);

	if (order == 0)
		order = (int)y->match - (int)x->match;
	return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Sorts the specials by `order` and keeps the first of each spelling. */
static bool arrange(struct special_table *table, const uint32_t *order)
{
	struct special *sorted = tern_alloc(table->n_specials, sizeof *sorted);
	size_t n = 0;

	if (!sorted)
		return false;
	for (size_t i = 0; i < table->n_specials; i++) {
		const struct special *s = &table->specials[order[i]];
		if (n == 0 || tern_compare_bytes(s->bytes, s->length, sorted[n - 1].bytes, sorted[n - 1].length) != 0)
			sorted[n++] = *s;
	}
	tern_free(table->specials);
	table->specials = sorted;
	table->n_specials = n;
	return true;
}

bool tern_special_table_init(struct special_table *table)
{
	uint32_t *order = tern_sort_indices(table->n_specials, compare, table->specials);
	bool ok = order && arrange(table, order);
	size_t i = 0;

	tern_free(order);
	if (!ok)
		return false;
	while (i < table->n_specials && table->specials[i].length == 0)
		i++;
	for (size_t byte = 0; byte < 256; byte++) {
		table->first[byte] = i;
		for (; i < table->n_specials && (unsigned char)table->specials[i].bytes[0] == byte; i++)
			if (table->specials[i].match > table->begins[byte])
				table->begins[byte] = (unsigned char)table->specials[i].match;
	}
	table->first[256] = i;
	return true;
}

/* The first of [low, high) whose byte at `depth` is at least `byte`; all are longer than depth and equal before it. */
static size_t lower_bound(const struct special *specials, size_t low, size_t high, size_t depth, unsigned byte)
{
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if ((unsigned char)specials[middle].bytes[depth] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct special *tern_special_match(const struct special_table *table, const char *text, size_t n_bytes,
                                         size_t n_control)
{
	const struct special *specials = table->specials, *found = NULL;
	unsigned char byte = (unsigned char)text[0];
	size_t low = table->first[byte], high = table->first[byte + 1u];

	if (table->begins[byte] < (n_control ? SPECIAL_IF_WANTED : SPECIAL_ALWAYS))
		return NULL;
	/* All of [low, high) begin with text's first `depth` bytes; one of exactly that length comes first. */
	for (size_t depth = 1; low < high; depth++) {
		if (specials[low].length == depth) {
			enum special_match match = specials[low].match;
			if (match == SPECIAL_ALWAYS || (match == SPECIAL_IF_WANTED && depth <= n_control))
				found = &specials[low];
			low++;
		}
		if (depth == n_bytes || depth == SPECIAL_MAX_LENGTH)
			break;
		byte = (unsigned char)text[depth];
		low = lower_bound(specials, low, high, depth, byte);
		high = lower_bound(specials, low, high, depth, byte + 1u);
	}
	return found;
}

const struct special *tern_special_find(const struct special_table *table, const char *bytes, size_t length)
{
	size_t low = 0, high = table->n_specials;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct special *s = &table->specials[middle];
		int order = tern_compare_bytes(s->bytes, s->length, bytes, length);
		if (order == 0)
			return s;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
