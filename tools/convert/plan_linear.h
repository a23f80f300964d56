/* Planning the projections. */
#ifndef CONVERT_PLAN_LINEAR_H
#define CONVERT_PLAN_LINEAR_H

#include "convert/planner.h"

/* A projection to be added. */
struct linear {
	char module[PLANNER_NAME_SIZE]; /* its name in the checkpoint */
	char out[48];                   /* and in the output, without ".weight" */
	enum projection projection;
	uint64_t n_row, n_col;
	bool wants_bias; /* config.json says there is one */
};

/* Appends a projection: weights, scale, bias, norm. */
enum tern_status planner_add_linear(struct planner *p, const struct linear *linear);

#endif
