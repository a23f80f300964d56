/* A mapping being made: takes tensors from the checkpoint and appends tensors of the output. */
#ifndef CONVERT_MAPPING_MAPPER_H
#define CONVERT_MAPPING_MAPPER_H

#include "convert/checkpoint/checkpoint.h"
#include "convert/config/config.h"
#include "convert/job/options.h"
#include "convert/mapping/mapping.h"

enum {
	MAPPER_NAME_SIZE = 160 /* of a tensor's name in the checkpoint, made here */
};

struct mapper {
	struct mapping *mapping;
	struct checkpoint *ckpt;
	const struct config *config;
	const struct convert_options *options;
	const char *prefix; /* of names in the checkpoint: "model." or "" */
	bool is_trained;    /* trained with ternarized master weights and per-token activations */
	size_t n_linear;    /* projections of layers */
	size_t n_with_norm; /* of these, with a norm */
	size_t n_model_eps; /* of these, with a norm called *.norm.weight */
	char without_norm[MAPPER_NAME_SIZE], with_norm[MAPPER_NAME_SIZE]; /* examples */
	bool warned_of_bias;
	struct tern_error *err;
};

/* The module of the token embedding, without the prefix. */
const char *mapper_embedding(const struct mapper *m);

/* Finds a tensor of the checkpoint by its formatted name and marks it as used; NULL if there is none. */
struct tensor *mapper_take(struct mapper *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a tensor that must exist: without it, fails with "DIRECTORY: tensor 'NAME': missing; WHY". */
enum tern_status mapper_require(struct mapper *m, struct tensor **tensor, const char *why, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

#define MAPPER_EVERY_LAYER "every layer must have it, or config.json counts too many"

/* "... shape [3] of F32; config.json wants EXPECTED" */
enum tern_status mapper_fail_shape(const struct mapper *m, const struct tensor *tensor, const char *expected);
enum tern_status mapper_check_shape(const struct mapper *m, const struct tensor *tensor, int n_dims,
                                    const uint64_t *shape);

enum tern_status mapper_check_floats(const struct mapper *m, const struct tensor *tensor);

/* Appends a tensor of the output under a formatted name. */
enum tern_status mapper_add(struct mapper *m, const struct output_tensor *tensor, const char *name_format, ...)
        __attribute__((format(printf, 3, 4)));
/* Appends a norm or bias of n values; `tensor` has the fields that are not seen from source and n. */
enum tern_status mapper_add_vector(struct mapper *m, const struct tensor *source, uint64_t n,
                                   struct output_tensor tensor, const char *name);

#endif
