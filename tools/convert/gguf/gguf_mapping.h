/* From GGUF to GGUF: the tensors of the output, in order, and what each is made of. */
#ifndef CONVERT_GGUF_GGUF_MAPPING_H
#define CONVERT_GGUF_GGUF_MAPPING_H

#include "convert/gguf/gguf_input.h"
#include "convert/job/options.h"
#include "model/repack.h"

enum gguf_output_kind {
	GGUF_OUTPUT_COPY,       /* the bytes as they are */
	GGUF_OUTPUT_TERNARY,    /* a ternary matrix in the target's type */
	GGUF_OUTPUT_SCALE,      /* T2R16, T1R16: the scale or scales of the matrix before, written with it */
	GGUF_OUTPUT_Q8P,        /* embedding or head in int8 */
	GGUF_OUTPUT_ROW_SCALES, /* the scales of the Q8P matrix before, written with it */
	GGUF_OUTPUT_Q8_0,       /* a Q8P matrix in blocks that other engines read */
};

/* One tensor of the output. */
struct gguf_output {
	enum gguf_output_kind kind;
	char name[GGUF_MAX_NAME_LENGTH + 1];
	const struct gguf_tensor *source;
	size_t part; /* of the input */
	uint32_t type;
	int n_dims;
	uint64_t dims[GGUF_MAX_DIMS];
};

struct gguf_mapping {
	struct gguf_output *tensors;
	size_t n_tensors, capacity;
	size_t activation_group; /* of the model: columns that share one activation scale; 0 = a token's whole vector */
};

/* Maps every tensor; also reads the scales, to know their shapes. repacker: started, unless the target is TARGET_SAME.
 * TERN_ERR_FILE for what the target's types cannot hold, with the tensor and the reason, and unless merging for
 * metadata with which the output could not be loaded. Free in either case. */
enum tern_status gguf_map(struct gguf_mapping *mapping, const struct gguf_input *input,
                          const struct convert_options *options, struct tern_repacker *repacker,
                          struct tern_error *err);
void gguf_mapping_free(struct gguf_mapping *mapping);

/* "PATH: tensor 'NAME': WHAT", status TERN_ERR_FILE. */
enum tern_status gguf_output_fail(const struct gguf_input *input, const struct gguf_output *tensor,
                                  struct tern_error *err, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* The tensor STEM.scale beside STEM.weight, or NULL. */
const struct gguf_tensor *gguf_scale_of(const struct gguf_input *input, const struct gguf_output *tensor);

/* TERN_ERR_FILE for a scale that half floats cannot hold: "WHICH, 1e+09, is too large for the half floats of TYPE". */
enum tern_status gguf_check_half(const struct gguf_input *input, const struct gguf_output *tensor, float scale,
                                 const char *which, const char *type, struct tern_error *err);

/* A ternary matrix of the input as T1R16 if it has no zeros and fits that type, else as T2R16: in place if it is that
 * already, else repacked into memory that gguf_ternary_free() frees. */
struct gguf_ternary {
	size_t n_row, n_col;
	const uint8_t *panels;
	bool is_binary; /* T1R16 */
	float scale;
	size_t group; /* columns that share a scale; 0 = one for all */
	const uint16_t *group_scales;
	void *panels_owned, *group_scales_owned;
};
enum tern_status gguf_ternary_get(struct gguf_ternary *ternary, const struct gguf_input *input,
                                  const struct gguf_output *tensor, struct tern_repacker *repacker,
                                  size_t activation_group, struct tern_error *err);
void gguf_ternary_free(struct gguf_ternary *ternary);

#endif
