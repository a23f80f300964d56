/* A request of a batch: one line of JSON to a prompt and settings. */
#ifndef TERN_CLI_REQUEST_H
#define TERN_CLI_REQUEST_H

#include "cli/generation.h"
#include "cli/prompt.h"
#include "cli/token_probs.h"
#include "console/text.h"
#include "json/json.h"
#include "json/write.h"

#include <tern.h>

/* Zero-initialized is empty. */
struct request {
	struct json json;     /* strings live in it */
	struct json_value id; /* a scalar; nothing if there is none */
	struct generation_options
	        settings; /* the command line's, and over them the request's; owns the list of stops */
	struct token_probs_options probs;
	bool is_chat;
	struct prompt_ids prompt;

	/* While it is read: */
	struct json_value text, system, conversation; /* nothing if not given */
	struct tern_message *messages;
	size_t n_messages;
	struct text stops; /* the request's own stop strings, each ended by a NUL */
	uint64_t seen[2];  /* settings, by their place in generation_options and token_probs_options */
};

/* Reads a line and makes the prompt's tokens. settings and probs: what applies where the request says nothing.
 * TERN_ERR_FILE for what is not a request, with the place in the line; other errors as from the library. Ends with
 * request_free() in every case, and the id is set if it could be read. */
enum tern_status request_read(struct request *request, const struct text *line, size_t line_number,
                              const struct opened *opened, const struct generation_options *settings,
                              const struct token_probs_options *probs, struct tern_error *err);

/* The member "id" of an object, as it was given; nothing if it was not. */
void request_write_id(const struct request *request, struct json_writer *json);

void request_free(struct request *request);

#endif
