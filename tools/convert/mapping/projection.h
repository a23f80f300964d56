/* Mapping a projection: how its matrix is stored, its scale, its bias and its own norm. */
#ifndef CONVERT_MAPPING_PROJECTION_H
#define CONVERT_MAPPING_PROJECTION_H

#include "convert/mapping/mapper.h"

struct linear {
	char module[MAPPER_NAME_SIZE]; /* its name in the checkpoint */
	char out[48];                  /* and in the output, without ".weight" */
	enum tern_matrix_kind which;
	uint64_t n_row, n_col;
	bool wants_bias; /* according to config.json */
};

/* Appends a projection: weights, scale, bias, norm. */
enum tern_status map_projection(struct mapper *m, const struct linear *linear);

/* Whether the query projection of the first layer has a norm of its own. */
bool has_linear_norms(const struct mapper *m);

#endif
