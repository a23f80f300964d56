/* Metadata values of a GGUF file on standard output. */
#ifndef TERN_CLI_INFO_VALUES_H
#define TERN_CLI_INFO_VALUES_H

#include "api/inspect.h"
#include "json/write.h"

/* On one line: long strings are cut, of arrays only size and type are shown. */
void info_put_value(const struct gguf_pair *pair);
/* For scripts: a string as its bytes, an array as one line per item. */
void info_put_bare_value(const struct gguf_pair *pair);
/* As JSON; an array of more items than max_items becomes {"type", "count"}. */
void info_json_value(struct json_writer *json, const struct gguf_pair *pair, uint64_t max_items);

#endif
