#include "convert/gguf_source.h"

#include "base/memory.h"
#include "base/sort.h"

#include <stdio.h>
#include <string.h>

enum {
	MAX_PARTS = 99999, /* five digits in the names */
	SUFFIX_LENGTH = sizeof "-00001-of-00003.gguf" - 1,
};

bool gguf_source_is_split_key(struct gguf_string key) { return key.length > 6 && memcmp(key.bytes, "split.", 6) == 0; }

/* ---- parts ---- */

static enum tern_status open_part(struct gguf_source *source, size_t index, struct tern_error *err)
{
	struct tern_file *file = &source->files[index];
	enum tern_status status = tern_file_open(file, source->paths[index], true, err);

	if (!status)
		status = tern_gguf_parse(&source->parts[index], source->paths[index], file->data, file->size, err);
	return status;
}

static enum tern_status allocate(struct gguf_source *source, size_t n_parts, const char *path, struct tern_error *err)
{
	size_t n_path = strlen(path) + 1;

	source->files = tern_alloc(n_parts, sizeof *source->files);
	source->parts = tern_alloc(n_parts, sizeof *source->parts);
	source->paths = tern_alloc(n_parts, sizeof *source->paths);
	if (!source->files || !source->parts || !source->paths)
		return tern_fail_memory(err, n_parts * sizeof *source->parts);
	source->n_parts = n_parts;
	for (size_t i = 0; i < n_parts; i++) {
		if (!(source->paths[i] = tern_alloc(n_path, 1)))
			return tern_fail_memory(err, n_path);
		memcpy(source->paths[i], path, n_path);
	}
	return TERN_OK;
}

/* What a part says of itself; 1 of 1 for a file that was never split. */
static enum tern_status read_split(const struct gguf *part, uint32_t *number, uint32_t *count, struct tern_error *err)
{
	enum tern_status status;

	*number = 0;
	*count = 1;
	if ((status = tern_gguf_get_u32(part, "split.count", count, NULL, err)) ||
	    (status = tern_gguf_get_u32(part, "split.no", number, NULL, err)))
		return status;
	if (*count < 1 || *count > MAX_PARTS || *number >= *count)
		return tern_fail(err, TERN_ERR_FILE, "%s: key 'split.no': part %u of %u; expected a number below it",
		                 part->path, *number, *count);
	return TERN_OK;
}

/* Puts a part's number, from 1, into a path that ends as the parts of split models do. */
static void number_path(char *path, size_t number)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%05zu", number);
	memcpy(path + strlen(path) - SUFFIX_LENGTH + 1, digits, 5);
}

static enum tern_status check_name(const char *path, uint32_t number, uint32_t count, struct tern_error *err)
{
	char expected[64];
	size_t length = strlen(path);

	snprintf(expected, sizeof expected, "-%05u-of-%05u.gguf", number + 1, count);
	if (length <= SUFFIX_LENGTH || strcmp(path + length - SUFFIX_LENGTH, expected) != 0)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: is part %u of %u of a model; its name has to end in %s, like those of the others",
		                 path, number + 1, count, expected);
	return TERN_OK;
}

static enum tern_status open_parts(struct gguf_source *source, const char *path, uint32_t count, struct tern_error *err)
{
	enum tern_status status = allocate(source, count, path, err);

	for (size_t i = 0; !status && i < count; i++) {
		uint32_t number, n_parts;
		number_path(source->paths[i], i + 1);
		if ((status = open_part(source, i, err)) ||
		    (status = read_split(&source->parts[i], &number, &n_parts, err)))
			break;
		if (number != i || n_parts != count)
			status = tern_fail(err, TERN_ERR_FILE, "%s: says it is part %u of %u; expected %zu of %u",
			                   source->paths[i], number + 1, n_parts, i + 1, count);
	}
	return status;
}

/* ---- tensors ---- */

static int compare_names(const void *tensors, uint32_t a, uint32_t b)
{
	const struct gguf_tensor *tensor = tensors;
	struct gguf_string left = tensor[a].name, right = tensor[b].name;
	return tern_compare_bytes(left.bytes, left.length, right.bytes, right.length);
}

/* Makes the whole of the parts; its pairs stay the first part's. */
static enum tern_status join(struct gguf_source *source, struct tern_error *err)
{
	struct gguf *whole = &source->whole;
	size_t n = 0;

	for (size_t i = 0; i < source->n_parts; i++)
		n += source->parts[i].n_tensors;
	*whole = source->parts[0];
	whole->n_tensors = n;
	whole->tensor_order = NULL;
	if (!(whole->tensors = tern_alloc(n, sizeof *whole->tensors)))
		return tern_fail_memory(err, n * sizeof *whole->tensors);
	n = 0;
	for (size_t i = 0; i < source->n_parts; i++)
		for (size_t j = 0; j < source->parts[i].n_tensors; j++)
			whole->tensors[n++] = source->parts[i].tensors[j];
	if (!(whole->tensor_order = tern_sort_indices(n, compare_names, whole->tensors)))
		return tern_fail_memory(err, n * sizeof *whole->tensor_order);
	for (size_t i = 1; i < n; i++)
		if (compare_names(whole->tensors, whole->tensor_order[i - 1], whole->tensor_order[i]) == 0) {
			char quoted[TERN_QUOTE_SIZE];
			struct gguf_string name = whole->tensors[whole->tensor_order[i]].name;
			return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s' is in two parts", source->paths[0],
			                 tern_quote(quoted, name.bytes, name.length));
		}
	return TERN_OK;
}

/* ---- the whole ---- */

enum tern_status gguf_source_open(struct gguf_source *source, const char *path, struct tern_error *err)
{
	uint32_t number, count;
	enum tern_status status;

	*source = (struct gguf_source){0};
	if ((status = allocate(source, 1, path, err)) || (status = open_part(source, 0, err)) ||
	    (status = read_split(&source->parts[0], &number, &count, err)))
		return status;
	if (count > 1) {
		if ((status = check_name(path, number, count, err)))
			return status;
		gguf_source_close(source);
		if ((status = open_parts(source, path, count, err)))
			return status;
	}
	return join(source, err);
}

void gguf_source_close(struct gguf_source *source)
{
	for (size_t i = 0; i < source->n_parts; i++) {
		tern_gguf_free(&source->parts[i]);
		tern_file_close(&source->files[i]);
		tern_free(source->paths[i]);
	}
	tern_free(source->paths);
	tern_free(source->parts);
	tern_free(source->files);
	tern_free(source->whole.tensors);
	tern_free(source->whole.tensor_order);
	*source = (struct gguf_source){0};
}
