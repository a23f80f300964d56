/* tern tokenize: text to token ids and back. */
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/open_model.h"
#include "console/escape.h"
#include "console/output.h"
#include "console/term.h"

#include <string.h>
#include <unistd.h>

struct own_options {
	bool ids, count, nul, decode, no_bos, no_special;
};

struct tokenize_options {
	struct common_options common;
	struct input_options input;
	struct own_options own;
};

#define FIELD(name) offsetof(struct own_options, name)

static const struct option own_options[] = {
        {.name = "ids", .offset = FIELD(ids), .help = "print [1, 2, 3] instead of one line per token"},
        {.name = "count", .offset = FIELD(count), .help = "print the number of tokens", .aliases = "show-count"},
        {.name = "null",
         .letter = '0',
         .offset = FIELD(nul),
         .help = "the input is texts that each end with a NUL; print one line of ids (or, with --count, a number) per "
                 "text"},
        {.name = "decode",
         .letter = 'd',
         .offset = FIELD(decode),
         .help = "the input is token ids; print their text and nothing else"},
        {.name = "no-bos", .offset = FIELD(no_bos), .help = "do not add the tokens that begin and end a text"},
        {.name = "no-special",
         .offset = FIELD(no_special),
         .help = "read spelled-out special tokens as plain text; leave special tokens out of decoded text",
         .aliases = "no-parse-special"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Input:", input_options, offsetof(struct tokenize_options, input)},
        {"Tokens:", own_options, offsetof(struct tokenize_options, own)},
        COMMON_MODEL_GROUP(struct tokenize_options, common),
        COMMON_MESSAGE_GROUP(struct tokenize_options, common),
        {.options = NULL},
};

static enum tern_status tokenize_main(int argc, char **argv);

const struct command command_tokenize = {
        .name = "tokenize",
        .summary = "Show the tokens of a text, or the text of tokens",
        .usage = "tern tokenize [OPTION...] [MODEL.gguf] [TEXT...]",
        .examples = "  tern tokenize \"Hello, world!\"\n"
                    "  tern tokenize -m model.gguf --ids < text.txt\n"
                    "  tern tokenize --count -f text.txt\n"
                    "  tern tokenize --decode 1303 44 772\n"
                    "  find . -name '*.txt' -print0 | tern tokenize -0 --no-bos\n",
        .groups = groups,
        .values_size = sizeof(struct tokenize_options),
        .run = tokenize_main,
};

struct tokenize {
	struct tokenize_options options;
	struct operands operands;
	struct opened opened;
	struct text text;
};

/* ---- text to tokens ---- */

static void put_ids(const int32_t *ids, size_t n_ids)
{
	output_write("[", 1);
	for (size_t i = 0; i < n_ids; i++)
		output_printf("%s%d", i ? ", " : "", (int)ids[i]);
	output_write("]\n", 2);
}

static void put_pieces(const struct tern_model *model, const int32_t *ids, size_t n_ids)
{
	char shown[ESCAPE_SIZE];

	for (size_t i = 0; i < n_ids; i++) {
		size_t n_bytes = 0, n_taken;
		const char *bytes = tern_token_text(model, ids[i], &n_bytes);
		output_printf("%6d -> '", (int)ids[i]);
		for (size_t at = 0; bytes && at < n_bytes; at += n_taken) {
			size_t length = escape_character(shown, bytes + at, n_bytes - at, ESCAPE_LINE, &n_taken);
			output_write(shown, length);
		}
		output_write("'\n", 2);
	}
}

static enum tern_status encode(const struct tokenize *t, const char *bytes, size_t n_bytes, struct tern_error *err)
{
	unsigned flags = (t->options.own.no_bos ? 0u : TERN_TOKENIZE_BOS | TERN_TOKENIZE_EOS) |
	                 (t->options.own.no_special ? 0u : TERN_TOKENIZE_SPECIAL);
	int32_t *ids;
	size_t n_ids;
	enum tern_status status = tern_tokenize(t->opened.model, bytes, n_bytes, flags, &ids, &n_ids, err);

	if (status)
		return status;
	if (t->options.own.count)
		output_printf("%zu\n", n_ids);
	else if (t->options.own.ids || t->options.own.nul)
		put_ids(ids, n_ids);
	else
		put_pieces(t->opened.model, ids, n_ids);
	tern_free(ids);
	return TERN_OK;
}

/* Texts that each end with a NUL; the last one may lack it. */
static enum tern_status encode_many(const struct tokenize *t, const char *bytes, size_t n_bytes, struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	while (n_bytes > 0 && !status) {
		const char *nul = memchr(bytes, '\0', n_bytes);
		size_t length = nul ? (size_t)(nul - bytes) : n_bytes, n_taken = length + (nul != NULL);
		status = encode(t, bytes, length, err);
		bytes += n_taken;
		n_bytes -= n_taken;
	}
	return status;
}

/* ---- tokens to text ---- */

static enum tern_status decode(const struct tokenize *t, const char *bytes, size_t n_bytes, struct tern_error *err)
{
	const struct tern_model *model = t->opened.model;
	int32_t *ids;
	size_t n_ids, n_text = 0;
	char *text = NULL;
	enum tern_status status = input_parse_ids(bytes, n_bytes, t->opened.info.n_vocab, &ids, &n_ids);

	if (status)
		return status;
	status = tern_detokenize(model, ids, n_ids, !t->options.own.no_special, &text, &n_text, err);
	tern_free(ids);
	if (status)
		return status;
	output_text(text, n_text);
	if (term_is_terminal(STDOUT_FILENO) && n_text > 0 && text[n_text - 1] != '\n')
		output_write("\n", 1);
	tern_free(text);
	return TERN_OK;
}

/* ---- the whole ---- */

static enum tern_status read_text(struct tokenize *t)
{
	bool found;
	enum tern_status status = input_read(&command_tokenize, &t->options.input, &t->operands, &t->text, &found);

	if (status || found)
		return status;
	return input_read_stdin(&t->text);
}

static enum tern_status work(struct tokenize *t)
{
	struct tern_error err = {0};
	const char *bytes;
	enum tern_status status;

	if (t->options.own.decode && (t->options.own.nul || t->options.own.ids || t->options.own.count))
		return usage_error(&command_tokenize, "--decode excludes --ids, --count and -0");
	if ((status = open_model(&t->opened, &t->options.common)) || (status = read_text(t)))
		return status;
	bytes = t->text.bytes ? t->text.bytes : "";
	if (t->options.own.decode)
		status = decode(t, bytes, t->text.n_bytes, &err);
	else if (t->options.own.nul)
		status = encode_many(t, bytes, t->text.n_bytes, &err);
	else
		status = encode(t, bytes, t->text.n_bytes, &err);
	if (status && err.message[0])
		report_error(&err);
	return status;
}

static enum tern_status tokenize_main(int argc, char **argv)
{
	struct tokenize t = {0};
	enum tern_status status;

	if (!options_parse(&command_tokenize, argc, argv, &t.options, &t.operands, &status))
		return status;
	common_apply(&t.options.common, &t.operands);
	status = work(&t);
	text_free(&t.text);
	open_model_close(&t.opened);
	options_free(&command_tokenize, &t.options, &t.operands);
	return output_finish(status);
}
