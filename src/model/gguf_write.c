/* Pairs and tensor descriptions are collected in memory, the data streams through. The same calls give the same bytes.
 * A header that the reader would refuse is never written. */
#include "model/gguf_write.h"

#include "base/file.h"
#include "base/memory.h"
#include "model/gguf_parse.h"

#include <string.h>

enum {
	ALIGNMENT = 64
};

/* Bytes that grow. */
struct bytes {
	uint8_t *bytes;
	size_t n, capacity;
};

struct planned_tensor {
	char *name; /* for messages */
	uint64_t n_bytes;
};

struct gguf_writer {
	struct tern_outfile out;
	struct bytes pairs, infos; /* as they will be in the file */
	uint64_t n_pairs;
	struct planned_tensor *tensors;
	size_t n_tensors, tensor_capacity;
	uint64_t data_bytes; /* of the tensors so far, with padding */
	bool in_data;
	size_t current;          /* the tensor whose data comes now */
	uint64_t n_given;        /* bytes of it that have come */
	enum tern_status status; /* of the pairs and tensors so far; the first failure counts */
	struct tern_error err;   /* of that failure */
};

static const char padding[ALIGNMENT];

static uint64_t padding_after(uint64_t n) { return (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT; }

enum tern_status tern_gguf_create(struct gguf_writer **writer, const char *path, bool overwrite, struct tern_error *err)
{
	enum tern_status status;
	struct gguf_writer *w = tern_alloc(1, sizeof *w);

	*writer = NULL;
	if (!w)
		return tern_fail_memory(err, sizeof *w);
	if ((status = tern_outfile_open(&w->out, path, overwrite, err))) {
		tern_free(w);
		return status;
	}
	*writer = w;
	return TERN_OK;
}

const char *tern_gguf_writer_temp_path(const struct gguf_writer *writer) { return writer->out.temp_path; }

void tern_gguf_abort(struct gguf_writer *writer)
{
	if (!writer)
		return;
	tern_outfile_abort(&writer->out);
	for (size_t i = 0; i < writer->n_tensors; i++)
		tern_free(writer->tensors[i].name);
	tern_free(writer->tensors);
	tern_free(writer->pairs.bytes);
	tern_free(writer->infos.bytes);
	tern_free(writer);
}

/* ---- bytes in memory ---- */

static bool append(struct bytes *to, const void *from, size_t n)
{
	size_t needed;

	if (!tern_add_size(to->n, n, &needed) || !TERN_GROW(to->bytes, to->capacity, needed))
		return false;
	if (n)
		memcpy(to->bytes + to->n, from, n);
	to->n = needed;
	return true;
}

static bool append_u32(struct bytes *to, uint32_t value) { return append(to, &value, sizeof value); }

static bool append_u64(struct bytes *to, uint64_t value) { return append(to, &value, sizeof value); }

static bool append_string(struct bytes *to, const char *bytes, size_t n)
{
	return append_u64(to, n) && append(to, bytes, n);
}

/* ---- metadata ---- */

static void run_out_of_memory(struct gguf_writer *writer)
{
	if (!writer->status)
		writer->status =
		        tern_fail(&writer->err, TERN_ERR_FAILED, "%s: out of memory (a header of more than %zu bytes)",
		                  writer->out.path, writer->pairs.n + writer->infos.n);
}

/* Counts a pair if every part of it could be appended. */
static void finish_pair(struct gguf_writer *writer, bool whole)
{
	writer->n_pairs++;
	if (!whole)
		run_out_of_memory(writer);
}

static bool begin_pair(struct gguf_writer *writer, const char *key, size_t key_length, enum gguf_value_type type)
{
	return append_string(&writer->pairs, key, key_length) && append_u32(&writer->pairs, type);
}

static void put_scalar(struct gguf_writer *writer, const char *key, enum gguf_value_type type, const void *value)
{
	bool whole =
	        begin_pair(writer, key, strlen(key), type) && append(&writer->pairs, value, tern_gguf_value_size(type));

	finish_pair(writer, whole);
}

void tern_gguf_put_u32(struct gguf_writer *writer, const char *key, uint32_t value)
{
	put_scalar(writer, key, GGUF_U32, &value);
}

void tern_gguf_put_f32(struct gguf_writer *writer, const char *key, float value)
{
	put_scalar(writer, key, GGUF_F32, &value);
}

void tern_gguf_put_bool(struct gguf_writer *writer, const char *key, bool value)
{
	uint8_t byte = value;
	put_scalar(writer, key, GGUF_BOOL, &byte);
}

void tern_gguf_put_string(struct gguf_writer *writer, const char *key, const char *bytes, size_t n_bytes)
{
	bool whole = begin_pair(writer, key, strlen(key), GGUF_STRING) && append_string(&writer->pairs, bytes, n_bytes);

	finish_pair(writer, whole);
}

static bool begin_array(struct gguf_writer *writer, const char *key, size_t key_length, enum gguf_value_type item_type,
                        uint64_t n_items)
{
	return begin_pair(writer, key, key_length, GGUF_ARRAY) && append_u32(&writer->pairs, item_type) &&
	       append_u64(&writer->pairs, n_items);
}

void tern_gguf_put_array(struct gguf_writer *writer, const char *key, enum gguf_value_type item_type, const void *items,
                         size_t n_items)
{
	size_t n_bytes;
	bool whole = tern_mul_size(n_items, tern_gguf_value_size(item_type), &n_bytes) &&
	             begin_array(writer, key, strlen(key), item_type, n_items) &&
	             append(&writer->pairs, items, n_bytes);

	finish_pair(writer, whole);
}

void tern_gguf_put_strings(struct gguf_writer *writer, const char *key, const struct gguf_string *items, size_t n_items)
{
	bool whole = begin_array(writer, key, strlen(key), GGUF_STRING, n_items);

	for (size_t i = 0; i < n_items && whole; i++)
		whole = append_string(&writer->pairs, items[i].bytes, items[i].length);
	finish_pair(writer, whole);
}

void tern_gguf_put_pair(struct gguf_writer *writer, const struct gguf_pair *pair)
{
	static const char alignment[] = "general.alignment";
	const struct gguf_string *key = &pair->key;

	if (key->length == sizeof alignment - 1 && memcmp(key->bytes, alignment, key->length) == 0)
		return;
	bool whole = pair->type == GGUF_ARRAY
	                     ? begin_array(writer, key->bytes, key->length, pair->item_type, pair->n_items)
	                     : begin_pair(writer, key->bytes, key->length, pair->type);
	whole = whole && append(&writer->pairs, pair->value, (size_t)tern_gguf_value_bytes(pair));
	finish_pair(writer, whole);
}

/* ---- tensors ---- */

static bool append_info(struct gguf_writer *writer, const char *name, uint32_t type, int n_dims, const uint64_t *dims)
{
	struct bytes *infos = &writer->infos;
	bool whole = append_string(infos, name, strlen(name)) && append_u32(infos, (uint32_t)n_dims);

	for (int i = 0; i < n_dims; i++)
		whole = whole && append_u64(infos, dims[i]);
	return whole && append_u32(infos, type) && append_u64(infos, writer->data_bytes);
}

void tern_gguf_add_tensor(struct gguf_writer *writer, const char *name, uint32_t type, int n_dims, const uint64_t *dims)
{
	char quoted[TERN_QUOTE_SIZE];
	uint64_t n_bytes, data_bytes, all_dims[GGUF_MAX_DIMS] = {1, 1, 1, 1};
	size_t name_size = strlen(name) + 1;

	for (int i = 0; i < n_dims && i < GGUF_MAX_DIMS; i++)
		all_dims[i] = dims[i];
	if (writer->status)
		return;
	if (!tern_gguf_tensor_bytes(type, n_dims, all_dims, &n_bytes) ||
	    !tern_add_u64(writer->data_bytes, n_bytes, &data_bytes) ||
	    !tern_round_up_u64(data_bytes, ALIGNMENT, &data_bytes)) {
		writer->status =
		        tern_fail(&writer->err, TERN_ERR_FAILED, "%s: tensor '%s': type %u cannot hold this shape",
		                  writer->out.path, tern_quote(quoted, name, name_size - 1), (unsigned)type);
		return;
	}
	char *name_copy = tern_alloc(name_size, 1);
	if (!name_copy || !append_info(writer, name, type, n_dims, dims) ||
	    !TERN_GROW(writer->tensors, writer->tensor_capacity, writer->n_tensors + 1)) {
		tern_free(name_copy);
		run_out_of_memory(writer);
		return;
	}
	memcpy(name_copy, name, name_size);
	writer->tensors[writer->n_tensors++] = (struct planned_tensor){name_copy, n_bytes};
	writer->data_bytes = data_bytes;
}

/* ---- the file ---- */

static bool build_header(const struct gguf_writer *writer, struct bytes *header)
{
	return append(header, "GGUF", 4) && append_u32(header, 3) && append_u64(header, writer->n_tensors) &&
	       append_u64(header, writer->n_pairs) && append(header, writer->pairs.bytes, writer->pairs.n) &&
	       append(header, writer->infos.bytes, writer->infos.n) &&
	       append(header, padding, (size_t)padding_after(header->n));
}

/* What the reader refuses may not be written. */
static enum tern_status check_header(const struct gguf_writer *writer, const struct bytes *header, uint64_t file_size,
                                     struct tern_error *err)
{
	struct gguf gguf;
	enum tern_status status =
	        tern_gguf_parse_header(&gguf, writer->out.path, header->bytes, header->n, file_size, err);

	tern_gguf_free(&gguf);
	return status;
}

enum tern_status tern_gguf_begin_data(struct gguf_writer *writer, struct tern_error *err)
{
	struct bytes header = {0};
	enum tern_status status;
	uint64_t file_size;

	tern_gguf_put_u32(writer, "general.alignment", ALIGNMENT);
	if (!build_header(writer, &header))
		run_out_of_memory(writer);
	if ((status = writer->status)) {
		*err = writer->err;
		goto done;
	}
	if (!tern_add_u64(header.n, writer->data_bytes, &file_size)) {
		status = tern_fail(err, TERN_ERR_FAILED, "%s: more data than a file can hold", writer->out.path);
		goto done;
	}
	if ((status = check_header(writer, &header, file_size, err)) ||
	    (status = tern_outfile_check_space(&writer->out, file_size, err)) ||
	    (status = tern_outfile_write(&writer->out, header.bytes, header.n, err)))
		goto done;
	writer->in_data = true;
done:
	tern_free(header.bytes);
	return status;
}

enum tern_status tern_gguf_write_data(struct gguf_writer *writer, const void *bytes, size_t n_bytes,
                                      struct tern_error *err)
{
	enum tern_status status;
	char quoted[TERN_QUOTE_SIZE];

	if (n_bytes == 0)
		return TERN_OK;
	if (!writer->in_data || writer->current == writer->n_tensors)
		return tern_fail(err, TERN_ERR_FAILED, "%s: %zu bytes of data that belong to no tensor",
		                 writer->out.path, n_bytes);
	const struct planned_tensor *tensor = &writer->tensors[writer->current];
	if (n_bytes > tensor->n_bytes - writer->n_given)
		return tern_fail(err, TERN_ERR_FAILED, "%s: tensor '%s': more data than its %llu bytes",
		                 writer->out.path, tern_quote(quoted, tensor->name, strlen(tensor->name)),
		                 (unsigned long long)tensor->n_bytes);
	if ((status = tern_outfile_write(&writer->out, bytes, n_bytes, err)))
		return status;
	writer->n_given += n_bytes;
	if (writer->n_given < tensor->n_bytes)
		return TERN_OK;
	writer->current++;
	writer->n_given = 0;
	return tern_outfile_write(&writer->out, padding, (size_t)padding_after(tensor->n_bytes), err);
}

enum tern_status tern_gguf_commit(struct gguf_writer *writer, struct tern_error *err)
{
	enum tern_status status;
	char quoted[TERN_QUOTE_SIZE];

	if (!writer->in_data) {
		status = tern_fail(err, TERN_ERR_FAILED, "%s: committed before its data began", writer->out.path);
	} else if (writer->current < writer->n_tensors) {
		const struct planned_tensor *tensor = &writer->tensors[writer->current];
		status = tern_fail(err, TERN_ERR_FAILED, "%s: tensor '%s': %llu of its %llu bytes were given",
		                   writer->out.path, tern_quote(quoted, tensor->name, strlen(tensor->name)),
		                   (unsigned long long)writer->n_given, (unsigned long long)tensor->n_bytes);
	} else {
		status = tern_outfile_commit(&writer->out, err);
	}
	tern_gguf_abort(writer);
	return status;
}
