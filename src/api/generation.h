/* Generation in steps. A generation says which tokens are to be computed next and takes note when they are; the caller
 * computes them, alone or in one batch with those of other generations:
 *
 *     tern_generation_begin(&g, ...);
 *     tern_generation_guess(&g, ...);      (or not)
 *     while (!(status = tern_generation_next(&g, &ids, &n_ids, err)) && n_ids)
 *             tern_generation_computed(&g, compute(ids, n_ids));
 *     tern_generation_end(&g);
 */
#ifndef TERN_API_GENERATION_H
#define TERN_API_GENERATION_H

#include "api/guesses.h"
#include "api/model.h"
#include "api/stream.h"
#include "infer/engine.h"

struct tern_generation {
	const struct tern_model *model;
	struct tern_engine *engine; /* for logits */
	struct tern_sequence *sequence;
	struct tern_sampler *sampler;
	const struct tern_generate_options *options;
	struct tern_generate_result result;

	const int32_t *prompt; /* n_prompt tokens, of which result.n_prompt are computed */
	size_t n_prompt;
	int32_t ids[1 + TERN_MAX_GUESSES]; /* the token picked last, and n_guess guesses of those behind it */
	size_t n_guess;
	size_t n_next;      /* tokens that are being computed */
	bool is_generating; /* the prompt is computed */
	bool has_ended;     /* result.finish says why */
	struct tern_stream stream;
	uint64_t start_ns; /* of the prompt, then of what is generated */

	const int32_t *given; /* NULL; or tokens to take in place of what is picked, as many as options->n_predict */

	struct tern_guesses *guesses; /* NULL: none are made */
	size_t n_most_guesses;
	float *logits;                  /* [1 + n_most_guesses, n_vocab] of a batch with guesses */
	uint64_t batch_start, batch_ns; /* of the tokens that are being computed */
};

/* The arguments must outlive the generation. TERN_ERR_USAGE for an empty prompt, a token that is none, or a sampler of
 * another vocabulary; TERN_ERR_CONTEXT if the prompt does not fit. The model needs its tokenizer unless tokens are
 * given. Whatever it returns, tern_generation_end() may follow. */
enum tern_status tern_generation_begin(struct tern_generation *generation, const struct tern_model *model,
                                       struct tern_engine *engine, struct tern_sequence *sequence,
                                       struct tern_sampler *sampler, const int32_t *prompt, size_t n_prompt,
                                       const struct tern_generate_options *options, struct tern_error *err);

/* Has the tokens guessed that are generated, at most options->lookup at a time, where the sequence can take back those
 * that were wrong. guesses keeps its record from one generation to the next. */
void tern_generation_guess(struct tern_generation *generation, struct tern_guesses *guesses);

/* The tokens to compute next, behind the sequence's context: up to engine->n_batch of the prompt, or the one it has
 * picked and shown, with guesses behind it. None: it has ended. Valid until the next call. */
enum tern_status tern_generation_next(struct tern_generation *generation, const int32_t **ids, size_t *n_ids,
                                      struct tern_error *err);

/* Says that they are part of the sequence now, or that computing them was interrupted, which ends the generation. */
void tern_generation_computed(struct tern_generation *generation, bool was_completed);

/* Shows text that was held back, and frees. */
void tern_generation_end(struct tern_generation *generation);

#endif
