/* Taking tensors from the checkpoint and adding steps to the plan. */
#include "convert/planner.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- tensors of the checkpoint ---- */

struct tensor *planner_take(struct planner *p, const char *format, ...)
{
	char name[PLANNER_NAME_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof name, format, args);
	va_end(args);
	struct tensor *tensor = checkpoint_find(p->ckpt, name);
	if (tensor)
		tensor->is_used = true;
	return tensor;
}

enum tern_status planner_fail_missing(const struct planner *p, const char *name, const char *why)
{
	return tern_fail(p->err, TERN_ERR_FILE, "%s: tensor '%s': missing; %s", p->ckpt->dir->path, name, why);
}

enum tern_status planner_fail_shape(const struct planner *p, const struct tensor *tensor, const char *expected)
{
	char shape[SHAPE_TEXT_SIZE];
	return checkpoint_fail(p->ckpt, tensor, p->err, "shape %s of %s; config.json wants %s",
	                       shape_text(shape, tensor->n_dims, tensor->shape), dtype_name(tensor->dtype), expected);
}

enum tern_status planner_check_shape(const struct planner *p, const struct tensor *tensor, uint64_t n_row,
                                     uint64_t n_col)
{
	char expected[64];

	if (tensor->n_dims == 2 && tensor->shape[0] == n_row && tensor->shape[1] == n_col)
		return TERN_OK;
	snprintf(expected, sizeof expected, "[%llu, %llu]", (unsigned long long)n_row, (unsigned long long)n_col);
	return planner_fail_shape(p, tensor, expected);
}

/* ---- steps ---- */

enum tern_status planner_add_step(struct planner *p, const struct step *step, const char *name_format, ...)
{
	struct plan *plan = p->plan;
	void *steps = plan->steps;
	va_list args;

	if (!tern_grow(&steps, &plan->step_capacity, plan->n_steps + 1, sizeof *step))
		return tern_fail_memory(p->err, (plan->n_steps + 1) * sizeof *step);
	plan->steps = steps;
	plan->steps[plan->n_steps] = *step;
	va_start(args, name_format);
	vsnprintf(plan->steps[plan->n_steps++].name, sizeof step->name, name_format, args);
	va_end(args);
	return TERN_OK;
}

enum tern_status planner_add_vector(struct planner *p, const struct tensor *tensor, uint64_t n, const char *name)
{
	char expected[32];
	struct step step = {.kind = STEP_VECTOR, .source = tensor, .n_row = 1, .n_col = n};

	if (tensor->n_dims == 1 && tensor->shape[0] == n && dtype_is_float(tensor->dtype))
		return planner_add_step(p, &step, "%s", name);
	snprintf(expected, sizeof expected, "[%llu] of floats", (unsigned long long)n);
	return planner_fail_shape(p, tensor, expected);
}
