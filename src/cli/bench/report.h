/* The output formats of `tern bench`: a Markdown table for people, JSON for programs. */
#ifndef TERN_CLI_BENCH_REPORT_H
#define TERN_CLI_BENCH_REPORT_H

#include "cli/bench/measure.h"
#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>

enum bench_format {
	BENCH_MD,
	BENCH_JSON, /* one array */
	BENCH_JSONL,
	BENCH_NONE,
};

struct bench_printer {
	enum bench_format format;
	bool to_stderr;
	const char *cpu;
	bool show_batch; /* a column of its own in Markdown */
	size_t n_rows;   /* so far */
};

/* Prints one row at once. False if writing failed. */
bool bench_print_row(struct bench_printer *printer, const struct bench_subject *subject,
                     const struct bench_result *result);
/* Ends the output, if there is any. */
bool bench_print_end(const struct bench_printer *printer);
/* Prints lines outside the table; only Markdown has them. */
bool bench_print_lines(const struct bench_printer *printer, const struct text *lines);

#endif
