/* tern run: answers on standard output, then exits. */
#include "base/memory.h"
#include "cli/answer.h"
#include "cli/batch.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/input.h"
#include "cli/prompt.h"
#include "cli/token_probs.h"
#include "console/output.h"
#include "console/signals.h"
#include "console/term.h"

#include <string.h>

struct output_options {
	bool echo, json, jsonl;
	const char *batch;
};

struct run_options {
	struct common_options common;
	struct generation_options generation;
	struct input_options input;
	struct output_options output;
	struct token_probs_options probs;
};

#define FIELD(name) offsetof(struct output_options, name)

static const struct option output_options[] = {
        {.name = "echo", .offset = FIELD(echo), .help = "print the prompt before the answer"},
        {.name = "json",
         .offset = FIELD(json),
         .help = "print one JSON object at the end: text, finish_reason, prompt_tokens, generated_tokens, "
                 "guessed_tokens, accepted_tokens, seed, prompt_ms, generate_ms, model"},
        {.name = "jsonl",
         .offset = FIELD(jsonl),
         .help = "print a line {\"text\": ...} for every piece, then the object without text"},
        {.name = "batch",
         .kind = OPTION_TEXT,
         .offset = FIELD(batch),
         .argument = "FILE",
         .help = "answer requests, a JSON object a line in FILE (-: standard input), with a JSON object a line",
         .once = true},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Prompt:", input_options, offsetof(struct run_options, input)},
        GENERATION_GROUP(struct run_options, generation),
        {"Output:", output_options, offsetof(struct run_options, output)},
        TOKEN_PROBS_GROUP(struct run_options, probs),
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
                    "  tern run \"Summarize this text.\" < text.txt\n"
                    "  tern run --raw -p \"Once upon a time\" --stop \"The end\"\n"
                    "  tern run --json \"Hello\" | python3 -m json.tool\n"
                    "  tern run --batch requests.jsonl > results.jsonl\n",
        .notes = "Text on standard input is the prompt or, if there is one, the document that the\n"
                 "prompt is about: the document comes first, then a blank line, then the prompt.\n"
                 "The model's chat format is used if it has one, unless --raw is given.\n"
                 "\n"
                 "A request of --batch has a prompt, or messages: an array of {role, content} with\n"
                 "role system, user or assistant. It may have an id, which its result has too, a\n"
                 "system text, and the options of generation and probabilities by their long names\n"
                 "with _ for -, such as top_k, or as other programs call them, such as max_tokens;\n"
                 "but not ctx, state_cache and template, which are the same for all. Those of the\n"
                 "command line apply to requests that do not say. Results come in order, each as\n"
                 "soon as it is done: the object of --json, and how many tokens of the prompt were\n"
                 "kept from the request before. A request that fails gives\n"
                 "{\"error\": {line, status, message}}, and the rest is still done; the exit status\n"
                 "is then 1.\n"
                 "\n"
                 "Probabilities are the model's, before temperature and the other settings.\n"
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
	struct text text; /* what was given as the prompt, and the document */
	bool have_prompt; /* without what may be on standard input */
	bool is_chat;
	struct prompt_ids prompt;
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
	        input_read(&command_run, &run->options.input, &run->operands, &run->text, &run->have_prompt);

	if (status == TERN_OK && !run->have_prompt && !input_stdin_is_piped())
		return usage_error(
		        &command_run,
		        "no prompt: give it as words, with -p or -f, or on standard input; to talk: tern chat");
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
		text_append(&document, run->text.bytes, run->text.n_bytes);
		text_free(&run->text);
		run->text = document;
	} else {
		text_free(&document);
	}
	if (status == TERN_OK && run->text.failed)
		status = report_out_of_memory();
	if (status == TERN_OK && run->text.n_bytes == 0)
		status = usage_error(&command_run, "the prompt is empty");
	return status;
}

/* Decides between the model's chat format and plain continuation. */
static enum tern_status choose_format(struct run *run)
{
	const struct generation_options *generation = &run->options.generation;
	struct tern_error err;

	if (prompt_choose_format(&run->opened, generation->raw, &run->is_chat, &err))
		return report_error(&err);
	if (generation->system && !run->is_chat)
		return usage_error(&command_run, "--system: the model has no chat format to put it in");
	return TERN_OK;
}

static enum tern_status tokenize_prompt(struct run *run, struct tern_error *err)
{
	struct tern_message messages[] = {
	        {.role = "system", .content = run->options.generation.system},
	        {.role = "user", .content = run->text.bytes, .n_bytes = run->text.n_bytes},
	};
	bool has_system = messages[0].content != NULL;

	if (run->is_chat)
		return prompt_from_messages(run->opened.model, messages + !has_system, 1 + (size_t)has_system,
		                            generation_chat_flags(&run->options.generation), &run->prompt, err);
	return prompt_from_text(run->opened.model, run->text.bytes, run->text.n_bytes, &run->prompt, err);
}

/* ---- the answer ---- */

static enum tern_status put_echo(struct run *run, struct answer *answer, struct tern_error *err)
{
	char *text = NULL;
	size_t n_bytes = 0;
	enum tern_status status;

	if (!run->options.generation.show_special) {
		answer_echo(answer, run->text.bytes, run->text.n_bytes);
		if (run->is_chat)
			answer_echo(answer, "\n\n", 2);
		return TERN_OK;
	}
	status = tern_detokenize(run->opened.model, run->prompt.ids, run->prompt.n_ids, true, &text, &n_bytes, err);
	if (status == TERN_OK)
		answer_echo(answer, text, n_bytes);
	tern_free(text);
	return status;
}

static enum tern_status answer(struct run *run, struct tern_error *err)
{
	const struct output_options *output = &run->options.output;
	const struct prompt_ids *prompt = &run->prompt;
	struct answer answer = {.opened = &run->opened,
	                        .session = run->session,
	                        .settings = &run->options.generation,
	                        .form = output->json    ? ANSWER_JSON
	                                : output->jsonl ? ANSWER_JSONL
	                                                : ANSWER_TEXT,
	                        .verbose = run->options.common.verbose,
	                        .begins = run->is_chat ? prompt_thoughts(run->opened.model, prompt->ids, prompt->n_ids)
	                                               : "",
	                        .probs = {.options = run->options.probs}};
	enum tern_status status = TERN_OK;

	if (output->echo)
		status = put_echo(run, &answer, err);
	if (status == TERN_OK)
		status = answer_generate(&answer, prompt, err);
	answer_free(&answer);
	return status;
}

/* ---- the whole ---- */

static enum tern_status open_session(struct run *run, struct tern_error *err)
{
	const struct generation_options *generation = &run->options.generation;
	const char *format = run->opened.info.chat_format;
	int n_threads;
	enum tern_status status;

	common_threads(&run->options.common, &n_threads);
	if (!run->options.output.batch)
		run->options.generation.state_cache = 0; /* one answer goes back to nothing */
	if ((status = generation_open_session(&run->session, generation, &run->opened, n_threads, err)))
		return status;
	generation_tell_session(run->session, &run->options.common, &run->opened,
	                        format && *format && !generation->raw ? format : NULL);
	return TERN_OK;
}

/* The prompt's tokens, if they fit the session. */
static enum tern_status take_prompt(struct run *run, struct tern_error *err)
{
	size_t n_ctx = (size_t)tern_session_n_ctx(run->session);
	enum tern_status status;

	if ((status = prompt_check_bytes(run->text.n_bytes, n_ctx, &run->opened, err)) ||
	    (status = tokenize_prompt(run, err)))
		return status;
	return prompt_check_fit(&run->prompt, n_ctx, &run->opened.info, err);
}

static enum tern_status check_options(const struct run *run)
{
	const struct output_options *output = &run->options.output;
	const struct input_options *input = &run->options.input;

	if (output->json && output->jsonl)
		return usage_error(&command_run, "--json and --jsonl exclude each other");
	if (output->batch && (output->json || output->jsonl || output->echo))
		return usage_error(&command_run,
		                   "--batch has its own form, a JSON object a line; leave out --json, --jsonl, --echo");
	if (output->batch && (input->prompt || input->file || run->operands.n_items > 0))
		return usage_error(&command_run, "--batch: the prompts are in its file; give no other");
	if (run->options.probs.show &&
	    !token_probs_can_show(&run->options.probs, output->json || output->jsonl || output->batch))
		warn("--show-probs: there is no color here; --alternatives or --json show probabilities without");
	return generation_check(&command_run, &run->options.generation);
}

static enum tern_status work_on_batch(struct run *run)
{
	struct batch_options options = {.file = run->options.output.batch,
	                                .settings = &run->options.generation,
	                                .probs = &run->options.probs,
	                                .verbose = run->options.common.verbose};
	struct tern_error err;
	enum tern_status status;

	if ((status = open_model_with_weights(&run->opened, &run->options.common)))
		return status;
	if (run->options.generation.system && (status = choose_format(run)))
		return status;
	if (open_session(run, &err))
		return report_error(&err);
	return batch_run(&options, &run->opened, run->session);
}

/* Everything after the command line is parsed. Errors of the library are reported here, others where they arise. */
static enum tern_status work(struct run *run)
{
	struct tern_error err = {0};
	enum tern_status status;

	if ((status = check_options(run)))
		return status;
	run->options.common.chat_format = run->options.generation.chat_format;
	if (run->options.output.batch)
		return work_on_batch(run);
	if ((status = read_prompt(run)) || (status = open_model_with_weights(&run->opened, &run->options.common)) ||
	    (status = choose_format(run)) || (status = read_document(run)))
		return status;
	if ((status = open_session(run, &err)) || (status = take_prompt(run, &err)) ||
	    (run->is_chat && (status = generation_add_stops(&run->options.generation, run->opened.model, &err))) ||
	    (status = answer(run, &err)))
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

	tern_session_free(run.session);
	open_model_close(&run.opened);
	prompt_free(&run.prompt);
	text_free(&run.text);
	options_free(&command_run, &run.options, &run.operands);
	status = output_finish(status);
	if (signals_interrupted())
		signals_die_of_interrupt();
	return status;
}
