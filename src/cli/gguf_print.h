/* Metadata values of a GGUF file on standard output. */
#ifndef TERN_CLI_GGUF_PRINT_H
#define TERN_CLI_GGUF_PRINT_H

#include "model/gguf.h"
#include "json/write.h"

/* In one line: a long string is cut, an array tells its size. */
void gguf_print_short(const struct gguf_pair *pair);
/* Bare, for scripts: a string as its bytes, an array as one line per item. */
void gguf_print_bare(const struct gguf_pair *pair);
/* As JSON; an array of more items than max_items becomes {"type", "count"}. */
void gguf_print_json(struct json_writer *json, const struct gguf_pair *pair, uint64_t max_items);

#endif
