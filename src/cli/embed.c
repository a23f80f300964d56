/* tern embed: texts to vectors. */
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/open_model.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/term.h"
#include "json/write.h"

#include <string.h>

enum format {
	FORMAT_JSONL,
	FORMAT_F32
};

struct own_options {
	bool nul, similarity;
	int format;  /* enum format */
	int pooling; /* enum tern_pooling */
	const char *prefix;
};

struct embed_options {
	struct common_options common;
	struct input_options input;
	struct own_options own;
};

#define FIELD(name) offsetof(struct own_options, name)

static const struct option own_options[] = {
        {.name = "null",
         .letter = '0',
         .offset = FIELD(nul),
         .help = "the input is texts that each end with a NUL, instead of one per line"},
        {.name = "prefix",
         .kind = OPTION_TEXT,
         .offset = FIELD(prefix),
         .argument = "TEXT",
         .help = "put this before every text: the instruction that some models expect with queries"},
        {.name = "pooling",
         .kind = OPTION_CHOICE,
         .offset = FIELD(pooling),
         .argument = "model|last|mean|first",
         .help = "whose vector is the text's: as the file says (default), the last token's, the mean, the first's"},
        {.name = "output",
         .letter = 'o',
         .kind = OPTION_CHOICE,
         .offset = FIELD(format),
         .argument = "jsonl|f32",
         .help = "a JSON object per line, or raw floats"},
        {.name = "similarity",
         .offset = FIELD(similarity),
         .help = "print the similarity of all pairs of texts (cosines) instead of the vectors"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Input:", input_options, offsetof(struct embed_options, input)},
        {"Vectors:", own_options, offsetof(struct embed_options, own)},
        COMMON_MODEL_GROUP(struct embed_options, common),
        COMMON_COMPUTING_GROUP(struct embed_options, common),
        COMMON_MESSAGE_GROUP(struct embed_options, common),
        {.options = NULL},
};

static enum tern_status embed_main(int argc, char **argv);

const struct command command_embed = {
        .name = "embed",
        .summary = "Turn texts into vectors that are close when the meanings are",
        .usage = "tern embed [OPTION...] [MODEL.gguf] [TEXT...]",
        .examples = "  tern embed -m embedding.gguf < one-text-a-line.txt > vectors.jsonl\n"
                    "  tern embed -m embedding.gguf --similarity \"a cat\" \"a kitten\" \"a tax form\"\n"
                    "  tern embed -m embedding.gguf --prefix \"Instruct: Find the answer.\n"
                    "Query: \" -p \"why is the sky blue?\"\n"
                    "  find . -name '*.txt' -exec cat {} \\; -printf '\\0' | tern embed -0 -o f32 > vectors.f32\n",
        .notes = "Every word on the command line is one text, and so is every line of a file or of\n"
                 "standard input. Vectors have length 1. -o f32 writes them one after the other as\n"
                 "little-endian floats.\n",
        .groups = groups,
        .values_size = sizeof(struct embed_options),
        .run = embed_main,
};

/* A text to embed; points into the input or the command line. */
struct item {
	const char *bytes;
	size_t n_bytes;
};

struct embed {
	struct embed_options options;
	struct operands operands;
	struct opened opened;
	struct tern_session *session;
	struct text input;
	struct item *items;
	size_t n_items, capacity;
	float *vectors; /* one, or with --similarity all: [n_items, n_embd] */
};

/* ---- input ---- */

static enum tern_status add_item(struct embed *e, const char *bytes, size_t n_bytes)
{
	if (!TERN_GROW(e->items, e->capacity, e->n_items + 1))
		return report_out_of_memory();
	e->items[e->n_items++] = (struct item){bytes, n_bytes};
	return TERN_OK;
}

/* Splits the input at newlines or NULs; the last text may lack its end. */
static enum tern_status split_input(struct embed *e)
{
	char end = e->options.own.nul ? '\0' : '\n';
	const char *at = e->input.bytes, *last = at ? at + e->input.n_bytes : NULL;
	enum tern_status status = TERN_OK;

	while (!status && at < last) {
		const char *stop = memchr(at, end, (size_t)(last - at));
		const char *next = stop ? stop + 1 : last;
		stop = stop ? stop : last;
		if (!e->options.own.nul && stop > at && stop[-1] == '\r')
			stop--;
		status = add_item(e, at, (size_t)(stop - at));
		at = next;
	}
	return status;
}

static enum tern_status read_items(struct embed *e)
{
	const struct input_options *input = &e->options.input;
	struct operands none = {0};
	bool found;
	enum tern_status status = TERN_OK;

	if (e->operands.n_items && !input->prompt && !input->file) {
		for (size_t i = 0; !status && i < e->operands.n_items; i++)
			status = add_item(e, e->operands.items[i], strlen(e->operands.items[i]));
		return status;
	}
	if ((status = input_read(&command_embed, input, e->operands.n_items ? &e->operands : &none, &e->input, &found)))
		return status;
	if (!found && !input_stdin_is_piped())
		return usage_error(&command_embed, "no text: give it as words, with -p or -f, or on standard input");
	if (!found && (status = input_read_stdin(&e->input)))
		return status;
	if (input->prompt)
		return add_item(e, e->input.bytes, e->input.n_bytes);
	return split_input(e);
}

/* ---- vectors ---- */

/* Adds the number of the text to an error. */
static enum tern_status fail_item(size_t index, struct tern_error *err)
{
	char message[sizeof err->message];

	memcpy(message, err->message, sizeof message);
	return tern_fail(err, err->status, "text %zu: %s", index + 1, message);
}

static enum tern_status compute(struct embed *e, size_t index, float *vector, size_t *n_tokens, struct tern_error *err)
{
	const char *prefix = e->options.own.prefix ? e->options.own.prefix : "";
	struct text text = {0};
	int32_t *ids = NULL;
	enum tern_status status;

	text_append(&text, prefix, strlen(prefix));
	text_append(&text, e->items[index].bytes, e->items[index].n_bytes);
	if (text.failed)
		status = tern_fail_memory(err, e->items[index].n_bytes);
	else
		status = tern_tokenize(e->opened.model, text.n_bytes ? text.bytes : "", text.n_bytes,
		                       TERN_TOKENIZE_BOS | TERN_TOKENIZE_EOS, &ids, n_tokens, err);
	if (!status && *n_tokens == 0)
		status = tern_fail(err, TERN_ERR_USAGE, "is empty");
	if (!status)
		status = tern_session_embed(e->session, ids, *n_tokens, (enum tern_pooling)e->options.own.pooling,
		                            vector, err);
	tern_free(ids);
	text_free(&text);
	return status ? fail_item(index, err) : TERN_OK;
}

static void put_vector(const struct embed *e, size_t index, const float *vector, size_t n_tokens)
{
	struct json_writer json = {0};
	size_t n_embd = (size_t)e->opened.info.n_embd;

	if (e->options.own.format == FORMAT_F32) {
		output_write((const char *)(const void *)vector, n_embd * sizeof *vector);
		return;
	}
	json_write_begin_object(&json);
	json_put_uint(&json, "index", index);
	json_put_uint(&json, "tokens", n_tokens);
	json_write_key(&json, "embedding");
	json_write_begin_array(&json);
	for (size_t i = 0; i < n_embd; i++)
		json_write_real(&json, (double)vector[i], 9);
	json_write_end_array(&json);
	json_write_end_object(&json);
	output_write("\n", 1);
}

/* Prints the beginning of a text, as a label. */
static void put_label(const struct item *item)
{
	enum {
		LABEL_BYTES = 40
	};
	size_t n = tern_utf8_cut(item->bytes, item->n_bytes, LABEL_BYTES);

	output_line_part(item->bytes, n);
	output_printf("%s\n", n < item->n_bytes ? "..." : "");
}

static void put_similarities(const struct embed *e)
{
	size_t n_embd = (size_t)e->opened.info.n_embd;

	if (e->n_items == 0)
		return;
	output_printf("    ");
	for (size_t i = 0; i < e->n_items; i++)
		output_printf(" %6zu", i + 1);
	output_printf("\n");
	for (size_t i = 0; i < e->n_items; i++) {
		output_printf("%4zu", i + 1);
		for (size_t j = 0; j < e->n_items; j++) {
			double cosine = 0.0;
			for (size_t k = 0; k < n_embd; k++)
				cosine += (double)e->vectors[i * n_embd + k] * (double)e->vectors[j * n_embd + k];
			output_printf(" %6.3f", cosine);
		}
		output_printf("  ");
		put_label(&e->items[i]);
	}
}

static enum tern_status embed_all(struct embed *e, struct tern_error *err)
{
	bool all = e->options.own.similarity;
	size_t n_embd = (size_t)e->opened.info.n_embd, n_tokens;
	struct progress progress;
	enum tern_status status = TERN_OK;

	if (!(e->vectors = tern_alloc(all ? e->n_items : 1, n_embd * sizeof *e->vectors)))
		return tern_fail_memory(err, n_embd * sizeof *e->vectors);
	progress_start(&progress, "embedding");
	for (size_t i = 0; !status && i < e->n_items; i++) {
		float *vector = e->vectors + (all ? i * n_embd : 0);
		if (!(status = compute(e, i, vector, &n_tokens, err)) && !all) {
			put_vector(e, i, vector, n_tokens);
			if (!output_flush())
				break;
		}
		progress_update(&progress, i + 1, e->n_items);
	}
	progress_end(&progress);
	if (!status && all)
		put_similarities(e);
	return status;
}

/* ---- the whole ---- */

static enum tern_status work(struct embed *e)
{
	struct tern_session_options settings = {.kv = (enum tern_kv_type)e->options.common.kv, .state_cache = -1};
	struct tern_error err = {0};
	enum tern_status status;

	if (e->options.own.similarity && e->options.own.format != 0)
		return usage_error(&command_embed, "--similarity prints a table, which has no other format (-o)");
	if ((status = read_items(e)) || (status = open_model_with_weights(&e->opened, &e->options.common)) ||
	    (status = common_threads(&e->options.common, &settings.n_threads)))
		return status;
	if ((status = tern_session_new(&e->session, e->opened.model, &settings, &err)) || (status = embed_all(e, &err)))
		return report_error(&err);
	return TERN_OK;
}

static enum tern_status embed_main(int argc, char **argv)
{
	struct embed e = {0};
	enum tern_status status;

	if (!options_parse(&command_embed, argc, argv, &e.options, &e.operands, &status))
		return status;
	common_apply(&e.options.common, &e.operands);
	status = work(&e);
	tern_session_free(e.session);
	open_model_close(&e.opened);
	tern_free(e.vectors);
	tern_free(e.items);
	text_free(&e.input);
	options_free(&command_embed, &e.options, &e.operands);
	return output_finish(status);
}
