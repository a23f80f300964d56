/* Every rule of the format is checked here: the header's length, the JSON (duplicate keys are an error), offsets that
 * touch without gap or overlap from the first byte of the data to the end of the file, and sizes that are shape times
 * type. So two names cannot share bytes and nothing can hide between tensors. */
#include "convert/checkpoint/safetensors.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/sort.h"
#include "model/file_kind.h"
#include "json/parse.h"
#include "json/value.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	size_t size;
} dtypes[] = {
        [DTYPE_F64] = {"F64", 8}, [DTYPE_F32] = {"F32", 4}, [DTYPE_F16] = {"F16", 2},   [DTYPE_BF16] = {"BF16", 2},
        [DTYPE_I64] = {"I64", 8}, [DTYPE_I32] = {"I32", 4}, [DTYPE_U32] = {"U32", 4},   [DTYPE_I16] = {"I16", 2},
        [DTYPE_I8] = {"I8", 1},   [DTYPE_U8] = {"U8", 1},   [DTYPE_BOOL] = {"BOOL", 1},
};

enum {
	N_DTYPES = sizeof dtypes / sizeof *dtypes
};

const char *dtype_name(enum dtype dtype) { return dtypes[dtype].name; }
size_t dtype_size(enum dtype dtype) { return dtypes[dtype].size; }

const char *shape_text(char out[SHAPE_TEXT_SIZE], int n_dims, const uint64_t *shape)
{
	size_t n = (size_t)sprintf(out, "[");

	for (int i = 0; i < n_dims; i++)
		n += (size_t)sprintf(out + n, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
	strcpy(out + n, "]");
	return out;
}

/* ---- the first bytes ---- */

/* What a file is that has no safetensors header, from how it begins; NULL if unknown. */
static const char *guess_impostor(const uint8_t *start, size_t n_start)
{
	/* A length can begin with any byte: a real header has its brace after the eight. */
	if (n_start > 8 && start[8] == '{')
		return NULL;
	if (n_start > 0 && start[0] == '{')
		return "it is JSON, perhaps an error message in place of the weights; download it again";
	return tern_guess_file_kind(start, n_start);
}

enum tern_status safetensors_header_length(const char *path, const uint8_t *start, size_t n_start, uint64_t file_size,
                                           size_t *n_bytes, struct tern_error *err)
{
	const char *impostor = guess_impostor(start, n_start);

	if (impostor)
		return tern_fail(err, TERN_ERR_FILE, "%s: not a safetensors file: %s", path, impostor);
	if (file_size < 8 || n_start < 8)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: byte 0: the file has %llu bytes, a safetensors header 8 and more", path,
		                 (unsigned long long)file_size);
	uint64_t length = tern_load_u64(start);
	if (length > SAFETENSORS_MAX_HEADER)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: byte 0: header length %llu, at most %d is valid: not a safetensors file", path,
		                 (unsigned long long)length, SAFETENSORS_MAX_HEADER);
	if (length > file_size - 8)
		return tern_fail(
		        err, TERN_ERR_FILE,
		        "%s: byte 0: the header has %llu bytes but the file ends after %llu; download it again", path,
		        (unsigned long long)length, (unsigned long long)(file_size - 8));
	*n_bytes = (size_t)length;
	return TERN_OK;
}

/* ---- one tensor ---- */

struct reader {
	const char *path;
	uint64_t data_start, n_data;
	struct tern_error *err;
};

/* "PATH: tensor 'NAME': WHAT". */
static enum tern_status fail_tensor(const struct reader *r, const struct tensor *tensor, const char *what)
{
	char quoted[TERN_QUOTE_SIZE];
	return tern_fail(r->err, TERN_ERR_FILE, "%s: tensor '%s': %s", r->path,
	                 tern_quote(quoted, tensor->name.bytes, tensor->name.length), what);
}

static enum tern_status read_dtype(const struct reader *r, struct json_value entry, struct tensor *tensor)
{
	char quoted[TERN_QUOTE_SIZE], what[TERN_QUOTE_SIZE + 128];
	struct json_value dtype = json_find(entry, "dtype");

	if (!json_exists(dtype))
		return json_fail_missing(entry, "dtype", "a type such as \"BF16\"", r->err);
	for (int i = 0; i < N_DTYPES; i++)
		if (json_string_is(dtype, dtypes[i].name)) {
			tensor->dtype = (enum dtype)i;
			return TERN_OK;
		}
	if (json_type(dtype) != JSON_STRING)
		return json_fail_type(dtype, "a type such as \"BF16\"", r->err);
	struct json_string name = json_string(dtype);
	snprintf(what, sizeof what,
	         "type '%s' is not supported (F64, F32, F16, BF16, I64, I32, U32, I16, I8, U8, BOOL are)",
	         tern_quote(quoted, name.bytes, name.length));
	return fail_tensor(r, tensor, what);
}

/* Reads the shape and computes n_bytes from it. */
static enum tern_status read_shape(const struct reader *r, struct json_value entry, struct tensor *tensor)
{
	struct json_value shape = json_find(entry, "shape");
	enum tern_status status;

	if (!json_exists(shape))
		return json_fail_missing(entry, "shape", "an array of sizes", r->err);
	if (json_type(shape) != JSON_ARRAY)
		return json_fail_type(shape, "an array of sizes", r->err);
	for (int i = 0; i < SAFETENSORS_MAX_DIMS; i++)
		tensor->shape[i] = 1;
	tensor->n_bytes = dtypes[tensor->dtype].size;
	for (struct json_iterator it = json_items(shape); json_next(&it);) {
		if (tensor->n_dims == SAFETENSORS_MAX_DIMS)
			return fail_tensor(r, tensor, "more than 8 dimensions");
		if ((status = json_to_u64(it.value, &tensor->shape[tensor->n_dims], r->err)))
			return status;
		if (!tern_mul_u64(tensor->n_bytes, tensor->shape[tensor->n_dims++], &tensor->n_bytes))
			return fail_tensor(r, tensor, "the product of its dimensions does not fit into 64 bits");
	}
	return TERN_OK;
}

static enum tern_status read_offsets(const struct reader *r, struct json_value entry, struct tensor *tensor)
{
	struct json_value offsets = json_find(entry, "data_offsets");
	char what[256], shape[SHAPE_TEXT_SIZE];
	enum tern_status status;
	uint64_t range[2];
	size_t n = 0;

	if (!json_exists(offsets))
		return json_fail_missing(entry, "data_offsets", "two offsets", r->err);
	if (json_type(offsets) != JSON_ARRAY || json_count(offsets) != 2)
		return json_fail_type(offsets, "two offsets", r->err);
	for (struct json_iterator it = json_items(offsets); json_next(&it); n++)
		if ((status = json_to_u64(it.value, &range[n], r->err)))
			return status;
	if (range[0] > range[1])
		return json_fail(offsets, r->err, "the range ends before it begins");
	if (range[1] > r->n_data) {
		snprintf(what, sizeof what,
		         "its data ends at byte %llu of the data but there are %llu bytes: a damaged or half "
		         "downloaded file",
		         (unsigned long long)range[1], (unsigned long long)r->n_data);
		return fail_tensor(r, tensor, what);
	}
	if (range[1] - range[0] != tensor->n_bytes) {
		snprintf(what, sizeof what, "%llu bytes of data, but %s of %s takes %llu",
		         (unsigned long long)(range[1] - range[0]), shape_text(shape, tensor->n_dims, tensor->shape),
		         dtypes[tensor->dtype].name, (unsigned long long)tensor->n_bytes);
		return fail_tensor(r, tensor, what);
	}
	tensor->offset = r->data_start + range[0];
	return TERN_OK;
}

static enum tern_status read_tensor(const struct reader *r, struct json_value entry, struct tensor *tensor)
{
	enum tern_status status;

	if (tensor->name.length == 0 || memchr(tensor->name.bytes, 0, tensor->name.length))
		return fail_tensor(r, tensor, "a name has to be of one character at least and without NUL");
	if (json_type(entry) != JSON_OBJECT)
		return json_fail_type(entry, "an object {dtype, shape, data_offsets}", r->err);
	for (struct json_iterator it = json_items(entry); json_next(&it);)
		if (!json_string_is(it.key, "dtype") && !json_string_is(it.key, "shape") &&
		    !json_string_is(it.key, "data_offsets"))
			return json_fail(it.value, r->err, "unknown; expected dtype, shape and data_offsets");
	if ((status = read_dtype(r, entry, tensor)) || (status = read_shape(r, entry, tensor)))
		return status;
	return read_offsets(r, entry, tensor);
}

/* ---- all tensors ---- */

static int compare_offsets(const void *context, uint32_t a, uint32_t b)
{
	const struct tensor *x = (const struct tensor *)context + a, *y = (const struct tensor *)context + b;

	/* An empty tensor lies before the one that begins at the same place. */
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

/* In this order the tensors have to fill the data exactly. */
static enum tern_status check_ranges(const struct reader *r, const struct tensor *tensors, const uint32_t *order,
                                     size_t n_tensors)
{
	char quoted[2][TERN_QUOTE_SIZE];
	uint64_t end = r->data_start;

	for (size_t i = 0; i < n_tensors; i++) {
		const struct tensor *tensor = &tensors[order[i]];
		if (tensor->offset < end) { /* so there is one before */
			const struct tensor *before = &tensors[order[i - 1]];
			return tern_fail(r->err, TERN_ERR_FILE, "%s: tensor '%s': its data overlaps with that of '%s'",
			                 r->path, tern_quote(quoted[0], tensor->name.bytes, tensor->name.length),
			                 tern_quote(quoted[1], before->name.bytes, before->name.length));
		}
		if (tensor->offset > end)
			return fail_tensor(r, tensor, "there is a hole before its data");
		end += tensor->n_bytes;
	}
	if (end == r->data_start + r->n_data)
		return TERN_OK;
	return tern_fail(r->err, TERN_ERR_FILE,
	                 "%s: byte %llu: the last tensor ends here but the file has %llu bytes more", r->path,
	                 (unsigned long long)end, (unsigned long long)(r->data_start + r->n_data - end));
}

static enum tern_status check_metadata(struct json_value metadata, struct tern_error *err)
{
	if (json_type(metadata) != JSON_OBJECT)
		return json_fail_type(metadata, "an object of strings", err);
	for (struct json_iterator it = json_items(metadata); json_next(&it);)
		if (json_type(it.value) != JSON_STRING)
			return json_fail_type(it.value, "a string", err);
	return TERN_OK;
}

/* Allocates for all tensors; names end with NUL in one block. */
static enum tern_status allocate(struct json_value root, const char *path, struct tensor **tensors, char **names,
                                 struct tern_error *err)
{
	size_t n = 0, n_bytes = 0;

	for (struct json_iterator it = json_items(root); json_next(&it); n++)
		n_bytes += json_string(it.key).length + 1;
	if (n > SAFETENSORS_MAX_TENSORS)
		return tern_fail(err, TERN_ERR_FILE, "%s: %zu tensors; at most %d are read", path, n,
		                 SAFETENSORS_MAX_TENSORS);
	*tensors = tern_alloc(n, sizeof **tensors);
	*names = tern_alloc(n_bytes, 1);
	return *tensors && *names ? TERN_OK : tern_fail_memory(err, n * sizeof **tensors + n_bytes);
}

static enum tern_status read_tensors(const struct reader *r, struct json_value root, struct tensor *tensors,
                                     size_t *n_tensors, char *names)
{
	enum tern_status status;

	*n_tensors = 0;
	for (struct json_iterator it = json_items(root); json_next(&it);) {
		struct tensor *tensor = &tensors[*n_tensors];
		struct json_string name = json_string(it.key);
		if (json_string_is(it.key, "__metadata__")) {
			if ((status = check_metadata(it.value, r->err)))
				return status;
			continue;
		}
		memcpy(names, name.bytes, name.length);
		tensor->name = (struct json_string){names, name.length};
		names += name.length + 1;
		if ((status = read_tensor(r, it.value, tensor)))
			return status;
		++*n_tensors;
	}
	uint32_t *order = tern_sort_indices(*n_tensors, compare_offsets, tensors);
	if (!order)
		return tern_fail_memory(r->err, *n_tensors * sizeof *order);
	status = check_ranges(r, tensors, order, *n_tensors);
	tern_free(order);
	return status;
}

enum tern_status safetensors_parse(const char *path, char *header, size_t n_bytes, uint64_t file_size,
                                   struct tensor **tensors, size_t *n_tensors, char **names, struct tern_error *err)
{
	struct reader r = {.path = path, .data_start = n_bytes + 8, .n_data = file_size - 8 - n_bytes, .err = err};
	struct json json = {0};
	enum tern_status status;

	*tensors = NULL;
	*names = NULL;
	*n_tensors = 0;
	/* Spaces may follow the JSON but nothing may come before its brace. */
	if (header[0] != '{') {
		tern_free(header);
		return tern_fail(err, TERN_ERR_FILE, "%s: byte 8: expected '{': not a safetensors file", path);
	}
	if ((status = json_parse(&json, path, header, n_bytes, JSON_REFUSE_DUPLICATES, err)))
		return status;
	status = allocate(json_root(&json), path, tensors, names, err);
	if (!status)
		status = read_tensors(&r, json_root(&json), *tensors, n_tensors, *names);
	json_free(&json);
	if (status) {
		tern_free(*tensors);
		tern_free(*names);
		*tensors = NULL;
		*names = NULL;
	}
	return status;
}
