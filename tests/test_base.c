/* The small things of base: memory, checked sizes, half floats, UTF-8, quoting, sorting,
 * hashing. */
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "base/utf8.h"
#include "test.h"

#include <math.h>

/* ---- memory ---- */

static void test_memory(void)
{
	volatile size_t half = SIZE_MAX / 2 + 1; /* volatile, or the compiler warns about the size */
	size_t capacity = 0;
	uint32_t *block = NULL;
	uint8_t *bytes = tern_alloc(100, 10);
	int wrong = 0;

	for (int i = 0; i < 1000; i++)
		wrong += bytes[i] != 0;
	CHECK(wrong == 0, "%d bytes are not zero", wrong);
	tern_free(bytes);
	tern_free(tern_alloc(0, 0));
	tern_free(NULL);
	CHECK(!tern_alloc_aligned(half, 2) && !tern_alloc_aligned(SIZE_MAX - 10, 1), "size overflow unnoticed");
	CHECK(!tern_realloc(NULL, half, 2), "size overflow unnoticed");
	for (size_t n = 0; n < 300; n += 7) {
		uint8_t *aligned = tern_alloc_aligned(n, 1);
		CHECK(aligned && (uintptr_t)aligned % 64 == 0, "%zu bytes are not aligned", n);
		memset(aligned, 1, (n + 63) / 64 * 64);
		tern_free(aligned);
	}

	for (size_t n = 1; n < 1000; n++) {
		CHECK(TERN_GROW(block, capacity, n) && capacity >= n, "room for %zu", n);
		block[n - 1] = (uint32_t)n;
	}
	for (uint32_t n = 1; n < 1000; n++)
		wrong += block[n - 1] != n;
	CHECK(wrong == 0 && capacity == 1024, "%d items were lost in growing; capacity %zu", wrong, capacity);
	const uint32_t *before = block;
	CHECK(!TERN_GROW(block, capacity, half) && !tern_grow(&block, &capacity, SIZE_MAX, 1),
	      "size overflow unnoticed");
	CHECK(block == before && capacity == 1024, "a failed growth changed something");
	tern_free(block);
}

static void test_sizes(void)
{
	size_t size;
	uint64_t u64;

	CHECK(tern_mul_size(SIZE_MAX / 3, 3, &size) && size == SIZE_MAX, "product");
	CHECK(!tern_mul_size(SIZE_MAX / 3, 4, &size), "product overflow");
	CHECK(tern_add_size(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX && !tern_add_size(SIZE_MAX, 1, &size), "sum");
	CHECK(!tern_mul_u64((uint64_t)1 << 40, (uint64_t)1 << 40, &u64) && !tern_add_u64(UINT64_MAX, 1, &u64),
	      "overflow");
	CHECK(tern_round_up_u64(0, 64, &u64) && u64 == 0, "round up 0");
	CHECK(tern_round_up_u64(1, 64, &u64) && u64 == 64, "round up 1");
	CHECK(tern_round_up_u64(64, 64, &u64) && u64 == 64, "round up 64");
	CHECK(tern_round_up_u64(UINT64_MAX - 63, 64, &u64) && u64 == UINT64_MAX - 63, "round up the last multiple");
	CHECK(!tern_round_up_u64(UINT64_MAX - 3, 64, &u64), "rounding up wraps");
}

/* ---- half floats ---- */

/* The value of a finite half, from its definition. */
static double half_value(uint16_t h)
{
	int exponent = h >> 10 & 31, significand = h & 1023;
	double value = exponent ? ldexp(1024 + significand, exponent - 25) : ldexp(significand, -24);

	return h & 0x8000 ? -value : value;
}

/* The nearest half, found by bisection of all halves; 65536, the next step, stands for infinity. */
static uint16_t nearest_half(float f)
{
	double wanted = fabs((double)f);
	uint16_t sign = signbit(f) ? 0x8000 : 0, low = 0, high = 0x7c00;

	while (high - low > 1) {
		uint16_t mid = (uint16_t)((low + high) / 2);
		if (half_value(mid) <= wanted)
			low = mid;
		else
			high = mid;
	}
	double below = wanted - half_value(low), above = (high == 0x7c00 ? 65536.0 : half_value(high)) - wanted;
	if (above < below || (above == below && low & 1))
		low = high;
	return sign | low;
}

static bool rounds_right(float f)
{
	uint16_t h = tern_f16_from_f32(f);

	if (isnan(f)) /* stays a NaN, quiet, of the same sign */
		return (h & 0x7e00) == 0x7e00 && h >> 15 == (signbit(f) != 0);
#ifdef __FLT16_MANT_DIG__
	_Float16 compilers = (_Float16)f;
	if (memcmp(&compilers, &h, 2) != 0)
		return false;
#endif
	return h == (isinf(f) ? (signbit(f) ? 0xfc00 : 0x7c00) : nearest_half(f));
}

static void check_rounding(float f) { CHECK(rounds_right(f), "%a gives %04x", (double)f, tern_f16_from_f32(f)); }

static void test_half(void)
{
	int n_wrong = 0;

	for (uint32_t i = 0; i < 65536; i++) {
		uint16_t h = (uint16_t)i;
		float f = tern_f32_from_f16(h);
		if ((h & 0x7fff) > 0x7c00)
			n_wrong += !isnan(f) || tern_f16_from_f32(f) != (h | 0x200); /* NaNs become quiet */
		else if ((h & 0x7fff) == 0x7c00)
			n_wrong += !isinf(f) || (signbit(f) != 0) != (h >> 15) || tern_f16_from_f32(f) != h;
		else
			n_wrong += (double)f != half_value(h) || (signbit(f) != 0) != (h >> 15) ||
			           tern_f16_from_f32(f) != h;
	}
	CHECK(n_wrong == 0, "%d of 65536 halves do not convert exactly", n_wrong);
	/* Every midpoint between neighbors, and the floats on both sides of it. */
	for (uint16_t h = 0; h < 0x7c00; h++) {
		double above = h == 0x7bff ? 65536.0 : half_value((uint16_t)(h + 1));
		float middle = (float)((half_value(h) + above) / 2);
		for (int sign = -1; sign <= 1; sign += 2) {
			check_rounding((float)sign * middle);
			check_rounding((float)sign * nextafterf(middle, 0));
			check_rounding((float)sign * nextafterf(middle, INFINITY));
		}
	}
	for (int i = 0; i < 300000; i++)
		check_rounding(tern_f32_from_bits((uint32_t)test_random()));
	for (int i = 0; i < 300000; i++) /* the range of halves: exponents 2^-26 to 2^17 */
		check_rounding(tern_f32_from_bits((101u << 23) + (uint32_t)(test_random() % (43u << 23))));
	check_rounding(0.0f);
	check_rounding(-0.0f);
	check_rounding(INFINITY);
	check_rounding(-INFINITY);
	CHECK(tern_f32_from_bf16(0xc040) == -3.0f, "bf16");
}

/* ---- UTF-8 ---- */

/* Bit sets of every beginning of a character of 1, 2 and 3 bytes, bytes as a big-endian number. */
static uint8_t *beginnings[4];

static void mark(const char *bytes, size_t n)
{
	uint32_t number = 0;
	for (size_t i = 0; i < n; i++)
		number = number << 8 | (uint8_t)bytes[i];
	beginnings[n][number / 8] |= (uint8_t)(1u << number % 8);
}

static bool marked(const char *bytes, size_t n)
{
	uint32_t number = 0;
	for (size_t i = 0; i < n; i++)
		number = number << 8 | (uint8_t)bytes[i];
	return beginnings[n][number / 8] >> number % 8 & 1;
}

/* Encodes every character, checks that it decodes, and records its beginnings. */
static void test_utf8_characters(void)
{
	char bytes[4];
	uint32_t decoded;
	size_t length;

	for (size_t n = 1; n < 4; n++)
		beginnings[n] = tern_alloc((size_t)1 << (8 * n), 1);
	for (uint32_t c = 0; c < 0x110000; c++) {
		if (c == 0xd800)
			c = 0xe000;
		size_t n = tern_utf8_encode(c, bytes), expected = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		enum tern_utf8 kind = tern_utf8_decode(bytes, n, &decoded, &length);
		if (n != expected || kind != TERN_UTF8_CHARACTER || length != n || decoded != c)
			CHECK(false, "U+%04X: %zu bytes, kind %d, decoded %x", c, n, (int)kind, decoded);
		for (size_t i = 1; i < n; i++)
			mark(bytes, i);
	}
	CHECK(marked("\xf4\x8f\xbf", 3) && !marked("\xf4\x90", 2) && !marked("\xed\xa0", 2) && !marked("\xe0\x9f", 2) &&
	              !marked("\xc0", 1) && !marked("\xc1", 1) && !marked("\xf5", 1) && !marked("\xf0\x8f", 2),
	      "the beginnings are wrong");
}

static void test_utf8_cut(void)
{
	const char *text = "a\xc3\xa9\xe6\x97\xa5"; /* 1, 2 and 3 bytes */
	const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6};

	for (size_t limit = 0; limit < sizeof expected / sizeof *expected; limit++)
		CHECK(tern_utf8_cut(text, 6, limit) == expected[limit], "limit %zu", limit);
}

/* Compares the decoder with the recorded beginnings, on random bytes that are often almost valid, at the end of an
 * allocation. */
static void test_utf8_damaged(void)
{
	static const uint8_t bytes[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
	                                0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};

	for (int trial = 0; trial < 300000; trial++) {
		size_t n = 1 + test_random() % 4, length = 99, good = 0;
		char *text = tern_alloc(n, 1);
		uint32_t c = 0x11ffff;
		for (size_t i = 0; i < n; i++)
			text[i] = (char)(test_random() % 8 ? bytes[test_random() % sizeof bytes] : test_random());
		while (good < n && good < 3 && marked(text, good + 1))
			good++;
		enum tern_utf8 kind = tern_utf8_decode(text, n, &c, &length);
		if (kind == TERN_UTF8_CHARACTER) {
			char again[4];
			if (length > n || tern_utf8_encode(c, again) != length || memcmp(again, text, length) != 0)
				CHECK(false, "%zu bytes decode as U+%04X", length, c);
		} else {
			enum tern_utf8 expected = good == n ? TERN_UTF8_INCOMPLETE : TERN_UTF8_INVALID;
			if (kind != expected || length != (good ? good : 1))
				CHECK(false, "%02x... of %zu: kind %d, length %zu", (uint8_t)*text, n, (int)kind,
				      length);
		}
		tern_free(text);
	}
	for (size_t n = 1; n < 4; n++)
		tern_free(beginnings[n]);
}

/* ---- errors ---- */

static void check_quote(const char *bytes, size_t n, const char *expected)
{
	char out[TERN_QUOTE_SIZE];

	CHECK(strcmp(tern_quote(out, bytes, n), expected) == 0, "'%s' instead of '%s'", out, expected);
}

static void test_errors(void)
{
	char many[100], out[TERN_QUOTE_SIZE], long_text[3000], list[12] = "";
	struct tern_error err;

	check_quote("", 0, "");
	check_quote("blk.0.attn_q.weight", 19, "blk.0.attn_q.weight");
	check_quote("a\x1b[2J\n\\\0\x7f\xc3\xa9", 11, "a\\x1b[2J\\x0a\\x5c\\x00\\x7f\\xc3\\xa9");
	memset(many, 'n', sizeof many);
	CHECK(strlen(tern_quote(out, many, 64)) == 64, "64 characters are cut");
	CHECK(strlen(tern_quote(out, many, 65)) == 67 && strcmp(out + 63, "n...") == 0, "65 characters are not cut: %s",
	      out);
	memset(many, 0xff, sizeof many);
	CHECK(strlen(tern_quote(out, many, sizeof many)) == TERN_QUOTE_SIZE - 1, "the longest quote has %zu characters",
	      strlen(out));

	CHECK(tern_fail(&err, TERN_ERR_FILE, "%s: byte %d", "x", 7) == TERN_ERR_FILE, "status");
	CHECK(err.status == TERN_ERR_FILE && strcmp(err.message, "x: byte 7") == 0, "%s", err.message);
	CHECK(tern_fail(NULL, TERN_ERR_USAGE, "x") == TERN_ERR_USAGE, "no struct");
	CHECK(tern_fail_memory(&err, 123) == TERN_ERR_FAILED && strstr(err.message, "123 bytes"), "%s", err.message);
	memset(long_text, 'y', sizeof long_text);
	long_text[sizeof long_text - 1] = 0;
	tern_fail(&err, TERN_ERR_FILE, "%s", long_text);
	CHECK(strlen(err.message) == sizeof err.message - 1, "a long message is not cut");

	tern_append_name(list, sizeof list - 1, "llama");
	CHECK(strcmp(list, "llama") == 0, "one name: '%s'", list);
	tern_append_name(list, sizeof list - 1, "abc");
	CHECK(strcmp(list, "llama, abc") == 0, "names that just fit: '%s'", list);
	tern_append_name(list, sizeof list - 1, "d");
	CHECK(strcmp(list, "llama, abc") == 0, "no room: '%s'", list);
	tern_append_name(list, sizeof list, "d");
	tern_append_name(list, sizeof list, "e");
	CHECK(strcmp(list, "llama, abc,") == 0, "room for a comma: '%s'", list);
}

/* ---- sorting ---- */

static int compare_u32(const void *context, uint32_t a, uint32_t b)
{
	const uint32_t *values = context;
	return (values[a] > values[b]) - (values[a] < values[b]);
}

static void test_sort(void)
{
	static uint32_t values[1000];

	for (size_t n = 0; n <= 1000; n = n < 40 ? n + 1 : n + 97) {
		uint32_t range = n % 3 == 0 ? 5 : 1000000; /* many equals, or few */
		for (size_t i = 0; i < n; i++)
			values[i] = (uint32_t)(test_random() % range);
		uint32_t *order = tern_sort_indices(n, compare_u32, values);
		size_t n_wrong = 0;
		for (size_t i = 1; i < n; i++)
			n_wrong += values[order[i - 1]] > values[order[i]] ||
			           (values[order[i - 1]] == values[order[i]] && order[i - 1] >= order[i]);
		CHECK(order && n_wrong == 0 && (n == 0 || order[0] < n), "%zu of %zu out of order", n_wrong, n);
		tern_free(order);
	}
	CHECK(tern_compare_bytes("ab", 2, "abc", 3) < 0 && tern_compare_bytes("b", 1, "abc", 3) > 0,
	      "order of strings");
	CHECK(tern_compare_bytes("\xff", 1, "a", 1) > 0 && tern_compare_bytes("a\0b", 3, "a\0b", 3) == 0,
	      "order of bytes");
	CHECK(tern_compare_bytes(NULL, 0, "", 0) == 0 && tern_compare_bytes(NULL, 0, "a", 1) < 0, "order of nothing");
}

/* ---- hashing ---- */

static void test_hash(void)
{
	/* The authors' test vectors for one and three rounds: bytes 00, 01, 02, ... with the key 00 to 0f. */
	static const uint64_t vectors[] = {0xabac0158050fc4dcu, 0xc9f49bf37d57ca93u, 0x82cb9b024dc7d44du,
	                                   0x8bf80ab8e7ddf7fbu, 0xcf75576088d38328u, 0xdef9d52f49533b67u,
	                                   0xc50d2b50c59f22a7u, 0xd3927d989bb11140u, 0x369095118d299a8eu};
	const struct tern_hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	struct tern_hash_key one = tern_hash_new_key(&key), other = tern_hash_new_key(&one);
	char bytes[16];

	for (size_t n = 0; n < sizeof bytes; n++)
		bytes[n] = (char)n;
	for (size_t n = 0; n < sizeof vectors / sizeof *vectors; n++)
		CHECK(tern_hash_bytes(key, bytes, n) == vectors[n], "%zu bytes", n);
	CHECK(one.k0 != other.k0 && one.k1 != other.k1 && one.k0 != one.k1, "keys that are no keys");
	for (int bits = 1; bits < 40; bits++)
		CHECK(tern_hash_u64(one, UINT64_MAX, bits) >> bits == 0, "%d bits", bits);
}

int main(void)
{
	test_memory();
	test_sizes();
	test_half();
	test_utf8_characters();
	test_utf8_cut();
	test_utf8_damaged();
	test_errors();
	test_sort();
	test_hash();
	return test_summary();
}
