/* The summary of a model file: what it holds and what tern makes of it. */
#ifndef TERN_CLI_INFO_SUMMARY_H
#define TERN_CLI_INFO_SUMMARY_H

#include "api/inspect.h"
#include "json/write.h"

struct info_summary {
	const struct gguf *gguf;
	uint64_t file_size;
	struct tern_file_facts facts; /* of gguf */
};

/* As a table on standard output. */
void info_put_summary(const struct info_summary *summary);
/* As members of the JSON object that is open. */
void info_json_summary(struct json_writer *json, const struct info_summary *summary);

#endif
