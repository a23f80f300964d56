#include "model/bind.h"

#include "base/memory.h"
#include "model/dequantize.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum tern_status tern_bind_fail(const struct tern_binder *b, const char *name, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return tern_fail(b->err, TERN_ERR_FILE, "%s: tensor '%s': %s", b->gguf->path, name, what);
}

const struct gguf_tensor *tern_bind_take(struct tern_binder *b, const char *name)
{
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, name);
	if (tensor)
		b->used[tensor - b->gguf->tensors] = true;
	return tensor;
}

bool tern_bind_adopt(struct tern_binder *b, void *block, size_t n_bytes)
{
	struct tern_transformer *t = b->transformer;

	if (!block || !TERN_GROW(t->owned, t->owned_capacity, t->n_owned + 1)) {
		tern_free(block);
		return false;
	}
	t->owned[t->n_owned++] = (struct tern_owned){block, n_bytes};
	return true;
}

void *tern_bind_own(struct tern_binder *b, size_t n_items, size_t item_size)
{
	void *block = tern_alloc(n_items, item_size);
	return tern_bind_adopt(b, block, n_items * item_size) ? block : NULL;
}

static bool is_aligned(const void *at, size_t size) { return (uintptr_t)at % size == 0; }

enum tern_status tern_bind_floats(struct tern_binder *b, const char *name, size_t n, bool required,
                                  const float **values)
{
	const struct gguf_tensor *tensor = tern_bind_take(b, name);
	float *copy;

	*values = NULL;
	if (!tensor)
		return required ? tern_bind_fail(b, name, "missing") : TERN_OK;
	if (tensor->n_dims != 1 || tensor->dims[0] != n)
		return tern_bind_fail(b, name, "expected %zu numbers in one dimension", n);
	if (!tern_is_float_type(tensor->type))
		return tern_bind_fail(b, name, "expected F32, F16 or BF16, got %s", tern_gguf_type_name(tensor->type));
	if (tensor->type == GGUF_TENSOR_F32 && is_aligned(tensor->data, sizeof(float))) {
		*values = (const float *)(const void *)tensor->data;
	} else {
		if (!(copy = tern_bind_own(b, n, sizeof *copy)))
			return tern_fail_memory(b->err, n * sizeof *copy);
		tern_dequantize_row(copy, tensor->type, tensor->data, n);
		*values = copy;
	}
	for (size_t i = 0; i < n; i++)
		if (!isfinite((*values)[i]))
			return tern_bind_fail(b, name, "value %zu is not finite", i);
	return TERN_OK;
}

const void *tern_bind_aligned(struct tern_binder *b, const struct gguf_tensor *tensor, size_t item_size)
{
	if (is_aligned(tensor->data, item_size))
		return tensor->data;
	void *copy = tern_bind_own(b, (size_t)tensor->n_bytes, 1);
	return copy ? memcpy(copy, tensor->data, (size_t)tensor->n_bytes) : NULL;
}
