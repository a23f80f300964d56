/* Character classes and normal form C. */
#include "text/unicode.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "test.h"
#include "text/normalize.h"

#include <stdbool.h>
#include <string.h>

static void check_classes(void)
{
	static const struct {
		uint32_t first, last;
		enum unicode_class class;
	} rows[] = {
	        {0x00, 0x08, UNICODE_OTHER},         {0x09, 0x0d, UNICODE_SPACE},
	        {0x1c, 0x1f, UNICODE_OTHER},         {' ', ' ', UNICODE_SPACE},
	        {'0', '9', UNICODE_NUMBER},          {'A', 'Z', UNICODE_LETTER},
	        {'a', 'z', UNICODE_LETTER},          {'_', '_', UNICODE_OTHER},
	        {0x85, 0x85, UNICODE_SPACE},         {0xa0, 0xa0, UNICODE_SPACE},
	        {0xaa, 0xaa, UNICODE_LETTER},        {0xb2, 0xb3, UNICODE_NUMBER},
	        {0xbc, 0xbe, UNICODE_NUMBER},        {0xd7, 0xd7, UNICODE_OTHER},
	        {0x300, 0x36f, UNICODE_MARK},        {0x3b1, 0x3c9, UNICODE_LETTER},
	        {0x660, 0x669, UNICODE_NUMBER},      {0x93f, 0x93f, UNICODE_MARK},
	        {0x1680, 0x1680, UNICODE_SPACE},     {0x180e, 0x180e, UNICODE_OTHER},
	        {0x2000, 0x200a, UNICODE_SPACE},     {0x200b, 0x200d, UNICODE_OTHER},
	        {0x2028, 0x2029, UNICODE_SPACE},     {0x2160, 0x2182, UNICODE_NUMBER},
	        {0x3000, 0x3000, UNICODE_SPACE},     {0x3041, 0x3096, UNICODE_LETTER},
	        {0x3400, 0x4dbf, UNICODE_LETTER},    {0x4e00, 0x9fff, UNICODE_LETTER},
	        {0xac00, 0xd7a3, UNICODE_LETTER},    {0xe000, 0xf8ff, UNICODE_OTHER},
	        {0xfeff, 0xfeff, UNICODE_OTHER},     {0x1d7ce, 0x1d7ff, UNICODE_NUMBER},
	        {0x1f600, 0x1f64f, UNICODE_OTHER},   {0x20000, 0x2a6df, UNICODE_LETTER},
	        {0xe0100, 0xe01ef, UNICODE_MARK},    {0x10ffff, 0x10ffff, UNICODE_OTHER},
	        {0x110000, 0x110000, UNICODE_OTHER}, {UINT32_MAX, UINT32_MAX, UNICODE_OTHER},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (uint32_t c = rows[i].first; c <= rows[i].last && c >= rows[i].first; c++)
			CHECK(tern_unicode_class(c) == rows[i].class, "U+%04X: %d", (unsigned)c,
			      (int)tern_unicode_class(c));
	for (uint32_t c = 0; c < 128; c++)
		CHECK(tern_unicode_class(c) == tern_unicode_class_of_other(c), "U+%04X: the tables differ",
		      (unsigned)c);
}

/* The result of normalizing; `out` has room. */
static size_t normalize(const char *text, size_t n, char *out)
{
	char *normal = NULL;
	size_t n_normal = 0;

	CHECK(tern_normalize_nfc(text, n, &normal, &n_normal), "out of memory");
	if (normal)
		memcpy(out, normal, n_normal);
	else
		memcpy(out, text, n_normal = n);
	tern_free(normal);
	return n_normal;
}

static void check_nfc(void)
{
	static const char *const rows[][2] = {
	        {"", ""},
	        {"plain", "plain"},
	        {"\xc3\xa9", "\xc3\xa9"},
	        {"e\xcc\x81", "\xc3\xa9"},
	        {"xe\xcc\x81y", "x\xc3\xa9y"},
	        {"\xcc\x81", "\xcc\x81"},
	        {"\xe2\x84\xab", "\xc3\x85"},                             /* Angstrom sign */
	        {"\xe2\x84\xa6", "\xce\xa9"},                             /* Ohm sign */
	        {"a\xcc\xa7\xcc\x81", "\xc3\xa1\xcc\xa7"},                /* a cedilla does not block an accent */
	        {"a\xcc\x81\xcc\xa7", "\xc3\xa1\xcc\xa7"},                /* marks are sorted */
	        {"q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87"},               /* also if nothing joins */
	        {"s\xcc\xa3\xcc\x87", "\xe1\xb9\xa9"},                    /* two joins */
	        {"\xe1\xb8\x8b\xcc\xa3", "\xe1\xb8\x8d\xcc\x87"},         /* decomposed and composed differently */
	        {"a\xcc\x81\xcc\x81", "\xc3\xa1\xcc\x81"},                /* a mark blocks another of its class */
	        {"\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81"}, /* Hangul letters */
	        {"\xea\xb0\x80\xe1\x86\xa8", "\xea\xb0\x81"},             /* syllable and letter */
	        {"\xea\xb0\x81\xe1\x86\xa8", "\xea\xb0\x81\xe1\x86\xa8"}, /* complete already */
	        {"\xe0\xa4\x95\xe0\xa4\xbc", "\xe0\xa4\x95\xe0\xa4\xbc"}, /* excluded from composition */
	        {"\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc"},             /* so this is decomposed */
	        {"\xe0\xa7\x87\xe0\xa6\xbe", "\xe0\xa7\x8b"},             /* two vowel signs, class 0 */
	        {"\xf0\x9d\x85\x9e", "\xf0\x9d\x85\x97\xf0\x9d\x85\xa5"}, /* musical symbols */
	        {"\xef\xac\x81", "\xef\xac\x81"},                         /* a ligature is not canonical */
	        {"\xff\xcc\x81", "\xff\xcc\x81"},                         /* no letter to join */
	        {"e\xcc\x81\xff"
	         "e\xcc\x81\xcc",
	         "\xc3\xa9\xff\xc3\xa9\xcc"},
	        {"a\x80\x80\xcc\x81", "a\x80\x80\xcc\x81"},
	        {"\xc3\xa9\xcc\xa3", "\xe1\xba\xb9\xcc\x81"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = normalize(rows[i][0], strlen(rows[i][0]), out);
		CHECK(n == strlen(rows[i][1]) && !memcmp(out, rows[i][1], n), "row %zu: %zu bytes", i, n);
	}
}

/* Normalizing twice changes nothing, and parts separated by a boundary can be normalized one by one. */
static void check_nfc_random(void)
{
	static char text[400], once[2000], twice[2000], parts[2000];

	for (int round = 0; round < 3000; round++) {
		size_t n = 0, n_parts = 0, start = 0;
		while (n < sizeof text - 8) {
			uint32_t base = (uint32_t)(test_random() % 8 ? test_random() % 0x200 : test_random() % 0x11400);
			uint32_t mark = 0x300 + (uint32_t)(test_random() % 0x50);
			uint32_t c = test_random() % 2 ? mark : base;
			if (test_random() % 30 == 0)
				text[n++] = (char)0xff;
			else if (c < 0xd800 || c >= 0xe000)
				n += tern_utf8_encode(c, text + n);
		}
		size_t n_once = normalize(text, n, once), n_twice = normalize(once, n_once, twice);
		CHECK(n_once == n_twice && !memcmp(once, twice, n_once), "not stable");
		for (size_t i = 0; i < n;) {
			uint32_t c = 0;
			size_t length;
			bool character = tern_utf8_decode(text + i, n - i, &c, &length) == TERN_UTF8_CHARACTER;
			if (!character || tern_unicode_is_boundary(c)) {
				n_parts += normalize(text + start, i - start, parts + n_parts);
				start = i;
			}
			i += length;
		}
		n_parts += normalize(text + start, n - start, parts + n_parts);
		CHECK(n_parts == n_once && !memcmp(parts, once, n_once), "parts differ from the whole");
	}
}

/* What unicode.c and normalize.c rely on in the tables. */
static void check_tables(void)
{
	for (uint32_t c = 0; c < 0x30000; c++) { /* higher planes have none */
		uint32_t first, second, deeper, unused;
		if (c < 0x300)
			CHECK(tern_unicode_combining_class(c) == 0, "U+%04X", (unsigned)c);
		if (!tern_unicode_decompose(c, &first, &second))
			continue;
		CHECK(!second || !tern_unicode_decompose(second, &deeper, &unused), "U+%04X: its second part",
		      (unsigned)c);
		if (c < 0x300)
			CHECK(tern_unicode_compose(first, second) == c, "U+%04X is no boundary", (unsigned)c);
		uint32_t composed = second ? tern_unicode_compose(first, second) : 0;
		CHECK(composed == 0 || composed == c, "U+%04X: joins to U+%04X", (unsigned)c, (unsigned)composed);
	}
}

/* Four megabytes of marks on one letter, which take minutes to sort by insertion. */
static void check_time(void)
{
	const size_t n = 1 << 22;
	char *text = malloc(n), *out = malloc(2 * n);
	double begin = test_cpu_seconds();

	for (size_t i = 0; text && i < n; i += 2)
		memcpy(text + i, i % 6 ? "\xcc\x81" : "\xcc\xa7", 2);
	if (text && out)
		CHECK(normalize(text, n, out) == n, "length");
	CHECK(test_cpu_seconds() - begin < TEST_LINEAR_SECONDS, "%.0f s", test_cpu_seconds() - begin);
	free(text);
	free(out);
}

int main(void)
{
	check_classes();
	check_nfc();
	check_nfc_random();
	check_tables();
	check_time();
	return test_summary();
}
