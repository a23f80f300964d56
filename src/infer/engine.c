#include "infer/engine.h"

void tern_engine_run(struct tern_engine *engine, tern_task task, void *context, size_t n_chunk, size_t work)
{
	if (work >= TERN_MIN_PARALLEL_WORK)
		tern_pool_run(engine->pool, task, context, n_chunk);
	else
		for (size_t chunk = 0; chunk < n_chunk; chunk++)
			task(context, chunk, 0);
}

bool tern_engine_may_go_on(struct tern_engine *engine)
{
	if (engine->keep_going && !engine->is_stopped)
		engine->is_stopped = !engine->keep_going(engine->keep_going_user);
	return !engine->is_stopped;
}
