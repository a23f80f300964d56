/* Values of a JSON tree, converted and checked, and the messages about those that are not as they should be. */
#ifndef TERN_JSON_VALUE_H
#define TERN_JSON_VALUE_H

#include "base/error.h"
#include "json/json.h"

/* Converts a value. Errors name the place. A whole number has neither fraction nor exponent nor, for u64, a sign. */
enum tern_status json_to_u64(struct json_value value, uint64_t *out, struct tern_error *err);
enum tern_status json_to_i64(struct json_value value, int64_t *out, struct tern_error *err);
enum tern_status json_to_f64(struct json_value value, double *out, struct tern_error *err); /* finite */
enum tern_status json_to_bool(struct json_value value, bool *out, struct tern_error *err);
enum tern_status json_to_string(struct json_value value, struct json_string *out, struct tern_error *err);

/* The same for a member of an object. Absent or null: TERN_OK and *out untouched, so the caller puts the default
 * there first; *found (may be NULL) tells. */
enum tern_status json_get_u64(struct json_value object, const char *key, uint64_t *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_i64(struct json_value object, const char *key, int64_t *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_f64(struct json_value object, const char *key, double *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_bool(struct json_value object, const char *key, bool *out, bool *found,
                               struct tern_error *err);
enum tern_status json_get_string(struct json_value object, const char *key, struct json_string *out, bool *found,
                                 struct tern_error *err);
/* A member that has to be an array or an object; *out is nothing if absent or null. */
enum tern_status json_get_container(struct json_value object, const char *key, enum json_type type,
                                    struct json_value *out, struct tern_error *err);

/* A member that has to be a whole number from low to high; `required` or *out is the default. */
enum tern_status json_get_size(struct json_value object, const char *key, bool required, uint64_t low, uint64_t high,
                               uint64_t *out, struct tern_error *err);
/* A member that has to be a number above 0, and stay that in single precision. */
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
