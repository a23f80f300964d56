#include "console/message.h"
#include "base/space.h"

#include <stdbool.h>
#include <string.h>

static const char quotes[] = "\"\"\"";
enum {
	N_QUOTES = sizeof quotes - 1
};

/* Cuts white space from both ends. */
static void trim(const char **bytes, size_t *n_bytes)
{
	while (*n_bytes > 0 && tern_is_space((*bytes)[*n_bytes - 1]))
		--*n_bytes;
	while (*n_bytes > 0 && tern_is_space(**bytes)) {
		++*bytes;
		--*n_bytes;
	}
}

static bool begins_block(const char *bytes, size_t n_bytes)
{
	return n_bytes >= N_QUOTES && memcmp(bytes, quotes, N_QUOTES) == 0;
}

enum message_state message_state(const char *bytes, size_t n_bytes)
{
	size_t n_backslashes = 0, n_inner = n_bytes;
	const char *inner = bytes;

	trim(&inner, &n_inner);
	if (begins_block(inner, n_inner)) {
		bool is_closed = n_inner >= 2 * N_QUOTES && begins_block(inner + n_inner - N_QUOTES, N_QUOTES);
		return is_closed ? MESSAGE_BLOCK : MESSAGE_OPEN;
	}
	while (n_backslashes < n_bytes && bytes[n_bytes - 1 - n_backslashes] == '\\')
		n_backslashes++;
	return n_backslashes % 2 == 1 ? MESSAGE_CONTINUES : MESSAGE_WHOLE;
}

const char *message_block_content(const char *bytes, size_t n_bytes, size_t *n_content)
{
	trim(&bytes, &n_bytes);
	bytes += N_QUOTES;
	n_bytes -= 2 * N_QUOTES;
	if (n_bytes > 0 && *bytes == '\n') {
		bytes++;
		n_bytes--;
	}
	if (n_bytes > 0 && bytes[n_bytes - 1] == '\n')
		n_bytes--;
	*n_content = n_bytes;
	return bytes;
}
