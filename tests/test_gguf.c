/* The GGUF reader: good files of every kind, bad files with the message each deserves, values by type. */
#include "base/bytes.h"
#include "gguf_build.h"
#include "model/gguf_parse.h"
#include "test.h"

static struct tern_error err;

/* Builds, copies to an exact-size block and parses it. *copy is to be freed after the gguf. */
static enum tern_status parse_text(struct gguf *gguf, const char *text, uint8_t **copy)
{
	struct build b = {0};

	build_text(&b, text);
	*copy = build_copy(b.bytes, b.n);
	tern_free(b.bytes);
	err.message[0] = 0;
	return tern_gguf_parse(gguf, "m.gguf", *copy, b.n, &err);
}

/* ---- files ---- */

/* clang-format off */
static const struct {
	const char *name, *text;
	const char *expected; /* part of the message; NULL: the file is good */
} cases[] = {
	/* things that are not GGUF */
	{"empty", "", "m.gguf: byte 0: the file is empty"},
	{"one byte", "`G`", "byte 0: not a GGUF model: it begins with 'G'"},
	{"wrong magic", "`FUGG` 4:3 8:0 8:0", "byte 0: not a GGUF model: it begins with 'FUGG'"},
	{"binary magic", "4:0x1b020100 4:3 8:0 8:0", "begins with '\\x00\\x01\\x02\\x1b'"},
	{"PNG", "1:0x89 `PNG` 4:0x0a1a0a0d *20", "PNG image"},
	{"JPEG", "4:0xe0ffd8ff *20", "JPEG image"},
	{"ZIP", "`PK` 1:3 1:4 *20", "ZIP archive or Python pickle, perhaps a PyTorch checkpoint"},
	{"gzip", "1:0x1f 1:0x8b *20", "gzip"},
	{"zstd", "4:0xfd2fb528 *20", "zstd"},
	{"pickle", "1:0x80 1:2 *20", "pickle"},
	{"ELF", "1:0x7f `ELF` *20", "program"},
	{"old GGML", "`tjgg` 4:3 *20", "GGML file"},
	{"HTML", "`<!DOCTYPE html><html>`", "web page"},
	{"HTML after spaces", "1:13 1:10 1:9 ` <HTML lang=en>`", "web page"},
	{"XML", "`<?xml version=`", "XML"},
	{"JSON", "1:10 `{ }`", "JSON"},
	{"LFS pointer", "`version https://git-lfs.github.com/spec/v1`", "Git LFS pointer"},
	{"safetensors", "8:16 `{\"a\":{}}        ` *8", "safetensors"},
	{"safetensors with a lying length is unknown", "8:99 `{\"a\":{}}        `", "it begins with 'c\\x00\\x00\\x00'"},

	/* version and counts */
	{"magic alone", "`GGUF`", "byte 4: the file ends at byte 4, inside the version"},
	{"version 0", "H0,0,0", "byte 4: GGUF version 0; tern reads versions 2 and 3"},
	{"version 1", "H1,0,0", "byte 4: GGUF version 1"},
	{"version 4", "H4,0,0", "byte 4: GGUF version 4"},
	{"version 2^32-1", "H0xffffffff,0,0", "GGUF version 4294967295"},
	{"big-endian", "H0x03000000,0,0", "byte 4: the file is big-endian"},
	{"version 2", "H2,0,0", NULL},
	{"nothing in it", "H3,0,0", NULL},
	{"nothing, and bytes after it", "H3,0,0 *1000", NULL},
	{"count cut", "`GGUF` 4:3 4:0", "byte 8: the file ends at byte 12, inside the number of tensors"},
	{"second count cut", "`GGUF` 4:3 8:0 7:0", "byte 16: the file ends at byte 23, inside the number of keys"},
	{"2^64-1 tensors", "H3,-1,0", "byte 8: the number of tensors is 18446744073709551615; at most 65536"},
	{"2^63 tensors", "H3,0x8000000000000000,0", "at most 65536"},
	{"2^32 tensors", "H3,0x100000000,0", "at most 65536"},
	{"65537 tensors", "H3,65537,0 *3000000", "at most 65536"},
	{"2^64-1 keys", "H3,0,-1", "byte 16: the number of keys is 18446744073709551615; at most 65535"},
	{"2^63 keys", "H3,0,0x8000000000000000", "at most 65535"},
	{"2^32 keys", "H3,0,0x100000000", "at most 65535"},
	{"10^6 keys", "H3,0,1000000 *13000000", "the number of keys is 1000000; at most 65535"},
	{"one tensor in no bytes", "H3,1,0", "byte 8: the number of tensors is 1, too many for a file of 24 bytes"},
	{"one key in no bytes", "H3,0,1", "byte 16: the number of keys is 1, too many for a file of 24 bytes"},
	{"one key more than present", "H3,0,2 'a' 4:4 4:7 *11", "byte 49: an empty key"},
	{"one key more than present, at the end", "H3,0,2 'a' 4:8 '0123456789'",
	 "byte 55: the file ends at byte 55, inside a key"},
	{"one tensor more than present", "H3,2,0 't' 4:1 8:8 4:0 8:0 @32 *32", "byte 65: an empty tensor name"},

	/* keys */
	{"key of length 0", "H3,0,1 '' 4:4 4:7", "byte 32: an empty key"},
	{"key length 2^64-1", "H3,0,1 8:-1 `abc` 4:4 4:7", "a key at byte 24 has a length of 18446744073709551615; at most 256"},
	{"key length 257", "H3,0,1 8:257 *300", "a key at byte 24 has a length of 257"},
	{"key past the end", "H3,0,1 8:200 `abc` 4:4 4:7", "byte 32: the file ends at byte 43, inside a key"},
	{"key with NUL", "H3,0,1 8:3 `a` 1:0 `b` 4:4 4:7", "byte 32: the key 'a\\x00b' is not ASCII text"},
	{"key not ASCII", "H3,0,1 8:2 1:0xc3 1:0xa9 4:4 4:7", "byte 32: the key '\\xc3\\xa9' is not ASCII text"},
	{"key with ESC", "H3,0,1 8:5 1:27 `[2Jx` 4:4 4:7", "the key '\\x1b[2Jx'"},
	{"key twice", "H3,0,3 'b' 4:4 4:7 'a' 4:4 4:1 'b' 4:8 'x'", "key 'b': is there twice, at byte 32 and byte 66"},
	{"keys that begin alike", "H3,0,4 'ab' 4:4 4:7 'a' 4:4 4:1 'abc' 4:4 4:7 'b' 4:4 4:7", NULL},

	/* values */
	{"value type 13", "H3,0,1 'k' 4:13 8:0", "key 'k': the type is 13; types go from 0 to 12"},
	{"value type 255", "H3,0,1 'k' 4:255 8:0", "key 'k': the type is 255"},
	{"value type -1", "H3,0,1 'k' 4:-1 8:0", "key 'k': the type is 4294967295"},
	{"value cut", "H3,0,1 'k' 4:10 7:0", "key 'k': the file ends at byte 44, inside the value at byte 37 (8 bytes)"},
	{"type cut", "H3,0,1 8:10 `0123456789` 3:0", "key '0123456789': the file ends at byte 45, inside the type at byte 42"},
	{"bool 2", "H3,0,1 'k' 4:7 1:2", "key 'k': a bool of 2 at byte 37"},
	{"bool 2 in an array", "H3,0,1 'k' 4:9 4:7 8:3 1:0 1:1 1:2", "key 'k': a bool of 2 at byte 51"},
	{"string length 2^64-1", "H3,0,1 'k' 4:8 8:-1 *9", "key 'k': a string at byte 37 has a length of 18446744073709551615; at most 16777216"},
	{"string length 2^61", "H3,0,1 'k' 4:8 8:0x2000000000000000", "key 'k': a string at byte 37 has a length of"},
	{"string length 2^32", "H3,0,1 'k' 4:8 8:0x100000000", "key 'k': a string"},
	{"string one past the end", "H3,0,1 'k' 4:8 8:11 *10", "key 'k': the file ends at byte 55, inside a string at byte 45 (11 bytes)"},
	{"string with anything in it", "H3,0,1 'k' 4:8 8:4 4:0xff1b00c3", NULL},
	{"string without length", "H3,0,1 'k' 4:8 7:0", "inside a string at byte 37"},
	{"array of arrays", "H3,0,1 'k' 4:9 4:9 8:1 4:9 8:1 4:0", "key 'k': an array of arrays"},
	{"item type 13", "H3,0,1 'k' 4:9 4:13 8:0", "key 'k': the item type is 13"},
	{"array length 2^64-1", "H3,0,1 'k' 4:9 4:4 8:-1 4:0", "key 'k': an array of 18446744073709551615 items; at most 67108864"},
	{"array length 2^61", "H3,0,1 'k' 4:9 4:10 8:0x2000000000000000", "at most 67108864"},
	{"array length 2^32", "H3,0,1 'k' 4:9 4:0 8:0x100000000", "at most 67108864"},
	{"array one past the end", "H3,0,1 'k' 4:9 4:4 8:3 4:0 4:0 3:0", "key 'k': an array of 3 items at byte 49 does not fit the file's 60 bytes"},
	{"2^26 empty strings", "H3,0,1 'k' 4:9 4:8 8:67108864 *1000", "key 'k': an array of 67108864 items at byte 49 does not fit"},
	{"strings, the last one cut", "H3,0,1 'k' 4:9 4:8 8:2 'abc' 8:2 `x`", "key 'k': the file ends at byte 69, inside a string at byte 68"},
	{"strings, one of 2^64-1", "H3,0,1 'k' 4:9 4:8 8:2 'abc' 8:-1", "a string at byte 60 has a length of 18446744073709551615"},
	{"array length cut", "H3,0,1 'k' 4:9 4:8 7:0", "inside the array length"},
	{"empty arrays", "H3,0,2 'k' 4:9 4:8 8:0 'l' 4:9 4:12 8:0", NULL},

	/* alignment */
	{"alignment 0", "H3,0,1 'general.alignment' 4:4 4:0", "key 'general.alignment': 0; expected a power of two from 1 to 65536"},
	{"alignment 3", "H3,0,1 'general.alignment' 4:4 4:3", "key 'general.alignment': 3;"},
	{"alignment 13", "H3,0,1 'general.alignment' 4:4 4:13", "key 'general.alignment': 13;"},
	{"alignment 2^17", "H3,0,1 'general.alignment' 4:4 4:131072", "key 'general.alignment': 131072;"},
	{"alignment 2^31", "H3,0,1 'general.alignment' 4:4 4:0x80000000", "key 'general.alignment': 2147483648;"},
	{"alignment as i32", "H3,0,1 'general.alignment' 4:5 4:32", "key 'general.alignment': is of type i32; expected u32"},
	{"alignment as string", "H3,0,1 'general.alignment' 4:8 '32'", "key 'general.alignment': is of type string; expected u32"},
	{"alignment as array", "H3,0,1 'general.alignment' 4:9 4:4 8:1 4:32", "key 'general.alignment': is of type array"},
	{"alignment 1", "H3,2,1 'general.alignment' 4:4 4:1 't' 4:1 8:1 4:0 8:0 'u' 4:1 8:1 4:1 8:5 *7", NULL},
	{"alignment 8", "H3,1,1 'general.alignment' 4:4 4:8 't' 4:1 8:1 4:0 8:8 @8 *12", NULL},
	{"alignment 64", "H3,1,1 'general.alignment' 4:4 4:64 't' 4:1 8:1 4:0 8:64 @64 *68", NULL},
	{"alignment 4096", "H3,1,1 'general.alignment' 4:4 4:4096 't' 4:1 8:1 4:0 8:4096 @4096 *4100", NULL},
	{"offset packed closer than aligned", "H3,1,0 't' 4:1 8:1 4:0 8:4 @32 *32", "tensor 't': offset 4 is not a multiple of the alignment, 32"},

	/* tensor names */
	{"name of length 0", "H3,1,0 '' 4:1 8:8 4:0 8:0 @32 *32", "byte 32: an empty tensor name"},
	{"name of 64 bytes", "H3,1,0 '0123456789012345678901234567890123456789012345678901234567890123' 4:1 8:8 4:0 8:0 @32 *32", NULL},
	{"name of 65 bytes", "H3,1,0 '01234567890123456789012345678901234567890123456789012345678901234' 4:1 8:8 4:0 8:0 @32 *32",
	 "byte 32: a tensor name at byte 24 has a length of 65; at most 64"},
	{"name length 2^64-1", "H3,1,0 8:-1 *100", "a tensor name at byte 24 has a length of 18446744073709551615"},
	{"odd name", "H3,1,0 8:6 `/` 4:0xc31b0000 1:0x80 4:1 8:8 4:0 8:0 @32 *32", NULL},
	{"odd name, cut", "H3,1,0 8:6 `/` 4:0xc31b0000 1:0x80 4:1 8:8 4:0 8:0 @32 *31", "tensor '/\\x00\\x00\\x1b\\xc3\\x80': needs bytes 64 to 96, the file has 95"},
	{"name twice", "H3,3,0 't' 4:1 8:8 4:0 8:0 'u' 4:1 8:8 4:0 8:32 't' 4:1 8:8 4:0 8:64 @32 *96",
	 "tensor 't': is there twice, at byte 32 and byte 98"},

	/* tensor shapes */
	{"no dimensions", "H3,1,0 't' 4:0 4:0 8:0 *40", "tensor 't': has 0 dimensions; expected 1 to 4"},
	{"5 dimensions", "H3,1,0 't' 4:5 8:1 8:1 8:1 8:1 8:1 4:0 8:0 *40", "tensor 't': has 5 dimensions"},
	{"2^32-1 dimensions", "H3,1,0 't' 4:-1 8:1 4:0 8:0 *40", "tensor 't': has 4294967295 dimensions"},
	{"dimension 0", "H3,1,0 't' 4:2 8:8 8:0 4:0 8:0 *40", "tensor 't': dimension 1 is 0"},
	{"dimension -1", "H3,1,0 't' 4:1 8:-1 4:0 8:0 *40", "tensor 't': dimension 0 is 18446744073709551615: more than 2^48 weights"},
	{"dimension 2^63", "H3,1,0 't' 4:2 8:0x8000000000000000 8:2 4:0 8:0 *40", "tensor 't': dimension 0 is 9223372036854775808"},
	{"2^40 x 2^40", "H3,1,0 't' 4:2 8:0x10000000000 8:0x10000000000 4:0 8:0 *40", "tensor 't': dimension 1 is 1099511627776: more than 2^48"},
	{"4 (2^31 - 1) squared", "H3,1,0 't' 4:2 8:8589934588 8:8589934588 4:0 8:0 *40", "tensor 't': dimension 1"},
	{"product wraps to 0", "H3,1,0 't' 4:4 8:65536 8:65536 8:65536 8:65536 4:0 8:0 *40", "tensor 't': dimension 3"},
	{"2^48 weights", "H3,1,0 't' 4:1 8:0x1000000000000 4:0 8:0 *40", "tensor 't': needs bytes 64 to 1125899906842688, the file has 97"},
	{"a dimension cut", "H3,1,0 'ttttttttttttttttt' 4:2 8:1 3:0", "tensor 'ttttttttttttttttt': the file ends at byte 64, inside a dimension at byte 61"},
	{"4 dimensions", "H3,1,0 't' 4:4 8:2 8:2 8:2 8:2 4:0 8:0 @32 *64", NULL},

	/* offsets */
	{"offset 2^64-1", "H3,1,0 't' 4:1 8:8 4:0 8:-1 @32 *32", "tensor 't': offset 18446744073709551615 is not a multiple"},
	{"offset 2^64-32", "H3,1,0 't' 4:1 8:8 4:0 8:-32 @32 *32", "tensor 't': offset 18446744073709551584 is beyond any file"},
	{"end wraps", "H3,1,0 't' 4:1 8:8 4:0 8:-96 @32 *32", "tensor 't': offset 18446744073709551520 is beyond any file"},
	{"offset past the end", "H3,1,0 't' 4:1 8:8 4:0 8:32 @32 *32", "tensor 't': needs bytes 96 to 128, the file has 96"},
	{"last byte missing", "H3,1,0 't' 4:1 8:8 4:0 8:0 @32 *31", "tensor 't': needs bytes 64 to 96, the file has 95; is it cut short?"},
	{"no data", "H3,1,0 't' 4:1 8:8 4:0 8:0", "tensor 't': needs bytes 64 to 96, the file has 57"},
	{"last byte there", "H3,1,0 't' 4:1 8:8 4:0 8:0 @32 *32", NULL},
	{"sum of two sizes wraps", "H3,2,0 't' 4:1 8:0x1000000000000 4:0 8:0 'u' 4:1 8:0x1000000000000 4:0 8:0x4000000000000 @32 *32",
	 "tensor 't': needs bytes"},
	{"overlap by one byte", "H3,2,1 'general.alignment' 4:4 4:1 't' 4:1 8:2 4:0 8:0 'u' 4:1 8:2 4:0 8:7 *16",
	 "tensor 'u': begins at byte 130, inside tensor 't' (bytes 123 to 131)"},
	{"overlap, in another order", "H3,2,0 't' 4:1 8:16 4:0 8:32 'u' 4:1 8:16 4:0 8:0 @32 *128", "tensor 't': begins at byte 128, inside tensor 'u'"},
	{"the same offset twice", "H3,2,0 't' 4:1 8:8 4:0 8:0 'u' 4:1 8:8 4:0 8:0 @32 *64", "tensor 'u': begins at byte 96, inside tensor 't'"},
	{"a hole, another order, and more at the end", "H3,2,0 't' 4:1 8:8 4:0 8:128 'u' 4:1 8:8 4:0 8:0 @32 *200", NULL},

	/* tensor types */
	{"type 40", "H3,1,0 't' 4:1 8:256 4:40 8:0 @32 *2000", "tensor 't': is of type 40 (NVFP4); tern reads F32, F16"},
	{"type 2019", "H3,1,0 't' 4:1 8:256 4:2019 8:0 @32 *2000", "tensor 't': is of type 2019 (unknown); tern reads"},
	{"type -1", "H3,1,0 't' 4:1 8:256 4:-1 8:0 @32 *2000", "tensor 't': is of type 4294967295 (unknown)"},
	{"removed type", "H3,1,0 't' 4:1 8:256 4:31 8:0 @32 *2000", "is of type 31 (Q4_0_4_4, removed)"},
	{"the list of types is whole", "H3,1,0 't' 4:1 8:256 4:38 8:0 @32 *2000", "TQ1_0, TQ2_0, I2_S, Q1_0, Q2_0, PQ2_0, PTQ1_0, T2R16, Q8P, T1R16"},
	{"Q8_0 with 48 columns", "H3,1,0 't' 4:2 8:48 8:2 4:8 8:0 @32 *2000", "tensor 't': has 48 columns; Q8_0 needs a multiple of 32"},
	{"Q6_K with 32 columns", "H3,1,0 't' 4:2 8:32 8:8 4:14 8:0 @32 *2000", "Q6_K needs a multiple of 256"},
	{"T2R16 with 24 columns", "H3,1,0 't' 4:2 8:24 8:16 4:2016 8:0 @32 *2000", "T2R16 needs a multiple of 16"},
	{"I2_S with 6 columns", "H3,1,0 't' 4:2 8:6 8:16 4:36 8:0 @32 *2000", "I2_S needs a multiple of 4"},
	{"T1R16 with 48 columns", "H3,1,0 't' 4:2 8:48 8:16 4:2018 8:0 @32 *2000", "T1R16 needs a multiple of 32"},
	{"T2R16 with padded rows", "H3,1,0 't' 4:2 8:32 8:17 4:2016 8:0 @32 *256", NULL},
	{"T2R16 with padded rows, cut", "H3,1,0 't' 4:2 8:32 8:17 4:2016 8:0 @32 *255", "needs bytes 96 to 352, the file has 351"},
	{"Q8P", "H3,1,0 't' 4:2 8:32 8:1 4:2017 8:0 @32 *512", NULL},
	{"Q8P, cut", "H3,1,0 't' 4:2 8:32 8:1 4:2017 8:0 @32 *511", "needs bytes 96 to 608, the file has 607"},
};
/* clang-format on */

static void test_cases(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct gguf gguf;
		uint8_t *copy;
		enum tern_status status = parse_text(&gguf, cases[i].text, &copy);
		if (cases[i].expected) {
			CHECK(status == TERN_ERR_FILE, "%s: status %d", cases[i].name, (int)status);
			CHECK(strstr(err.message, cases[i].expected), "%s: %s", cases[i].name, err.message);
			CHECK(strncmp(err.message, "m.gguf: ", 8) == 0 && !strchr(err.message, '\n'), "%s: %s",
			      cases[i].name, err.message);
			CHECK(!gguf.pairs && !gguf.tensors && !gguf.pair_order && !gguf.tensor_order,
			      "%s: left something", cases[i].name);
		} else {
			CHECK(status == TERN_OK, "%s: %s", cases[i].name, err.message);
		}
		tern_gguf_free(&gguf);
		free(copy);
	}
}

/* ---- values ---- */

static const char *const every_type =
        "H3,0,16 "
        "'u8' 4:0 1:200  'i8' 4:1 1:-100  'u16' 4:2 2:60000  'i16' 4:3 2:-30000 "
        "'u32' 4:4 4:4000000000  'i32' 4:5 4:-2000000000  'f32' 4:6 4:0x3fc00000 "
        "'yes' 4:7 1:1  'no' 4:7 1:0  'text' 4:8 'hello' "
        "'u64' 4:10 8:0xffffffffffffffff  'i64' 4:11 8:-5  'f64' 4:12 8:0x3ff8000000000000 "
        "'numbers' 4:9 4:5 8:3 4:-1 4:0 4:7 "
        "'strings' 4:9 4:8 8:3 'a' '' 'ccc' "
        "'huge' 4:12 8:0x7fe0000000000000";

static void check_u32(const struct gguf *gguf, const char *key, uint32_t expected, const char *message)
{
	uint32_t value = 77;
	bool found = false;
	enum tern_status status = tern_gguf_get_u32(gguf, key, &value, &found, &err);

	if (message) {
		CHECK(status == TERN_ERR_FILE && value == 77, "%s: status %d, value %u", key, (int)status, value);
		CHECK(strstr(err.message, message) && strstr(err.message, key), "%s: %s", key, err.message);
	} else {
		CHECK(status == TERN_OK && value == expected, "%s: %u, %s", key, value, err.message);
	}
	CHECK(found == (strcmp(key, "absent") != 0), "%s: found %d", key, found);
}

static void test_integers(const struct gguf *gguf)
{
	check_u32(gguf, "u8", 200, NULL);
	check_u32(gguf, "i8", 0, "-100 is out of range");
	check_u32(gguf, "u16", 60000, NULL);
	check_u32(gguf, "i16", 0, "-30000 is out of range");
	check_u32(gguf, "u32", 4000000000, NULL);
	check_u32(gguf, "i32", 0, "-2000000000 is out of range");
	check_u32(gguf, "u64", 0, "18446744073709551615 is too large");
	check_u32(gguf, "i64", 0, "-5 is out of range");
	check_u32(gguf, "f32", 0, "is of type f32; expected an integer");
	check_u32(gguf, "yes", 0, "is of type bool; expected an integer");
	check_u32(gguf, "text", 0, "is of type string; expected an integer");
	check_u32(gguf, "numbers", 0, "is an array of i32; expected an integer");
	check_u32(gguf, "absent", 77, NULL);
	CHECK(tern_gguf_get_u32(gguf, "u8", &(uint32_t){0}, NULL, NULL) == TERN_OK, "found and err may be NULL");
}

static void test_floats(const struct gguf *gguf)
{
	float value = 0;
	bool found;

	CHECK(tern_gguf_get_f32(gguf, "f32", &value, &found, &err) == TERN_OK && value == 1.5f && found, "%g",
	      (double)value);
	value = 0;
	CHECK(tern_gguf_get_f32(gguf, "f64", &value, &found, &err) == TERN_OK && value == 1.5f, "%g", (double)value);
	CHECK(tern_gguf_get_f32(gguf, "absent", &value, &found, &err) == TERN_OK && value == 1.5f && !found, "absent");
	CHECK(tern_gguf_get_f32(gguf, "u32", &value, &found, &err) == TERN_ERR_FILE, "an integer is no float");
	CHECK(strstr(err.message, "m.gguf: key 'u32': is of type u32; expected f32"), "%s", err.message);
	CHECK(tern_gguf_get_f32(gguf, "huge", &value, &found, &err) == TERN_ERR_FILE, "beyond f32");
	CHECK(strstr(err.message, "key 'huge': 8.98847e+307 is out of the range of f32"), "%s", err.message);
}

static void test_others(const struct gguf *gguf)
{
	struct gguf_string text = {0};
	const struct gguf_pair *pair;
	bool value = false, found;

	CHECK(tern_gguf_get_bool(gguf, "yes", &value, &found, &err) == TERN_OK && value && found, "%s", err.message);
	CHECK(tern_gguf_get_bool(gguf, "no", &value, &found, &err) == TERN_OK && !value, "%s", err.message);
	CHECK(tern_gguf_get_bool(gguf, "u8", &value, &found, &err) == TERN_ERR_FILE, "a u8 is no bool");
	CHECK(strstr(err.message, "key 'u8': is of type u8; expected bool"), "%s", err.message);
	CHECK(tern_gguf_get_string(gguf, "text", &text, &found, &err) == TERN_OK && text.length == 5 &&
	              memcmp(text.bytes, "hello", 5) == 0,
	      "%s", err.message);
	CHECK(tern_gguf_get_string(gguf, "strings", &text, &found, &err) == TERN_ERR_FILE, "an array is no string");
	CHECK(strstr(err.message, "key 'strings': is an array of string; expected string"), "%s", err.message);

	CHECK(tern_gguf_get_array(gguf, "numbers", GGUF_I32, &pair, &err) == TERN_OK && pair && pair->n_items == 3,
	      "%s", err.message);
	CHECK((int32_t)tern_load_u32(pair->value) == -1 && tern_load_u32(pair->value + 8) == 7, "wrong items");
	CHECK(tern_gguf_value_bytes(pair) == 12, "value bytes");
	CHECK(tern_gguf_get_array(gguf, "numbers", GGUF_F32, &pair, &err) == TERN_ERR_FILE && !pair,
	      "i32 taken for f32");
	CHECK(strstr(err.message, "key 'numbers': is an array of i32; expected an array of f32"), "%s", err.message);
	CHECK(tern_gguf_get_array(gguf, "u8", GGUF_U8, &pair, &err) == TERN_ERR_FILE && !pair, "a scalar is no array");
	CHECK(tern_gguf_get_array(gguf, "absent", GGUF_U8, &pair, &err) == TERN_OK && !pair, "absent");
	CHECK(tern_gguf_get_array(gguf, "strings", GGUF_STRING, &pair, &err) == TERN_OK && pair, "%s", err.message);
	const uint8_t *cursor = pair->value;
	struct gguf_string a = tern_gguf_next_string(&cursor), b = tern_gguf_next_string(&cursor),
	                   c = tern_gguf_next_string(&cursor);
	CHECK(a.length == 1 && *a.bytes == 'a' && b.length == 0 && c.length == 3 && memcmp(c.bytes, "ccc", 3) == 0,
	      "wrong strings");
	CHECK(tern_gguf_value_bytes(pair) == 28 && cursor == pair->value + 28, "value bytes");
	CHECK(!tern_gguf_find(gguf, "") && !tern_gguf_find(gguf, "tex") && !tern_gguf_find(gguf, "textx"),
	      "found too much");
}

static void test_values(void)
{
	struct gguf gguf;
	uint8_t *copy;

	CHECK(parse_text(&gguf, every_type, &copy) == TERN_OK, "%s", err.message);
	if (gguf.n_pairs == 16) {
		test_integers(&gguf);
		test_floats(&gguf);
		test_others(&gguf);
	}
	tern_gguf_free(&gguf);
	free(copy);
}

/* ---- tensors ---- */

static void test_tensors(void)
{
	struct gguf gguf;
	uint8_t *copy;

	CHECK(parse_text(&gguf, "H2,2,0 'second' 4:2 8:32 8:3 4:8 8:64  'first' 4:1 8:2 4:0 8:0 @32 4:1 *60 4:2 *98",
	                 &copy) == TERN_OK,
	      "%s", err.message);
	const struct gguf_tensor *first = tern_gguf_find_tensor(&gguf, "first");
	const struct gguf_tensor *second = tern_gguf_find_tensor(&gguf, "second");
	CHECK(first && second && !tern_gguf_find_tensor(&gguf, "third") && gguf.version == 2 && gguf.alignment == 32,
	      "not found");
	if (first && second) {
		CHECK(first == &gguf.tensors[1] && first->n_dims == 1 && first->dims[0] == 2 && first->dims[1] == 1 &&
		              first->dims[3] == 1 && first->n_bytes == 8 && tern_load_u32(first->data) == 1,
		      "the first is wrong");
		CHECK(second->n_dims == 2 && second->dims[1] == 3 && second->type == GGUF_TENSOR_Q8_0 &&
		              second->n_bytes == 3 * 34 && tern_load_u32(second->data) == 2 &&
		              second->data == copy + second->offset && second->offset == first->offset + 64,
		      "the second is wrong");
	}
	tern_gguf_free(&gguf);
	/* Only the header at hand. */
	CHECK(tern_gguf_parse_header(&gguf, "m.gguf", copy, 160, 1 << 20, &err) == TERN_OK && !gguf.tensors[0].data,
	      "%s", err.message);
	tern_gguf_free(&gguf);
	free(copy);
}

static void test_types(void)
{
	static const struct {
		uint32_t id;
		const char *name;
		uint64_t bytes; /* of [17, 512] */
	} types[] = {
	        {0, "F32", 17 * 512 * 4},      {1, "F16", 17 * 512 * 2},      {30, "BF16", 17 * 512 * 2},
	        {8, "Q8_0", 17 * 16 * 34},     {2, "Q4_0", 17 * 16 * 18},     {3, "Q4_1", 17 * 16 * 20},
	        {6, "Q5_0", 17 * 16 * 22},     {7, "Q5_1", 17 * 16 * 24},     {12, "Q4_K", 17 * 2 * 144},
	        {13, "Q5_K", 17 * 2 * 176},    {14, "Q6_K", 17 * 2 * 210},    {34, "TQ1_0", 17 * 2 * 54},
	        {35, "TQ2_0", 17 * 2 * 66},    {42, "Q2_0", 17 * 8 * 18},     {142, "PQ2_0", 17 * 4 * 34},
	        {41, "Q1_0", 17 * 4 * 18},     {143, "PTQ1_0", 17 * 4 * 28},  {36, "I2_S", 17 * 128 + 32},
	        {2016, "T2R16", 32 * 512 / 4}, {2018, "T1R16", 32 * 512 / 8}, {2017, "Q8P", (uint64_t)32 * 512},
	};
	uint64_t dims[4] = {512, 17, 1, 1}, huge[4] = {(uint64_t)1 << 62, 4, 4, 4}, n_bytes;

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		const char *name = tern_gguf_type_name(types[i].id);
		CHECK(name && strcmp(name, types[i].name) == 0, "type %u is called %s", types[i].id,
		      name ? name : "nothing");
		CHECK(tern_gguf_tensor_bytes(types[i].id, 2, dims, &n_bytes) && n_bytes == types[i].bytes,
		      "%s: %llu bytes", types[i].name, (unsigned long long)n_bytes);
		CHECK(!tern_gguf_tensor_bytes(types[i].id, 4, huge, &n_bytes), "%s: overflow unnoticed", types[i].name);
		CHECK(types[i].bytes % 17 == 0 || types[i].id == 36 || types[i].id > 2000, "%s", types[i].name);
	}
	CHECK(!tern_gguf_type_name(2019) && !tern_gguf_tensor_bytes(10, 2, dims, &n_bytes), "unknown types");
	CHECK(!tern_gguf_tensor_bytes(0, 0, dims, &n_bytes) && !tern_gguf_tensor_bytes(0, 5, dims, &n_bytes),
	      "dimensions");
	dims[0] = 504;
	CHECK(!tern_gguf_tensor_bytes(8, 2, dims, &n_bytes) && !tern_gguf_tensor_bytes(2016, 2, dims, &n_bytes),
	      "blocks");
	dims[1] = UINT64_MAX - 3; /* rounding up to 16 rows wraps */
	dims[0] = 16;
	CHECK(!tern_gguf_tensor_bytes(2016, 2, dims, &n_bytes), "rounding up wraps unnoticed");
}

/* Type 42 has blocks of 64, or of 128 where only these fit: then it is called PQ2_0. 4096 weights take 1152 or 1088
 * bytes. */
static void test_extents(void)
{
	static const struct {
		const char *name, *text;
		uint32_t type; /* of the first tensor */
		const char *expected;
	} cases_of_42[] = {
	        {"blocks of 64", "H3,2,0 't' 4:1 8:4096 4:42 8:0 'u' 4:1 8:8 4:0 8:1152 @32 *1184", 42, NULL},
	        {"blocks of 128", "H3,2,0 't' 4:1 8:4096 4:42 8:0 'u' 4:1 8:8 4:0 8:1088 @32 *1120", 142, NULL},
	        {"blocks of 128, alone and last", "H3,1,0 't' 4:1 8:4096 4:42 8:0 @32 *1088", 142, NULL},
	        {"two of them, in another order", "H3,2,0 't' 4:1 8:4096 4:42 8:1088 'u' 4:1 8:4096 4:42 8:0 @32 *2176",
	         142, NULL},
	        {"one that fits either way decides nothing",
	         "H3,2,0 't' 4:1 8:128 4:42 8:0 'u' 4:1 8:4096 4:42 8:64 @32 *1152", 142, NULL},
	        {"of two kinds", "H3,2,0 't' 4:1 8:4096 4:42 8:0 'u' 4:1 8:4096 4:42 8:1152 @32 *2240", 42,
	         "tensor 'u': needs bytes"},
	        {"cut short", "H3,1,0 't' 4:1 8:4096 4:42 8:0 @32 *1120", 42, "tensor 't': needs bytes"},
	        {"no blocks of 128", "H3,1,0 't' 4:1 8:4160 4:42 8:0 @32 *1105", 42, "tensor 't': needs bytes"},
	        {"142 that is too large", "H3,2,0 't' 4:1 8:4096 4:142 8:0 'u' 4:1 8:8 4:0 8:1056 @32 *1088", 142,
	         "tensor 't': type 142 is read as PQ2_0, which needs 1088 bytes here"},
	        {"143", "H3,2,0 't' 4:1 8:4096 4:143 8:0 'u' 4:1 8:8 4:0 8:896 @32 *928", 143, NULL},
	        {"offset beyond the file", "H3,1,0 't' 4:1 8:4096 4:42 8:0x7fffffffffffffe0 @32 *1088", 42,
	         "tensor 't'"},
	};

	for (size_t i = 0; i < sizeof cases_of_42 / sizeof *cases_of_42; i++) {
		struct gguf gguf;
		uint8_t *copy;
		enum tern_status status = parse_text(&gguf, cases_of_42[i].text, &copy);
		const char *expected = cases_of_42[i].expected;
		CHECK(status == (expected ? TERN_ERR_FILE : TERN_OK) && (!expected || strstr(err.message, expected)),
		      "%s: status %d, %s", cases_of_42[i].name, (int)status, err.message);
		CHECK(status || gguf.tensors[0].type == cases_of_42[i].type, "%s: type %u", cases_of_42[i].name,
		      gguf.tensors[0].type);
		tern_gguf_free(&gguf);
		free(copy);
	}
}

/* ---- size ---- */

/* As many keys and tensors as are allowed, and a vocabulary: all of them sorted and found again. In quadratic time this
 * takes minutes. */
static void test_large(void)
{
	enum {
		N_KEYS = 65534,
		N_TENSORS = 65536,
		N_STRINGS = 131072
	};
	struct build b = {0};
	struct gguf gguf;
	char name[64];
	int n_wrong = 0;

	build_header(&b, 3, N_TENSORS, N_KEYS + 1);
	for (uint32_t i = 0; i < N_KEYS; i++) {
		snprintf(name, sizeof name, "tokenizer.ggml.key_%u", i * 2654435761u);
		build_string(&b, name);
		build_number(&b, 4, GGUF_U32);
		build_number(&b, 4, i);
	}
	build_text(&b, "'strings' 4:9 4:8 8:131072");
	for (int i = 0; i < N_STRINGS; i++)
		build_string(&b, "token");
	for (uint32_t i = 0; i < N_TENSORS; i++) {
		snprintf(name, sizeof name, "blk.%u.weight", i * 2654435761u);
		build_string(&b, name);
		build_text(&b, "4:1 8:1 4:0");
		build_number(&b, 8, (uint64_t)(N_TENSORS - 1 - i) * 32);
	}
	build_align(&b, 32);
	build_bytes(&b, NULL, (size_t)N_TENSORS * 32);
	CHECK(tern_gguf_parse(&gguf, "m.gguf", b.bytes, b.n, &err) == TERN_OK, "%s", err.message);
	for (uint32_t i = 0; i < N_KEYS && gguf.n_pairs; i += 7) {
		uint32_t value = 0;
		snprintf(name, sizeof name, "tokenizer.ggml.key_%u", i * 2654435761u);
		n_wrong += tern_gguf_get_u32(&gguf, name, &value, NULL, NULL) || value != i;
		snprintf(name, sizeof name, "blk.%u.weight", i * 2654435761u);
		n_wrong += tern_gguf_find_tensor(&gguf, name) != &gguf.tensors[i];
	}
	CHECK(n_wrong == 0, "%d not found", n_wrong);
	tern_gguf_free(&gguf);
	tern_free(b.bytes);
}

int main(void)
{
	test_cases();
	test_values();
	test_tensors();
	test_types();
	test_extents();
	test_large();
	return test_summary();
}
