#include "cli/token_probs.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "console/escape.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIELD(name) offsetof(struct token_probs_options, name)

const struct option token_probs_options[] = {
        {.name = "show-probs",
         .offset = FIELD(show),
         .help = "color each token by its probability; in JSON add a list of tokens"},
        {.name = "alternatives",
         .kind = OPTION_INT,
         .offset = FIELD(n_alternatives),
         .argument = "N",
         .max = 100,
         .initial = "0",
         .help = "the N likeliest tokens at every place: in JSON as top, else as lines on standard error",
         .aliases = "n-probs"},
        {.name = NULL},
};

/* From the surest down; `least` is the probability from which on a color is used. */
static const struct {
	float least;
	enum term_style style;
	const char *name;
} levels[] = {
        {0.9f, TERM_GREEN, "90 %"},   {0.6f, TERM_CYAN, "60 %"}, {0.3f, TERM_YELLOW, "30 %"},
        {0.1f, TERM_MAGENTA, "10 %"}, {0.0f, TERM_RED, "less"},
};

static enum term_style style_of(float probability)
{
	size_t i = 0;

	while (probability < levels[i].least)
		i++;
	return levels[i].style;
}

bool token_probs_can_show(const struct token_probs_options *options, bool in_json)
{
	return in_json || options->n_alternatives > 0 || term_style(STDOUT_FILENO, TERM_GREEN)[0];
}

/* ---- collecting ---- */

static size_t n_columns(const struct token_probs *probs) { return 1 + (size_t)probs->options.n_alternatives; }

void token_probs_add(struct token_probs *probs, int32_t id, float probability, const float *logits)
{
	size_t n_row_bytes = n_columns(probs) * sizeof *probs->rows;

	if (probs->unshown == 0.0f || probability < probs->unshown)
		probs->unshown = probability;
	if (probs->failed || !tern_grow(&probs->rows, &probs->capacity, probs->n_tokens + 1, n_row_bytes)) {
		probs->failed = true;
		return;
	}
	struct tern_candidate *row = probs->rows + probs->n_tokens++ * n_columns(probs);
	row[0] = (struct tern_candidate){id, probability};
	size_t n = 0;
	if (probs->options.n_alternatives > 0)
		n = tern_top_tokens(logits, probs->n_vocab, row + 1, (size_t)probs->options.n_alternatives);
	while (++n < n_columns(probs))
		row[n] = (struct tern_candidate){-1, 0.0f};
}

enum term_style token_probs_style(struct token_probs *probs)
{
	float probability = probs->unshown;

	probs->unshown = 0.0f;
	return probability > 0.0f ? style_of(probability) : TERM_PLAIN;
}

void token_probs_free(struct token_probs *probs)
{
	tern_free(probs->rows);
	memset(probs, 0, sizeof *probs);
}

/* ---- JSON ---- */

static bool is_utf8(const char *bytes, size_t n_bytes)
{
	uint32_t c;
	size_t length;

	for (size_t i = 0; i < n_bytes; i += length)
		if (tern_utf8_decode(bytes + i, n_bytes - i, &c, &length) != TERN_UTF8_CHARACTER)
			return false;
	return true;
}

/* The members of a token's object. */
static void write_token(const struct token_probs *probs, struct json_writer *json, struct tern_candidate token)
{
	size_t n_bytes = 0;
	const char *bytes = tern_token_text(probs->model, token.id, &n_bytes);

	json_put_int(json, "id", token.id);
	json_put_bytes(json, "text", bytes, n_bytes);
	if (!is_utf8(bytes, n_bytes)) {
		json_write_key(json, "bytes");
		json_write_begin_array(json);
		for (size_t i = 0; i < n_bytes; i++)
			json_write_uint(json, (unsigned char)bytes[i]);
		json_write_end_array(json);
	}
	json_put_real(json, "prob", (double)token.probability, 9);
}

static void write_row(const struct token_probs *probs, struct json_writer *json, const struct tern_candidate *row)
{
	json_write_begin_object(json);
	write_token(probs, json, row[0]);
	if (probs->options.n_alternatives > 0) {
		json_write_key(json, "top");
		json_write_begin_array(json);
		for (size_t i = 1; i < n_columns(probs) && row[i].id >= 0; i++) {
			json_write_begin_object(json);
			write_token(probs, json, row[i]);
			json_write_end_object(json);
		}
		json_write_end_array(json);
	}
	json_write_end_object(json);
}

void token_probs_write(struct token_probs *probs, struct json_writer *json)
{
	json_write_key(json, "tokens");
	json_write_begin_array(json);
	for (; probs->n_written < probs->n_tokens; probs->n_written++)
		write_row(probs, json, probs->rows + probs->n_written * n_columns(probs));
	json_write_end_array(json);
}

/* ---- text ---- */

/* " 98.2 %  ' Paris'", in the color of the probability. */
static void append_token(const struct token_probs *probs, struct text *line, struct tern_candidate token)
{
	size_t n_bytes = 0;
	const char *bytes = tern_token_text(probs->model, token.id, &n_bytes);

	text_printf(line, "%s%5.1f %%%s '", term_style(STDERR_FILENO, style_of(token.probability)),
	            (double)token.probability * 100.0, term_style(STDERR_FILENO, TERM_PLAIN));
	escape_append(line, bytes, n_bytes, ESCAPE_LINE);
	text_append(line, "'", 1);
}

/* The token, and what else it might have been. */
static void print_row(const struct token_probs *probs, const struct tern_candidate *row)
{
	struct text line = {0};
	const char *before = "   or";

	append_token(probs, &line, row[0]);
	for (size_t i = 1; i < n_columns(probs) && row[i].id >= 0; i++) {
		if (row[i].id == row[0].id)
			continue;
		text_append(&line, before, strlen(before));
		append_token(probs, &line, row[i]);
		before = ",";
	}
	if (!line.failed)
		fprintf(stderr, "%s\n", line.bytes);
	text_free(&line);
}

static void print_legend(void)
{
	fputs("probability at least ", stderr);
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		fprintf(stderr, "%s %s%s%s", i ? "," : "", term_style(STDERR_FILENO, levels[i].style), levels[i].name,
		        term_style(STDERR_FILENO, TERM_PLAIN));
	fputc('\n', stderr);
}

void token_probs_print(const struct token_probs *probs)
{
	if (probs->options.n_alternatives > 0)
		for (size_t i = 0; i < probs->n_tokens; i++)
			print_row(probs, probs->rows + i * n_columns(probs));
	if (term_can_show_status() && term_style(STDOUT_FILENO, TERM_GREEN)[0] &&
	    term_style(STDERR_FILENO, TERM_GREEN)[0])
		print_legend();
}
