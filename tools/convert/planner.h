/* What the files that make a plan share: plan.c (layers and the whole), plan_linear.c (projections) and plan_head.c
 * (embedding and head). */
#ifndef CONVERT_PLANNER_H
#define CONVERT_PLANNER_H

#include "convert/plan.h"

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
/* Appends the token embedding. */
enum tern_status planner_add_embedding(struct planner *p, const struct tensor *tensor);
/* Appends the head, if it is not the embedding once more. */
enum tern_status planner_add_head(struct planner *p, const struct tensor *embedding);

#endif
