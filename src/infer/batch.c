#include "infer/batch.h"

#include "base/clock.h"
#include "infer/engine_init.h"
#include "infer/forward.h"
#include "infer/sequence.h"

/* The layers, by as many threads as are fastest. */
static void compute(struct tern_engine *engine)
{
	struct tern_thread_choice *choice = &engine->thread_choice;
	uint64_t start, cpu_start;

	tern_pool_use(engine->pool, tern_thread_choice_threads(choice, engine->n_token));
	if (!tern_thread_choice_measures(choice, engine->n_token)) {
		tern_forward(engine);
		return;
	}
	start = tern_clock_ns();
	cpu_start = tern_pool_cpu_ns(engine->pool);
	tern_forward(engine);
	if (!engine->is_stopped)
		tern_thread_choice_record(choice, engine->n_token, tern_clock_ns() - start,
		                          tern_pool_cpu_ns(engine->pool) - cpu_start);
}

bool tern_compute_batch(struct tern_engine *engine, size_t n_token, bool (*keep_going)(void *user), void *user)
{
	struct tern_segment segment = {0};
	size_t n_embd = engine->transformer->hparams.n_embd;
	/* Dropping one token of an answer would cost all that follow the last snapshot, to save a part of a second. */
	bool may_stop = n_token > 1 || !engine->tokens[0].sequence->state;

	tern_engine_expect(engine, n_token);
	engine->n_token = n_token;
	engine->keep_going = may_stop ? keep_going : NULL;
	engine->keep_going_user = user;
	compute(engine);
	engine->keep_going = NULL;
	if (engine->is_stopped) {
		engine->is_stopped = false;
		while (tern_next_segment(engine->tokens, n_token, &segment))
			tern_sequence_recover(segment.sequence);
		return false;
	}
	while (tern_next_segment(engine->tokens, n_token, &segment))
		tern_sequence_commit(segment.sequence, engine->tokens + segment.first, segment.n_token,
		                     engine->x + segment.first * n_embd);
	return true;
}
