/* Planning the token embedding and the output head. */
#ifndef CONVERT_PLAN_HEAD_H
#define CONVERT_PLAN_HEAD_H

#include "convert/planner.h"

/* Appends the token embedding. */
enum tern_status planner_add_embedding(struct planner *p, const struct tensor *tensor);
/* Appends the head, if it is not the embedding once more. */
enum tern_status planner_add_head(struct planner *p, const struct tensor *embedding);

#endif
