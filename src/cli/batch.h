/* tern run --batch: requests as lines of JSON in, results as lines of JSON out. */
#ifndef TERN_CLI_BATCH_H
#define TERN_CLI_BATCH_H

#include "cli/generation.h"
#include "cli/token_probs.h"

#include <tern.h>

/* What applies to all requests, and to each that says nothing else. */
struct batch_options {
	const char *file; /* "-": standard input */
	const struct generation_options *settings;
	const struct token_probs_options *probs;
	bool verbose;
};

/* Answers the requests of a file one after the other, with a line of output for each that is written at once. Prompts
 * that begin alike are computed once as far as they do; that changes no result. A bad request gives an error object,
 * the rest is still done: TERN_ERR_FAILED is then returned at the end. Errors were reported. Ends early when
 * interrupted, with what there is of the current answer. */
enum tern_status batch_run(const struct batch_options *options, const struct opened *opened,
                           struct tern_session *session);

#endif
