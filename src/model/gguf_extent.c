#include "model/gguf_extent.h"

#include "base/memory.h"
#include "base/sort.h"

static bool is_ambiguous(uint32_t type)
{
	return type == GGUF_TENSOR_Q2_0 || type == GGUF_TENSOR_PQ2_0 || type == GGUF_TENSOR_PTQ1_0;
}

int tern_gguf_compare_offsets(const void *tensors, uint32_t a, uint32_t b)
{
	const struct gguf_tensor *tensor = tensors;
	return (tensor[a].offset > tensor[b].offset) - (tensor[a].offset < tensor[b].offset);
}

/* Whether a tensor of n_bytes fills its place up to the padding that aligns the next one. */
static bool fills(uint64_t n_bytes, uint64_t extent, uint64_t alignment)
{
	uint64_t rounded;
	return n_bytes == extent || (tern_round_up_u64(n_bytes, alignment, &rounded) && rounded == extent);
}

/* Bytes from each tensor, in the order of offsets, to the next one's beginning or the end of the file. */
static uint64_t extent_of(const struct gguf *gguf, const uint32_t *order, size_t i, uint64_t data_bytes)
{
	uint64_t start = gguf->tensors[order[i]].offset;
	uint64_t end = i + 1 < gguf->n_tensors ? gguf->tensors[order[i + 1]].offset : data_bytes;
	return end > start ? end - start : 0;
}

/* Whether every tensor of type 42 fills its place if the type is `type`. */
static bool all_fill(const struct gguf *gguf, const uint32_t *order, uint64_t data_bytes, uint32_t type)
{
	uint64_t n_bytes;

	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[order[i]];
		if (tensor->type != GGUF_TENSOR_Q2_0)
			continue;
		if (!tern_gguf_tensor_bytes(type, tensor->n_dims, tensor->dims, &n_bytes) ||
		    !fills(n_bytes, extent_of(gguf, order, i, data_bytes), gguf->alignment))
			return false;
	}
	return true;
}

static void retype(struct gguf *gguf)
{
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		struct gguf_tensor *tensor = &gguf->tensors[i];
		if (tensor->type != GGUF_TENSOR_Q2_0)
			continue;
		tensor->type = GGUF_TENSOR_PQ2_0;
		tern_gguf_tensor_bytes(tensor->type, tensor->n_dims, tensor->dims, &tensor->n_bytes);
	}
}

bool tern_gguf_resolve_types(struct gguf *gguf, uint64_t data_bytes, const struct gguf_tensor **odd,
                             uint64_t *odd_extent)
{
	size_t n_ambiguous = 0;

	*odd = NULL;
	for (size_t i = 0; i < gguf->n_tensors; i++)
		n_ambiguous += is_ambiguous(gguf->tensors[i].type);
	if (n_ambiguous == 0)
		return true;
	uint32_t *order = tern_sort_indices(gguf->n_tensors, tern_gguf_compare_offsets, gguf->tensors);
	if (!order)
		return false;
	if (!all_fill(gguf, order, data_bytes, GGUF_TENSOR_Q2_0) &&
	    all_fill(gguf, order, data_bytes, GGUF_TENSOR_PQ2_0))
		retype(gguf);
	for (size_t i = 0; i + 1 < gguf->n_tensors && !*odd; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[order[i]];
		*odd_extent = extent_of(gguf, order, i, data_bytes);
		if (tensor->type != GGUF_TENSOR_Q2_0 && is_ambiguous(tensor->type) && tensor->n_bytes > *odd_extent)
			*odd = tensor;
	}
	tern_free(order);
	return true;
}
