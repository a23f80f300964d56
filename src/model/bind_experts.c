#include "model/bind_experts.h"

#include "base/bytes.h"
#include "model/dequantize.h"
#include "model/names.h"

#include <math.h>
#include <stdio.h>

/* Checks that all values are finite; whether BF16 holds each of them, too, as it does where a converter widened the
 * weights of a checkpoint. */
static enum tern_status look_at_router(const struct tern_binder *b, const char *name, const float *values, size_t n,
                                       bool *fits_bf16)
{
	uint32_t low_bits = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(values[i]))
			return tern_bind_fail(b, name, "value %zu is not finite", i);
		low_bits |= tern_bits_from_f32(values[i]) & 0xffff;
	}
	*fits_bf16 = !low_bits;
	return TERN_OK;
}

static void set_router(const struct tern_binder *b, struct tern_expert_weights *experts, uint32_t type,
                       const void *values)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	experts->router = (struct tern_matrix){.type = type, .n_row = h->n_expert, .n_col = h->n_embd, .data = values};
}

/* A router of floats, which every token reads whole: half the bytes where that changes no value. */
static enum tern_status keep_router(struct tern_binder *b, const char *name, const float *values, size_t n,
                                    struct tern_expert_weights *experts)
{
	bool fits_bf16 = false;
	enum tern_status status = look_at_router(b, name, values, n, &fits_bf16);

	if (status)
		return status;
	set_router(b, experts, GGUF_TENSOR_F32, values);
	if (fits_bf16) {
		uint16_t *halves = tern_bind_own(b, n, sizeof *halves);
		if (!halves)
			return tern_fail_memory(b->err, n * sizeof *halves);
		for (size_t i = 0; i < n; i++)
			halves[i] = (uint16_t)(tern_bits_from_f32(values[i]) >> 16);
		set_router(b, experts, GGUF_TENSOR_BF16, halves);
	}
	return TERN_OK;
}

static enum tern_status check_bf16(const struct tern_binder *b, const char *name, const uint16_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((values[i] & 0x7f80) == 0x7f80)
			return tern_bind_fail(b, name, "value %zu is not finite", i);
	return TERN_OK;
}

enum tern_status tern_bind_router(struct tern_binder *b, size_t layer, struct tern_expert_weights *experts)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	size_t n = h->n_expert * h->n_embd;
	char name[GGUF_MAX_NAME_LENGTH];
	enum tern_status status;
	float *copy;

	snprintf(name, sizeof name, "blk.%zu." TERN_ROUTER_NAME, layer);
	const struct gguf_tensor *tensor = tern_bind_take(b, name);
	if (!tensor)
		return tern_bind_fail(b, name, "missing");
	if (tensor->n_dims != 2 || tensor->dims[0] != h->n_embd || tensor->dims[1] != h->n_expert)
		return tern_bind_fail(b, name, "expected %zu columns and %zu rows", h->n_embd, h->n_expert);
	if (!tern_is_float_type(tensor->type))
		return tern_bind_fail(b, name, "expected F32, F16 or BF16, got %s", tern_gguf_type_name(tensor->type));
	if ((status = tern_expert_limit(h, b->gguf, layer, &experts->limit, b->err)))
		return status;
	if (tensor->type == GGUF_TENSOR_F16) {
		if (!(copy = tern_bind_own(b, n, sizeof *copy)))
			return tern_fail_memory(b->err, n * sizeof *copy);
		tern_dequantize_row(copy, tensor->type, tensor->data, n);
		return keep_router(b, name, copy, n, experts);
	}
	size_t item_size = tensor->type == GGUF_TENSOR_F32 ? sizeof(float) : sizeof(uint16_t);
	const void *values = tern_bind_aligned(b, tensor, item_size);
	if (!values)
		return tern_fail_memory(b->err, n * item_size);
	if (tensor->type == GGUF_TENSOR_F32)
		return keep_router(b, name, values, n, experts);
	set_router(b, experts, GGUF_TENSOR_BF16, values);
	return check_bf16(b, name, values, n);
}
