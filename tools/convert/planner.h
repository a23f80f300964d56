/* What the files that make a plan share: plan_make.c (layers and the whole), plan_linear.c (projections) and
 * plan_head.c (embedding and head). */
#ifndef CONVERT_PLANNER_H
#define CONVERT_PLANNER_H

#include "convert/checkpoint.h"
#include "convert/config.h"
#include "convert/plan.h"
#include "convert/reporter.h"

/* What the user asks for: --embd keep, --head keep. */
struct plan_options {
	bool keep_embedding, keep_head;
};

enum {
	PLANNER_NAME_SIZE = 160 /* of a tensor in the checkpoint, made here */
};

struct planner {
	struct plan *plan;
	struct checkpoint *ckpt;
	const struct config *config;
	struct plan_options options;
	const struct reporter *reporter;
	const char *prefix; /* of names in the checkpoint: "model." or "" */
	bool is_trained;    /* trained with ternarised master weights and per-token activations */
	size_t n_linear;    /* projections of layers */
	size_t n_with_norm; /* of these, with a norm */
	size_t n_model_eps; /* of these, with a norm called *.norm.weight */
	char without_norm[PLANNER_NAME_SIZE], with_norm[PLANNER_NAME_SIZE]; /* examples */
	bool warned_of_bias;
	struct tern_error *err;
};

/* Finds a tensor of the checkpoint by its formatted name and marks it as used; NULL if there is none. */
struct tensor *planner_take(struct planner *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "DIRECTORY: tensor 'NAME': missing; WHY" */
enum tern_status planner_fail_missing(const struct planner *p, const char *name, const char *why);
/* "... shape [3] of F32; config.json wants EXPECTED" */
enum tern_status planner_fail_shape(const struct planner *p, const struct tensor *tensor, const char *expected);
enum tern_status planner_check_shape(const struct planner *p, const struct tensor *tensor, uint64_t n_row,
                                     uint64_t n_col);

/* Appends a step under a formatted name. */
enum tern_status planner_add_step(struct planner *p, const struct step *step, const char *name_format, ...)
        __attribute__((format(printf, 3, 4)));
/* Appends a norm or bias of n values. */
enum tern_status planner_add_vector(struct planner *p, const struct tensor *tensor, uint64_t n, const char *name);

#endif
