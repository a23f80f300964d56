/* Conversion of JSON values to C types, checked, and messages about wrong values. */
#ifndef TERN_JSON_VALUE_H
#define TERN_JSON_VALUE_H

#include "base/error.h"
#include "json/json.h"

/* Errors name the place. A whole number has no fraction, no exponent and, for u64, no sign. */
enum tern_status json_to_u64(struct json_value value, uint64_t *out, struct tern_error *err);
enum tern_status json_to_i64(struct json_value value, int64_t *out, struct tern_error *err);
enum tern_status json_to_f64(struct json_value value, double *out, struct tern_error *err); /* finite */
enum tern_status json_to_bool(struct json_value value, bool *out, struct tern_error *err);
enum tern_status json_to_string(struct json_value value, struct json_string *out, struct tern_error *err);

/* The same for a member of an object. If it is absent or null, *out keeps its value, so the caller sets the default
 * before, and *found (may be NULL) is false. */
enum tern_status json_get_u64(struct json_value object, const char *key, uint64_t *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_f64(struct json_value object, const char *key, double *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_bool(struct json_value object, const char *key, bool *out, bool *found,
                               struct tern_error *err);
enum tern_status json_get_string(struct json_value object, const char *key, struct json_string *out, bool *found,
                                 struct tern_error *err);
/* A member that must be an array or an object. *out is nothing if it is absent or null. */
enum tern_status json_get_container(struct json_value object, const char *key, enum json_type type,
                                    struct json_value *out, struct tern_error *err);

/* A member that must be a whole number from low to high. If not `required`, *out is the default. */
enum tern_status json_get_size(struct json_value object, const char *key, bool required, uint64_t low, uint64_t high,
                               uint64_t *out, struct tern_error *err);
/* The same for a number above 0, also after rounding to single precision. */
enum tern_status json_get_positive(struct json_value object, const char *key, bool required, double *out,
                                   struct tern_error *err);

/* "SOURCE: key 'a.b[3]' (line 3, column 18): WHAT", status TERN_ERR_FILE. */
enum tern_status json_fail(struct json_value value, struct tern_error *err, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* "SOURCE: key 'a.b': missing; expected EXPECTED". */
enum tern_status json_fail_missing(struct json_value object, const char *key, const char *expected,
                                   struct tern_error *err);
/* "SOURCE: key 'a.b' (line 3, column 18): expected EXPECTED, found an array". */
enum tern_status json_fail_type(struct json_value value, const char *expected, struct tern_error *err);

#endif
