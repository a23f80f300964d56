/* Each merge names two tokens, and the token that their text makes together has to exist. */
#include "text/vocab_merges.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "text/vocab_pieces.h"

#include <string.h>

static enum tern_status bad_merge(const struct builder *b, size_t rank, const char *what)
{
	const struct tern_piece *merge = &b->vocab->merges[rank];
	char quoted[TERN_QUOTE_SIZE];

	return tern_fail(b->err, TERN_ERR_FILE, "%s: merge %zu '%s': %s", b->source, rank,
	                 tern_quote(quoted, merge->bytes, merge->length), what);
}

/* Most of the time to open a large vocabulary goes into the table of merges. Nearly every look-up of a token misses the
 * caches, so the slots of a batch of merges are prefetched before they are read. Threads take chunks of merges. */
enum {
	MERGE_BATCH = 16,
	MERGE_CHUNK = 1 << 13, /* some tenths of a millisecond; less is not worth waking a thread */
	MAX_MERGE_THREADS = 16,
};

/* The tokens of a merge. If one is below 0, the merge is skipped. */
struct merge_ids {
	int32_t left, right, joined;
};

struct pending_merge {
	size_t split; /* where in the merge's spelling the space is */
	char *text;   /* of both sides, one after the other */
	size_t n_left, n_right;
};

static enum tern_status decode_merge(const struct builder *b, size_t rank, struct pending_merge *pending)
{
	const struct piece_table *table = &b->tokenizer->table;
	const struct tokenizer_kind *kind = b->tokenizer->kind;
	const struct tern_piece *merge = &b->vocab->merges[rank];
	const char *space = merge->length > 1 ? memchr(merge->bytes + 1, ' ', merge->length - 1) : NULL;

	if (!space || space == merge->bytes + merge->length - 1)
		return bad_merge(b, rank, "expected two tokens with a space between");
	pending->split = (size_t)(space - merge->bytes);
	if (!kind->decode(merge->bytes, pending->split, pending->text, &pending->n_left) ||
	    !kind->decode(space + 1, merge->length - pending->split - 1, pending->text + pending->n_left,
	                  &pending->n_right))
		return bad_merge(b, rank, "it names no tokens");
	tern_piece_table_prefetch(table, pending->text, pending->n_left);
	tern_piece_table_prefetch(table, pending->text + pending->n_left, pending->n_right);
	return TERN_OK;
}

/* The token that a merge makes. Nearly always it is the token of the merge before, or the one after that. */
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

/* Merges of tokens that ordinary text is not made of, such as control tokens, are skipped: text must not become one.
 * Refuses a merge whose tokens do not exist at all. */
static enum tern_status check_skipped(const struct builder *b, size_t rank, const struct pending_merge *pending,
                                      const struct merge_ids *ids)
{
	const struct special_table *specials = &b->tokenizer->specials;
	const struct tern_piece *merge = &b->vocab->merges[rank];
	size_t n_left = pending->n_left, n_right = pending->n_right;

	if (b->tokenizer->kind->is_sentencepiece) { /* special tokens are found by their spelling, U+2581 included */
		n_left = pending->split;
		n_right = merge->length - n_left - 1;
		memcpy(pending->text, merge->bytes, n_left);
		memcpy(pending->text + n_left, merge->bytes + n_left + 1, n_right);
	}
	if ((ids->left < 0 && !tern_special_find(specials, pending->text, n_left)) ||
	    (ids->right < 0 && !tern_special_find(specials, pending->text + n_left, n_right)))
		return bad_merge(b, rank, "it names no tokens");
	if (ids->joined < 0 && !tern_special_find(specials, pending->text, n_left + n_right))
		return bad_merge(b, rank, "what it makes is no token");
	return TERN_OK;
}

/* Finds the tokens of merges first .. first + n - 1, n <= MERGE_BATCH. text: room for all of their spellings. */
static enum tern_status find_batch(const struct builder *b, size_t first, size_t n, int32_t joined_before, char *text,
                                   struct merge_ids *ids)
{
	const struct tern_tokenizer *t = b->tokenizer;
	struct pending_merge batch[MERGE_BATCH];
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < n && !status; i++) {
		batch[i].text = text;
		text += b->vocab->merges[first + i].length;
		status = decode_merge(b, first + i, &batch[i]);
	}
	for (size_t i = 0; i < n && !status; i++) {
		const struct pending_merge *m = &batch[i];
		ids[i].left = tern_piece_table_find(&t->table, m->text, m->n_left);
		ids[i].right = tern_piece_table_find(&t->table, m->text + m->n_left, m->n_right);
		ids[i].joined = joined_before = find_joined(t, joined_before, m->text, m->n_left + m->n_right);
		if (ids[i].left < 0 || ids[i].right < 0 || ids[i].joined < 0)
			status = check_skipped(b, first + i, m, &ids[i]);
	}
	return status;
}

/* Finds the tokens of a chunk of merges. */
static enum tern_status find_chunk(const struct builder *b, size_t chunk, char *text, struct merge_ids *ids)
{
	size_t first = chunk * MERGE_CHUNK, end = tern_smaller(first + MERGE_CHUNK, b->vocab->n_merges);
	enum tern_status status = TERN_OK;

	for (size_t i = first; i < end && !status; i += MERGE_BATCH)
		status = find_batch(b, i, tern_smaller(end - i, MERGE_BATCH), i > first ? ids[i - 1].joined : 0, text,
		                    ids + i);
	return status;
}

/* The task of the threads: find the tokens of all merges. */
struct find_task {
	struct builder silent; /* err is NULL; the first chunk that failed is done again for its message */
	char *texts;           /* text_size bytes for each thread */
	size_t text_size;
	struct merge_ids *ids; /* [n_merges] */
	bool *has_failed;      /* [n_chunk] */
};

static void run_chunk(void *context, size_t chunk, int worker)
{
	const struct find_task *task = context;
	char *text = task->texts + (size_t)worker * task->text_size;

	task->has_failed[chunk] = find_chunk(&task->silent, chunk, text, task->ids) != TERN_OK;
}

static enum tern_status find_all(const struct builder *b, struct find_task *task, struct tern_pool *pool)
{
	size_t n_chunk = tern_divide_up(b->vocab->n_merges, MERGE_CHUNK);

	task->silent = *b;
	task->silent.err = NULL;
	task->ids = tern_alloc_huge(b->vocab->n_merges, sizeof *task->ids);
	task->has_failed = tern_alloc(n_chunk, sizeof *task->has_failed);
	task->texts = tern_alloc_aligned((size_t)tern_pool_size(pool), task->text_size);
	if (!task->ids || !task->has_failed || !task->texts)
		return tern_fail_memory(b->err, b->vocab->n_merges * sizeof *task->ids + task->text_size);
	tern_pool_run(pool, run_chunk, task, n_chunk);
	for (size_t chunk = 0; chunk < n_chunk; chunk++)
		if (task->has_failed[chunk])
			return find_chunk(b, chunk, task->texts, task->ids);
	return TERN_OK;
}

static bool add_all(const struct builder *b, const struct merge_ids *ids)
{
	struct merge_table *table = &b->tokenizer->rules.merges;
	size_t n = b->vocab->n_merges;

	if (!tern_merge_table_init(table, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (i + MERGE_BATCH < n)
			tern_merge_table_prefetch(table, ids[i + MERGE_BATCH].left, ids[i + MERGE_BATCH].right);
		if (ids[i].left >= 0 && ids[i].right >= 0 && ids[i].joined >= 0)
			tern_merge_table_add(table, ids[i].left, ids[i].right, (uint32_t)i, ids[i].joined);
	}
	return true;
}

enum tern_status tern_add_merges(const struct builder *b)
{
	const struct tern_vocab *vocab = b->vocab;
	size_t n_chunk = vocab->n_merges / MERGE_CHUNK + 1,
	       n_threads = vocab->n_threads > 1 ? (size_t)vocab->n_threads : 1;
	struct find_task task = {.text_size = 1};
	struct tern_pool *pool = NULL;
	enum tern_status status;

	for (size_t i = 0; i < vocab->n_merges; i++)
		if (vocab->merges[i].length > task.text_size)
			task.text_size = vocab->merges[i].length;
	if (task.text_size > 2 * MAX_PIECE_LENGTH + 1)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: vocabulary: a merge of %zu bytes", b->source,
		                 task.text_size);
	task.text_size *= MERGE_BATCH;
	n_threads = tern_smaller(n_threads, tern_smaller(n_chunk, MAX_MERGE_THREADS));
	if (!(status = tern_pool_new(&pool, (int)n_threads, b->err)) && !(status = find_all(b, &task, pool)) &&
	    !add_all(b, task.ids))
		status = tern_fail_memory(b->err, vocab->n_merges * sizeof *b->tokenizer->rules.merges.slots);
	tern_pool_free(pool);
	tern_free(task.texts);
	tern_free(task.has_failed);
	tern_free(task.ids);
	return status;
}
