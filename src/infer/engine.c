#include "infer/engine.h"

void tern_engine_run(struct tern_engine *engine, tern_task task, void *context, size_t n_chunk, size_t work)
{
	if (work >= TERN_MIN_PARALLEL_WORK)
		tern_pool_run(engine->pool, task, context, n_chunk);
	else
		for (size_t chunk = 0; chunk < n_chunk; chunk++)
			task(context, chunk, 0);
}

void tern_engine_start_read(struct tern_engine *engine, struct tern_read_extent read, size_t n_token,
                            tern_dot_panels *dot, bool is_tuned)
{
	/* Before the tuner begins to time the read. */
	size_t most_stored = engine->tuner.fixes_stored
	                             ? engine->tuner.fixed.most_stored
	                             : tern_most_stored(engine->stored_choices, engine->kernels, dot, n_token);

	engine->streaming =
	        is_tuned ? tern_tuner_start(&engine->tuner, read, n_token) : tern_tuner_choice(&engine->tuner, read, 1);
	engine->streaming.most_stored = most_stored;
}

bool tern_engine_may_go_on(struct tern_engine *engine)
{
	if (engine->keep_going && !engine->is_stopped)
		engine->is_stopped = !engine->keep_going(engine->keep_going_user);
	return !engine->is_stopped;
}
