#include "json/value.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

/* Writes the keys and indices that lead from the root to the value, as in a.b[3].c. Returns out. */
static const char *path_to(struct json_value value, char *out, size_t size)
{
	struct json_value at = json_root(value.json);
	size_t n = 0;

	out[0] = 0;
	while (at.at != value.at && n < size - 1) {
		struct json_iterator it = json_items(at);
		size_t i = 0;
		/* The first item that ends after the value contains it. */
		while (json_next(&it) && it.next <= value.at)
			i++;
		if (it.is_object) {
			char quoted[TERN_QUOTE_SIZE];
			struct json_string key = json_string(it.key);
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "",
			                      tern_quote(quoted, key.bytes, key.length));
		} else {
			n += (size_t)snprintf(out + n, size - n, "[%zu]", i);
		}
		if (it.value.at == at.at)
			break;
		at = it.value;
	}
	return out;
}

enum tern_status json_fail(struct json_value value, struct tern_error *err, const char *format, ...)
{
	char path[400], what[512], place[JSON_PLACE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	json_place(place, value.json, value.json->words[value.at]);
	if (value.at == 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: %s: %s", value.json->source, place, what);
	return tern_fail(err, TERN_ERR_FILE, "%s: key '%s' (%s): %s", value.json->source,
	                 path_to(value, path, sizeof path), place, what);
}

enum tern_status json_fail_missing(struct json_value object, const char *key, const char *expected,
                                   struct tern_error *err)
{
	char path[400];

	path_to(object, path, sizeof path);
	return tern_fail(err, TERN_ERR_FILE, "%s: key '%s%s%s': missing; expected %s", object.json->source, path,
	                 path[0] ? "." : "", key, expected);
}

enum tern_status json_fail_type(struct json_value value, const char *expected, struct tern_error *err)
{
	static const char *const names[] = {"null", "true or false", "a number", "a string", "an array", "an object"};
	const char *text = json_text(value);
	char quoted[TERN_QUOTE_SIZE];

	if (json_type(value) == JSON_STRING) {
		struct json_string string = json_string(value);
		return json_fail(value, err, "expected %s, found \"%s\"", expected,
		                 tern_quote(quoted, string.bytes, string.length));
	}
	if (json_type(value) != JSON_NUMBER)
		return json_fail(value, err, "expected %s, found %s", expected, names[json_type(value)]);
	return json_fail(value, err, "expected %s, found %.*s", expected, (int)strspn(text, "+-.0123456789eE"), text);
}

/* ---- conversions ---- */

/* The number at s, which has no sign. False if it does not fit or is not a whole number. */
static bool parse_digits(const char *s, uint64_t *out)
{
	*out = 0;
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(*out, 10u, out) || __builtin_add_overflow(*out, (uint64_t)(*s - '0'), out))
			return false;
	return *s != '.' && *s != 'e' && *s != 'E';
}

enum tern_status json_to_u64(struct json_value value, uint64_t *out, struct tern_error *err)
{
	uint64_t n;

	if (json_type(value) != JSON_NUMBER || !parse_digits(json_text(value), &n))
		return json_fail_type(value, "a whole number", err);
	*out = n;
	return TERN_OK;
}

enum tern_status json_to_i64(struct json_value value, int64_t *out, struct tern_error *err)
{
	bool is_negative = *json_text(value) == '-';
	uint64_t n;

	if (json_type(value) != JSON_NUMBER || !parse_digits(json_text(value) + is_negative, &n) ||
	    n > (uint64_t)INT64_MAX + is_negative)
		return json_fail_type(value, "a whole number", err);
	*out = is_negative ? (int64_t)(0 - n) : (int64_t)n;
	return TERN_OK;
}

enum tern_status json_to_f64(struct json_value value, double *out, struct tern_error *err)
{
	double number;

	if (json_type(value) != JSON_NUMBER)
		return json_fail_type(value, "a number", err);
	number = strtod(json_text(value), NULL);
	if (!isfinite(number))
		return json_fail(value, err, "the number is too large");
	*out = number;
	return TERN_OK;
}

enum tern_status json_to_bool(struct json_value value, bool *out, struct tern_error *err)
{
	if (json_type(value) != JSON_BOOL)
		return json_fail_type(value, "true or false", err);
	*out = *json_text(value) == 't';
	return TERN_OK;
}

enum tern_status json_to_string(struct json_value value, struct json_string *out, struct tern_error *err)
{
	if (json_type(value) != JSON_STRING)
		return json_fail_type(value, "a string", err);
	*out = json_string(value);
	return TERN_OK;
}

/* The member, or nothing if it is null. */
static struct json_value find_some(struct json_value object, const char *key, bool *found)
{
	struct json_value value = json_find(object, key);

	if (json_exists(value) && json_type(value) == JSON_NULL)
		value.json = NULL;
	if (found)
		*found = json_exists(value);
	return value;
}

#define DEFINE_GET(name, type)                                                                              \
	enum tern_status json_get_##name(struct json_value object, const char *key, type *out, bool *found, \
	                                 struct tern_error *err)                                            \
	{                                                                                                   \
		struct json_value value = find_some(object, key, found);                                    \
		return json_exists(value) ? json_to_##name(value, out, err) : TERN_OK;                      \
	}
DEFINE_GET(u64, uint64_t)
DEFINE_GET(f64, double)
DEFINE_GET(bool, bool)
DEFINE_GET(string, struct json_string)

enum tern_status json_get_container(struct json_value object, const char *key, enum json_type type,
                                    struct json_value *out, struct tern_error *err)
{
	*out = find_some(object, key, NULL);
	if (!json_exists(*out) || json_type(*out) == type)
		return TERN_OK;
	return json_fail_type(*out, type == JSON_ARRAY ? "an array" : "an object", err);
}

enum tern_status json_get_size(struct json_value object, const char *key, bool required, uint64_t low, uint64_t high,
                               uint64_t *out, struct tern_error *err)
{
	char expected[64];
	uint64_t number = *out;
	bool found;
	enum tern_status status = json_get_u64(object, key, &number, &found, err);

	if (status)
		return status;
	snprintf(expected, sizeof expected, "a whole number from %llu to %llu", (unsigned long long)low,
	         (unsigned long long)high);
	if (!found)
		return required ? json_fail_missing(object, key, expected, err) : TERN_OK;
	if (number < low || number > high)
		return json_fail_type(json_find(object, key), expected, err);
	*out = number;
	return TERN_OK;
}

enum tern_status json_get_positive(struct json_value object, const char *key, bool required, double *out,
                                   struct tern_error *err)
{
	double number = *out;
	bool found;
	enum tern_status status = json_get_f64(object, key, &number, &found, err);

	if (status)
		return status;
	if (!found)
		return required ? json_fail_missing(object, key, "a number above 0", err) : TERN_OK;
	if (!(number >= FLT_MIN) || number > FLT_MAX)
		return json_fail_type(json_find(object, key), "a number above 0", err);
	*out = number;
	return TERN_OK;
}
