/* Making a plan finds every tensor the network needs, checks its shape and type, and refuses a checkpoint with any
 * tensor left over: a norm that nobody applies gives fluent nonsense. */
#ifndef CONVERT_PLAN_MAKE_H
#define CONVERT_PLAN_MAKE_H

#include "convert/plan.h"
#include "convert/planner.h"

/* Free in either case. Matrices of floats still have to be looked at. */
enum tern_status plan_make(struct plan *plan, struct checkpoint *ckpt, const struct config *config,
                           struct plan_options options, const struct reporter *reporter, struct tern_error *err);

#endif
