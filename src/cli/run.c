/* tern run: one answer, or one continuation, on standard output. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/input.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"
#include "json/write.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

struct output_options {
	bool echo, json, jsonl;
};

struct run_options {
	struct common_options common;
	struct generation_options generation;
	struct input_options input;
	struct output_options output;
};

#define FIELD(name) offsetof(struct output_options, name)

static const struct option output_options[] = {
        {.name = "echo", .offset = FIELD(echo), .help = "print the prompt before the answer"},
        {.name = "json",
         .offset = FIELD(json),
         .help = "print one JSON object at the end: text, finish_reason, prompt_tokens, generated_tokens, seed, "
                 "prompt_ms, generate_ms, model"},
        {.name = "jsonl",
         .offset = FIELD(jsonl),
         .help = "print a line {\"text\": ...} for every piece, then the object without text"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Prompt:", input_options, offsetof(struct run_options, input)},
        GENERATION_GROUP(struct run_options, generation),
        {"Output:", output_options, offsetof(struct run_options, output)},
        COMMON_MODEL_GROUP(struct run_options, common),
        COMMON_COMPUTING_GROUP(struct run_options, common),
        COMMON_MESSAGE_GROUP(struct run_options, common),
        {.options = NULL},
};

static enum tern_status run_main(int argc, char **argv);

const struct command command_run = {
        .name = "run",
        .summary = "Answer a prompt, or continue a text, then exit",
        .usage = "tern run [OPTION...] [MODEL.gguf] [TEXT...]",
        .examples = "  tern run \"Tell me a story about a fox.\"\n"
                    "  tern run -m model.gguf -n 200 --temp 0 \"What is the capital of France?\"\n"
                    "  tern run \"Summarise this text.\" < text.txt\n"
                    "  tern run --raw -p \"Once upon a time\" --stop \"The end\"\n"
                    "  tern run --json \"Hello\" | python3 -m json.tool\n",
        .notes = "Text on standard input is the prompt or, if there is one, the document that the\n"
                 "prompt is about: the document comes first, then a blank line, then the prompt.\n"
                 "The model's chat format is used if it has one, unless --raw is given.\n"
                 "\n"
                 "Exit status: 0 done, 1 failed, 2 wrong usage, 3 bad input file, 4 does not fit\n"
                 "the context, 130 interrupted.\n",
        .groups = groups,
        .values_size = sizeof(struct run_options),
        .run = run_main,
};

/* One run under way. */
struct run {
	struct run_options options;
	struct operands operands;
	struct opened opened;
	struct tern_session *session;
	struct tern_sampler *sampler;
	struct tern_sampler_options sampling;
	struct text prompt;
	bool have_prompt; /* without what may be on standard input */
	bool is_chat;
	int32_t *all_ids; /* as allocated */
	int32_t *ids;     /* the prompt's tokens, in all_ids */
	size_t n_ids;
	struct progress progress;
	struct text answer; /* for --json */
	char last_byte;     /* of the output so far */
};

/* ---- the prompt ---- */

static void strip_newlines(struct text *text)
{
	while (text->n_bytes > 0 && text->bytes[text->n_bytes - 1] == '\n')
		text->bytes[--text->n_bytes] = '\0';
}

/* The prompt as far as it is not on standard input; refuses a command line that gives none. */
static enum tern_status read_prompt(struct run *run)
{
	enum tern_status status =
	        input_read(&command_run, &run->options.input, &run->operands, &run->prompt, &run->have_prompt);

	if (status == TERN_OK && !run->have_prompt && !input_stdin_is_piped())
		return usage_error(&command_run, "no prompt: give it as words, with -p or -f, or on standard input");
	return status;
}

/* Reads standard input, which is the prompt or the document that it is about. Like $(...) in a shell, it is taken
 * without the newlines at its end. */
static enum tern_status read_document(struct run *run)
{
	const char *file = run->options.input.file;
	struct text document = {0};
	enum tern_status status = TERN_OK;

	if (input_stdin_is_piped() && !(file && strcmp(file, "-") == 0))
		status = input_read_stdin(&document);
	strip_newlines(&document);
	if (document.n_bytes > 0) {
		if (run->have_prompt)
			text_append(&document, "\n\n", 2);
		text_append(&document, run->prompt.bytes, run->prompt.n_bytes);
		text_free(&run->prompt);
		run->prompt = document;
	} else {
		text_free(&document);
	}
	if (status == TERN_OK && run->prompt.failed) {
		report("out of memory");
		status = TERN_ERR_FAILED;
	}
	if (status == TERN_OK && run->prompt.n_bytes == 0)
		status = usage_error(&command_run, "the prompt is empty");
	return status;
}

/* Decides between the model's chat format and plain continuation. */
static enum tern_status choose_format(struct run *run)
{
	const char *format = run->opened.info.chat_format;

	run->is_chat = format && *format && !run->options.generation.raw;
	if (run->is_chat || run->options.generation.raw)
		return TERN_OK;
	if (format) {
		report("%s: its chat format is not one tern knows; --template chooses one, --raw continues the text "
		       "as it is",
		       run->opened.path);
		return TERN_ERR_FILE;
	}
	if (run->options.generation.system)
		return usage_error(&command_run, "--system: the model has no chat format to put it in");
	return TERN_OK;
}

static enum tern_status tokenize_prompt(struct run *run, struct tern_error *err)
{
	const struct tern_model *model = run->opened.model;
	struct tern_message messages[] = {
	        {.role = "system", .content = run->options.generation.system},
	        {.role = "user", .content = run->prompt.bytes, .n_bytes = run->prompt.n_bytes},
	};
	bool has_system = run->options.generation.system != NULL;
	enum tern_status status;

	if (run->is_chat)
		status = tern_chat_tokenize(model, messages + !has_system, 1 + (size_t)has_system, TERN_CHAT_GENERATE,
		                            &run->all_ids, &run->n_ids, err);
	else
		status = tern_tokenize(model, run->prompt.bytes, run->prompt.n_bytes,
		                       TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL, &run->all_ids, &run->n_ids, err);
	run->ids = run->all_ids;
	/* Who writes the beginning of the text out, as many formats are documented, does not want it twice. */
	if (!status && !run->is_chat && run->n_ids >= 2 && run->ids[0] == run->ids[1] &&
	    run->ids[0] == tern_bos(model)) {
		run->ids++;
		run->n_ids--;
	}
	return status;
}

/* Nothing is ever cut silently: says what would have to be different. */
static enum tern_status check_fit(const struct run *run)
{
	size_t n_ctx = (size_t)tern_session_n_ctx(run->session), n_model = (size_t)run->opened.info.n_ctx_train;

	if (run->n_ids <= n_ctx)
		return TERN_OK;
	if (run->n_ids <= n_model)
		report("prompt is %zu tokens, context is %zu (model allows %zu): use -c %zu", run->n_ids, n_ctx,
		       n_model, n_model);
	else
		report("prompt is %zu tokens, context is %zu (model allows %zu)", run->n_ids, n_ctx, n_model);
	return TERN_ERR_CONTEXT;
}

/* ---- the answer ---- */

static void put_answer(struct run *run, const char *text, size_t n_bytes)
{
	struct json_writer json = {0};

	if (n_bytes == 0)
		return;
	run->last_byte = text[n_bytes - 1];
	if (run->options.output.jsonl) {
		json_write_begin_object(&json);
		json_write_key(&json, "text");
		json_write_bytes(&json, text, n_bytes);
		json_write_end_object(&json);
		output_write("\n", 1);
	} else if (run->options.output.json) {
		text_append(&run->answer, text, n_bytes);
	} else {
		output_text(text, n_bytes);
	}
}

static bool on_text(void *user, const char *text, size_t n_bytes)
{
	struct run *run = user;

	progress_end(&run->progress);
	signals_catch_interrupt();
	put_answer(run, text, n_bytes);
	return output_flush() && !signals_interrupted() && !run->answer.failed;
}

static bool on_prompt(void *user, size_t n_done, size_t n_total)
{
	struct run *run = user;

	progress_update(&run->progress, n_done, n_total);
	return true;
}

static const char *finish_name(enum tern_finish finish)
{
	static const char *const names[] = {
	        [TERN_FINISH_STOP] = "stop",
	        [TERN_FINISH_STOP_STRING] = "stop_string",
	        [TERN_FINISH_LENGTH] = "length",
	        [TERN_FINISH_CONTEXT] = "context",
	        [TERN_FINISH_INTERRUPTED] = "interrupted",
	};
	return names[finish];
}

/* The object of --json and --jsonl; err: what ended the work early, or NULL. */
static void put_json(const struct run *run, const struct tern_generate_result *result, const struct tern_error *err)
{
	struct json_writer json = {0};

	json_write_begin_object(&json);
	if (run->options.output.json) {
		json_write_key(&json, "text");
		json_write_bytes(&json, run->answer.bytes ? run->answer.bytes : "", run->answer.n_bytes);
	}
	json_write_key(&json, "finish_reason");
	json_write_string(&json, err ? "error" : finish_name(result->finish));
	if (err) {
		json_write_key(&json, "error");
		json_write_string(&json, err->message);
	}
	json_write_key(&json, "prompt_tokens");
	json_write_int(&json, result->n_prompt);
	json_write_key(&json, "generated_tokens");
	json_write_int(&json, result->n_generated);
	json_write_key(&json, "seed");
	json_write_uint(&json, run->sampling.seed);
	json_write_key(&json, "prompt_ms");
	json_write_real(&json, round(result->prompt_seconds * 1e6) * 1e-3, 9);
	json_write_key(&json, "generate_ms");
	json_write_real(&json, round(result->generate_seconds * 1e6) * 1e-3, 9);
	json_write_key(&json, "model");
	json_write_string(&json, run->opened.path);
	json_write_end_object(&json);
	output_write("\n", 1);
}

static void note_speed(const struct run *run, const struct tern_generate_result *result)
{
	struct text line = {0};

	generation_describe(&line, result);
	text_printf(&line, " · seed %llu", (unsigned long long)run->sampling.seed);
	if (!line.failed)
		note("%s", line.bytes);
	text_free(&line);
}

static enum tern_status put_echo(struct run *run, struct tern_error *err)
{
	char *text = NULL;
	size_t n_bytes = 0;
	enum tern_status status = TERN_OK;

	if (run->options.generation.show_special)
		status = tern_detokenize(run->opened.model, run->ids, run->n_ids, true, &text, &n_bytes, err);
	if (status)
		return status;
	if (text) {
		put_answer(run, text, n_bytes);
	} else {
		put_answer(run, run->prompt.bytes, run->prompt.n_bytes);
		if (run->is_chat)
			put_answer(run, "\n\n", 2);
	}
	tern_free(text);
	return TERN_OK;
}

/* Generates and tells how it went; what came before an error stays printed. */
static enum tern_status generate(struct run *run, struct tern_error *err)
{
	const struct generation_options *generation = &run->options.generation;
	struct tern_generate_options settings = {
	        .n_predict = generation->n_predict < 0 ? 0 : generation->n_predict,
	        .stops = generation->stops.items,
	        .n_stops = generation->stops.n_items,
	        .ignore_end = generation->ignore_eos,
	        .show_special = generation->show_special,
	        .on_text = on_text,
	        .on_prompt = on_prompt,
	        .user = run,
	};
	struct tern_generate_result result = {0};
	enum tern_status status;

	if (run->options.output.echo && (status = put_echo(run, err)))
		return status;
	output_flush();
	progress_start(&run->progress, "reading the prompt");
	signals_clean_on_death(NULL);
	status = tern_generate(run->session, run->sampler, run->ids, run->n_ids, &settings, &result, err);
	progress_end(&run->progress);

	if (status == TERN_OK && run->answer.failed)
		status = tern_fail_memory(err, run->answer.n_bytes);
	if (run->options.output.json || run->options.output.jsonl)
		put_json(run, &result, status ? err : NULL);
	else if (run->last_byte != '\n')
		output_write("\n", 1);
	output_flush();
	if (run->options.common.verbose)
		note_speed(run, &result);
	return status;
}

/* ---- the whole ---- */

static enum tern_status open_session(struct run *run, struct tern_error *err)
{
	struct generation_options *generation = &run->options.generation;
	enum tern_status status;
	int n_threads;

	common_threads(&run->options.common, &n_threads);
	if ((status = generation_open_session(&run->session, generation, &run->opened, n_threads, err)) ||
	    (run->is_chat && (status = generation_add_stops(generation, run->opened.model, err))))
		return status;
	run->sampling = generation_sampler(generation);
	if ((status = tern_sampler_new(&run->sampler, run->opened.model, &run->sampling, err)))
		return status;
	generation_tell_session(run->session, &run->options.common, &run->opened,
	                        run->is_chat ? run->opened.info.chat_format : NULL);
	return TERN_OK;
}

/* Everything after the command line is parsed. Errors of the library are reported here, others where they arise. */
static enum tern_status work(struct run *run)
{
	struct tern_error err = {0};
	enum tern_status status;

	if ((status = generation_check(&command_run, &run->options.generation)))
		return status;
	if (run->options.output.json && run->options.output.jsonl)
		return usage_error(&command_run, "--json and --jsonl exclude each other");
	run->options.common.chat_format = run->options.generation.chat_format;
	if ((status = read_prompt(run)) || (status = common_open_weights(&run->opened, &run->options.common)) ||
	    (status = choose_format(run)) || (status = read_document(run)))
		return status;
	if ((status = tokenize_prompt(run, &err)) || (status = open_session(run, &err)))
		return report_error(&err);
	if ((status = check_fit(run)))
		return status;
	if ((status = generate(run, &err)))
		return report_error(&err);
	return TERN_OK;
}

static enum tern_status run_main(int argc, char **argv)
{
	struct run run = {0};
	enum tern_status status;

	if (!options_parse(&command_run, argc, argv, &run.options, &run.operands, &status))
		return status;
	common_apply(&run.options.common, &run.operands);
	status = work(&run);

	tern_sampler_free(run.sampler);
	tern_session_free(run.session);
	common_close(&run.opened);
	tern_free(run.all_ids);
	text_free(&run.prompt);
	text_free(&run.answer);
	options_free(&command_run, &run.options, &run.operands);
	status = output_finish(status);
	if (signals_interrupted())
		signals_die_of_interrupt();
	return status;
}
