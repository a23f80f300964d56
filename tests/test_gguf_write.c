/* The GGUF writer: what it writes is read back, always the same bytes; what goes wrong leaves no file behind. */
#include "inject.h"
#include "scratch.h"

#include "base/bytes.h"
#include "model/gguf_parse.h"
#include "model/gguf_write.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static struct tern_error err;

enum {
	N_TENSORS = 5
};
static const struct {
	const char *name;
	uint32_t type;
	int n_dims;
	uint64_t dims[4];
} tensors[N_TENSORS] = {
        {"token_embd.weight", GGUF_TENSOR_F16, 2, {33, 7}}, {"blk.0.attn_q.weight", GGUF_TENSOR_T2R16, 2, {48, 17}},
        {"blk.0.attn_q.scale", GGUF_TENSOR_F32, 1, {1}},    {"four", GGUF_TENSOR_BF16, 4, {1, 2, 3, 4}},
        {"output.weight", GGUF_TENSOR_Q8P, 2, {16, 100}},
};

static uint8_t tensor_byte(int tensor, uint64_t at) { return (uint8_t)((uint64_t)tensor * 50 + at * 7 + at / 256); }

/* Every kind of value a writer function takes. */
static void put_pairs(struct gguf_writer *writer)
{
	static const int32_t numbers[3] = {-1, 0, 70000};
	static const float scores[2] = {-0.5f, INFINITY};
	static const uint8_t flags[2] = {0, 1};
	static const struct gguf_string strings[3] = {{"a", 1}, {"", 0}, {"x\0y", 3}};

	tern_gguf_put_string(writer, "general.architecture", "llama", 5);
	tern_gguf_put_u32(writer, "u32", 4000000000);
	tern_gguf_put_f32(writer, "f32", -0.0f);
	tern_gguf_put_bool(writer, "yes", true);
	tern_gguf_put_bool(writer, "no", false);
	tern_gguf_put_string(writer, "bytes", "\xff\0\x1b", 3);
	tern_gguf_put_string(writer, "empty", NULL, 0);
	tern_gguf_put_array(writer, "numbers", GGUF_I32, numbers, 3);
	tern_gguf_put_array(writer, "scores", GGUF_F32, scores, 2);
	tern_gguf_put_array(writer, "flags", GGUF_BOOL, flags, 2);
	tern_gguf_put_array(writer, "nothing", GGUF_U64, NULL, 0);
	tern_gguf_put_strings(writer, "strings", strings, 3);
}

/* The data of all tensors, in pieces of at most `piece` bytes. */
static enum tern_status write_tensors(struct gguf_writer *writer, size_t piece, struct tern_error *error)
{
	uint8_t bytes[5000];
	uint64_t n_bytes;
	enum tern_status status;

	for (int i = 0; i < N_TENSORS; i++) {
		tern_gguf_tensor_bytes(tensors[i].type, tensors[i].n_dims,
		                       (uint64_t[4]){tensors[i].dims[0], tensors[i].dims[1] + !tensors[i].dims[1],
		                                     tensors[i].dims[2] + !tensors[i].dims[2],
		                                     tensors[i].dims[3] + !tensors[i].dims[3]},
		                       &n_bytes);
		for (uint64_t at = 0; at < n_bytes; at++)
			bytes[at] = tensor_byte(i, at);
		for (size_t at = 0; at < n_bytes; at += piece) {
			size_t n = n_bytes - at < piece ? (size_t)n_bytes - at : piece;
			if ((status = tern_gguf_write_data(writer, bytes + at, n, error)))
				return status;
		}
	}
	return TERN_OK;
}

static void add_tensors(struct gguf_writer *writer)
{
	for (int i = 0; i < N_TENSORS; i++)
		tern_gguf_add_tensor(writer, tensors[i].name, tensors[i].type, tensors[i].n_dims, tensors[i].dims);
}

static enum tern_status write_file(const char *path, size_t piece, struct tern_error *error)
{
	struct gguf_writer *writer;
	enum tern_status status;

	if ((status = tern_gguf_create(&writer, path, true, error)))
		return status;
	put_pairs(writer);
	add_tensors(writer);
	if ((status = tern_gguf_begin_data(writer, error)) || (status = write_tensors(writer, piece, error))) {
		tern_gguf_abort(writer);
		return status;
	}
	return tern_gguf_commit(writer, error);
}

/* ---- reading back ---- */

static void check_array(const struct gguf *gguf, const char *key, enum gguf_value_type type, const void *items,
                        size_t n, size_t item_size)
{
	const struct gguf_pair *pair;

	CHECK(tern_gguf_get_array(gguf, key, type, &pair, &err) == TERN_OK && pair, "%s: %s", key, err.message);
	if (pair)
		CHECK(pair->n_items == n && memcmp(pair->value, items, n * item_size) == 0, "%s: wrong items", key);
}

static void check_pairs(const struct gguf *gguf)
{
	const struct gguf_pair *pair;
	struct gguf_string string = {0};
	uint32_t u32 = 0;
	float f32 = 1;
	bool yes = false, no = true;

	CHECK(gguf->n_pairs == 13 && gguf->version == 3 && gguf->alignment == 64, "%zu pairs", gguf->n_pairs);
	CHECK(!tern_gguf_get_u32(gguf, "u32", &u32, NULL, &err) && u32 == 4000000000, "u32 %u", u32);
	CHECK(!tern_gguf_get_f32(gguf, "f32", &f32, NULL, &err) && f32 == 0 && signbit(f32), "f32 %g", (double)f32);
	CHECK(!tern_gguf_get_bool(gguf, "yes", &yes, NULL, &err) && yes, "yes");
	CHECK(!tern_gguf_get_bool(gguf, "no", &no, NULL, &err) && !no, "no");
	CHECK(!tern_gguf_get_string(gguf, "bytes", &string, NULL, &err) && string.length == 3 &&
	              memcmp(string.bytes, "\xff\0\x1b", 3) == 0,
	      "bytes");
	CHECK(!tern_gguf_get_string(gguf, "empty", &string, NULL, &err) && string.length == 0, "empty");
	check_array(gguf, "numbers", GGUF_I32, (int32_t[]){-1, 0, 70000}, 3, 4);
	check_array(gguf, "scores", GGUF_F32, (float[]){-0.5f, INFINITY}, 2, 4);
	check_array(gguf, "flags", GGUF_BOOL, "\0\1", 2, 1);
	check_array(gguf, "nothing", GGUF_U64, "", 0, 8);
	CHECK(!tern_gguf_get_array(gguf, "strings", GGUF_STRING, &pair, &err) && pair && pair->n_items == 3, "strings");
	if (pair) {
		const uint8_t *cursor = pair->value;
		tern_gguf_next_string(&cursor);
		CHECK(tern_gguf_next_string(&cursor).length == 0, "the second string");
		string = tern_gguf_next_string(&cursor);
		CHECK(string.length == 3 && memcmp(string.bytes, "x\0y", 3) == 0, "the third string");
	}
}

static void check_tensors(const struct gguf *gguf)
{
	CHECK(gguf->n_tensors == N_TENSORS, "%zu tensors", gguf->n_tensors);
	for (int i = 0; i < N_TENSORS; i++) {
		const struct gguf_tensor *tensor = tern_gguf_find_tensor(gguf, tensors[i].name);
		uint64_t n_wrong = 0;
		CHECK(tensor && tensor->type == tensors[i].type && tensor->n_dims == tensors[i].n_dims &&
		              memcmp(tensor->dims, tensors[i].dims, sizeof(uint64_t) * (size_t)tensor->n_dims) == 0,
		      "%s", tensors[i].name);
		if (!tensor)
			continue;
		CHECK(tensor->offset % 64 == 0 && (uintptr_t)tensor->data % 64 == 0, "%s is not aligned",
		      tensors[i].name);
		for (uint64_t at = 0; at < tensor->n_bytes; at++)
			n_wrong += tensor->data[at] != tensor_byte(i, at);
		CHECK(n_wrong == 0, "%s: %llu wrong bytes", tensors[i].name, (unsigned long long)n_wrong);
	}
}

static void test_round_trip(void)
{
	static const size_t pieces[] = {1, 63, 64, 5000};
	uint8_t *first = NULL;
	size_t n_first = 0;

	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		const char *path = scratch_path("round");
		struct tern_file file;
		struct gguf gguf;
		CHECK(write_file(path, pieces[i], &err) == TERN_OK, "%s", err.message);
		CHECK(tern_file_open(&file, path, i % 2, &err) == TERN_OK, "%s", err.message);
		CHECK(tern_gguf_parse(&gguf, path, file.data, file.size, &err) == TERN_OK, "%s", err.message);
		CHECK(file.size % 64 == 0, "%zu bytes", file.size);
		check_pairs(&gguf);
		check_tensors(&gguf);
		if (first)
			CHECK(file.size == n_first && memcmp(file.data, first, n_first) == 0, "not the same bytes");
		else if (!tern_read_file(path, 1 << 20, &first, &n_first, &err))
			CHECK(n_first == file.size, "read back");
		tern_gguf_free(&gguf);
		tern_file_close(&file);
	}
	tern_free(first);
	scratch_count(true);
}

/* Copying the pairs of a file gives them byte by byte, but for the alignment, which is the writer's. */
static void test_copy_pairs(void)
{
	static const uint8_t source[] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0"
	                                "\1\0\0\0\0\0\0\0a\1\0\0\0\xf9"
	                                "\21\0\0\0\0\0\0\0general.alignment\4\0\0\0\x08\0\0\0"
	                                "\1\0\0\0\0\0\0\0s\x09\0\0\0\x08\0\0\0\2\0\0\0\0\0\0\0"
	                                "\2\0\0\0\0\0\0\0hi\0\0\0\0\0\0\0\0"
	                                "\1\0\0\0\0\0\0\0d\x0c\0\0\0\1\2\3\4\5\6\7\x08";
	const char *path = scratch_path("copy");
	struct gguf from, to;
	struct gguf_writer *writer;
	struct tern_file file;

	CHECK(tern_gguf_parse(&from, "source", source, sizeof source - 1, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_gguf_create(&writer, path, false, &err) == TERN_OK, "%s", err.message);
	for (size_t i = 0; i < from.n_pairs; i++)
		tern_gguf_put_pair(writer, &from.pairs[i]);
	CHECK(tern_gguf_begin_data(writer, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_gguf_commit(writer, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_file_open(&file, path, true, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_gguf_parse(&to, path, file.data, file.size, &err) == TERN_OK, "%s", err.message);
	CHECK(to.n_pairs == 4 && to.alignment == 64 && from.alignment == 8, "%zu pairs", to.n_pairs);
	for (size_t i = 0; i < from.n_pairs; i++) {
		char key[32];
		snprintf(key, sizeof key, "%.*s", (int)from.pairs[i].key.length, from.pairs[i].key.bytes);
		const struct gguf_pair *pair = tern_gguf_find(&to, key);
		CHECK(pair && pair->type == from.pairs[i].type && pair->item_type == from.pairs[i].item_type, "%s",
		      key);
		CHECK(!strcmp(key, "general.alignment") ||
		              (pair && tern_gguf_value_bytes(pair) == tern_gguf_value_bytes(&from.pairs[i]) &&
		               memcmp(pair->value, from.pairs[i].value, (size_t)tern_gguf_value_bytes(pair)) == 0),
		      "%s differs", key);
	}
	tern_gguf_free(&from);
	tern_gguf_free(&to);
	tern_file_close(&file);
	scratch_count(true);
}

/* ---- what is refused ---- */

static struct gguf_writer *create(const char *path)
{
	struct gguf_writer *writer = NULL;

	CHECK(tern_gguf_create(&writer, path, true, &err) == TERN_OK, "%s", err.message);
	if (!writer)
		exit(1);
	return writer;
}

static void expect(enum tern_status status, enum tern_status wanted, const char *message)
{
	CHECK(status == wanted && strstr(err.message, message) && strstr(err.message, "refused"), "status %d: %s",
	      (int)status, err.message);
}

/* A type that cannot hold the shape; the first such tensor counts. */
static void refuse_tensor(const char *path, uint32_t type, int n_dims, const uint64_t *dims)
{
	struct gguf_writer *writer = create(path);
	char says[32];

	tern_gguf_add_tensor(writer, "t", type, n_dims, dims);
	tern_gguf_add_tensor(writer, "second", 11, n_dims, dims);
	tern_gguf_put_u32(writer, "key", 1);
	snprintf(says, sizeof says, "tensor 't': type %u cannot", (unsigned)type);
	expect(tern_gguf_begin_data(writer, &err), TERN_ERR_FAILED, says);
	expect(tern_gguf_commit(writer, &err), TERN_ERR_FAILED, "before its data");
}

static void test_refused(void)
{
	const char *path = scratch_path("refused");
	struct gguf_writer *writer;
	uint64_t dims[4] = {16, 16, 16, 16}, huge[2] = {(uint64_t)1 << 30, (uint64_t)1 << 17};
	char long_key[300];

	scratch_write(path, "old", 3);
	expect(tern_gguf_create(&writer, path, false, &err), TERN_ERR_USAGE, "exists already");
	CHECK(!writer, "a writer without a file");
	tern_gguf_abort(NULL);

	writer = create(path); /* the same key twice */
	tern_gguf_put_u32(writer, "twice", 1);
	tern_gguf_put_bool(writer, "twice", true);
	expect(tern_gguf_begin_data(writer, &err), TERN_ERR_FILE, "key 'twice': is there twice");
	expect(tern_gguf_commit(writer, &err), TERN_ERR_FAILED, "before its data");

	writer = create(path);
	memset(long_key, 'k', sizeof long_key);
	long_key[sizeof long_key - 1] = 0;
	tern_gguf_put_u32(writer, long_key, 1);
	expect(tern_gguf_begin_data(writer, &err), TERN_ERR_FILE, "a length of 299; at most 256");
	tern_gguf_abort(writer);

	refuse_tensor(path, 10, 2, dims);
	refuse_tensor(path, GGUF_TENSOR_F32, 5, dims);
	refuse_tensor(path, GGUF_TENSOR_Q8_0, 2, dims);
	writer = create(path);
	tern_gguf_add_tensor(writer, "t", GGUF_TENSOR_F32, 1, dims);
	tern_gguf_add_tensor(writer, "t", GGUF_TENSOR_F32, 1, dims);
	expect(tern_gguf_begin_data(writer, &err), TERN_ERR_FILE, "tensor 't': is there twice");
	tern_gguf_abort(writer);

	writer = create(path); /* half a petabyte */
	tern_gguf_add_tensor(writer, "t", GGUF_TENSOR_F32, 2, huge);
	expect(tern_gguf_begin_data(writer, &err), TERN_ERR_FAILED, "needs 562949953421440 bytes, ");
	tern_gguf_abort(writer);

	uint8_t *bytes;
	size_t n;
	CHECK(tern_read_file(path, 3, &bytes, &n, &err) == TERN_OK && n == 3 && memcmp(bytes, "old", 3) == 0,
	      "old file gone");
	tern_free(bytes);
	CHECK(scratch_count(true) == 1, "a temporary file is left");
}

static void test_order(void)
{
	const char *path = scratch_path("refused");
	struct gguf_writer *writer = create(path);
	uint64_t dims[1] = {10};
	uint8_t bytes[41] = {0};

	expect(tern_gguf_write_data(writer, bytes, 1, &err), TERN_ERR_FAILED,
	       "1 bytes of data that belong to no tensor");
	tern_gguf_add_tensor(writer, "t", GGUF_TENSOR_F32, 1, dims);
	CHECK(tern_gguf_begin_data(writer, &err) == TERN_OK, "%s", err.message);
	expect(tern_gguf_write_data(writer, bytes, 41, &err), TERN_ERR_FAILED,
	       "tensor 't': more data than its 40 bytes");
	CHECK(tern_gguf_write_data(writer, bytes, 39, &err) == TERN_OK, "%s", err.message);
	CHECK(access(tern_gguf_writer_temp_path(writer), F_OK) == 0, "no temporary file");
	expect(tern_gguf_commit(writer, &err), TERN_ERR_FAILED, "tensor 't': 39 of its 40 bytes were given");
	CHECK(scratch_count(false) == 0, "a file is left");

	writer = create(path);
	tern_gguf_add_tensor(writer, "t", GGUF_TENSOR_F32, 1, dims);
	CHECK(tern_gguf_begin_data(writer, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_gguf_write_data(writer, bytes, 40, &err) == TERN_OK, "%s", err.message);
	expect(tern_gguf_write_data(writer, bytes, 1, &err), TERN_ERR_FAILED, "belong to no tensor");
	tern_gguf_abort(writer);
	CHECK(scratch_count(false) == 0, "a file is left");
}

/* A full disk, as a limit on the size of files. */
static void test_disk_full(void)
{
	const char *path = scratch_path("full");
	struct gguf_writer *writer = create(path);
	struct rlimit limit, small;
	uint64_t dims[1] = {1000000};
	static uint8_t bytes[100000];
	enum tern_status status = TERN_OK;

	tern_gguf_add_tensor(writer, "t", GGUF_TENSOR_F32, 1, dims);
	CHECK(tern_gguf_begin_data(writer, &err) == TERN_OK, "%s", err.message);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 1000000;
	setrlimit(RLIMIT_FSIZE, &small);
	for (int i = 0; i < 40 && status == TERN_OK; i++)
		status = tern_gguf_write_data(writer, bytes, sizeof bytes, &err);
	CHECK(status == TERN_ERR_FAILED && strstr(err.message, "full: cannot write: "), "%s", err.message);
	setrlimit(RLIMIT_FSIZE, &limit);
	tern_gguf_abort(writer);
	CHECK(scratch_count(true) == 0, "a file is left");
}

/* ---- every system call and allocation fails once ---- */

static enum tern_status write_once(struct tern_error *error)
{
	const char *path = scratch_path("target");
	enum tern_status status = write_file(path, 5000, error);

	CHECK(scratch_count(false) == (status == TERN_OK), "%d files after status %d", scratch_count(false),
	      (int)status);
	CHECK(status == TERN_OK || status == TERN_ERR_FAILED, "status %d: %s", (int)status, error->message);
	unlink(path);
	return status;
}

static enum tern_status read_once(struct tern_error *error)
{
	struct tern_file file;
	struct gguf gguf;
	enum tern_status status = tern_file_open(&file, scratch_path("good"), false, error);

	if (status)
		return status;
	status = tern_gguf_parse(&gguf, "good", file.data, file.size, error);
	CHECK(status == TERN_OK || (status == TERN_ERR_FAILED && strstr(error->message, "out of memory")), "%s",
	      error->message);
	if (status == TERN_OK)
		check_pairs(&gguf);
	tern_gguf_free(&gguf);
	tern_file_close(&file);
	return status;
}

static void test_failures(void)
{
	int n;

	n = inject_all("TERN_FAIL_IO", write_once);
	CHECK(n >= 4, "%d calls failed: open, write, fsync, close, rename", n);
	n = inject_all("TERN_FAIL_ALLOC", write_once);
	CHECK(n > 20, "%d allocations failed", n);
	CHECK(write_file(scratch_path("good"), 5000, &err) == TERN_OK, "%s", err.message);
	n = inject_all("TERN_FAIL_ALLOC", read_once);
	CHECK(n > 5, "%d allocations failed", n);
	scratch_count(true);
}

int main(void)
{
	scratch_begin();
	test_round_trip();
	test_copy_pairs();
	test_refused();
	test_order();
	test_disk_full();
	test_failures();
	scratch_end();
	return test_summary();
}
