#include "console/paste.h"

/* The length of the sequence ESC [ ... letter that n_bytes begin with; 1 for a lone ESC. */
static size_t sequence_length(const char *bytes, size_t n_bytes)
{
	size_t n = 2;

	if (n_bytes < 3 || bytes[1] != '[')
		return 1;
	while (n < n_bytes && bytes[n] >= 0x20 && bytes[n] < 0x40)
		n++;
	return n < n_bytes && bytes[n] >= 0x40 && bytes[n] < 0x7f ? n + 1 : 1;
}

size_t paste_clean(char *bytes, size_t n_bytes)
{
	size_t n_clean = 0, length;

	for (size_t i = 0; i < n_bytes; i += length) {
		char c = bytes[i];
		length = 1;
		if (c == '\033') {
			length = sequence_length(bytes + i, n_bytes - i);
		} else if (c == '\r') {
			bytes[n_clean++] = '\n';
			length = i + 1 < n_bytes && bytes[i + 1] == '\n' ? 2 : 1;
		} else if (c == '\n' || c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f)) {
			bytes[n_clean++] = c;
		}
	}
	return n_clean;
}
