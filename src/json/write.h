/* Writes JSON to standard output or into a text. Writes the commas; the caller closes what it opens. */
#ifndef TERN_JSON_WRITE_H
#define TERN_JSON_WRITE_H

#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
	bool needs_comma; /* a value was written in the current object or array */
	bool after_key;
	struct text *to; /* NULL: standard output */
};

void json_write_begin_object(struct json_writer *json);
void json_write_end_object(struct json_writer *json);
void json_write_begin_array(struct json_writer *json);
void json_write_end_array(struct json_writer *json);

/* The key of the value that follows. */
void json_write_key(struct json_writer *json, const char *key);
void json_write_key_bytes(struct json_writer *json, const char *bytes, size_t n_bytes);

/* A string of any bytes; invalid UTF-8 becomes U+FFFD. */
void json_write_bytes(struct json_writer *json, const char *bytes, size_t n_bytes);
void json_write_string(struct json_writer *json, const char *string);
void json_write_int(struct json_writer *json, int64_t value);
void json_write_uint(struct json_writer *json, uint64_t value);
/* With 6 to n_digits significant digits. NaN and infinities become null, since JSON lacks them. */
void json_write_real(struct json_writer *json, double value, int n_digits);
void json_write_bool(struct json_writer *json, bool value);
/* A number, true, false or null, in JSON's spelling. */
void json_write_scalar(struct json_writer *json, const char *text, size_t n_bytes);
void json_write_null(struct json_writer *json);

/* A name and its value. */
void json_put_string(struct json_writer *json, const char *key, const char *string);
void json_put_bytes(struct json_writer *json, const char *key, const char *bytes, size_t n_bytes);
void json_put_int(struct json_writer *json, const char *key, int64_t value);
void json_put_uint(struct json_writer *json, const char *key, uint64_t value);
void json_put_real(struct json_writer *json, const char *key, double value, int n_digits);
void json_put_bool(struct json_writer *json, const char *key, bool value);

#endif
