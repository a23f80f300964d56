#include "api/stream.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <string.h>

static void show(struct tern_stream *stream, const char *text, size_t n_bytes)
{
	stream->has_shown = true;
	if (stream->on_text && !stream->is_interrupted && !stream->on_text(stream->user, text, n_bytes))
		stream->is_interrupted = true;
}

/* Shows the first n_bytes of what is held, as valid UTF-8, and drops them. An incomplete character at the end is shown
 * as broken only at the end of the stream; else it stays. */
static void release(struct tern_stream *stream, size_t n_bytes, bool at_end)
{
	size_t start = 0, at = 0, length;
	uint32_t code_point;

	while (at < n_bytes) {
		enum tern_utf8 kind = tern_utf8_decode(stream->held + at, stream->n_held - at, &code_point, &length);
		if (kind == TERN_UTF8_CHARACTER) {
			if (at + length > n_bytes)
				break;
			at += length;
			continue;
		}
		if (kind == TERN_UTF8_INCOMPLETE && !at_end)
			break;
		if (at > start)
			show(stream, stream->held + start, at - start);
		show(stream, "\xef\xbf\xbd", 3);
		at += length;
		start = at;
	}
	if (!at)
		return;
	if (at > start)
		show(stream, stream->held + start, at - start);
	memmove(stream->held, stream->held + at, stream->n_held - at);
	stream->n_held -= at;
}

/* Where the first stop string begins in what is held, or n_held. */
static size_t find_stop(const struct tern_stream *stream)
{
	for (size_t at = 0; at < stream->n_held; at++)
		for (size_t i = 0; i < stream->n_stops; i++) {
			size_t length = strlen(stream->stops[i]);
			if (length && length <= stream->n_held - at &&
			    !memcmp(stream->held + at, stream->stops[i], length))
				return at;
		}
	return stream->n_held;
}

/* Where the first beginning of a stop string that reaches the end of what is held begins, or n_held. */
static size_t find_stop_prefix(const struct tern_stream *stream)
{
	for (size_t at = 0; at < stream->n_held; at++)
		for (size_t i = 0; i < stream->n_stops; i++) {
			size_t n = stream->n_held - at;
			if (n < strlen(stream->stops[i]) && !memcmp(stream->held + at, stream->stops[i], n))
				return at;
		}
	return stream->n_held;
}

/* Appends to what is held. */
static enum tern_status hold(struct tern_stream *stream, const char *bytes, size_t n_bytes, struct tern_error *err)
{
	if (!TERN_GROW(stream->held, stream->capacity, stream->n_held + n_bytes))
		return tern_fail_memory(err, stream->n_held + n_bytes);
	memcpy(stream->held + stream->n_held, bytes, n_bytes);
	stream->n_held += n_bytes;
	return TERN_OK;
}

enum tern_status tern_stream_push(struct tern_stream *stream, const char *bytes, size_t n_bytes, struct tern_error *err)
{
	enum tern_status status = n_bytes ? hold(stream, bytes, n_bytes, err) : TERN_OK;

	if (status)
		return status;
	stream->has_shown = false;
	size_t stop = find_stop(stream);
	if (stop < stream->n_held) {
		stream->found_stop = true;
		stream->n_held = stop;
		release(stream, stop, true);
	} else {
		release(stream, find_stop_prefix(stream), false);
	}
	if (!stream->has_shown)
		show(stream, "", 0);
	return TERN_OK;
}

void tern_stream_finish(struct tern_stream *stream)
{
	release(stream, stream->n_held, true);
	tern_free(stream->held);
	stream->held = NULL;
	stream->capacity = 0;
}
