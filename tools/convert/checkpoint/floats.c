#include "convert/checkpoint/floats.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

bool dtype_is_float(enum dtype dtype)
{
	return dtype == DTYPE_F64 || dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

void floats_convert(float *out, const void *raw, size_t n, enum dtype dtype)
{
	const uint8_t *bytes = raw;

	switch (dtype) {
	case DTYPE_F32:
		memcpy(out, raw, n * sizeof *out);
		break;
	case DTYPE_F16:
		for (size_t i = 0; i < n; i++)
			out[i] = tern_f32_from_f16(tern_load_u16(bytes + 2 * i));
		break;
	case DTYPE_BF16:
		for (size_t i = 0; i < n; i++)
			out[i] = tern_f32_from_bf16(tern_load_u16(bytes + 2 * i));
		break;
	default: /* F64 */
		for (size_t i = 0; i < n; i++) {
			double value;
			memcpy(&value, bytes + 8 * i, sizeof value);
			out[i] = (float)value;
		}
	}
}

size_t floats_find_nonfinite(const float *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(values[i]))
			return i;
	return n;
}

enum tern_status floats_read_part(const struct checkpoint *ckpt, const struct tensor *tensor, uint64_t first, size_t n,
                                  float *out, struct tern_error *err)
{
	size_t size = dtype_size(tensor->dtype);
	uint8_t *raw = tern_alloc(n, size);
	enum tern_status status;

	if (!raw)
		return tern_fail_memory(err, n * size);
	if (!(status = checkpoint_read(ckpt, tensor, first * size, n * size, raw, err))) {
		floats_convert(out, raw, n, tensor->dtype);
		size_t bad = floats_find_nonfinite(out, n);
		if (bad < n)
			status = checkpoint_fail(ckpt, tensor, err, "value %llu is not finite",
			                         (unsigned long long)(first + bad));
	}
	tern_free(raw);
	return status;
}

enum tern_status floats_read(const struct checkpoint *ckpt, const struct tensor *tensor, size_t n, float *out,
                             struct tern_error *err)
{
	char shape[SHAPE_TEXT_SIZE];

	if (!dtype_is_float(tensor->dtype))
		return checkpoint_fail(ckpt, tensor, err, "type %s; expected floats", dtype_name(tensor->dtype));
	if (tensor->n_bytes != n * dtype_size(tensor->dtype))
		return checkpoint_fail(ckpt, tensor, err, "shape %s; expected %zu values",
		                       shape_text(shape, tensor->n_dims, tensor->shape), n);
	return floats_read_part(ckpt, tensor, 0, n, out, err);
}
