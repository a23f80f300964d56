#include "convert/gguf/gguf_input.h"

#include "base/memory.h"
#include "base/sort.h"

#include <stdio.h>
#include <string.h>

enum {
	MAX_PARTS = 99999, /* five digits in the names */
	SUFFIX_LENGTH = sizeof "-00001-of-00003.gguf" - 1,
};

bool gguf_is_split_key(struct gguf_string key) { return key.length > 6 && memcmp(key.bytes, "split.", 6) == 0; }

/* ---- parts ---- */

static enum tern_status open_part(struct gguf_input *input, size_t index, struct tern_error *err)
{
	struct tern_file *file = &input->files[index];
	enum tern_status status = tern_file_open(file, input->paths[index], true, err);

	if (!status)
		status = tern_gguf_parse(&input->parts[index], input->paths[index], file->data, file->size, err);
	return status;
}

static enum tern_status allocate(struct gguf_input *input, size_t n_parts, const char *path, struct tern_error *err)
{
	size_t n_path = strlen(path) + 1;

	input->files = tern_alloc(n_parts, sizeof *input->files);
	input->parts = tern_alloc(n_parts, sizeof *input->parts);
	input->paths = tern_alloc(n_parts, sizeof *input->paths);
	if (!input->files || !input->parts || !input->paths)
		return tern_fail_memory(err, n_parts * sizeof *input->parts);
	input->n_parts = n_parts;
	for (size_t i = 0; i < n_parts; i++) {
		if (!(input->paths[i] = tern_alloc(n_path, 1)))
			return tern_fail_memory(err, n_path);
		memcpy(input->paths[i], path, n_path);
	}
	return TERN_OK;
}

/* Reads the number of a part, from 0, and how many there are; 0 and 1 for a file that was never split. */
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

/* Puts a part's number, from 1, into a path that ends in -NNNNN-of-NNNNN.gguf. */
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

static enum tern_status open_parts(struct gguf_input *input, const char *path, uint32_t count, struct tern_error *err)
{
	enum tern_status status = allocate(input, count, path, err);

	for (size_t i = 0; !status && i < count; i++) {
		uint32_t number, n_parts;
		number_path(input->paths[i], i + 1);
		if ((status = open_part(input, i, err)) ||
		    (status = read_split(&input->parts[i], &number, &n_parts, err)))
			break;
		if (number != i || n_parts != count)
			status = tern_fail(err, TERN_ERR_FILE, "%s: says it is part %u of %u; expected %zu of %u",
			                   input->paths[i], number + 1, n_parts, i + 1, count);
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

/* Joins the tensors of all parts; the metadata is that of the first. */
static enum tern_status join(struct gguf_input *input, struct tern_error *err)
{
	struct gguf *whole = &input->whole;
	size_t n = 0;

	for (size_t i = 0; i < input->n_parts; i++)
		n += input->parts[i].n_tensors;
	*whole = input->parts[0];
	whole->n_tensors = n;
	whole->tensor_order = NULL;
	if (!(whole->tensors = tern_alloc(n, sizeof *whole->tensors)))
		return tern_fail_memory(err, n * sizeof *whole->tensors);
	n = 0;
	for (size_t i = 0; i < input->n_parts; i++)
		for (size_t j = 0; j < input->parts[i].n_tensors; j++)
			whole->tensors[n++] = input->parts[i].tensors[j];
	if (!(whole->tensor_order = tern_sort_indices(n, compare_names, whole->tensors)))
		return tern_fail_memory(err, n * sizeof *whole->tensor_order);
	for (size_t i = 1; i < n; i++)
		if (compare_names(whole->tensors, whole->tensor_order[i - 1], whole->tensor_order[i]) == 0) {
			char quoted[TERN_QUOTE_SIZE];
			struct gguf_string name = whole->tensors[whole->tensor_order[i]].name;
			return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s' is in two parts", input->paths[0],
			                 tern_quote(quoted, name.bytes, name.length));
		}
	return TERN_OK;
}

/* ---- the whole ---- */

enum tern_status gguf_input_open(struct gguf_input *input, const char *path, struct tern_error *err)
{
	uint32_t number, count;
	enum tern_status status;

	*input = (struct gguf_input){0};
	if ((status = allocate(input, 1, path, err)) || (status = open_part(input, 0, err)) ||
	    (status = read_split(&input->parts[0], &number, &count, err)))
		return status;
	if (count > 1) {
		if ((status = check_name(path, number, count, err)))
			return status;
		gguf_input_close(input);
		if ((status = open_parts(input, path, count, err)))
			return status;
	}
	return join(input, err);
}

void gguf_input_close(struct gguf_input *input)
{
	for (size_t i = 0; i < input->n_parts; i++) {
		tern_gguf_free(&input->parts[i]);
		tern_file_close(&input->files[i]);
		tern_free(input->paths[i]);
	}
	tern_free(input->paths);
	tern_free(input->parts);
	tern_free(input->files);
	tern_free(input->whole.tensors);
	tern_free(input->whole.tensor_order);
	*input = (struct gguf_input){0};
}
