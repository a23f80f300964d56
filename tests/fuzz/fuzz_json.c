/* Fuzz target: the JSON parser. The first byte chooses the flags. Everything in the tree is visited. */
#include "base/memory.h"
#include "json/parse.h"
#include "json/value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Visits items down to the depth the parser allows; returns how many values there are. */
static size_t visit(struct json_value value, int depth)
{
	struct tern_error err;
	size_t n = 1;
	uint64_t u64;
	double f64;

	if (json_type(value) == JSON_STRING)
		return n + json_string(value).length;
	if (json_to_u64(value, &u64, &err) == TERN_OK || json_to_f64(value, &f64, &err) == TERN_OK)
		return n;
	for (struct json_iterator it = json_items(value); depth < JSON_MAX_DEPTH && json_next(&it);)
		n += visit(it.value, depth + 1);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tern_error err;
	struct json json;
	char *text;

	if (size == 0 || !(text = tern_alloc(size, 1)))
		return 0;
	memcpy(text, data + 1, size - 1);
	if (json_parse(&json, "fuzz", text, size - 1, data[0] & 1, &err))
		return 0;
	if (visit(json_root(&json), 0) == 0 || json_exists(json_find(json_root(&json), "no such key, surely")))
		abort();
	json_free(&json);
	return 0;
}
