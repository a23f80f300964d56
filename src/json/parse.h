/* Parses JSON, strictly RFC 8259, into the tree of json.h. Safe for untrusted files: depth is limited, numbers are kept
 * as written (no integer becomes a double) and duplicate keys are found. */
#ifndef TERN_JSON_PARSE_H
#define TERN_JSON_PARSE_H

#include "base/error.h"
#include "json/json.h"

enum {
	JSON_MAX_DEPTH = 64,
	JSON_MAX_BYTES = 1 << 30,
	JSON_MAX_MEMBERS = 1 << 22, /* of one object; above any vocabulary */
};

/* Flags. */
enum {
	JSON_REFUSE_DUPLICATES = 1, /* a key twice in one object is an error; else the last one counts */
};

/* Parses n_bytes of text; text[n_bytes] must be 0, as after tern_read_all(). Always takes ownership of the text, which
 * is freed with the tree. After an error (TERN_ERR_FILE, with line and column) there is nothing to free. */
enum tern_status json_parse(struct json *json, const char *source, char *text, size_t n_bytes, unsigned flags,
                            struct tern_error *err);

/* Parses a copy of one line of JSON Lines, which has no newline. Messages begin with "PATH: line NUMBER: ", or without
 * the path if that is NULL, and name the column. As json_parse() in all else. */
enum tern_status json_parse_line(struct json *json, const char *path, size_t number, const char *line, size_t n_bytes,
                                 unsigned flags, struct tern_error *err);

#endif
