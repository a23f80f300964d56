#include "infer/sequence.h"

#include "base/machine.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "infer/delta_state.h"

#include <stdio.h>
#include <string.h>

/* Whether the sequence fits beside the weights. */
static enum tern_status check_memory(const struct tern_transformer *t, size_t n_ctx, enum tern_kv_type kv,
                                     struct tern_error *err)
{
	uint64_t n_mapped = t->n_mapped_bytes, n_state = tern_state_bytes(&t->hparams);
	size_t n_kv;
	char what[128];

	if (!tern_kv_bytes(&t->hparams, kv, n_ctx, &n_kv) || n_kv > SIZE_MAX - n_mapped - n_state)
		n_kv = SIZE_MAX - n_mapped - n_state;
	n_kv += n_state;
	snprintf(what, sizeof what, "a context of %zu tokens (%zu MiB), with %llu MiB of weights,", n_ctx, n_kv >> 20,
	         (unsigned long long)(n_mapped >> 20));
	return tern_check_memory(what, n_kv + n_mapped, t->overcommits, err);
}

enum tern_status tern_sequence_init(struct tern_sequence *s, const struct tern_transformer *transformer, size_t n_ctx,
                                    enum tern_kv_type kv, struct tern_error *err)
{
	const struct tern_hparams *h = &transformer->hparams;
	enum tern_status status;

	*s = (struct tern_sequence){.transformer = transformer, .n_ctx = n_ctx, .n_top_logits = h->n_vocab};
	if ((status = check_memory(transformer, n_ctx, kv, err)) || (status = tern_kv_init(&s->kv, h, kv, n_ctx, err)))
		return status;
	s->snapshots.n_state_bytes = (size_t)tern_state_bytes(h);
	if (s->snapshots.n_state_bytes && (s->state = tern_alloc_huge(s->snapshots.n_state_bytes, 1)))
		memset(s->state, 0, s->snapshots.n_state_bytes);
	s->ids = tern_alloc_aligned(n_ctx, sizeof *s->ids);
	s->last = s->outputs = tern_alloc(TERN_KEPT_OUTPUTS * h->n_embd, sizeof *s->outputs);
	s->logits = tern_alloc(h->n_vocab, sizeof *s->logits);
	if (s->ids && s->outputs && s->logits && !s->state == !s->snapshots.n_state_bytes)
		return TERN_OK;
	tern_sequence_clear(s);
	return tern_fail(err, TERN_ERR_FAILED, "out of memory for a context of %zu tokens", n_ctx);
}

void tern_sequence_clear(struct tern_sequence *s)
{
	tern_kv_free(&s->kv);
	tern_snapshots_free(&s->snapshots);
	tern_free(s->state);
	tern_free(s->ids);
	tern_free(s->outputs);
	tern_free(s->logits);
	*s = (struct tern_sequence){0};
}

enum tern_status tern_sequence_check_ids(const struct tern_sequence *s, const int32_t *ids, size_t n_ids,
                                         struct tern_error *err)
{
	size_t n_vocab = s->transformer->hparams.n_vocab;

	for (size_t i = 0; i < n_ids; i++)
		if (ids[i] < 0 || (size_t)ids[i] >= n_vocab)
			return tern_fail(err, TERN_ERR_USAGE, "token id %d: expected 0 to %zu", ids[i], n_vocab - 1);
	return TERN_OK;
}

enum tern_status tern_sequence_begin(const struct tern_sequence *s, const int32_t *ids, size_t n_ids,
                                     struct tern_error *err)
{
	if (n_ids > s->n_ctx - s->n_past)
		return tern_fail(err, TERN_ERR_CONTEXT, "%zu tokens do not fit: %zu of %zu are in use", n_ids,
		                 s->n_past, s->n_ctx);
	return tern_sequence_check_ids(s, ids, n_ids, err);
}

void tern_sequence_commit(struct tern_sequence *s, const struct tern_token *tokens, size_t n_token,
                          const float *outputs)
{
	size_t n_embd = s->transformer->hparams.n_embd, n_kept = tern_smaller(n_token, TERN_KEPT_OUTPUTS);

	for (size_t i = 0; i < n_token; i++)
		s->ids[s->n_past + i] = tokens[i].id;
	s->n_past += n_token;
	memcpy(s->outputs, outputs + (n_token - n_kept) * n_embd, n_kept * n_embd * sizeof *outputs);
	s->last = s->outputs + (n_kept - 1) * n_embd;
	s->n_top_logits = 0;
	if (s->snapshot_due == s->n_past)
		tern_snapshots_take(&s->snapshots, s->n_past, s->state);
	s->snapshot_due = 0;
}

void tern_sequence_take_back(struct tern_sequence *s, size_t n)
{
	s->n_past -= n;
	s->last -= n * s->transformer->hparams.n_embd;
	s->n_top_logits = 0;
}

void tern_sequence_readmit(struct tern_sequence *s)
{
	s->n_past++;
	s->last += s->transformer->hparams.n_embd;
	s->n_top_logits = 0;
}

/* ---- going back ---- */

/* A snapshot costs a copy of the state, and its batch reads the weights once more: it has to save more than that. */
enum {
	MIN_SAVED = 16 /* tokens */
};

void tern_sequence_allow_snapshots(struct tern_sequence *s, size_t max_bytes, const bool *is_end, size_t n_is_end)
{
	s->snapshots.max_bytes = max_bytes;
	s->is_end = is_end;
	s->n_is_end = n_is_end;
}

static bool is_worth_it(const struct tern_sequence *s, size_t position)
{
	return s->snapshots.n_state_bytes > 0 && s->snapshots.n_state_bytes <= s->snapshots.max_bytes &&
	       position >= tern_snapshots_nearest(&s->snapshots, position) + MIN_SAVED;
}

/* How many of n_ids tokens lead to the end of the last turn; 0: no turn ends. */
static size_t find_turn(const struct tern_sequence *s, const int32_t *ids, size_t n_ids)
{
	while (n_ids > 0 && ((size_t)ids[n_ids - 1] >= s->n_is_end || !s->is_end[ids[n_ids - 1]]))
		n_ids--;
	return n_ids;
}

size_t tern_sequence_step(struct tern_sequence *s, const int32_t *ids, size_t n_ids, size_t max_ids)
{
	size_t n = tern_smaller(n_ids, max_ids), n_turn;

	s->snapshot_due = 0;
	if (!is_worth_it(s, s->n_past + n))
		return n;
	n_turn = find_turn(s, ids, n_ids);
	if (n_turn > 0 && n_turn <= n && is_worth_it(s, s->n_past + n_turn))
		s->snapshot_due = s->n_past + n_turn;
	if (s->n_shared > s->n_past && s->n_shared <= s->n_past + n &&
	    (!s->snapshot_due || s->n_shared < s->snapshot_due))
		s->snapshot_due = s->n_shared;
	return s->snapshot_due ? s->snapshot_due - s->n_past : n;
}

void tern_sequence_mark(struct tern_sequence *s)
{
	if (is_worth_it(s, s->n_past))
		tern_snapshots_take(&s->snapshots, s->n_past, s->state);
}

size_t tern_sequence_go_back(struct tern_sequence *s, size_t n_keep)
{
	if (n_keep >= s->n_past)
		return s->n_past;
	/* Later keys and values are overwritten. */
	s->n_past = s->state ? tern_snapshots_restore(&s->snapshots, n_keep, s->state) : n_keep;
	s->n_shared = 0;
	return s->n_past;
}

size_t tern_sequence_go_back_to(struct tern_sequence *s, const int32_t *ids, size_t n_ids)
{
	size_t n = 0, n_turn;

	while (n < s->n_past && n + 1 < n_ids && s->ids[n] == ids[n])
		n++;
	if (tern_sequence_go_back(s, n) == n)
		return n;
	/* Texts that come later may share this beginning, or nearly all of it if it ends by chance in a turn. */
	n_turn = find_turn(s, ids, n);
	n = n_turn > s->n_past ? n_turn : n - n / 16;
	s->n_shared = is_worth_it(s, n) ? n : 0;
	return s->n_past;
}

void tern_sequence_recover(struct tern_sequence *s)
{
	if (s->state)
		s->n_past = tern_snapshots_restore(&s->snapshots, s->n_past, s->state);
}

/* ---- batches ---- */

bool tern_next_segment(const struct tern_token *tokens, size_t n_token, struct tern_segment *segment)
{
	size_t first = segment->first + segment->n_token, end = first;

	if (first == n_token)
		return false;
	while (end < n_token && tokens[end].sequence == tokens[first].sequence)
		end++;
	*segment = (struct tern_segment){tokens[first].sequence, first, end - first, tokens[first].position};
	return true;
}
