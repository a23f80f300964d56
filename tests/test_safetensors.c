/* safetensors headers: what the format allows is read, what it does not is refused by name; checkpoint directories
 * with shards, missing files, links and lies; then damaged headers by the thousand. */
#include "scratch.h"
#include "test.h"

#include "base/memory.h"
#include "convert/checkpoint/checkpoint.h"

#include <string.h>
#include <sys/stat.h>

/* A file in memory: header length, JSON, n_data bytes. */
struct file {
	uint8_t bytes[4096];
	size_t n;
};

static void make_file(struct file *file, const char *json, size_t n_data)
{
	uint64_t length = strlen(json);

	memcpy(file->bytes, &length, 8);
	memcpy(file->bytes + 8, json, length);
	for (size_t i = 0; i < n_data; i++)
		file->bytes[8 + length + i] = (uint8_t)i;
	file->n = 8 + length + n_data;
}

/* Reads a header the way a checkpoint does, from buffers of exactly the size promised. */
static enum tern_status parse(const uint8_t *bytes, size_t n, struct tensor **tensors, size_t *n_tensors, char **names,
                              struct tern_error *err)
{
	size_t n_start = n < 64 ? n : 64, n_header;
	uint8_t *start = malloc(n_start ? n_start : 1);
	enum tern_status status;
	char *header;

	if (!start)
		abort();
	memcpy(start, bytes, n_start);
	*tensors = NULL;
	*names = NULL;
	status = safetensors_header_length("t", start, n_start, n, &n_header, err);
	free(start);
	if (status)
		return status;
	header = tern_alloc(n_header + 1, 1);
	memcpy(header, bytes + 8, n_header);
	return safetensors_parse("t", header, n_header, n, tensors, n_tensors, names, err);
}

/* ---- one file ---- */

#define T "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define U "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}"

static const struct {
	const char *json;
	size_t n_data;
	const char *says; /* NULL: good */
} headers[] = {
        {"{}", 0, NULL},
        {"{\"a\":" T "}", 8, NULL},
        {"{\"a\":" T "}   ", 8, NULL},
        {"{\"a\":" T ",\"b\":" U "}", 16, NULL},
        {"{\"b\":" U ",\"a\":" T "}", 16, NULL},
        {"{\"__metadata__\":{\"format\":\"pt\"},\"a\":" T "}", 8, NULL},
        {"{\"__metadata__\":{},\"a\":" T "}", 8, NULL},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1,1,4],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"I16\",\"shape\":[4],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"BOOL\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, NULL},
        {"{\"a\":" T ",\"e\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[8,8]},\"b\":" U "}", 16, NULL},
        {"{\"a\":" T ",\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[16,16]},\"b\":" U "}", 16, NULL},
        {"{\"a.b/c d\\u00e9\":" T "}", 8, NULL},
        /* not the format */
        {"[]", 0, "byte 8: expected '{'"},
        {" {}", 0, "byte 8: expected '{'"},
        {"", 0, "byte 8: expected '{'"},
        {"{}x", 0, "column 3: expected the end"},
        {"{\"a\":" T, 8, "end of the text"},
        {"{\"a\":1}", 0, "expected an object {dtype"},
        {"{\"a\":null}", 0, "expected an object {dtype"},
        {"{\"__metadata__\":[],\"a\":" T "}", 8, "key '__metadata__'"},
        {"{\"__metadata__\":{\"x\":1},\"a\":" T "}", 8, "key '__metadata__.x'"},
        {"{\"\":" T "}", 8, "a name has to be"},
        {"{\"a\\u0000b\":" T "}", 8, "tensor 'a\\x00b': a name"},
        /* twice */
        {"{\"a\":" T ",\"a\":" U "}", 16, "key 'a' stands here a second time"},
        {"{\"a\":" T ",\"\\u0061\":" U "}", 16, "key 'a' stands here a second time"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "second time"},
        /* missing or too much */
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "key 'a.dtype': missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "key 'a.shape': missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "key 'a.data_offsets': missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "key 'a.x'"},
        /* types */
        {"{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "tensor 'a': type 'f32'"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8, "tensor 'a': type 'F8_E4M3'"},
        {"{\"a\":{\"dtype\":\"F32\\u0000\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "type 'F32\\x00'"},
        {"{\"a\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "key 'a.dtype'"},
        /* shapes */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
         "tensor 'a': 8 bytes of data, but [3] of"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "key 'a.shape'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, "key 'a.shape[0]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, "key 'a.shape[0]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,-2],\"data_offsets\":[0,8]}}", 8, "key 'a.shape[1]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2e0],\"data_offsets\":[0,8]}}", 8, "key 'a.shape[0]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "more than 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387906],\"data_offsets\":[0,8]}}", 8,
         "tensor 'a': the product"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967297],\"data_offsets\":[0,8]}}", 8, "the product"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,8]}}", 8, "key 'a.shape[0]'"},
        /* ranges */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "ends before it begins"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "expected two offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, "expected two offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{\"x\":0,\"y\":8}}}", 8, "expected two offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,\"8\"]}}", 8, "key 'a.data_offsets[1]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-0,8]}}", 8, "key 'a.data_offsets[0]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "key 'a.data_offsets[0]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.0]}}", 8, "key 'a.data_offsets[1]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e1]}}", 8, "key 'a.data_offsets[1]'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775808]}}", 8,
         "data ends at byte 9223372036854775808"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[18446744073709551608,18446744073709551615]}}", 8,
         "half downloaded"},
        {"{\"a\":" T "}", 7, "tensor 'a': its data ends at byte 8 of the data but there are 7"},
        {"{\"a\":" T "}", 9, "the last tensor ends here but the file has 1 bytes more"},
        {"{}", 1, "the file has 1 bytes more"},
        {"{\"a\":" U "}", 16, "tensor 'a': there is a hole"},
        {"{\"a\":" T ",\"b\":" T "}", 8, "overlaps"},
        {"{\"a\":" T ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12,
         "tensor 'b': its data overlaps with that of 'a'"},
        {"{\"a\":" T ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}", 20,
         "tensor 'b': there is a hole"},
        {"{\"a\":" T ",\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", 8, "overlaps"},
};

static void test_headers(void)
{
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct tern_error err = {0};
		struct tensor *tensors;
		struct file file;
		size_t n_tensors;
		char *names;
		make_file(&file, headers[i].json, headers[i].n_data);
		enum tern_status status = parse(file.bytes, file.n, &tensors, &n_tensors, &names, &err);
		if (!headers[i].says) {
			CHECK(status == TERN_OK, "%s: %s", headers[i].json, err.message);
		} else {
			CHECK(status == TERN_ERR_FILE, "%s: accepted", headers[i].json);
			CHECK(strstr(err.message, headers[i].says), "%s: expected '%s' in %s", headers[i].json,
			      headers[i].says, err.message);
			CHECK(status == TERN_OK || !tensors, "something left to free");
		}
		tern_free(tensors);
		tern_free(names);
	}
}

static void test_contents(void)
{
	struct tern_error err = {0};
	struct tensor *tensors;
	struct file file;
	size_t n;
	char *names;

	make_file(&file,
	          "{\"x\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
	          "\"y\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
	          16);
	CHECK(parse(file.bytes, file.n, &tensors, &n, &names, &err) == TERN_OK && n == 2, "%s", err.message);
	CHECK(strcmp(tensors[0].name.bytes, "x") == 0 && tensors[0].dtype == DTYPE_BF16, "x");
	CHECK(tensors[0].n_dims == 2 && tensors[0].shape[0] == 2 && tensors[0].shape[1] == 3, "x's shape");
	CHECK(tensors[0].n_bytes == 12 && tensors[0].offset == file.n - 12, "x's place");
	CHECK(tensors[1].n_dims == 0 && tensors[1].n_bytes == 4 && tensors[1].offset == file.n - 16, "y's place");
	tern_free(tensors);
	tern_free(names);
}

/* What stands where weights should be. */
static void test_impostors(void)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *says;
	} files[] = {
	        {"", 0, "the file has 0 bytes"},
	        {"\x02", 1, "the file has 1 bytes"},
	        {"\x02\0\0\0\0\0\0", 7, "the file has 7 bytes"},
	        {"\x02\0\0\0\0\0\0\0", 8, "the file ends after 0"},
	        {"\x02\0\0\0\0\0\0\0{", 9, "the file ends after 1"},
	        {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "header length 18446744073709551615"},
	        {"\x01\xe1\xf5\x05\0\0\0\0{}", 10, "header length 100000001"},
	        {"\0\xe1\xf5\x05\0\0\0\0{}", 10, "download it again"},
	        {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", 58, "git lfs pull"},
	        {"<!DOCTYPE html><html>", 21, "web page"},
	        {"{\"error\":\"Repository not found\"}", 32, "JSON"},
	        {"PK\x03\x04........", 12, "save that as safetensors"},
	        {"\x80\x02}q\x01X\x01\0\0\0a", 11, "pickle"},
	        {"GGUF\x03\0\0\0\0\0\0\0", 12, "GGUF"},
	};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct tern_error err = {0};
		struct tensor *tensors;
		size_t n_tensors;
		char *names;
		enum tern_status status =
		        parse((const uint8_t *)files[i].bytes, files[i].n, &tensors, &n_tensors, &names, &err);
		CHECK(status == TERN_ERR_FILE && strstr(err.message, files[i].says), "file %zu: %s", i, err.message);
	}
}

/* ---- damage ---- */

static void parse_any(const uint8_t *bytes, size_t n)
{
	struct tern_error err = {0};
	struct tensor *tensors;
	size_t n_tensors = 0;
	char *names;
	enum tern_status status = parse(bytes, n, &tensors, &n_tensors, &names, &err);

	CHECK(status == TERN_OK || (status == TERN_ERR_FILE && strncmp(err.message, "t: ", 3) == 0), "%s", err.message);
	for (size_t i = 0; i < n_tensors && !status; i++)
		CHECK(tensors[i].offset <= n && tensors[i].n_bytes <= n - tensors[i].offset, "a tensor outside");
	tern_free(tensors);
	tern_free(names);
}

static void test_damage(void)
{
	struct file good, bad;

	make_file(&good,
	          "{\"__metadata__\":{\"format\":\"pt\"},\"a.weight\":" T ",\"b\":" U ","
	          "\"c\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[16,20]}}",
	          20);
	for (size_t n = 0; n <= good.n; n++)
		parse_any(good.bytes, n);
	for (size_t bit = 0; bit < good.n * 8; bit++) {
		bad = good;
		bad.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		parse_any(bad.bytes, bad.n);
	}
	for (int round = 0; round < 5000; round++) {
		static const char alphabet[] = "0123456789[]{},:\"-.eFU";
		bad = good;
		for (uint64_t i = test_random() % 4 + 1; i > 0; i--)
			bad.bytes[8 + test_random() % (bad.n - 8)] =
			        (uint8_t)alphabet[test_random() % (sizeof alphabet - 1)];
		parse_any(bad.bytes, bad.n);
	}
}

/* ---- directories ---- */

static void write_tensors(const char *name, const char *json, size_t n_data)
{
	struct file file;

	make_file(&file, json, n_data);
	scratch_write(scratch_path(name), file.bytes, file.n);
}

static void write_index(const char *json)
{
	scratch_write(scratch_path("model.safetensors.index.json"), json, strlen(json));
}

/* Opens the scratch directory as a checkpoint. Success if says is NULL, else an error with that in the message. */
static void check_open(const char *what, const char *says)
{
	struct tern_error err = {0};
	struct directory dir;
	struct checkpoint ckpt;
	enum tern_status status = directory_open(&dir, scratch_directory, &err);

	CHECK(status == TERN_OK, "%s", err.message);
	status = checkpoint_open(&ckpt, &dir, &err);
	if (!says) {
		CHECK(status == TERN_OK, "%s: %s", what, err.message);
	} else {
		CHECK(status == TERN_ERR_FILE, "%s: accepted", what);
		CHECK(strstr(err.message, says) && strstr(err.message, scratch_directory), "%s: expected '%s' in %s",
		      what, says, err.message);
	}
	checkpoint_close(&ckpt);
	directory_close(&dir);
}

static const char two_shards[] = "{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\"}}";
static const char one_a[] = "{\"a\":" T "}", one_b[] = "{\"b\":" T "}";

static void test_shards(void)
{
	static const struct {
		const char *index, *says;
	} indexes[] = {
	        {two_shards, NULL},
	        {"{\"metadata\":{\"total_size\":16},\"weight_map\":{\"b\":\"s2.safetensors\",\"a\":\"s1.safetensors\"}"
	         "}",
	         NULL},
	        {"{\"weight_map\":{\"a\":\"s1.safetensors\"}}", NULL},
	        {"{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s1.safetensors\"}}",
	         "no shard holds the tensor 'b'"},
	        {"{\"weight_map\":{\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\"}}",
	         "the tensor 'a' is in s1.safetensors"},
	        {"{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s3.safetensors\"}}", "s3.safetensors: is missing"},
	        {"{\"weight_map\":{\"a\":\"s1.safetensors\",\"c\":\"s2.safetensors\"}}",
	         "no shard holds the tensor 'c'"},
	        {"{\"weight_map\":{\"a\":\"s1.safetensors\",\"a\":\"s2.safetensors\"}}", "second time"},
	        {"{\"weight_map\":{\"a\":\"../s1.safetensors\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":\"/etc/x.safetensors\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":\"d/s1.safetensors\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":\"d\\\\s1.safetensors\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":\".safetensors\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":\"\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":\"s1\\u001b.safetensors\"}}", "'s1\\x1b.safetensors' is not the name"},
	        {"{\"weight_map\":{\"a\":\"s1.safetensors\\u0000\"}}", "not the name of a .safetensors file"},
	        {"{\"weight_map\":{\"a\":1}}", "key 'weight_map.a'"},
	        {"{\"weight_map\":[]}", "key 'weight_map'"},
	        {"{}", "key 'weight_map': missing"},
	        {"{\"weight_map\":{}}", "no tensors"},
	        {"", "end of the text"},
	};

	write_tensors("s1.safetensors", one_a, 8);
	write_tensors("s2.safetensors", one_b, 8);
	for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
		write_index(indexes[i].index);
		check_open(indexes[i].index, indexes[i].says);
	}
	write_index(two_shards);
	write_tensors("s2.safetensors", "{\"b\":" T ",\"a\":" U "}", 16);
	check_open("a tensor in two shards", "s2.safetensors: tensor 'a': is also in");
	write_tensors("s2.safetensors", "{\"b\":" T ",\"c\":" U "}", 16);
	check_open("a tensor the index does not list", "tensor 'c': model.safetensors.index.json does not list it");
	scratch_count(true);
}

static void test_what_is_there(void)
{
	check_open("an empty directory", "not a checkpoint, or half downloaded");
	scratch_write(scratch_path("pytorch_model.bin"), "x", 1);
	check_open("PyTorch only", "(pytorch_model.bin): convert to safetensors first");
	write_tensors("model.safetensors", one_a, 8);
	check_open("both", NULL);
	write_tensors("model.safetensors", one_a, 7);
	check_open("cut", "model.safetensors: tensor 'a': its data ends at byte 8");
	write_tensors("model.safetensors", "{}", 0);
	check_open("nothing in it", "holds no tensors");
	remove(scratch_path("model.safetensors"));
	CHECK(mkdir(scratch_path("model.safetensors"), 0777) == 0, "mkdir");
	check_open("a directory", "model.safetensors: is no regular file");
	remove(scratch_path("model.safetensors"));
	CHECK(mkfifo(scratch_path("model.safetensors"), 0666) == 0, "mkfifo");
	check_open("a pipe", "model.safetensors: is no regular file");
	scratch_count(true);
	write_tensors("model-00001-of-00002.safetensors", one_a, 8);
	check_open("shards without index", "model.safetensors.index.json: is missing");
	scratch_count(true);
}

/* Links are followed inside the directory and into the blobs of a Hugging Face cache, nowhere else. */
static void test_links(void)
{
	char outer[sizeof scratch_directory];

	write_tensors("other.safetensors", one_a, 8);
	CHECK(symlink("other.safetensors", scratch_path("model.safetensors")) == 0, "symlink");
	check_open("a link inside", NULL);
	remove(scratch_path("model.safetensors"));
	CHECK(symlink("nowhere", scratch_path("model.safetensors")) == 0, "symlink");
	check_open("a link to nothing", "leads nowhere");
	remove(scratch_path("model.safetensors"));
	CHECK(symlink("/dev/null", scratch_path("model.safetensors")) == 0, "symlink");
	check_open("a link out", "a symbolic link out of the checkpoint (to /dev/null)");
	scratch_count(true);

	CHECK(mkdir(scratch_path("blobs"), 0777) == 0 && mkdir(scratch_path("snapshots"), 0777) == 0 &&
	              mkdir(scratch_path("snapshots/r1"), 0777) == 0 && mkdir(scratch_path("blobs2"), 0777) == 0,
	      "directories");
	write_tensors("blobs/0123", one_a, 8);
	write_tensors("blobs2/0123", one_a, 8);
	memcpy(outer, scratch_directory, sizeof outer);
	snprintf(scratch_directory, sizeof scratch_directory, "%.480s/snapshots/r1", outer);
	CHECK(symlink("../../blobs/0123", scratch_path("model.safetensors")) == 0, "symlink");
	check_open("a cache", NULL);
	remove(scratch_path("model.safetensors"));
	CHECK(symlink("../../blobs2/0123", scratch_path("model.safetensors")) == 0, "symlink");
	check_open("beside the cache", "out of the checkpoint");
	scratch_count(true);
	memcpy(scratch_directory, outer, sizeof outer);
	remove(scratch_path("blobs/0123"));
	remove(scratch_path("blobs2/0123"));
	remove(scratch_path("snapshots/r1"));
	scratch_count(true);
}

static void test_reading(void)
{
	struct tern_error err = {0};
	struct directory dir;
	struct checkpoint ckpt;
	uint8_t bytes[8] = {0};

	write_tensors("model.safetensors", "{\"a\":" T ",\"b\":" U "}", 16);
	CHECK(directory_open(&dir, scratch_directory, &err) == TERN_OK, "%s", err.message);
	CHECK(checkpoint_open(&ckpt, &dir, &err) == TERN_OK, "%s", err.message);
	CHECK(!checkpoint_find(&ckpt, "c") && checkpoint_find(&ckpt, "a"), "names");
	const struct tensor *b = checkpoint_find(&ckpt, "b");
	CHECK(b && checkpoint_read(&ckpt, b, 2, 6, bytes, &err) == TERN_OK, "%s", err.message);
	CHECK(memcmp(bytes, "\x0a\x0b\x0c\x0d\x0e\x0f\0", 8) == 0, "bytes %d %d", bytes[0], bytes[5]);
	CHECK(checkpoint_check_unchanged(&ckpt, &err) == TERN_OK, "%s", err.message);
	CHECK(truncate(scratch_path("model.safetensors"), (off_t)(ckpt.shards[0].size - 4)) == 0, "truncate");
	CHECK(checkpoint_check_unchanged(&ckpt, &err) == TERN_ERR_FILE && strstr(err.message, "changed"), "%s",
	      err.message);
	CHECK(checkpoint_read(&ckpt, b, 0, 8, bytes, &err) == TERN_ERR_FILE && strstr(err.message, "shorter"), "%s",
	      err.message);
	checkpoint_close(&ckpt);
	directory_close(&dir);
	CHECK(directory_open(&dir, scratch_path("model.safetensors"), &err) == TERN_ERR_FILE &&
	              strstr(err.message, "is no directory"),
	      "%s", err.message);
	CHECK(directory_open(&dir, scratch_path("absent"), &err) == TERN_ERR_FILE, "%s", err.message);
	scratch_count(true);
}

int main(void)
{
	test_headers();
	test_contents();
	test_impostors();
	test_damage();
	scratch_begin();
	test_shards();
	test_what_is_there();
	test_links();
	test_reading();
	scratch_end();
	return test_summary();
}
