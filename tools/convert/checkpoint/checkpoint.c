#include "convert/checkpoint/checkpoint.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "base/sort.h"
#include "json/parse.h"
#include "json/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char single_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

/* ---- reading ---- */

const char *checkpoint_path_of(const struct checkpoint *ckpt, const struct tensor *tensor)
{
	return ckpt->shards[tensor->shard].path;
}

enum tern_status checkpoint_fail(const struct checkpoint *ckpt, const struct tensor *tensor, struct tern_error *err,
                                 const char *format, ...)
{
	char quoted[TERN_QUOTE_SIZE], what[512];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s': %s", checkpoint_path_of(ckpt, tensor),
	                 tern_quote(quoted, tensor->name.bytes, tensor->name.length), what);
}

/* Reads n bytes at an offset of the file. */
static enum tern_status read_at(const struct shard *shard, uint64_t offset, size_t n, void *dst, struct tern_error *err)
{
	const size_t max_transfer = 1u << 30; /* macOS refuses 2^31 and more */
	size_t done = 0;

	while (done < n) {
		size_t wanted = tern_smaller(n - done, max_transfer);
		ssize_t got = pread(shard->fd, (uint8_t *)dst + done, wanted, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return tern_fail(err, TERN_ERR_FILE, "%s: byte %llu: %s", shard->path,
			                 (unsigned long long)(offset + done),
			                 got < 0 ? strerror(errno) : "the file became shorter while it was read");
		done += (size_t)got;
	}
	return TERN_OK;
}

enum tern_status checkpoint_read(const struct checkpoint *ckpt, const struct tensor *tensor, uint64_t offset, size_t n,
                                 void *dst, struct tern_error *err)
{
	return read_at(&ckpt->shards[tensor->shard], tensor->offset + offset, n, dst, err);
}

enum tern_status checkpoint_check_unchanged(const struct checkpoint *ckpt, struct tern_error *err)
{
	struct stat st;

	for (size_t i = 0; i < ckpt->n_shards; i++) {
		const struct shard *shard = &ckpt->shards[i];
		if (fstat(shard->fd, &st) != 0 || (uint64_t)st.st_size != shard->size)
			return tern_fail(err, TERN_ERR_FILE, "%s: the file's size changed during the conversion",
			                 shard->path);
	}
	return TERN_OK;
}

struct tensor *checkpoint_find(const struct checkpoint *ckpt, const char *name)
{
	int64_t i = name_set_find(&ckpt->index, name, strlen(name));
	return i < 0 ? NULL : &ckpt->tensors[i];
}

/* ---- opening ---- */

/* Reads the header of a shard that is open. */
static enum tern_status read_header(struct shard *shard, struct tensor **tensors, size_t *n_tensors,
                                    struct tern_error *err)
{
	uint8_t start[64];
	size_t n_start = shard->size < sizeof start ? (size_t)shard->size : sizeof start, n_bytes;
	enum tern_status status;
	char *header;

	if ((status = read_at(shard, 0, n_start, start, err)) ||
	    (status = safetensors_header_length(shard->path, start, n_start, shard->size, &n_bytes, err)))
		return status;
	if (!(header = tern_alloc(n_bytes + 1, 1)))
		return tern_fail_memory(err, n_bytes + 1);
	if ((status = read_at(shard, 8, n_bytes, header, err))) {
		tern_free(header);
		return status;
	}
	return safetensors_parse(shard->path, header, n_bytes, shard->size, tensors, n_tensors, &shard->names, err);
}

/* Appends a shard's tensors. The same name in two shards is an error. */
static enum tern_status add_tensors(struct checkpoint *ckpt, const struct tensor *tensors, size_t n_tensors,
                                    struct tern_error *err)
{
	size_t n = ckpt->n_tensors + n_tensors;
	bool is_new;

	if (n > SAFETENSORS_MAX_TENSORS)
		return tern_fail(err, TERN_ERR_FILE, "%s: more than %d tensors", ckpt->dir->path,
		                 SAFETENSORS_MAX_TENSORS);
	if (!TERN_GROW(ckpt->tensors, ckpt->tensor_capacity, n))
		return tern_fail_memory(err, n * sizeof *tensors);
	for (size_t i = 0; i < n_tensors; i++) {
		struct tensor *tensor = &ckpt->tensors[ckpt->n_tensors];
		*tensor = tensors[i];
		tensor->shard = (uint32_t)(ckpt->n_shards - 1);
		int64_t at = name_set_add(&ckpt->index, tensor->name.bytes, tensor->name.length, &is_new);
		if (at < 0)
			return tern_fail_memory(err, n * sizeof(struct name));
		if (!is_new)
			return checkpoint_fail(ckpt, tensor, err, "is also in %s",
			                       checkpoint_path_of(ckpt, &ckpt->tensors[at]));
		ckpt->n_tensors++;
	}
	return TERN_OK;
}

/* Opens one file of weights. *was_there is false if it does not exist. */
static enum tern_status open_shard(struct checkpoint *ckpt, const char *name, size_t n_bytes, bool *was_there,
                                   struct tern_error *err)
{
	struct shard *shard;
	struct tensor *tensors = NULL;
	size_t n_tensors = 0;
	struct stat st;
	char plain[256];
	int fd;
	enum tern_status status = directory_open_file(ckpt->dir, name, n_bytes, &fd, err);

	*was_there = fd >= 0;
	if (fd < 0)
		return status;
	if (!TERN_GROW(ckpt->shards, ckpt->shard_capacity, ckpt->n_shards + 1)) {
		close(fd);
		return tern_fail_memory(err, (ckpt->n_shards + 1) * sizeof *shard);
	}
	shard = &ckpt->shards[ckpt->n_shards++];
	*shard = (struct shard){.fd = fd};
	snprintf(plain, sizeof plain, "%.*s", (int)n_bytes, name);
	if (!(shard->path = directory_join(ckpt->dir, plain)))
		return tern_fail_memory(err, n_bytes);
	if (fstat(fd, &st) != 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: %s", shard->path, strerror(errno));
	shard->size = (uint64_t)st.st_size;
	status = read_header(shard, &tensors, &n_tensors, err);
	if (!status)
		status = add_tensors(ckpt, tensors, n_tensors, err);
	tern_free(tensors);
	return status;
}

/* ---- the index of a sharded checkpoint ---- */

/* A shard's name must look like one: a stranger wrote the index. */
static enum tern_status check_shard_name(struct json_value value, struct tern_error *err)
{
	static const char suffix[] = ".safetensors";
	char quoted[TERN_QUOTE_SIZE];
	struct json_string name;
	enum tern_status status = json_to_string(value, &name, err);
	bool is_plain = true;

	if (status)
		return status;
	for (size_t i = 0; i < name.length; i++)
		is_plain = is_plain && name.bytes[i] > 0x20 && name.bytes[i] < 0x7f && name.bytes[i] != '/' &&
		           name.bytes[i] != '\\';
	if (is_plain && name.length > sizeof suffix - 1 && name.bytes[0] != '.' &&
	    memcmp(name.bytes + name.length - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0)
		return TERN_OK;
	return json_fail(value, err, "'%s' is not the name of a .safetensors file in this directory",
	                 tern_quote(quoted, name.bytes, name.length));
}

static int compare_names(const void *context, uint32_t a, uint32_t b)
{
	const struct name *x = (const struct name *)context + a, *y = (const struct name *)context + b;
	return tern_compare_bytes(x->bytes, x->length, y->bytes, y->length);
}

/* Lists every file name in the map once. */
static enum tern_status list_files(struct json_value map, struct name_set *files, struct tern_error *err)
{
	enum tern_status status;
	bool is_new;

	for (struct json_iterator it = json_items(map); json_next(&it);) {
		if ((status = check_shard_name(it.value, err)))
			return status;
		struct json_string name = json_string(it.value);
		if (name_set_add(files, name.bytes, name.length, &is_new) < 0)
			return tern_fail_memory(err, files->n_names);
		if (files->n_names > CHECKPOINT_MAX_SHARDS)
			return json_fail(it.value, err, "more than %d files", CHECKPOINT_MAX_SHARDS);
	}
	return TERN_OK;
}

/* Opens every file in the map, sorted by name, so that the result does not depend on the order of the map. */
static enum tern_status open_shards(struct checkpoint *ckpt, struct json_value map, struct tern_error *err)
{
	struct name_set files = {0};
	enum tern_status status = list_files(map, &files, err);
	uint32_t *order = status ? NULL : tern_sort_indices(files.n_names, compare_names, files.names);
	bool was_there;

	if (!status && !order)
		status = tern_fail_memory(err, files.n_names);
	for (size_t i = 0; !status && i < files.n_names; i++) {
		const struct name *file = &files.names[order[i]];
		status = open_shard(ckpt, file->bytes, file->length, &was_there, err);
		if (!status && !was_there)
			status = tern_fail(err, TERN_ERR_FILE, "%s/%.*s: is missing; %s names it", ckpt->dir->path,
			                   (int)file->length, file->bytes, index_name);
	}
	tern_free(order);
	name_set_free(&files);
	return status;
}

/* Checks that every tensor is in the shard that the map names and that the map lists all tensors. */
static enum tern_status check_map(struct checkpoint *ckpt, struct json_value map, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	size_t n_prefix = strlen(ckpt->dir->path) + 1;

	for (struct json_iterator it = json_items(map); json_next(&it);) {
		struct json_string name = json_string(it.key);
		int64_t at = name_set_find(&ckpt->index, name.bytes, name.length);
		if (at < 0)
			return json_fail(it.value, err, "no shard holds the tensor '%s'",
			                 tern_quote(quoted, name.bytes, name.length));
		const char *shard = checkpoint_path_of(ckpt, &ckpt->tensors[at]) + n_prefix;
		if (!json_string_is(it.value, shard))
			return json_fail(it.value, err, "the tensor '%s' is in %s",
			                 tern_quote(quoted, name.bytes, name.length), shard);
		ckpt->tensors[at].is_used = true;
	}
	for (size_t i = 0; i < ckpt->n_tensors; i++) {
		if (!ckpt->tensors[i].is_used)
			return checkpoint_fail(ckpt, &ckpt->tensors[i], err, "%s does not list it", index_name);
		ckpt->tensors[i].is_used = false;
	}
	return TERN_OK;
}

static enum tern_status open_index(struct checkpoint *ckpt, bool *was_there, struct tern_error *err)
{
	struct json json;
	struct json_value map;
	enum tern_status status = directory_read_json(ckpt->dir, index_name, JSON_REFUSE_DUPLICATES, &json, err);

	*was_there = json.words != NULL;
	if (status || !json.words)
		return status;
	status = json_get_container(json_root(&json), "weight_map", JSON_OBJECT, &map, err);
	if (!status && !json_exists(map))
		status = json_fail_missing(json_root(&json), "weight_map", "an object {tensor: file}", err);
	if (!status)
		status = open_shards(ckpt, map, err);
	if (!status)
		status = check_map(ckpt, map, err);
	directory_free_json(&json);
	return status;
}

/* Fails for lack of weights; the message says what is there instead. */
static enum tern_status fail_no_weights(const struct directory *dir, struct tern_error *err)
{
	static const char *const torch[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
	                                    "pytorch_model-00001-of-00002.bin", "consolidated.00.pth", "model.pth"};

	for (size_t i = 0; i < sizeof torch / sizeof *torch; i++)
		if (directory_has(dir, torch[i]))
			return tern_fail(err, TERN_ERR_FILE,
			                 "%s: has PyTorch weights only (%s): convert to safetensors first", dir->path,
			                 torch[i]);
	if (directory_has(dir, "model-00001-of-00002.safetensors"))
		return tern_fail(err, TERN_ERR_FILE, "%s/%s: is missing; the shards alone are not enough", dir->path,
		                 index_name);
	return tern_fail(err, TERN_ERR_FILE, "%s: has neither %s nor %s: not a checkpoint, or half downloaded",
	                 dir->path, single_name, index_name);
}

enum tern_status checkpoint_open(struct checkpoint *ckpt, const struct directory *dir, struct tern_error *err)
{
	enum tern_status status;
	bool was_there;

	memset(ckpt, 0, sizeof *ckpt);
	ckpt->dir = dir;
	status = open_shard(ckpt, single_name, sizeof single_name - 1, &was_there, err);
	if (!status && !was_there)
		status = open_index(ckpt, &was_there, err);
	if (!status && !was_there)
		status = fail_no_weights(dir, err);
	if (!status && ckpt->n_tensors == 0)
		status = tern_fail(err, TERN_ERR_FILE, "%s: the checkpoint holds no tensors", dir->path);
	if (status)
		checkpoint_close(ckpt);
	return status;
}

void checkpoint_close(struct checkpoint *ckpt)
{
	for (size_t i = 0; i < ckpt->n_shards; i++) {
		close(ckpt->shards[i].fd);
		tern_free(ckpt->shards[i].path);
		tern_free(ckpt->shards[i].names);
	}
	tern_free(ckpt->shards);
	tern_free(ckpt->tensors);
	name_set_free(&ckpt->index);
	memset(ckpt, 0, sizeof *ckpt);
}
