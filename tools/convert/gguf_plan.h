/* Which tensors of a GGUF file become what in another. */
#ifndef CONVERT_GGUF_PLAN_H
#define CONVERT_GGUF_PLAN_H

#include "convert/gguf_convert.h"
#include "convert/gguf_source.h"
#include "model/repack.h"

enum gguf_step_kind {
	GGUF_STEP_COPY,       /* the bytes as they are */
	GGUF_STEP_TERNARY,    /* a ternary matrix in the target's type */
	GGUF_STEP_SCALE,      /* T2R16: the scale or scales of the matrix before, written with it */
	GGUF_STEP_Q8P,        /* embedding or head in int8 */
	GGUF_STEP_ROW_SCALES, /* its scales, written with it */
	GGUF_STEP_Q8_0,       /* a Q8P matrix in blocks that other engines read */
};

/* One tensor of the output. */
struct gguf_step {
	enum gguf_step_kind kind;
	char name[GGUF_MAX_NAME_LENGTH + 1];
	const struct gguf_tensor *source;
	size_t part; /* of the source */
	uint32_t type;
	int n_dims;
	uint64_t dims[GGUF_MAX_DIMS];
};

struct gguf_plan {
	struct gguf_step *steps;
	size_t n_steps, capacity;
	size_t activation_group; /* of the model: columns that share one activation scale; 0 = a token's whole vector */
};

/* Looks at every tensor; scales are looked at too, to know their shapes. repacker: started, unless every tensor
 * stays as it is. TERN_ERR_FILE for what cannot be brought into the target's types, with the tensor and the reason. To
 * be freed in either case. */
enum tern_status gguf_plan_make(struct gguf_plan *plan, const struct gguf_source *source,
                                const struct gguf_convert_options *options, struct tern_repacker *repacker,
                                struct tern_error *err);
void gguf_plan_free(struct gguf_plan *plan);

/* "PATH: tensor 'NAME': WHAT", status TERN_ERR_FILE. */
enum tern_status gguf_plan_fail(const struct gguf_source *source, const struct gguf_step *step, struct tern_error *err,
                                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A ternary matrix of the source as T2R16: in place if it is that already, else repacked, and then panels_owned and
 * group_scales_owned are the caller's to free. */
struct gguf_ternary {
	size_t n_row, n_col;
	const uint8_t *panels;
	float scale;
	size_t group; /* columns that share a scale; 0 = one for all */
	const uint16_t *group_scales;
	void *panels_owned, *group_scales_owned;
};
enum tern_status gguf_ternary_get(struct gguf_ternary *ternary, const struct gguf_source *source,
                                  const struct gguf_step *step, struct tern_repacker *repacker, size_t activation_group,
                                  struct tern_error *err);
void gguf_ternary_free(struct gguf_ternary *ternary);

#endif
