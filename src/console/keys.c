#include "console/keys.h"
#include "base/utf8.h"

#include <string.h>

enum {
	INTERRUPT = 0x03,
	ESCAPE = 0x1b,
	MAX_SEQUENCE = 64, /* bytes; no terminal sends longer ones */
};

static const char paste_begin[] = "\033[200~", paste_end[] = "\033[201~";
enum {
	N_MARK = sizeof paste_end - 1
};

char *keys_room(struct keys *keys, size_t *n_room)
{
	memmove(keys->buffer, keys->buffer + keys->begin, keys->end - keys->begin);
	keys->end -= keys->begin;
	keys->begin = 0;
	*n_room = KEYS_BUFFER - keys->end;
	return keys->buffer + keys->end;
}

void keys_add(struct keys *keys, size_t n_bytes) { keys->end += n_bytes; }

bool keys_drop_interrupt(struct keys *keys)
{
	for (size_t at = keys->begin; at < keys->end && keys->buffer[at] != ESCAPE && !keys->in_paste; at++) {
		if (keys->buffer[at] != INTERRUPT)
			continue;
		memmove(keys->buffer + at, keys->buffer + at + 1, keys->end - at - 1);
		keys->end--;
		return true;
	}
	return false;
}

bool keys_are_pending(const struct keys *keys) { return keys->begin < keys->end; }

/* Uses up n bytes as one key. */
static bool take(struct keys *keys, struct key *key, int code, size_t n_bytes)
{
	key->code = code;
	key->bytes = keys->buffer + keys->begin;
	key->n_bytes = n_bytes;
	keys->begin += n_bytes;
	return true;
}

static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

/* A run of characters; one whose last bytes have not come yet waits. */
static bool next_text(struct keys *keys, bool is_timed_out, struct key *key)
{
	const char *bytes = keys->buffer + keys->begin;
	size_t n = 0, n_bytes = keys->end - keys->begin, length;
	unsigned code_point;

	while (n < n_bytes && !is_control(bytes[n])) {
		if (tern_utf8_decode(bytes + n, n_bytes - n, &code_point, &length) == TERN_UTF8_INCOMPLETE &&
		    !is_timed_out)
			break;
		n += length;
	}
	return n > 0 && take(keys, key, KEY_TEXT, n);
}

/* Everything up to the end mark, or up to what may be the beginning of one. */
static bool next_paste(struct keys *keys, bool is_timed_out, struct key *key)
{
	const char *bytes = keys->buffer + keys->begin;
	size_t n_bytes = keys->end - keys->begin, at = 0;

	for (const char *found; at < n_bytes && (found = memchr(bytes + at, ESCAPE, n_bytes - at)); at++) {
		at = (size_t)(found - bytes);
		size_t n_there = n_bytes - at < N_MARK ? n_bytes - at : N_MARK;
		if (memcmp(found, paste_end, n_there) != 0)
			continue;
		if (at > 0)
			return take(keys, key, KEY_PASTE, at);
		if (n_there < N_MARK)
			return is_timed_out && take(keys, key, KEY_PASTE, n_there);
		keys->in_paste = false;
		return take(keys, key, KEY_PASTE_END, N_MARK);
	}
	return take(keys, key, KEY_PASTE, n_bytes);
}

/* xterm's second parameter: 1 + (1 for Shift, 2 for Alt, 4 for Ctrl). */
static int modifiers_of(int parameter)
{
	int bits = parameter > 1 ? parameter - 1 : 0;

	return (bits & 1 ? KEY_SHIFT : 0) | (bits & 2 ? KEY_ALT : 0) | (bits & 4 ? KEY_CTRL : 0);
}

/* The key that a final letter means, after ESC [ or ESC O. */
static int letter_key(char final)
{
	switch (final) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case 'F':
		return KEY_END;
	case 'H':
		return KEY_HOME;
	case 'a': /* rxvt with Ctrl (ESC O) or Shift (ESC [) */
		return KEY_UP | KEY_CTRL;
	case 'b':
		return KEY_DOWN | KEY_CTRL;
	case 'c':
		return KEY_RIGHT | KEY_CTRL;
	case 'd':
		return KEY_LEFT | KEY_CTRL;
	case 'M': /* the key pad's Enter */
		return KEY_ENTER;
	default:
		return KEY_UNKNOWN;
	}
}

/* The key of ESC [ NUMBER ~. */
static int numbered_key(int number)
{
	switch (number) {
	case 1:
	case 7:
		return KEY_HOME;
	case 3:
		return KEY_DELETE;
	case 4:
	case 8:
		return KEY_END;
	default:
		return KEY_UNKNOWN;
	}
}

/* The key of `ESC [ parameters final`, n bytes from ESC to the final. */
static int csi_key(const char *bytes, size_t n)
{
	int numbers[3] = {0}, code;
	size_t i_number = 0;

	for (size_t i = 2; i + 1 < n; i++) {
		if (bytes[i] == ';') {
			if (++i_number == 3)
				return KEY_UNKNOWN;
		} else if (bytes[i] < '0' || bytes[i] > '9' || numbers[i_number] > 9999) {
			return KEY_UNKNOWN;
		} else {
			numbers[i_number] = numbers[i_number] * 10 + (bytes[i] - '0');
		}
	}
	switch (bytes[n - 1]) {
	case '~': /* 27;modifiers;code is how xterm tells Shift-Enter */
		code = numbers[0] == 27 && numbers[2] == '\r' ? KEY_ENTER : numbered_key(numbers[0]);
		break;
	case 'u': /* code;modifiers: fixterms, kitty */
		code = numbers[0] == '\r' ? KEY_ENTER : KEY_UNKNOWN;
		break;
	case 'M':
		return KEY_UNKNOWN; /* a mouse report */
	default:
		code = letter_key(bytes[n - 1]);
	}
	return code == KEY_UNKNOWN ? code : code | modifiers_of(numbers[1]);
}

/* How long the sequence `ESC [ ...` is: 0 if its end has not come yet; *is_broken if it has none. */
static size_t csi_length(const char *bytes, size_t n_bytes, bool *is_broken)
{
	size_t i = 2;

	*is_broken = false;
	if (i < n_bytes && bytes[i] == '[') /* function keys of the Linux console: ESC [ [ A */
		return n_bytes > 3 ? 4 : 0;
	while (i < n_bytes && i < MAX_SEQUENCE && bytes[i] >= 0x20 && bytes[i] < 0x40)
		i++;
	if (i == n_bytes && i < MAX_SEQUENCE)
		return 0;
	*is_broken = i == MAX_SEQUENCE || bytes[i] < 0x40 || bytes[i] == 0x7f;
	return *is_broken ? i : i + 1;
}

static bool next_csi(struct keys *keys, bool is_timed_out, struct key *key)
{
	const char *bytes = keys->buffer + keys->begin;
	size_t n_bytes = keys->end - keys->begin;
	bool is_broken;
	size_t length = csi_length(bytes, n_bytes, &is_broken);

	if (length == 0)
		return is_timed_out && take(keys, key, KEY_UNKNOWN, n_bytes);
	if (is_broken)
		return take(keys, key, KEY_UNKNOWN, length);
	if (length == N_MARK && memcmp(bytes, paste_begin, N_MARK) == 0) {
		keys->in_paste = true;
		take(keys, key, KEY_PASTE, N_MARK);
		key->n_bytes = 0;
		return true;
	}
	return take(keys, key, csi_key(bytes, length), length);
}

/* ESC and a character is that character with Alt. */
static bool next_alt(struct keys *keys, bool is_timed_out, struct key *key)
{
	const char *bytes = keys->buffer + keys->begin;
	size_t length;
	unsigned code_point;

	if ((unsigned char)bytes[1] < 0x80)
		return take(keys, key, KEY_ALT | bytes[1], 2);
	if (tern_utf8_decode(bytes + 1, keys->end - keys->begin - 1, &code_point, &length) == TERN_UTF8_INCOMPLETE &&
	    !is_timed_out)
		return false;
	return take(keys, key, KEY_UNKNOWN, 1 + length);
}

static bool next_escape(struct keys *keys, bool is_timed_out, struct key *key)
{
	const char *bytes = keys->buffer + keys->begin;
	size_t n_bytes = keys->end - keys->begin;

	if (n_bytes == 1)
		return is_timed_out && take(keys, key, ESCAPE, 1);
	if (bytes[1] == '[')
		return next_csi(keys, is_timed_out, key);
	if (bytes[1] == 'O') {
		if (n_bytes == 2)
			return is_timed_out && take(keys, key, KEY_UNKNOWN, 2);
		return take(keys, key, letter_key(bytes[2]), 3);
	}
	if (bytes[1] != ESCAPE)
		return next_alt(keys, is_timed_out, key);
	/* A second ESC begins a sequence that Alt goes with (rxvt), or another key. */
	if (n_bytes == 2 && !is_timed_out)
		return false;
	if (n_bytes == 2 || (bytes[2] != '[' && bytes[2] != 'O'))
		return take(keys, key, ESCAPE, 1);
	keys->begin++;
	if (!next_escape(keys, is_timed_out, key)) {
		keys->begin--;
		return false;
	}
	if (key->code != KEY_UNKNOWN && key->code != KEY_PASTE)
		key->code |= KEY_ALT;
	return true;
}

bool keys_next(struct keys *keys, bool is_timed_out, struct key *key)
{
	if (keys->begin == keys->end)
		return false;
	if (keys->in_paste)
		return next_paste(keys, is_timed_out, key);
	char c = keys->buffer[keys->begin];
	if (c == ESCAPE)
		return next_escape(keys, is_timed_out, key);
	if (is_control(c))
		return take(keys, key, c, 1);
	return next_text(keys, is_timed_out, key);
}

/* ---- pastes ---- */

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

size_t keys_clean_paste(char *bytes, size_t n_bytes)
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
