/* JSON on standard output or into a text. Commas are put where they belong; the caller closes what it opens. */
#ifndef TERN_CLI_JSON_OUT_H
#define TERN_CLI_JSON_OUT_H

#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	bool needs_comma; /* a value was written in the current object or array */
	bool after_key;
	struct text *to; /* NULL: standard output */
};

void json_begin_object(struct json *json);
void json_end_object(struct json *json);
void json_begin_array(struct json *json);
void json_end_array(struct json *json);

/* The name of the value that follows. */
void json_key(struct json *json, const char *key);
void json_key_bytes(struct json *json, const char *bytes, size_t n_bytes);

/* A string of any bytes; what is not UTF-8 becomes U+FFFD. */
void json_bytes(struct json *json, const char *bytes, size_t n_bytes);
void json_string(struct json *json, const char *string);
void json_int(struct json *json, int64_t value);
void json_uint(struct json *json, uint64_t value);
/* With 6 to n_digits significant digits; NaN and infinities, which JSON lacks, become null. */
void json_real(struct json *json, double value, int n_digits);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

#endif
