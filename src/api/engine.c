/* Engines and sequences: many conversations in one batch. */
#include "api/options.h"

#include "base/machine.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "infer/batch.h"
#include "infer/engine_init.h"
#include "infer/head.h"

#include <string.h>

enum {
	DEFAULT_CONTEXT = 4096,
	DEFAULT_STATE_CACHE = 512, /* MiB: three snapshots of a model with 27 billion parameters */
	DEFAULT_BATCH = 256        /* larger batches are no faster and react later to keep_going */
};

/* ---- options ---- */

enum tern_status tern_engine_options_complete(struct tern_engine_options *options, struct tern_error *err)
{
	enum tern_status status = tern_choose_threads(&options->n_threads, err);

	if (status)
		return status;
	if (options->n_batch == 0)
		options->n_batch = DEFAULT_BATCH;
	if (options->n_batch < 1)
		return tern_fail(err, TERN_ERR_USAGE, "batch: expected at least 1 token, got %d", options->n_batch);
	return TERN_OK;
}

enum tern_status tern_sequence_options_complete(struct tern_sequence_options *options, const struct tern_model *model,
                                                struct tern_error *err)
{
	int n_ctx_train = (int)model->transformer.hparams.n_ctx_train;
	int n_ctx_max = (int)model->transformer.hparams.n_ctx_max;

	if (options->n_ctx == 0)
		options->n_ctx = n_ctx_train < DEFAULT_CONTEXT ? n_ctx_train : DEFAULT_CONTEXT;
	else if (options->n_ctx == -1)
		options->n_ctx = n_ctx_train;
	if (options->n_ctx < 1)
		return tern_fail(err, TERN_ERR_USAGE, "context: expected at least 1 token, got %d", options->n_ctx);
	if (n_ctx_max && options->n_ctx > n_ctx_max)
		return tern_fail(err, TERN_ERR_USAGE,
		                 "context: the file does not say how far back its layers with a window look, so up to "
		                 "%d tokens are right, not %d",
		                 n_ctx_max, options->n_ctx);
	if (options->kv != TERN_KV_F16 && options->kv != TERN_KV_Q8)
		return tern_fail(err, TERN_ERR_USAGE, "kv: expected TERN_KV_F16 or TERN_KV_Q8, got %d",
		                 (int)options->kv);
	if (options->state_cache == 0)
		options->state_cache = DEFAULT_STATE_CACHE;
	if (options->state_cache < -1)
		return tern_fail(err, TERN_ERR_USAGE, "state cache: expected at least -1, got %d",
		                 options->state_cache);
	return TERN_OK;
}

/* ---- making and freeing ---- */

enum tern_status tern_sequence_make(struct tern_sequence *sequence, const struct tern_model *model,
                                    const struct tern_sequence_options *options, struct tern_error *err)
{
	const struct tern_text *text = &model->text;
	size_t n_mib = options->state_cache > 0 ? (size_t)options->state_cache : 0;
	enum tern_status status =
	        tern_sequence_init(sequence, &model->transformer, (size_t)options->n_ctx, options->kv, err);

	if (!status)
		tern_sequence_allow_snapshots(sequence, n_mib < SIZE_MAX >> 20 ? n_mib << 20 : SIZE_MAX, text->is_end,
		                              text->is_end ? tern_tokenizer_n_pieces(text->tokenizer) : 0);
	return status;
}

enum tern_status tern_engine_new(struct tern_engine **out, const struct tern_model *model,
                                 const struct tern_engine_options *options, struct tern_error *err)
{
	struct tern_engine_options chosen = options ? *options : (struct tern_engine_options){0};
	struct tern_engine *engine;
	enum tern_status status;

	*out = NULL;
	if ((status = tern_model_need_weights(model, err)) || (status = tern_engine_options_complete(&chosen, err)))
		return status;
	if (!(engine = tern_alloc(1, sizeof *engine)))
		return tern_fail_memory(err, sizeof *engine);
	if ((status = tern_engine_init(engine, &model->transformer, chosen.n_threads, (size_t)chosen.n_batch, err))) {
		tern_free(engine);
		return status;
	}
	*out = engine;
	return TERN_OK;
}

void tern_engine_free(struct tern_engine *engine)
{
	if (!engine)
		return;
	tern_engine_clear(engine);
	tern_free(engine);
}

int tern_engine_n_threads(const struct tern_engine *engine) { return tern_pool_size(engine->pool); }

enum tern_status tern_sequence_new(struct tern_sequence **out, const struct tern_model *model,
                                   const struct tern_sequence_options *options, struct tern_error *err)
{
	struct tern_sequence_options chosen = options ? *options : (struct tern_sequence_options){0};
	struct tern_sequence *sequence;
	enum tern_status status;

	*out = NULL;
	if ((status = tern_model_need_weights(model, err)) ||
	    (status = tern_sequence_options_complete(&chosen, model, err)))
		return status;
	if (!(sequence = tern_alloc(1, sizeof *sequence)))
		return tern_fail_memory(err, sizeof *sequence);
	if ((status = tern_sequence_make(sequence, model, &chosen, err))) {
		tern_free(sequence);
		return status;
	}
	*out = sequence;
	return TERN_OK;
}

void tern_sequence_free(struct tern_sequence *sequence)
{
	if (!sequence)
		return;
	tern_sequence_clear(sequence);
	tern_free(sequence);
}

/* ---- sequences ---- */

int tern_sequence_n_past(const struct tern_sequence *sequence) { return (int)sequence->n_past; }

int tern_sequence_n_ctx(const struct tern_sequence *sequence) { return (int)sequence->n_ctx; }

int tern_sequence_rewind(struct tern_sequence *sequence, int n_keep)
{
	if (n_keep < 0)
		return (int)sequence->n_past;
	return (int)tern_sequence_go_back(sequence, (size_t)n_keep);
}

int tern_sequence_rewind_to(struct tern_sequence *sequence, const int32_t *ids, size_t n_ids)
{
	return (int)tern_sequence_go_back_to(sequence, ids, n_ids);
}

/* ---- computing ---- */

static enum tern_status check_feeds(const struct tern_engine *engine, const struct tern_feed *feeds, size_t n_feeds,
                                    struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < n_feeds && !status; i++) {
		const struct tern_sequence *sequence = feeds[i].sequence;
		if (feeds[i].n_ids == 0)
			return tern_fail(err, TERN_ERR_USAGE, "feed %zu: there are no tokens", i);
		if (sequence->transformer != engine->transformer)
			return tern_fail(err, TERN_ERR_USAGE, "feed %zu: the sequence is of another model", i);
		for (size_t k = 0; k < i; k++)
			if (feeds[k].sequence == sequence)
				return tern_fail(err, TERN_ERR_USAGE, "feeds %zu and %zu: of the same sequence", k, i);
		status = tern_sequence_begin(sequence, feeds[i].ids, feeds[i].n_ids, err);
	}
	return status;
}

/* Where the next batch begins: token n_done of feed `index`. */
struct cursor {
	size_t index, n_done;
};

/* Fills engine->tokens with what follows the cursor, as much as there is and fits; returns how many that are. */
static size_t fill_batch(struct tern_engine *engine, const struct tern_feed *feeds, size_t n_feeds, struct cursor *at)
{
	size_t n = 0;

	for (; at->index < n_feeds && n < engine->n_batch; at->index++, at->n_done = 0) {
		const struct tern_feed *feed = &feeds[at->index];
		const int32_t *ids = feed->ids + at->n_done;
		size_t n_left = feed->n_ids - at->n_done, position = feed->sequence->n_past;
		size_t n_step = tern_sequence_step(feed->sequence, ids, n_left, engine->n_batch - n);
		for (size_t i = 0; i < n_step; i++)
			engine->tokens[n++] = (struct tern_token){feed->sequence, position++, ids[i]};
		at->n_done += n_step;
		if (at->n_done < feed->n_ids)
			break;
	}
	return n;
}

/* Logits of the last token of each sequence, for as many at a time as a batch may have tokens. */
static void compute_logits(struct tern_engine *engine, const struct tern_feed *feeds, size_t n_feeds, float *logits)
{
	size_t n_embd = engine->transformer->hparams.n_embd, n_vocab = engine->transformer->hparams.n_vocab;

	for (size_t done = 0, n; done < n_feeds; done += n) {
		n = tern_smaller(n_feeds - done, engine->n_batch);
		for (size_t i = 0; i < n; i++)
			memcpy(engine->x + i * n_embd, feeds[done + i].sequence->last, n_embd * sizeof *engine->x);
		tern_head(engine, engine->x, n, logits + done * n_vocab);
	}
}

enum tern_status tern_engine_feed(struct tern_engine *engine, const struct tern_feed *feeds, size_t n_feeds,
                                  float *logits, struct tern_error *err)
{
	enum tern_status status = check_feeds(engine, feeds, n_feeds, err);
	struct cursor at = {0};
	size_t n;

	if (status)
		return status;
	while ((n = fill_batch(engine, feeds, n_feeds, &at)))
		tern_compute_batch(engine, n, NULL, NULL);
	if (logits)
		compute_logits(engine, feeds, n_feeds, logits);
	return TERN_OK;
}

const float *tern_engine_logits(struct tern_engine *engine, struct tern_sequence *sequence)
{
	return sequence->transformer == engine->transformer ? tern_top_logits(engine, sequence, 0) : NULL;
}
