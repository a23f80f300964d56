/* tern eval: perplexity of a text, measured as llama-perplexity does, so that numbers compare.
 *
 * The text is cut into adjacent windows of n_ctx tokens. Each starts from an empty context, with its first token
 * replaced by BOS where the model has one. Only the second half of a window is scored: these tokens have at least half
 * a window of context. With a stride, windows overlap and each scores its last `stride` tokens. PPL = exp(mean negative
 * log-likelihood); its error is the standard error of that mean times PPL. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/open_model.h"
#include "console/format.h"
#include "console/output.h"
#include "console/term.h"
#include "json/write.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct own_options {
	const char *file;
	int n_ctx, n_chunks, stride;
	bool json;
};

struct eval_options {
	struct common_options common;
	struct own_options own;
};

#define FIELD(name) offsetof(struct own_options, name)

static const struct option own_options[] = {
        {.name = "file",
         .letter = 'f',
         .kind = OPTION_TEXT,
         .offset = FIELD(file),
         .argument = "FILE",
         .help = "the text; -: standard input, the default if that is no terminal",
         .once = true},
        {.name = "ctx",
         .letter = 'c',
         .kind = OPTION_INT,
         .offset = FIELD(n_ctx),
         .argument = "N",
         .max = INT_MAX,
         .initial = "512",
         .help = "tokens in a window; 0: as many as the model allows",
         .aliases = "ctx-size"},
        {.name = "chunks",
         .kind = OPTION_INT,
         .offset = FIELD(n_chunks),
         .argument = "N",
         .min = -1,
         .max = INT_MAX,
         .initial = "-1",
         .help = "windows at most; -1: all of the text"},
        {.name = "stride",
         .kind = OPTION_INT,
         .offset = FIELD(stride),
         .argument = "N",
         .max = INT_MAX,
         .initial = "0",
         .help = "begin a window every N tokens, so that windows overlap; 0: they do not",
         .aliases = "ppl-stride"},
        {.name = "json", .offset = FIELD(json), .help = "print the result as one JSON object"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Perplexity:", own_options, offsetof(struct eval_options, own)},
        COMMON_MODEL_GROUP(struct eval_options, common),
        COMMON_COMPUTING_GROUP(struct eval_options, common),
        COMMON_MESSAGE_GROUP(struct eval_options, common),
        {.options = NULL},
};

static enum tern_status eval_main(int argc, char **argv);

const struct command command_eval = {
        .name = "eval",
        .alias = "perplexity",
        .summary = "Measure the perplexity of a text",
        .usage = "tern eval [OPTION...] [MODEL.gguf] -f FILE",
        .examples = "  tern eval -m model.gguf -f wiki.test.raw\n"
                    "  tern eval -m model.gguf -f text.txt -c 2048 --chunks 20\n",
        .notes = "Windows, scoring and error are those of llama-perplexity. A text shorter than two\n"
                 "windows, which that program refuses, is scored as far as it goes.\n",
        .groups = groups,
        .values_size = sizeof(struct eval_options),
        .run = eval_main,
};

enum {
	MIN_WINDOW = 5,         /* the smallest that scores two tokens, which an error estimate needs */
	MAX_BUFFERED = 1 << 24, /* floats of logits kept at a time */
};

struct eval {
	struct eval_options options;
	struct operands operands;
	struct opened opened;
	struct tern_session *session;
	int32_t *ids; /* the whole text */
	size_t n_ids;
	int32_t *window; /* [n_ctx] */
	float *logits;   /* [n_rows, n_vocab] */
	size_t n_ctx, n_rows, n_chunks;
	size_t step;    /* tokens from the start of one window to that of the next */
	size_t n_score; /* tokens scored at the end of each window */
	/* sums of negative log-likelihoods and of their squares, over n_scored tokens */
	double nll, nll2;
	size_t n_scored;
	double seconds;
};

/* -log softmax(logits)[id] */
static double negative_log_likelihood(const float *logits, size_t n_vocab, int32_t id)
{
	float max = logits[0];
	double sum = 0.0;

	for (size_t i = 1; i < n_vocab; i++)
		max = logits[i] > max ? logits[i] : max;
	for (size_t i = 0; i < n_vocab; i++)
		sum += exp((double)logits[i] - (double)max);
	return log(sum) + (double)max - (double)logits[id];
}

/* Feeds tokens from .. to-1 of the window; their logits score tokens from+1 .. to. */
static enum tern_status score(struct eval *e, size_t from, size_t to, struct tern_error *err)
{
	size_t n_vocab = (size_t)e->opened.info.n_vocab;
	enum tern_status status;

	for (size_t at = from; at < to; at += e->n_rows) {
		size_t n = tern_smaller(to - at, e->n_rows);
		if ((status = tern_session_feed(e->session, e->window + at, n, e->logits, err)))
			return status;
		for (size_t i = 0; i < n; i++) {
			double nll = negative_log_likelihood(e->logits + i * n_vocab, n_vocab, e->window[at + i + 1]);
			if (!isfinite(nll))
				return tern_fail(err, TERN_ERR_FAILED,
				                 "logits are not finite at position %zu; the file is damaged or the "
				                 "model unsupported",
				                 at + i);
			e->nll += nll;
			e->nll2 += nll * nll;
		}
		e->n_scored += n;
	}
	return TERN_OK;
}

static enum tern_status evaluate_window(struct eval *e, size_t chunk, struct tern_error *err)
{
	size_t first = e->n_ctx - e->n_score - 1; /* the token that predicts the first one scored */
	int32_t bos = tern_bos(e->opened.model);
	enum tern_status status = TERN_OK;

	memcpy(e->window, e->ids + chunk * e->step, e->n_ctx * sizeof *e->window);
	if (bos >= 0)
		e->window[0] = bos;
	tern_session_rewind(e->session, 0);
	if (first > 0)
		status = tern_session_feed(e->session, e->window, first, NULL, err);
	return status ? status : score(e, first, e->n_ctx - 1, err);
}

static void explain_duration(const struct eval *e, double seconds)
{
	char duration[FORMAT_SIZE];

	format_duration(duration, seconds * (double)e->n_chunks);
	note("perplexity over %zu chunks of %zu tokens, %.2f seconds per chunk, about %s in all", e->n_chunks, e->n_ctx,
	     seconds, duration);
}

static enum tern_status evaluate(struct eval *e, struct tern_error *err)
{
	bool tell = !e->options.common.quiet;
	uint64_t started = tern_clock_ns();
	enum tern_status status = TERN_OK;

	for (size_t chunk = 0; chunk < e->n_chunks && !status; chunk++) {
		status = evaluate_window(e, chunk, err);
		e->seconds = (double)(tern_clock_ns() - started) * 1e-9;
		if (status || !tell)
			continue;
		if (chunk == 0)
			explain_duration(e, e->seconds);
		fprintf(stderr, "[%zu]%.4f,", chunk + 1, exp(e->nll / (double)e->n_scored));
	}
	if (tell && e->n_scored)
		fputc('\n', stderr);
	return status;
}

/* ---- before and after ---- */

static enum tern_status read_text(struct eval *e, struct tern_error *err)
{
	struct input_options input = {.file = e->options.own.file};
	struct text text = {0};
	enum tern_status status;
	bool found;

	if (!input.file && input_stdin_is_piped())
		input.file = "-";
	if (!input.file)
		status = usage_error(&command_eval, "no text: give it with -f FILE");
	else
		status = input_read(&command_eval, &input, &(struct operands){0}, &text, &found);
	if (status) {
		err->message[0] = '\0'; /* it was reported */
	} else {
		status = tern_tokenize(e->opened.model, text.bytes ? text.bytes : "", text.n_bytes, TERN_TOKENIZE_BOS,
		                       &e->ids, &e->n_ids, err);
	}
	text_free(&text);
	return status;
}

/* Decides on the windows. */
static enum tern_status plan(struct eval *e, struct tern_error *err)
{
	size_t n_model = (size_t)e->opened.info.n_ctx_train, stride = (size_t)e->options.own.stride;
	size_t wanted = e->options.own.n_ctx ? (size_t)e->options.own.n_ctx : n_model;

	if (e->options.own.n_chunks == 0)
		return tern_fail(err, TERN_ERR_USAGE, "--chunks: 0 windows score nothing");
	if (wanted < MIN_WINDOW || stride >= wanted)
		return tern_fail(err, TERN_ERR_USAGE,
		                 "-c %zu: a window needs at least %d tokens, and more than the stride", wanted,
		                 MIN_WINDOW);
	if (wanted > n_model)
		return tern_fail(err, TERN_ERR_CONTEXT, "a window is %zu tokens, the context of the model %zu", wanted,
		                 n_model);
	if (e->n_ids < MIN_WINDOW)
		return tern_fail(err, TERN_ERR_USAGE, "the text is %zu tokens; at least %d are needed", e->n_ids,
		                 MIN_WINDOW);
	e->n_ctx = tern_smaller(e->n_ids, wanted);
	if (stride >= e->n_ctx)
		stride = 0;
	e->step = stride ? stride : e->n_ctx;
	e->n_score = stride ? stride : e->n_ctx - e->n_ctx / 2 - 1;
	/* llama-perplexity leaves out a last strided window that ends exactly with the text. */
	e->n_chunks = stride ? tern_divide_up(e->n_ids - e->n_ctx, stride) : e->n_ids / e->n_ctx;
	e->n_chunks += e->n_chunks == 0;
	if (e->options.own.n_chunks > 0 && (size_t)e->options.own.n_chunks < e->n_chunks)
		e->n_chunks = (size_t)e->options.own.n_chunks;
	if (e->n_ids < 2 * wanted)
		warn("the text is %zu tokens, shorter than the usual %zu: scoring %zu of them in %zu window%s of %zu",
		     e->n_ids, 2 * wanted, e->n_score * e->n_chunks, e->n_chunks, e->n_chunks == 1 ? "" : "s",
		     e->n_ctx);
	return TERN_OK;
}

static enum tern_status prepare(struct eval *e, struct tern_error *err)
{
	size_t n_vocab = (size_t)e->opened.info.n_vocab;
	struct tern_session_options settings = {
	        .n_ctx = (int)e->n_ctx, .kv = (enum tern_kv_type)e->options.common.kv, .state_cache = -1};
	enum tern_status status;

	common_threads(&e->options.common, &settings.n_threads);
	if ((status = tern_session_new(&e->session, e->opened.model, &settings, err)))
		return status;
	e->n_rows = tern_smaller(MAX_BUFFERED / n_vocab, e->n_score);
	e->n_rows += e->n_rows == 0;
	e->window = tern_alloc(e->n_ctx, sizeof *e->window);
	e->logits = tern_alloc_aligned(e->n_rows * n_vocab, sizeof *e->logits);
	if (!e->window || !e->logits)
		return tern_fail_memory(err, e->n_rows * n_vocab * sizeof *e->logits);
	return TERN_OK;
}

static void put_result(const struct eval *e)
{
	double n = (double)e->n_scored, mean = e->nll / n, variance = e->nll2 / n - mean * mean;
	double ppl = exp(mean), error = variance > 0 && n > 1 ? sqrt(variance / (n - 1)) * ppl : 0;
	struct json_writer json = {0};

	if (!e->options.own.json) {
		output_printf("Final estimate: PPL = %.4f +/- %.5f\n", ppl, error);
		return;
	}
	json_write_begin_object(&json);
	json_put_real(&json, "ppl", ppl, 9);
	json_put_real(&json, "ppl_error", error, 9);
	json_put_real(&json, "nll", mean, 9);
	json_put_uint(&json, "tokens", e->n_ids);
	json_put_uint(&json, "tokens_scored", e->n_scored);
	json_put_uint(&json, "chunks", e->n_chunks);
	json_put_uint(&json, "ctx", e->n_ctx);
	json_put_uint(&json, "stride", e->step == e->n_ctx ? 0 : e->step);
	json_put_real(&json, "seconds", e->seconds, 6);
	json_put_string(&json, "model", e->opened.path);
	json_write_end_object(&json);
	output_write("\n", 1);
}

static enum tern_status work(struct eval *e)
{
	struct tern_error err = {0};
	enum tern_status status;

	if (e->operands.n_items)
		return usage_error(&command_eval, "unexpected '%.64s'; the text is given with -f FILE",
		                   e->operands.items[0]);
	if ((status = open_model_with_weights(&e->opened, &e->options.common)))
		return status;
	if ((status = read_text(e, &err)) || (status = plan(e, &err)) || (status = prepare(e, &err)) ||
	    (status = evaluate(e, &err))) {
		if (err.message[0])
			report_error(&err);
		return status;
	}
	put_result(e);
	return TERN_OK;
}

static enum tern_status eval_main(int argc, char **argv)
{
	struct eval e = {0};
	enum tern_status status;

	if (!options_parse(&command_eval, argc, argv, &e.options, &e.operands, &status))
		return status;
	common_apply(&e.options.common, &e.operands);
	status = work(&e);
	tern_free(e.ids);
	tern_free(e.window);
	tern_free(e.logits);
	tern_session_free(e.session);
	open_model_close(&e.opened);
	options_free(&command_eval, &e.options, &e.operands);
	return output_finish(status);
}
