#include "api/suffixes.h"

#include "base/memory.h"

#include <string.h>

enum {
	ROOT = 0, /* the state of the empty string */
	MIN_SLOT_BITS = 8,
};

#define NO_STATE UINT32_MAX

struct tern_suffix_state {
	uint32_t length; /* of its longest substring */
	uint32_t link;   /* the state of the longest suffix of its substrings that is in another one */
	uint32_t next;   /* the place of a token that followed them */
	uint32_t edges;  /* number + 1 of the first edge */
};

struct tern_suffix_edge {
	uint32_t from, to;
	int32_t id;
	uint32_t sibling; /* number + 1 of another edge from the same state */
};

void tern_suffixes_free(struct tern_suffixes *s)
{
	tern_free(s->ids);
	tern_free(s->states);
	tern_free(s->edges);
	tern_free(s->slots);
	*s = (struct tern_suffixes){0};
}

void tern_suffixes_clear(struct tern_suffixes *s)
{
	if (s->slots)
		memset(s->slots, 0, sizeof *s->slots << s->slot_bits);
	s->n_ids = s->n_states = s->n_edges = 0;
}

/* ---- edges ---- */

static size_t slot_of(const struct tern_suffixes *s, uint32_t from, int32_t id)
{
	return (size_t)((((uint64_t)from << 32 | (uint32_t)id) * 0x9e3779b97f4a7c15u) >> (64 - s->slot_bits));
}

/* The slot of an edge, or the free one where it would be. */
static uint32_t *find_slot(const struct tern_suffixes *s, uint32_t from, int32_t id)
{
	size_t mask = ((size_t)1 << s->slot_bits) - 1, at = slot_of(s, from, id);

	for (; s->slots[at]; at = (at + 1) & mask) {
		const struct tern_suffix_edge *edge = &s->edges[s->slots[at] - 1];
		if (edge->from == from && edge->id == id)
			break;
	}
	return &s->slots[at];
}

static struct tern_suffix_edge *find_edge(const struct tern_suffixes *s, uint32_t from, int32_t id)
{
	uint32_t number = *find_slot(s, from, id);
	return number ? &s->edges[number - 1] : NULL;
}

static void add_edge(struct tern_suffixes *s, uint32_t from, int32_t id, uint32_t to)
{
	struct tern_suffix_state *state = &s->states[from];

	s->edges[s->n_edges++] = (struct tern_suffix_edge){.from = from, .to = to, .id = id, .sibling = state->edges};
	state->edges = (uint32_t)s->n_edges;
	*find_slot(s, from, id) = state->edges;
}

/* ---- growing ---- */

/* A hash table at least twice as large as there may be edges. */
static bool grow_slots(struct tern_suffixes *s)
{
	int bits = s->slot_bits ? s->slot_bits : MIN_SLOT_BITS;
	uint32_t *slots;

	while ((size_t)1 << bits < 2 * s->edges_capacity)
		bits++;
	if (bits == s->slot_bits)
		return true;
	if (!(slots = tern_alloc((size_t)1 << bits, sizeof *slots)))
		return false;
	tern_free(s->slots);
	s->slots = slots;
	s->slot_bits = bits;
	for (size_t i = 0; i < s->n_edges; i++)
		*find_slot(s, s->edges[i].from, s->edges[i].id) = (uint32_t)i + 1;
	return true;
}

/* Room for another token. An automaton of n of them has at most 2 n states and 3 n edges. */
static bool make_room(struct tern_suffixes *s)
{
	size_t n = s->n_ids + 1;

	return n < UINT32_MAX / 3 && TERN_GROW(s->ids, s->ids_capacity, n) &&
	       TERN_GROW(s->states, s->states_capacity, 2 * n) && TERN_GROW(s->edges, s->edges_capacity, 3 * n) &&
	       grow_slots(s);
}

/* ---- the automaton ---- */

static uint32_t add_state(struct tern_suffixes *s, uint32_t length, uint32_t link, uint32_t next)
{
	s->states[s->n_states] = (struct tern_suffix_state){.length = length, .link = link, .next = next};
	return (uint32_t)s->n_states++;
}

/* Gives the shorter substrings of a state, those up to `length`, a state of their own: they end in more places now.
 * from: the state of the longest that becomes one of them by id. */
static uint32_t split(struct tern_suffixes *s, uint32_t state, uint32_t from, int32_t id)
{
	uint32_t shorter = add_state(s, s->states[from].length + 1, s->states[state].link, s->states[state].next);
	struct tern_suffix_edge *edge;

	for (uint32_t i = s->states[state].edges; i; i = s->edges[i - 1].sibling)
		add_edge(s, shorter, s->edges[i - 1].id, s->edges[i - 1].to);
	for (; from != NO_STATE && (edge = find_edge(s, from, id)) && edge->to == state; from = s->states[from].link)
		edge->to = shorter;
	s->states[state].link = shorter;
	return shorter;
}

bool tern_suffixes_append(struct tern_suffixes *s, int32_t id)
{
	struct tern_suffix_edge *edge = NULL;
	uint32_t from, whole, link = ROOT;

	if (!make_room(s))
		return false;
	if (s->n_ids == 0)
		s->whole = add_state(s, 0, NO_STATE, 0);
	else /* of what the text ended with, this is the latest place */
		s->states[s->states[s->whole].link].next = (uint32_t)s->n_ids;
	from = s->whole;
	s->ids[s->n_ids++] = id;
	whole = add_state(s, (uint32_t)s->n_ids, ROOT, (uint32_t)s->n_ids);
	for (; from != NO_STATE && !(edge = find_edge(s, from, id)); from = s->states[from].link)
		add_edge(s, from, id, whole);
	if (from != NO_STATE) {
		bool is_longest = s->states[from].length + 1 == s->states[edge->to].length;
		link = is_longest ? edge->to : split(s, edge->to, from, id);
	}
	s->states[whole].link = link;
	s->whole = whole;
	return true;
}

struct tern_suffix_match tern_suffixes_match(const struct tern_suffixes *s)
{
	const struct tern_suffix_state *seen;

	if (s->n_ids == 0)
		return (struct tern_suffix_match){0};
	seen = &s->states[s->states[s->whole].link];
	return (struct tern_suffix_match){seen->length, seen->next};
}
