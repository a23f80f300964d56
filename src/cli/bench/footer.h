/* What follows the table: the overhead of generating, and how speed grows with threads. */
#ifndef TERN_CLI_BENCH_FOOTER_H
#define TERN_CLI_BENCH_FOOTER_H

#include "cli/bench/measure.h"
#include "console/text.h"

/* Lines for every result of generation alone: its overhead and, for a Q8P head, how much of the head was read; for
 * every edit what guesses have saved. */
void bench_append_overhead(struct text *to, const struct bench_result *results, size_t n_results);
/* Lines for what the session of a model of a type has found to be the fastest way of reading its weights. */
void bench_append_reads(struct text *to, const char *type, const struct bench_session *session);
/* Bars of speed by number of threads for each test, with a mark where perfect scaling from its first result would end.
 */
void bench_append_curves(struct text *to, const struct bench_result *results, size_t n_results);

#endif
