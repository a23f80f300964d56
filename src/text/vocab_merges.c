/* Reading merges: each names two tokens, and the token that their text makes together has to exist. */
#include "text/vocab_merges.h"

#include "base/memory.h"
#include "text/bpe.h"
#include "text/spm.h"

#include <string.h>

static enum tern_status bad_merge(const struct builder *b, size_t rank, const char *what)
{
	const struct tern_piece *merge = &b->vocab->merges[rank];
	char quoted[TERN_QUOTE_SIZE];

	return tern_fail(b->err, TERN_ERR_FILE, "%s: merge %zu '%s': %s", b->source, rank,
	                 tern_quote(quoted, merge->bytes, merge->length), what);
}

/* The text of one side of a merge, appended to `out`. */
static bool decode_side(const struct builder *b, const char *bytes, size_t length, char *out, size_t *n_out)
{
	if (b->vocab->kind == TERN_VOCAB_BPE)
		return tern_bpe_decode(bytes, length, out, n_out);
	*n_out = tern_spm_decode(bytes, length, out);
	return true;
}

/* Merges go into the table a batch at a time, a step at a time, so that the look-ups of a batch, which nearly always
 * miss the caches, wait for memory together: that is most of the time it takes to open a large vocabulary. */
enum {
	MERGE_BATCH = 16
};

struct pending_merge {
	size_t split; /* where in the merge's spelling the space is */
	char *text;   /* of both sides, one after the other */
	size_t n_left, n_right;
	int32_t left, right, joined;
};

static enum tern_status decode_merge(const struct builder *b, size_t rank, struct pending_merge *pending)
{
	const struct piece_table *table = &b->tokenizer->table;
	const struct tern_piece *merge = &b->vocab->merges[rank];
	const char *space = merge->length > 1 ? memchr(merge->bytes + 1, ' ', merge->length - 1) : NULL;

	if (!space || space == merge->bytes + merge->length - 1)
		return bad_merge(b, rank, "expected two tokens with a space between");
	pending->split = (size_t)(space - merge->bytes);
	if (!decode_side(b, merge->bytes, pending->split, pending->text, &pending->n_left) ||
	    !decode_side(b, space + 1, merge->length - pending->split - 1, pending->text + pending->n_left,
	                 &pending->n_right))
		return bad_merge(b, rank, "it names no tokens");
	tern_piece_table_prefetch(table, pending->text, pending->n_left);
	tern_piece_table_prefetch(table, pending->text + pending->n_left, pending->n_right);
	return TERN_OK;
}

/* What a merge makes: nearly always the token that the one before it made, or the next. */
static int32_t find_joined(const struct tern_tokenizer *t, int32_t before, const char *text, size_t length)
{
	size_t first = before < 0 ? 0 : (size_t)before;

	for (size_t id = first; id <= first + 1 && id < t->n_pieces; id++) {
		const struct tern_piece *piece = &t->pieces[id];
		if (piece->length == length && memcmp(piece->bytes, text, length) == 0 &&
		    t->types[id] == TERN_TOKEN_NORMAL)
			return (int32_t)id;
	}
	return tern_piece_table_find(&t->table, text, length);
}

/* A merge of tokens that ordinary text is not made of, control tokens say, is skipped: text must not become one.
 * Whether it is that, or names no tokens at all. */
static enum tern_status check_skipped(const struct builder *b, size_t rank, const struct pending_merge *pending)
{
	const struct special_table *specials = &b->tokenizer->specials;
	const struct tern_piece *merge = &b->vocab->merges[rank];
	size_t n_left = pending->n_left, n_right = pending->n_right;

	if (b->vocab->kind == TERN_VOCAB_SPM) { /* they are known by their spelling, U+2581 and all */
		n_left = pending->split;
		n_right = merge->length - n_left - 1;
		memcpy(pending->text, merge->bytes, n_left);
		memcpy(pending->text + n_left, merge->bytes + n_left + 1, n_right);
	}
	if ((pending->left < 0 && !tern_special_find(specials, pending->text, n_left)) ||
	    (pending->right < 0 && !tern_special_find(specials, pending->text + n_left, n_right)))
		return bad_merge(b, rank, "it names no tokens");
	if (pending->joined < 0 && !tern_special_find(specials, pending->text, n_left + n_right))
		return bad_merge(b, rank, "what it makes is no token");
	return TERN_OK;
}

static enum tern_status find_merge(const struct builder *b, size_t rank, int32_t joined_before,
                                   struct pending_merge *pending)
{
	const struct tern_tokenizer *t = b->tokenizer;

	pending->left = tern_piece_table_find(&t->table, pending->text, pending->n_left);
	pending->right = tern_piece_table_find(&t->table, pending->text + pending->n_left, pending->n_right);
	pending->joined = find_joined(t, joined_before, pending->text, pending->n_left + pending->n_right);
	if (pending->left < 0 || pending->right < 0 || pending->joined < 0)
		return check_skipped(b, rank, pending);
	tern_merge_table_prefetch(&t->merges, pending->left, pending->right);
	return TERN_OK;
}

static enum tern_status add_batch(const struct builder *b, size_t first, size_t n, struct pending_merge *batch)
{
	enum tern_status status = TERN_OK;
	int32_t joined = first > 0 ? batch[MERGE_BATCH - 1].joined : 0;

	for (size_t i = 0; i < n && !status; i++)
		status = decode_merge(b, first + i, &batch[i]);
	for (size_t i = 0; i < n && !status; i++) {
		status = find_merge(b, first + i, joined, &batch[i]);
		joined = batch[i].joined;
	}
	for (size_t i = 0; i < n && !status; i++)
		if (batch[i].left >= 0 && batch[i].right >= 0 && batch[i].joined >= 0)
			tern_merge_table_add(&b->tokenizer->merges, batch[i].left, batch[i].right,
			                     (uint32_t)(first + i), batch[i].joined);
	return status;
}

enum tern_status tern_add_merges(const struct builder *b)
{
	const struct tern_vocab *vocab = b->vocab;
	struct pending_merge batch[MERGE_BATCH];
	enum tern_status status = TERN_OK;
	size_t longest = 1;

	for (size_t i = 0; i < vocab->n_merges; i++)
		if (vocab->merges[i].length > longest)
			longest = vocab->merges[i].length;
	if (longest > 2 * MAX_PIECE_LENGTH + 1)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: vocabulary: a merge of %zu bytes", b->source, longest);
	char *text = tern_alloc_aligned(MERGE_BATCH * longest, 1);
	if (!text || !tern_merge_table_init(&b->tokenizer->merges, vocab->n_merges)) {
		tern_free(text);
		return tern_fail_memory(b->err, longest + vocab->n_merges * sizeof *b->tokenizer->merges.slots);
	}
	for (size_t i = 0; i < MERGE_BATCH; i++)
		batch[i].text = text + i * longest;
	for (size_t i = 0; i < vocab->n_merges && !status; i += MERGE_BATCH)
		status = add_batch(b, i, vocab->n_merges - i < MERGE_BATCH ? vocab->n_merges - i : MERGE_BATCH, batch);
	tern_free(text);
	return status;
}
