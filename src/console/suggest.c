#include "console/suggest.h"

#include <string.h>

enum {
	MAX_LENGTH = 63
}; /* of names compared; a longer one is nothing anybody mistypes */

void suggest_start(struct suggestion *suggestion, const char *typed, size_t n_typed)
{
	*suggestion = (struct suggestion){.typed = typed, .n_typed = n_typed};
	/* One slip in a short word, more in a longer one. */
	suggestion->best_distance = n_typed < 3 ? 2 : 2 + (int)(n_typed / 4);
}

static int min(int a, int b) { return a < b ? a : b; }

/* Edit distance in which exchanging two neighbors counts once (optimal string alignment). Three rows of the usual
 * table are enough: the current one, and two back for the exchange. */
static int distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	int rows[3][MAX_LENGTH + 1];

	for (size_t j = 0; j <= n_b; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= n_a; i++) {
		int *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		row[0] = (int)i;
		for (size_t j = 1; j <= n_b; j++) {
			row[j] = min(min(last[j] + 1, row[j - 1] + 1), last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min(row[j], before[j - 2] + 1);
		}
	}
	return rows[n_a % 3][n_b];
}

void suggest_offer(struct suggestion *suggestion, const char *name, size_t n_name)
{
	int d;

	if (n_name > MAX_LENGTH || suggestion->n_typed > MAX_LENGTH || suggestion->n_typed == 0)
		return;
	/* A beginning of a name is meant as that name, however much is missing. */
	if (suggestion->n_typed >= 3 && suggestion->n_typed < n_name &&
	    memcmp(name, suggestion->typed, suggestion->n_typed) == 0)
		d = 1;
	else
		d = distance(suggestion->typed, suggestion->n_typed, name, n_name);
	if (d < suggestion->best_distance) {
		suggestion->best_distance = d;
		memcpy(suggestion->best, name, n_name);
		suggestion->best[n_name] = '\0';
	}
}
