/* One answer: a prompt's tokens in, generated text or its JSON on standard output. */
#ifndef TERN_CLI_ANSWER_H
#define TERN_CLI_ANSWER_H

#include "cli/generation.h"
#include "cli/prompt.h"
#include "cli/think_tags.h"
#include "cli/token_probs.h"
#include "console/progress.h"
#include "console/text.h"
#include "json/write.h"

#include <stdbool.h>
#include <stddef.h>
#include <tern.h>

enum answer_form {
	ANSWER_TEXT,  /* as it comes, and a newline if it ends without one */
	ANSWER_JSON,  /* one object at the end */
	ANSWER_JSONL, /* {"text": ...} for every piece, then the object without text */
};

/* What an answer needs; the rest is its own. */
struct answer {
	const struct opened *opened;
	struct tern_session *session;
	const struct generation_options *settings;
	enum answer_form form;
	bool verbose;
	const char *begins; /* what of the answer is the prompt's end: "<think>\n", or "" */
	size_t line; /* of a batch, or 0; with a line the object also has the number of cached tokens of the prompt */
	/* Writes what the object begins with; NULL: nothing. */
	void (*begin_object)(struct json_writer *json, const void *context);
	const void *begin_context;

	struct tern_sampler_options sampling;
	struct tern_generate_result result;
	struct token_probs probs; /* options are the caller's to set */
	struct progress progress;
	struct text text;  /* ANSWER_JSON: the answer so far */
	struct text whole; /* with its thoughts, if they are left out */
	struct think_tags tags;
	bool has_begun;
	int n_cached;     /* tokens of the prompt that the session held already */
	char last_byte;   /* of the output so far */
	bool has_written; /* all there is of it, with the error if there was one */
};

/* Puts text before the answer, as part of it. */
void answer_echo(struct answer *answer, const char *text, size_t n_bytes);

/* Generates and writes; tokens of the prompt that the session holds are not computed again. Text from before an error
 * stays written: ANSWER_JSON and ANSWER_JSONL then end with the object, which contains the error. Once it has begun to
 * write, or from the start for JSON, Ctrl-C ends the answer and not the program. */
enum tern_status answer_generate(struct answer *answer, const struct prompt_ids *prompt, struct tern_error *err);

void answer_free(struct answer *answer);

/* The member "error" of an object: {status, message}, with the line of a batch unless that is 0. */
void answer_write_error(struct json_writer *json, size_t line, const struct tern_error *err);

#endif
