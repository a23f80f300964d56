#include "cli/chat/conversation.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

const char conversation_system[] = "system", conversation_user[] = "user", conversation_assistant[] = "assistant";

void conversation_free(struct conversation *c)
{
	conversation_clear(c);
	tern_free(c->messages);
	tern_free(c->system);
	memset(c, 0, sizeof *c);
}

bool conversation_set_system(struct conversation *c, const char *bytes, size_t n_bytes)
{
	char *copy = n_bytes > 0 ? tern_copy_string(bytes, n_bytes) : NULL;

	if (n_bytes > 0 && !copy)
		return false;
	tern_free(c->system);
	c->system = copy;
	c->n_system_bytes = n_bytes;
	return true;
}

bool conversation_add(struct conversation *c, const char *role, const char *bytes, size_t n_bytes)
{
	char *copy = tern_copy_string(bytes, n_bytes);

	if (!copy || !TERN_GROW(c->messages, c->capacity, c->n_messages + 1)) {
		tern_free(copy);
		return false;
	}
	c->messages[c->n_messages++] = (struct tern_message){.role = role, .content = copy, .n_bytes = n_bytes};
	return true;
}

struct tern_message conversation_pop(struct conversation *c) { return c->messages[--c->n_messages]; }

void conversation_push(struct conversation *c, struct tern_message message) { c->messages[c->n_messages++] = message; }

void conversation_cut(struct conversation *c, size_t n_keep)
{
	while (c->n_messages > n_keep)
		tern_free((void *)c->messages[--c->n_messages].content);
	if (c->n_outside >= c->n_messages)
		c->n_outside = 0;
}

void conversation_clear(struct conversation *c) { conversation_cut(c, 0); }

const struct tern_message *conversation_last(const struct conversation *c, const char *role)
{
	const struct tern_message *last = c->n_messages ? &c->messages[c->n_messages - 1] : NULL;
	return last && last->role == role ? last : NULL;
}

enum tern_status conversation_tokenize(const struct conversation *c, const struct tern_model *model, unsigned flags,
                                       struct conversation_ids *ids, struct tern_error *err)
{
	size_t n_inside = c->n_messages - c->n_outside, n = 0;
	struct tern_message *all = tern_alloc(n_inside + 1, sizeof *all);
	enum tern_status status;

	*ids = (struct conversation_ids){0};
	if (!all)
		return tern_fail_memory(err, (n_inside + 1) * sizeof *all);
	if (c->system && !c->omits_system)
		all[n++] = (struct tern_message){conversation_system, c->system, c->n_system_bytes};
	if (n_inside > 0)
		memcpy(all + n, c->messages + c->n_outside, n_inside * sizeof *all);
	status = tern_chat_tokenize(model, all, n + n_inside, flags, &ids->ids, &ids->n_ids, err);
	tern_free(all);
	return status;
}

/* ---- making room ---- */

/* The message that the exchange after the one at `first` begins with; n_messages if there is none. */
static size_t next_exchange(const struct conversation *c, size_t first)
{
	size_t next = first + 1;

	while (next < c->n_messages && c->messages[next].role != conversation_user)
		next++;
	return next;
}

/* The oldest exchange leaves, unless it is the last one. Returns its bytes, or 0 if it has to stay. */
static size_t drop_oldest(struct conversation *c)
{
	size_t next = next_exchange(c, c->n_outside), n_bytes = 1;

	if (next >= c->n_messages)
		return 0;
	for (; c->n_outside < next; c->n_outside++)
		n_bytes += c->messages[c->n_outside].n_bytes;
	return n_bytes;
}

static size_t count_bytes(const struct conversation *c)
{
	size_t n_bytes = 0;

	for (size_t i = c->n_outside; i < c->n_messages; i++)
		n_bytes += c->messages[i].n_bytes;
	return n_bytes;
}

/* Drops exchanges until about half of what the last message leaves of the context is free. n_ids: the tokens now. False
 * if nothing could leave. */
static bool drop_half(struct conversation *c, size_t n_ids, size_t n_ctx, size_t n_room)
{
	size_t n_bytes = count_bytes(c), n_last_bytes = c->messages[c->n_messages - 1].n_bytes;
	double tokens_per_byte = (double)n_ids / (double)(n_bytes + 1);
	double n_others = (double)n_ctx - (double)n_room - (double)n_last_bytes * tokens_per_byte;
	double n_surplus = (double)n_ids - (double)(n_ctx - n_room) + (n_others > 0 ? n_others / 2 : 0);
	double n_dropped = 0;
	size_t n;

	while (n_dropped * tokens_per_byte < n_surplus && (n = drop_oldest(c)) > 0)
		n_dropped += (double)n;
	return n_dropped > 0;
}

enum tern_status conversation_fit(struct conversation *c, const struct tern_model *model, unsigned flags, size_t n_ctx,
                                  size_t n_room, struct conversation_ids *ids, struct tern_error *err)
{
	size_t n_outside = c->n_outside, n_left_tokens = 0, n_before = 0;
	enum tern_status status;

	/* What cannot fit is not even tokenized. */
	while (tern_least_tokens(model, count_bytes(c)) > n_ctx && drop_oldest(c) > 0)
		continue;
	for (;;) {
		if ((status = conversation_tokenize(c, model, flags, ids, err)))
			break;
		if (n_before > 0)
			n_left_tokens += n_before - ids->n_ids;
		n_before = ids->n_ids;
		if (ids->n_ids + n_room <= n_ctx)
			break;
		if (drop_half(c, ids->n_ids, n_ctx, n_room)) {
			tern_free(ids->ids);
			continue;
		}
		if (ids->n_ids < n_ctx)
			break;
		tern_free(ids->ids);
		ids->ids = NULL;
		status =
		        tern_fail(err, TERN_ERR_CONTEXT, "%zu tokens do not fit the context of %zu", ids->n_ids, n_ctx);
		break;
	}
	if (status)
		c->n_outside = n_outside;
	ids->n_left_messages = c->n_outside - n_outside;
	ids->n_left_tokens = n_left_tokens;
	return status;
}
