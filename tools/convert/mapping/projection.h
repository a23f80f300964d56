/* Mapping a projection: how its matrix is stored, its scale, its bias and its own norm. */
#ifndef CONVERT_MAPPING_PROJECTION_H
#define CONVERT_MAPPING_PROJECTION_H

#include "convert/mapping/mapper.h"

struct linear {
	char module[MAPPER_NAME_SIZE]; /* its name in the checkpoint */
	char out[48];                  /* and in the output, without ".weight" */
	enum tern_matrix_kind which;
	uint64_t n_row, n_col;
	uint64_t n_expert;          /* whose matrices are one below the other; 0: it is one matrix */
	bool wants_bias;            /* according to config.json */
	struct order rows, columns; /* of a delta net; rows of q and k for RoPE are known from `which` */
};

/* Appends a projection: weights, scale, bias, norm. */
enum tern_status map_projection(struct mapper *m, const struct linear *linear);

/* Whether floats of a projection may be master weights, which training ternarizes. */
bool may_be_master(const struct mapper *m, const char *module);

/* Whether the query projection of the first layer has a norm of its own. */
bool has_linear_norms(const struct mapper *m);

#endif
