/* JSON as RFC 8259 has it and nothing else: text in, the tree of json.h out. Made for files written by strangers: depth
 * is limited, numbers are kept as written (no integer passes through a double) and duplicate keys are found. */
#ifndef TERN_JSON_PARSE_H
#define TERN_JSON_PARSE_H

#include "base/error.h"
#include "json/json.h"

enum {
	JSON_MAX_DEPTH = 64,
	JSON_MAX_BYTES = 1 << 30,
	JSON_MAX_MEMBERS = 1 << 22, /* of one object: more than any vocabulary has */
};

/* Flags of json_parse(). */
enum {
	JSON_REFUSE_DUPLICATES = 1, /* a key twice in one object is an error; else the last one counts */
	JSON_IS_LINE = 2, /* the text is a line of JSON Lines, named by the source: messages tell the column */
};

/* Parses n_bytes of text that a NUL follows (text[n_bytes] == 0, as tern_read_all() leaves it). Takes the text over
 * in every case; it is freed with the tree. On an error (TERN_ERR_FILE, with line and column counted in bytes) there is
 * nothing to free. */
enum tern_status json_parse(struct json *json, const char *source, char *text, size_t n_bytes, unsigned flags,
                            struct tern_error *err);

#endif
