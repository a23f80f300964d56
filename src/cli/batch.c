#include "cli/batch.h"
#include "base/error.h"
#include "base/space.h"
#include "cli/answer.h"
#include "cli/input.h"
#include "cli/line_reader.h"
#include "cli/request.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct batch {
	const struct batch_options *options;
	const struct opened *opened;
	struct tern_session *session;
	struct line_reader lines;
	struct text line;
	struct progress progress;
	size_t n_requests, n_failed;
};

static void put_error(struct batch *batch, const struct request *request, const struct tern_error *err)
{
	struct json_writer json = {0};

	batch->n_failed++;
	json_write_begin_object(&json);
	request_write_id(request, &json);
	answer_write_error(&json, batch->lines.line_number, err);
	json_write_end_object(&json);
	output_write("\n", 1);
}

static void begin_object(struct json_writer *json, const void *request) { request_write_id(request, json); }

/* Writes the answer's object. An error that comes before there is anything of an answer is left to the caller. */
static enum tern_status answer(struct batch *batch, const struct request *request, struct tern_error *err)
{
	const struct prompt_ids *prompt = &request->prompt;
	struct answer answer = {
	        .opened = batch->opened,
	        .session = batch->session,
	        .settings = &request->settings,
	        .form = ANSWER_JSON,
	        .verbose = batch->options->verbose,
	        .begins = request->is_chat ? prompt_thoughts(batch->opened->model, prompt->ids, prompt->n_ids) : "",
	        .line = batch->lines.line_number,
	        .begin_object = begin_object,
	        .begin_context = request,
	        .probs = {.options = request->probs}};
	enum tern_status status = answer_generate(&answer, prompt, err);

	batch->n_failed += status && answer.has_written;
	if (answer.has_written)
		status = TERN_OK;
	answer_free(&answer);
	return status;
}

static void do_request(struct batch *batch, enum line_result result)
{
	struct request request = {.n_messages = 0};
	struct tern_error err = {.status = TERN_OK};
	enum tern_status status;

	if (result == LINE_TOO_LONG)
		status = tern_fail(&err, TERN_ERR_CONTEXT, "line %zu: more than %d MiB, which fits no context",
		                   batch->lines.line_number, LINE_LIMIT >> 20);
	else if (result == LINE_OUT_OF_MEMORY)
		status = tern_fail_memory(&err, batch->line.n_bytes);
	else
		status = request_read(&request, &batch->line, batch->lines.line_number, batch->opened,
		                      batch->options->settings, batch->options->probs, &err);
	if (!status)
		status = prompt_check_fit(&request.prompt, (size_t)tern_session_n_ctx(batch->session),
		                          &batch->opened->info, &err);
	if (!status)
		status = answer(batch, &request, &err);
	if (status)
		put_error(batch, &request, &err);
	batch->n_requests++;
	request_free(&request);
}

/* A bar in a terminal that the results do not go to. */
static void show_progress(struct batch *batch)
{
	struct line_reader *lines = &batch->lines;

	if (!term_is_terminal(STDOUT_FILENO) && lines->n_total)
		progress_update(&batch->progress, lines->n_read - (lines->n - lines->at), lines->n_total);
}

static enum tern_status do_lines(struct batch *batch, const char *name)
{
	enum line_result result;

	progress_start(&batch->progress, "answering");
	while ((result = line_reader_next(&batch->lines, &batch->line)) != LINE_END && result != LINE_FAILED) {
		if (result == LINE_READ && tern_is_blank(batch->line.bytes, batch->line.n_bytes))
			continue;
		do_request(batch, result);
		if (!output_flush() || signals_interrupted())
			break;
		show_progress(batch);
	}
	progress_end(&batch->progress);
	if (result == LINE_FAILED) {
		report("%s: cannot read: %s", name, strerror(errno));
		return TERN_ERR_FILE;
	}
	if (batch->n_failed == 0)
		return TERN_OK;
	report("%zu of %zu requests failed; their lines of output say why", batch->n_failed, batch->n_requests);
	return TERN_ERR_FAILED;
}

enum tern_status batch_run(const struct batch_options *options, const struct opened *opened,
                           struct tern_session *session)
{
	struct batch batch = {.options = options, .opened = opened, .session = session};
	const char *name = strcmp(options->file, "-") == 0 ? "standard input" : options->file;
	enum tern_status status;
	int fd;

	if ((status = input_open(options->file, &fd)))
		return status;
	signals_catch_interrupt();
	line_reader_start(&batch.lines, fd);
	status = do_lines(&batch, name);
	text_free(&batch.line);
	if (fd != STDIN_FILENO)
		close(fd);
	return status;
}
