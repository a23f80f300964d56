#include "convert/mapping/mapping.h"

#include "base/memory.h"

#include <string.h>

void mapping_free(struct mapping *mapping)
{
	tern_free(mapping->tensors);
	tern_free(mapping->matrices);
	memset(mapping, 0, sizeof *mapping);
}

int output_tensor_shape(const struct output_tensor *tensor, uint32_t *type, uint64_t dims[GGUF_MAX_DIMS])
{
	static const uint32_t kept[] = {[DTYPE_F64] = GGUF_TENSOR_F32,
	                                [DTYPE_F32] = GGUF_TENSOR_F32,
	                                [DTYPE_F16] = GGUF_TENSOR_F16,
	                                [DTYPE_BF16] = GGUF_TENSOR_BF16,
	                                [DTYPE_U32] = GGUF_TENSOR_F32};

	dims[0] = tensor->n_col;
	dims[1] = tensor->n_row;
	switch (tensor->kind) {
	case OUTPUT_TERNARY:
		*type = tensor->matrix->is_binary ? GGUF_TENSOR_T1R16 : GGUF_TENSOR_T2R16;
		if (!tensor->n_expert)
			return 2;
		dims[1] = tensor->n_row / tensor->n_expert;
		dims[2] = tensor->n_expert;
		return 3;
	case OUTPUT_Q8P:
		*type = GGUF_TENSOR_Q8P;
		return 2;
	case OUTPUT_COPY:
		*type = kept[tensor->source->dtype];
		return 2;
	case OUTPUT_SCALE:
		*type = tensor->matrix->group ? GGUF_TENSOR_F16 : GGUF_TENSOR_F32;
		return tern_t2r16_scale_dims((size_t)tensor->n_row, (size_t)tensor->n_col,
		                             (size_t)tensor->matrix->group, dims);
	case OUTPUT_TAPS:
		*type = GGUF_TENSOR_F32;
		return 2;
	case OUTPUT_ROW_SCALES:
		dims[0] = tensor->n_row;
		break;
	default:
		break;
	}
	*type = GGUF_TENSOR_F32;
	return 1;
}
