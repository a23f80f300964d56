#include "base/utf8.h"
#include "base/sizes.h"

enum tern_utf8 tern_utf8_decode(const char *text, size_t n_bytes, uint32_t *code_point, size_t *length)
{
	const unsigned char *s = (const unsigned char *)text;
	/* The range of the second byte, which is smaller after E0, ED, F0 and F4 (Unicode standard, table 3-7). */
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	*length = 1;
	if (s[0] < 0x80) {
		*code_point = s[0];
		return TERN_UTF8_CHARACTER;
	}
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return TERN_UTF8_INVALID;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;

	uint32_t value = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf) {
		*length = i;
		if (i == n_bytes)
			return TERN_UTF8_INCOMPLETE;
		if (s[i] < low || s[i] > high)
			return TERN_UTF8_INVALID;
		value = value << 6 | (s[i] & 0x3f);
	}
	*length = n;
	*code_point = value;
	return TERN_UTF8_CHARACTER;
}

size_t tern_utf8_encode(uint32_t code_point, char out[4])
{
	if (code_point < 0x80) {
		out[0] = (char)code_point;
		return 1;
	}
	size_t n = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, code_point >>= 6)
		out[i] = (char)(0x80 | (code_point & 0x3f));
	out[0] = (char)((0xf00u >> n) | code_point);
	return n;
}

size_t tern_utf8_cut(const char *text, size_t n_bytes, size_t limit)
{
	size_t n = tern_smaller(n_bytes, limit);

	while (n < n_bytes && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}
