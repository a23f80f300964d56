/* The work on a checkpoint's tensor data: examining matrices of floats, then writing every tensor of the mapping. All
 * threads work on some panels of one matrix at a time; the result does not depend on their number. */
#ifndef CONVERT_TENSOR_DATA_H
#define CONVERT_TENSOR_DATA_H

#include "base/threads.h"
#include "convert/config/rope.h"
#include "convert/job/out_file.h"
#include "convert/mapping/mapping.h"

/* What was found in the ternary matrices. */
struct weight_counts {
	/* matrices by the way they were stored */
	size_t n_packed, n_codes, n_words, n_masters, n_ternary_floats, n_grouped;
	uint64_t n_weights[TERN_N_MATRICES], n_zeros[TERN_N_MATRICES];
};

struct tensor_data {
	const struct checkpoint *ckpt;
	struct mapping *mapping;
	const struct rope *rope;
	struct out_file *output;
	struct tern_pool *pool;
	struct weight_counts *counts;
};

/* Examines all matrices of floats: finds out how they are to be ternarized. */
enum tern_status tensor_data_examine(const struct tensor_data *d);
/* Writes the data of all tensors. */
enum tern_status tensor_data_write(const struct tensor_data *d);

#endif
