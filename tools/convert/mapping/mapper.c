#include "convert/mapping/mapper.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- tensors of the checkpoint ---- */

const char *mapper_embedding(const struct mapper *m)
{
	return m->config->family->embedding ? m->config->family->embedding : "embed_tokens";
}

static struct tensor *take(struct mapper *m, char name[MAPPER_NAME_SIZE], const char *format, va_list args)
{
	vsnprintf(name, MAPPER_NAME_SIZE, format, args);
	struct tensor *tensor = checkpoint_find(m->ckpt, name);
	if (tensor)
		tensor->is_used = true;
	return tensor;
}

struct tensor *mapper_take(struct mapper *m, const char *format, ...)
{
	char name[MAPPER_NAME_SIZE];
	va_list args;

	va_start(args, format);
	struct tensor *tensor = take(m, name, format, args);
	va_end(args);
	return tensor;
}

enum tern_status mapper_require(struct mapper *m, struct tensor **tensor, const char *why, const char *format, ...)
{
	char name[MAPPER_NAME_SIZE];
	va_list args;

	va_start(args, format);
	*tensor = take(m, name, format, args);
	va_end(args);
	return *tensor ? TERN_OK
	               : tern_fail(m->err, TERN_ERR_FILE, "%s: tensor '%s': missing; %s", m->ckpt->dir->path, name,
	                           why);
}

enum tern_status mapper_fail_shape(const struct mapper *m, const struct tensor *tensor, const char *expected)
{
	char shape[SHAPE_TEXT_SIZE];
	return checkpoint_fail(m->ckpt, tensor, m->err, "shape %s of %s; config.json wants %s",
	                       shape_text(shape, tensor->n_dims, tensor->shape), dtype_name(tensor->dtype), expected);
}

enum tern_status mapper_check_shape(const struct mapper *m, const struct tensor *tensor, int n_dims,
                                    const uint64_t *shape)
{
	char expected[SHAPE_TEXT_SIZE];

	if (tensor->n_dims == n_dims && !memcmp(tensor->shape, shape, (size_t)n_dims * sizeof *shape))
		return TERN_OK;
	return mapper_fail_shape(m, tensor, shape_text(expected, n_dims, shape));
}

enum tern_status mapper_check_floats(const struct mapper *m, const struct tensor *tensor)
{
	if (dtype_is_float(tensor->dtype))
		return TERN_OK;
	return checkpoint_fail(m->ckpt, tensor, m->err, "type %s; expected floats", dtype_name(tensor->dtype));
}

/* ---- tensors of the output ---- */

enum tern_status mapper_add(struct mapper *m, const struct output_tensor *tensor, const char *name_format, ...)
{
	struct mapping *mapping = m->mapping;
	va_list args;

	if (!TERN_GROW(mapping->tensors, mapping->capacity, mapping->n_tensors + 1))
		return tern_fail_memory(m->err, (mapping->n_tensors + 1) * sizeof *tensor);
	mapping->tensors[mapping->n_tensors] = *tensor;
	va_start(args, name_format);
	vsnprintf(mapping->tensors[mapping->n_tensors++].name, sizeof tensor->name, name_format, args);
	va_end(args);
	return TERN_OK;
}

enum tern_status mapper_add_vector(struct mapper *m, const struct tensor *source, uint64_t n,
                                   struct output_tensor tensor, const char *name)
{
	char expected[32];

	tensor.kind = OUTPUT_VECTOR;
	tensor.source = source;
	tensor.n_row = 1;
	tensor.n_col = n;
	if (source->n_dims == 1 && source->shape[0] == n && dtype_is_float(source->dtype))
		return mapper_add(m, &tensor, "%s", name);
	snprintf(expected, sizeof expected, "[%llu] of floats", (unsigned long long)n);
	return mapper_fail_shape(m, source, expected);
}
