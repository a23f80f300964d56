/* The suffixes of a text of token ids, which grows at its end: the longest of them that the text has had before, and
 * where. It is kept as a suffix automaton (Blumer et al., 1985): appending a token takes constant time on average,
 * asking always does. */
#ifndef TERN_API_SUFFIXES_H
#define TERN_API_SUFFIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialized: an empty text. */
struct tern_suffixes {
	int32_t *ids; /* [n_ids] the text */
	size_t n_ids, ids_capacity;

	/* States are sets of substrings that end at the same places; an edge leads to what a token makes of them. */
	struct tern_suffix_state *states;
	size_t n_states, states_capacity;
	struct tern_suffix_edge *edges;
	size_t n_edges, edges_capacity;
	uint32_t *slots; /* [2^slot_bits] hash table of edges, their numbers + 1; 0: free */
	int slot_bits;
	uint32_t whole; /* the state of the text itself */
};

void tern_suffixes_free(struct tern_suffixes *suffixes);

/* Makes the text empty. */
void tern_suffixes_clear(struct tern_suffixes *suffixes);

/* False: out of memory, and the text is as before. */
bool tern_suffixes_append(struct tern_suffixes *suffixes, int32_t id);

/* The longest suffix that came before: `length` tokens, 0 if the last token is new. ids[next] followed it there. */
struct tern_suffix_match {
	size_t length, next;
};
struct tern_suffix_match tern_suffixes_match(const struct tern_suffixes *suffixes);

#endif
