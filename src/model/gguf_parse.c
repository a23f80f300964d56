/* Reading a GGUF header. Takes bytes that may be anything at all; gives a struct gguf whose every string, value and
 * tensor has been found to lie inside the file, or one line that says which number is wrong.
 *
 *     "GGUF"  u32 version  u64 n_tensors  u64 n_pairs
 *     pairs:    string key, u32 type, value            (array: u32 item type, u64 n_items, items)
 *     tensors:  string name, u32 n_dims, u64 dims[n_dims], u32 type, u64 offset
 *     padding to the alignment, then the tensors' data, where the offsets count from
 *     (string: u64 length, bytes; all numbers little-endian)
 *
 * A count is compared with the bytes left before anything is allocated for it; sums and products are checked;
 * duplicates and overlaps are found by sorting, since comparing all pairs would let a small file cost minutes. */
#include "model/gguf_parse.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/sort.h"
#include "model/file_kind.h"
#include "model/gguf_extent.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	HEADER_BYTES = 24,
	MIN_PAIR_BYTES = 8 + 1 + 4 + 1,           /* the shortest key, a type and a one-byte value */
	MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8, /* the shortest name and one dimension */
	DEFAULT_ALIGNMENT = 32,
	MAX_ALIGNMENT = 65536,
};
static const uint64_t max_elements = (uint64_t)1 << 48;

/* The position of the reader. It never reads at or after `size`. */
struct cursor {
	const uint8_t *bytes;
	size_t size, at;
	struct gguf *gguf;
	struct tern_error *err;
	/* What is being read, for messages: "key" or "tensor" and its name, or NULL at first. */
	const char *kind;
	struct gguf_string name;
};

/* "PATH: key 'x': WHAT", or "PATH: byte N: WHAT" where no name is known yet. */
__attribute__((format(printf, 2, 3))) static enum tern_status bad(const struct cursor *c, const char *format, ...)
{
	char quoted[TERN_QUOTE_SIZE], where[TERN_QUOTE_SIZE + 16], what[512];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	if (c->kind)
		snprintf(where, sizeof where, "%s '%s'", c->kind, tern_quote(quoted, c->name.bytes, c->name.length));
	else
		snprintf(where, sizeof where, "byte %zu", c->at);
	return tern_fail(c->err, TERN_ERR_FILE, "%s: %s: %s", c->gguf->path, where, what);
}

static enum tern_status out_of_memory(const struct cursor *c, size_t n_bytes)
{
	return tern_fail(c->err, TERN_ERR_FAILED, "%s: out of memory (%zu bytes)", c->gguf->path, n_bytes);
}

static size_t bytes_left(const struct cursor *c) { return c->size - c->at; }

/* Steps over n bytes and gives their address. `what` names them. */
static enum tern_status take(struct cursor *c, uint64_t n, const char *what, const uint8_t **bytes)
{
	if (n > bytes_left(c))
		return bad(c, "the file ends at byte %zu, inside %s at byte %zu (%llu bytes); is it cut short?",
		           c->size, what, c->at, (unsigned long long)n);
	*bytes = c->bytes + c->at;
	c->at += (size_t)n;
	return TERN_OK;
}

static enum tern_status take_u32(struct cursor *c, const char *what, uint32_t *value)
{
	const uint8_t *bytes = NULL;
	enum tern_status status = take(c, 4, what, &bytes);

	if (status == TERN_OK)
		*value = tern_load_u32(bytes);
	return status;
}

static enum tern_status take_u64(struct cursor *c, const char *what, uint64_t *value)
{
	const uint8_t *bytes = NULL;
	enum tern_status status = take(c, 8, what, &bytes);

	if (status == TERN_OK)
		*value = tern_load_u64(bytes);
	return status;
}

/* A string of at most `limit` bytes. */
static enum tern_status take_string(struct cursor *c, uint64_t limit, const char *what, struct gguf_string *string)
{
	const uint8_t *bytes = NULL;
	uint64_t length = 0;

	if (take_u64(c, what, &length))
		return TERN_ERR_FILE;
	if (length > limit)
		return bad(c, "%s at byte %zu has a length of %llu; at most %llu is allowed", what, c->at - 8,
		           (unsigned long long)length, (unsigned long long)limit);
	if (take(c, length, what, &bytes))
		return TERN_ERR_FILE;
	string->bytes = (const char *)bytes;
	string->length = (size_t)length;
	return TERN_OK;
}

/* ---- the first 24 bytes ---- */

static enum tern_status check_magic(struct cursor *c)
{
	char quoted[TERN_QUOTE_SIZE];
	size_t n = tern_smaller(c->size, 4);
	const char *kind;

	if (c->size == 0)
		return bad(c, "the file is empty; expected a GGUF model");
	if (n == 4 && memcmp(c->bytes, "GGUF", 4) == 0)
		return TERN_OK;
	if ((kind = tern_guess_file_kind(c->bytes, c->size)))
		return bad(c, "not a GGUF model: %s", kind);
	return bad(c, "not a GGUF model: it begins with '%s' where 'GGUF' is expected",
	           tern_quote(quoted, (const char *)c->bytes, n));
}

static enum tern_status check_version(struct cursor *c, uint32_t version)
{
	if (version == 2 || version == 3)
		return TERN_OK;
	c->at -= 4;
	if (version != 0 && (version & 0xffff) == 0)
		return bad(c, "the file is big-endian (its version reads as %u); tern reads little-endian GGUF",
		           (unsigned)version);
	return bad(c, "GGUF version %u; tern reads versions 2 and 3", (unsigned)version);
}

/* A count from the header: within our limit, and no more than the rest of the file can hold. */
static enum tern_status take_count(struct cursor *c, uint64_t limit, uint64_t min_bytes, const char *what, size_t *n)
{
	uint64_t count = 0;

	if (take_u64(c, what, &count))
		return TERN_ERR_FILE;
	/* At byte 8 the other count still follows; what is left after both is what counts. */
	size_t left = c->size > HEADER_BYTES ? c->size - HEADER_BYTES : 0;
	if (count <= limit && count * min_bytes <= left) {
		*n = (size_t)count;
		return TERN_OK;
	}
	c->at -= 8;
	if (count > limit)
		return bad(c, "%s is %llu; at most %llu is allowed", what, (unsigned long long)count,
		           (unsigned long long)limit);
	return bad(c, "%s is %llu, too many for a file of %zu bytes; is it cut short?", what, (unsigned long long)count,
	           c->size);
}

static enum tern_status read_start(struct cursor *c)
{
	struct gguf *gguf = c->gguf;

	if (check_magic(c))
		return TERN_ERR_FILE;
	c->at = 4;
	if (take_u32(c, "the version", &gguf->version) || check_version(c, gguf->version))
		return TERN_ERR_FILE;
	if (take_count(c, GGUF_MAX_TENSORS, MIN_TENSOR_BYTES, "the number of tensors", &gguf->n_tensors))
		return TERN_ERR_FILE;
	return take_count(c, GGUF_MAX_KEYS, MIN_PAIR_BYTES, "the number of keys", &gguf->n_pairs);
}

/* ---- metadata ---- */

static enum tern_status read_key(struct cursor *c, struct gguf_string *key)
{
	if (take_string(c, GGUF_MAX_KEY_LENGTH, "a key", key))
		return TERN_ERR_FILE;
	c->at -= key->length; /* for messages: where the key is */
	if (key->length == 0)
		return bad(c, "an empty key");
	for (size_t i = 0; i < key->length; i++)
		if (key->bytes[i] < 0x20 || key->bytes[i] > 0x7e) {
			char quoted[TERN_QUOTE_SIZE];
			return bad(c, "the key '%s' is not ASCII text", tern_quote(quoted, key->bytes, key->length));
		}
	c->at += key->length;
	c->kind = "key";
	c->name = *key;
	return TERN_OK;
}

/* A value or item type. Arrays of arrays are refused: nothing uses them, and a file could nest them without limit. */
static enum tern_status read_type(struct cursor *c, const char *what, bool may_be_array, enum gguf_value_type *type)
{
	uint32_t id = 0;

	if (take_u32(c, what, &id))
		return TERN_ERR_FILE;
	if (id > GGUF_F64)
		return bad(c, "%s is %u; types go from 0 to %d", what, (unsigned)id, GGUF_F64);
	if (id == GGUF_ARRAY && !may_be_array)
		return bad(c, "an array of arrays, which tern does not read");
	*type = (enum gguf_value_type)id;
	return TERN_OK;
}

static enum tern_status check_bools(struct cursor *c, const uint8_t *bytes, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (bytes[i] > 1)
			return bad(c, "a bool of %u at byte %zu; expected 0 or 1", bytes[i],
			           (size_t)(bytes + i - c->bytes));
	return TERN_OK;
}

/* Steps over n items of a type. The number has been compared with what is left of the file. */
static enum tern_status read_items(struct cursor *c, enum gguf_value_type type, uint64_t n)
{
	const uint8_t *bytes = NULL;
	struct gguf_string string;

	if (type == GGUF_STRING) {
		for (uint64_t i = 0; i < n; i++)
			if (take_string(c, GGUF_MAX_STRING, "a string", &string))
				return TERN_ERR_FILE;
		return TERN_OK;
	}
	if (take(c, n * tern_gguf_value_size(type), "the value", &bytes))
		return TERN_ERR_FILE;
	return type == GGUF_BOOL ? check_bools(c, bytes, n) : TERN_OK;
}

static enum tern_status read_pair(struct cursor *c, struct gguf_pair *pair)
{
	c->kind = NULL;
	if (read_key(c, &pair->key) || read_type(c, "the type", true, &pair->type))
		return TERN_ERR_FILE;
	pair->item_type = pair->type;
	pair->n_items = 1;
	if (pair->type == GGUF_ARRAY) {
		if (read_type(c, "the item type", false, &pair->item_type) ||
		    take_u64(c, "the array length", &pair->n_items))
			return TERN_ERR_FILE;
		uint64_t item_bytes = pair->item_type == GGUF_STRING ? 8 : tern_gguf_value_size(pair->item_type);
		if (pair->n_items > GGUF_MAX_ARRAY)
			return bad(c, "an array of %llu items; at most %d are allowed",
			           (unsigned long long)pair->n_items, GGUF_MAX_ARRAY);
		if (pair->n_items * item_bytes > bytes_left(c))
			return bad(c,
			           "an array of %llu items at byte %zu does not fit the file's %zu bytes; is it cut "
			           "short?",
			           (unsigned long long)pair->n_items, c->at, c->size);
	}
	pair->value = c->bytes + c->at;
	return read_items(c, pair->item_type, pair->n_items);
}

static enum tern_status read_pairs(struct cursor *c)
{
	for (size_t i = 0; i < c->gguf->n_pairs; i++)
		if (read_pair(c, &c->gguf->pairs[i]))
			return TERN_ERR_FILE;
	c->kind = NULL;
	return TERN_OK;
}

static enum tern_status read_alignment(struct cursor *c)
{
	const struct gguf_pair *pair = tern_gguf_find(c->gguf, "general.alignment");
	uint32_t alignment = DEFAULT_ALIGNMENT;

	if (pair) {
		c->kind = "key";
		c->name = pair->key;
		if (pair->type != GGUF_U32)
			return bad(c, "is of type %s; expected u32", tern_gguf_value_type_name(pair->type));
		alignment = tern_load_u32(pair->value);
		if (alignment == 0 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)))
			return bad(c, "%u; expected a power of two from 1 to %d", (unsigned)alignment, MAX_ALIGNMENT);
		c->kind = NULL;
	}
	c->gguf->alignment = alignment;
	return TERN_OK;
}

/* ---- tensors ---- */

static enum tern_status read_dims(struct cursor *c, struct gguf_tensor *tensor)
{
	uint32_t n_dims = 0;
	uint64_t n_elements = 1;

	if (take_u32(c, "the number of dimensions", &n_dims))
		return TERN_ERR_FILE;
	if (n_dims < 1 || n_dims > GGUF_MAX_DIMS)
		return bad(c, "has %u dimensions; expected 1 to %d", (unsigned)n_dims, GGUF_MAX_DIMS);
	tensor->n_dims = (int)n_dims;
	for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
		tensor->dims[i] = 1;
		if (i < n_dims && take_u64(c, "a dimension", &tensor->dims[i]))
			return TERN_ERR_FILE;
		if (tensor->dims[i] == 0)
			return bad(c, "dimension %u is 0", (unsigned)i);
		if (!tern_mul_u64(n_elements, tensor->dims[i], &n_elements) || n_elements > max_elements)
			return bad(c, "dimension %u is %llu: more than 2^48 weights in all", (unsigned)i,
			           (unsigned long long)tensor->dims[i]);
	}
	return TERN_OK;
}

/* Sets n_bytes; fails if a tensor of this type cannot have this shape. */
static enum tern_status size_tensor(const struct cursor *c, struct gguf_tensor *tensor)
{
	const char *name = tern_gguf_type_name(tensor->type);
	uint64_t block = tern_gguf_type_block(tensor->type);
	char readable[256];

	if (tern_gguf_tensor_bytes(tensor->type, tensor->n_dims, tensor->dims, &tensor->n_bytes))
		return TERN_OK;
	if (block == 0)
		return bad(c, "is of type %u (%s); tern reads %s", (unsigned)tensor->type, name ? name : "unknown",
		           tern_gguf_list_types(readable, sizeof readable));
	if (tensor->dims[0] % block)
		return bad(c, "has %llu columns; %s needs a multiple of %llu", (unsigned long long)tensor->dims[0],
		           name, (unsigned long long)block);
	return bad(c, "its size does not fit 64 bits");
}

/* tensor->offset is the file's own for now: relative to the start of the data. */
static enum tern_status read_tensor(struct cursor *c, struct gguf_tensor *tensor)
{
	c->kind = NULL;
	if (take_string(c, GGUF_MAX_NAME_LENGTH, "a tensor name", &tensor->name))
		return TERN_ERR_FILE;
	if (tensor->name.length == 0)
		return bad(c, "an empty tensor name");
	c->kind = "tensor";
	c->name = tensor->name;
	if (read_dims(c, tensor) || take_u32(c, "the type", &tensor->type) || size_tensor(c, tensor) ||
	    take_u64(c, "the offset", &tensor->offset))
		return TERN_ERR_FILE;
	if (tensor->offset % c->gguf->alignment)
		return bad(c, "offset %llu is not a multiple of the alignment, %llu",
		           (unsigned long long)tensor->offset, (unsigned long long)c->gguf->alignment);
	return TERN_OK;
}

/* Turns an offset into a place in the file, if it is inside. */
static enum tern_status place_tensor(struct cursor *c, struct gguf_tensor *tensor, uint64_t data_start,
                                     uint64_t file_size)
{
	uint64_t start, end;

	c->kind = "tensor";
	c->name = tensor->name;
	if (!tern_add_u64(data_start, tensor->offset, &start) || !tern_add_u64(start, tensor->n_bytes, &end))
		return bad(c, "offset %llu is beyond any file", (unsigned long long)tensor->offset);
	if (end > file_size)
		return bad(c, "needs bytes %llu to %llu, the file has %llu; is it cut short?",
		           (unsigned long long)start, (unsigned long long)end, (unsigned long long)file_size);
	tensor->offset = start;
	tensor->data = end <= c->size ? c->bytes + start : NULL;
	return TERN_OK;
}

static enum tern_status resolve_types(struct cursor *c, uint64_t data_bytes)
{
	const struct gguf_tensor *odd;
	uint64_t extent;

	if (!tern_gguf_resolve_types(c->gguf, data_bytes, &odd, &extent))
		return out_of_memory(c, c->gguf->n_tensors * sizeof(uint32_t));
	if (!odd)
		return TERN_OK;
	c->kind = "tensor";
	c->name = odd->name;
	return bad(c,
	           "type %u is read as %s, which needs %llu bytes here, but the next tensor begins after %llu; other "
	           "engines have given this number to types of their own",
	           (unsigned)odd->type, tern_gguf_type_name(odd->type), (unsigned long long)odd->n_bytes,
	           (unsigned long long)extent);
}

static enum tern_status read_tensors(struct cursor *c, uint64_t file_size)
{
	struct gguf *gguf = c->gguf;
	uint64_t data_start;

	for (size_t i = 0; i < gguf->n_tensors; i++)
		if (read_tensor(c, &gguf->tensors[i]))
			return TERN_ERR_FILE;
	c->kind = NULL;
	if (!tern_round_up_u64(c->at, gguf->alignment, &data_start))
		return bad(c, "the file is too long");
	enum tern_status status = resolve_types(c, file_size > data_start ? file_size - data_start : 0);
	if (status)
		return status;
	for (size_t i = 0; i < gguf->n_tensors; i++)
		if (place_tensor(c, &gguf->tensors[i], data_start, file_size))
			return TERN_ERR_FILE;
	c->kind = NULL;
	return TERN_OK;
}

/* ---- order ---- */

static int compare_strings(struct gguf_string a, struct gguf_string b)
{
	return tern_compare_bytes(a.bytes, a.length, b.bytes, b.length);
}

static int compare_keys(const void *pairs, uint32_t a, uint32_t b)
{
	const struct gguf_pair *pair = pairs;
	return compare_strings(pair[a].key, pair[b].key);
}

static int compare_names(const void *tensors, uint32_t a, uint32_t b)
{
	const struct gguf_tensor *tensor = tensors;
	return compare_strings(tensor[a].name, tensor[b].name);
}

/* Two neighbors in sorted order must differ. */
static enum tern_status check_differ(struct cursor *c, const char *kind, struct gguf_string a, struct gguf_string b)
{
	if (compare_strings(a, b) != 0)
		return TERN_OK;
	c->kind = kind;
	c->name = a;
	return bad(c, "is there twice, at byte %zu and byte %zu", (size_t)(a.bytes - (const char *)c->bytes),
	           (size_t)(b.bytes - (const char *)c->bytes));
}

static enum tern_status sort_pairs(struct cursor *c)
{
	struct gguf *gguf = c->gguf;
	const uint32_t *order = gguf->pair_order = tern_sort_indices(gguf->n_pairs, compare_keys, gguf->pairs);

	if (!order)
		return out_of_memory(c, gguf->n_pairs * sizeof *order);
	for (size_t i = 1; i < gguf->n_pairs; i++)
		if (check_differ(c, "key", gguf->pairs[order[i - 1]].key, gguf->pairs[order[i]].key))
			return TERN_ERR_FILE;
	return TERN_OK;
}

static enum tern_status sort_tensors(struct cursor *c)
{
	struct gguf *gguf = c->gguf;
	const uint32_t *order = gguf->tensor_order = tern_sort_indices(gguf->n_tensors, compare_names, gguf->tensors);

	if (!order)
		return out_of_memory(c, gguf->n_tensors * sizeof *order);
	for (size_t i = 1; i < gguf->n_tensors; i++)
		if (check_differ(c, "tensor", gguf->tensors[order[i - 1]].name, gguf->tensors[order[i]].name))
			return TERN_ERR_FILE;
	return TERN_OK;
}

/* No byte belongs to two tensors. All ranges have been found to be inside the file, so end cannot wrap. */
static enum tern_status check_overlap(struct cursor *c)
{
	const struct gguf *gguf = c->gguf;
	uint32_t *order = tern_sort_indices(gguf->n_tensors, tern_gguf_compare_offsets, gguf->tensors);
	enum tern_status status = TERN_OK;
	char quoted[TERN_QUOTE_SIZE];

	if (!order)
		return out_of_memory(c, gguf->n_tensors * sizeof *order);
	for (size_t i = 1; i < gguf->n_tensors && status == TERN_OK; i++) {
		const struct gguf_tensor *a = &gguf->tensors[order[i - 1]], *b = &gguf->tensors[order[i]];
		if (a->offset + a->n_bytes > b->offset) {
			c->kind = "tensor";
			c->name = b->name;
			status = bad(c, "begins at byte %llu, inside tensor '%s' (bytes %llu to %llu)",
			             (unsigned long long)b->offset, tern_quote(quoted, a->name.bytes, a->name.length),
			             (unsigned long long)a->offset, (unsigned long long)(a->offset + a->n_bytes));
		}
	}
	tern_free(order);
	return status;
}

/* ---- the whole ---- */

static enum tern_status read_tables(struct cursor *c, uint64_t file_size)
{
	struct gguf *gguf = c->gguf;
	enum tern_status status;

	gguf->pairs = tern_alloc(gguf->n_pairs, sizeof *gguf->pairs);
	if (!gguf->pairs)
		return out_of_memory(c, gguf->n_pairs * sizeof *gguf->pairs);
	gguf->tensors = tern_alloc(gguf->n_tensors, sizeof *gguf->tensors);
	if (!gguf->tensors)
		return out_of_memory(c, gguf->n_tensors * sizeof *gguf->tensors);
	if ((status = read_pairs(c)) || (status = sort_pairs(c)) || (status = read_alignment(c)) ||
	    (status = read_tensors(c, file_size)) || (status = sort_tensors(c)))
		return status;
	return check_overlap(c);
}

enum tern_status tern_gguf_parse_header(struct gguf *gguf, const char *path, const uint8_t *bytes, size_t n_bytes,
                                        uint64_t file_size, struct tern_error *err)
{
	struct cursor c = {.bytes = bytes, .size = n_bytes, .gguf = gguf, .err = err};
	enum tern_status status;

	memset(gguf, 0, sizeof *gguf);
	gguf->path = path;
	if ((status = read_start(&c)) || (status = read_tables(&c, file_size)))
		tern_gguf_free(gguf);
	return status;
}

enum tern_status tern_gguf_parse(struct gguf *gguf, const char *path, const uint8_t *bytes, size_t n_bytes,
                                 struct tern_error *err)
{
	return tern_gguf_parse_header(gguf, path, bytes, n_bytes, n_bytes, err);
}
