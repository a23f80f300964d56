/* tern-convert: a checkpoint as Hugging Face lays it out, or a GGUF file of another engine, made into a GGUF file for
 * tern; and the other way. */
#include "base/machine.h"
#include "console/format.h"
#include "console/options.h"
#include "console/output.h"
#include "console/program_text.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/term.h"
#include "convert/convert_checkpoint.h"
#include "convert/convert_gguf.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum precision {
	PRECISION_KEEP,
	PRECISION_Q8
};

struct values {
	const char *output;
	bool force, dry_run, vocab_only, masters, merge, quiet;
	int head, embd; /* enum precision */
	int target;     /* enum target */
	int i2s_layout; /* enum tern_i2s_layout */
	int n_threads;
	const char *completion; /* print this instead of converting */
	bool man;
};

#define FIELD(name) offsetof(struct values, name)

static const struct option output_options[] = {
        {.name = "output",
         .letter = 'o',
         .kind = OPTION_TEXT,
         .offset = FIELD(output),
         .argument = "OUT.gguf",
         .once = true,
         .help = "the file to write; needed unless --dry-run is given"},
        {.name = "force", .kind = OPTION_FLAG, .offset = FIELD(force), .help = "replace OUT.gguf if it exists"},
        {.name = "dry-run",
         .kind = OPTION_FLAG,
         .offset = FIELD(dry_run),
         .help = "read and check everything, write nothing"},
        {.name = "vocab-only",
         .kind = OPTION_FLAG,
         .offset = FIELD(vocab_only),
         .help = "write the tokenizer alone; weights and config.json may be missing"},
        {.name = "masters",
         .kind = OPTION_FLAG,
         .offset = FIELD(masters),
         .help = "ternarize floats by their mean though config.json does not name them master weights, for "
                 "-unquantized checkpoints; how their authors ternarize them may differ"},
        {0},
};

static const struct option gguf_options[] = {
        {.name = "to",
         .kind = OPTION_CHOICE,
         .offset = FIELD(target),
         .argument = "t2r16|tq2_0|i2_s",
         .help = "type of the ternary matrices: tern's own, or that of llama.cpp (tq2_0) or bitnet.cpp (i2_s); what "
                 "is exported must have no norms in front of its projections"},
        {.name = "merge",
         .kind = OPTION_FLAG,
         .offset = FIELD(merge),
         .help = "put the parts of a split model into one file and change nothing else"},
        {.name = "i2s-layout",
         .kind = OPTION_CHOICE,
         .offset = FIELD(i2s_layout),
         .argument = "128|64|rows4",
         .help = "how I2_S matrices of the input are laid out: 128 in all published files, 64 in some made on ARM"},
        {0},
};

static const struct option precision_options[] = {
        {.name = "head",
         .kind = OPTION_CHOICE,
         .offset = FIELD(head),
         .argument = "keep|q8",
         .initial = "q8",
         .help = "output head: in the checkpoint's precision, or in int8"},
        {.name = "embd",
         .kind = OPTION_CHOICE,
         .offset = FIELD(embd),
         .argument = "keep|q8",
         .initial = "q8",
         .help = "token embedding: likewise"},
        {0},
};

static const struct option other_options[] = {
        {.name = "threads",
         .letter = 't',
         .kind = OPTION_INT,
         .offset = FIELD(n_threads),
         .argument = "N",
         .min = 1,
         .max = TERN_MAX_THREADS,
         .initial = "0",
         .help = "threads to use, by default one per fast core"},
        {.name = "quiet",
         .letter = 'q',
         .kind = OPTION_FLAG,
         .offset = FIELD(quiet),
         .help = "no progress bar, warnings or summary"},
        PROGRAM_TEXT_OPTIONS(struct values),
        {0},
};

static const struct option_group groups[] = {
        {"Output:", output_options, 0},
        {"From GGUF files:", gguf_options, 0},
        {"Precision:", precision_options, 0},
        {"Other:", other_options, 0},
        {0},
};

static const struct command command = {
        .usage = "tern-convert DIRECTORY|FILE.gguf -o OUT.gguf [OPTION...]",
        .summary = "Make a GGUF file for tern from a ternary checkpoint (config.json, *.safetensors, tokenizer), "
                   "or from a GGUF file of another engine",
        .examples = "  tern-convert models/tern-tiny -o tern-tiny.gguf\n"
                    "  tern-convert --dry-run ~/.cache/huggingface/hub/models--X--Y/snapshots/REVISION\n"
                    "  tern-convert DIRECTORY -o exact.gguf --head keep --embd keep\n"
                    "  tern-convert ggml-model-i2_s.gguf -o model.gguf\n"
                    "  tern-convert model.gguf --to tq2_0 -o for-llama.cpp.gguf\n"
                    "  tern-convert --merge model-00001-of-00003.gguf -o model.gguf\n",
        .notes = "Reads Llama, Qwen 2, 3 and 3.5, MiniCPM and BitNet decoders with ternary weights: packed, as\n"
                 "master weights, or as floats that are ternary.\n"
                 "\n"
                 "Exit status: 0 done, 1 the work failed, 2 wrong usage, 3 an input file is\n"
                 "missing, damaged or not supported.\n",
        .groups = groups,
        .values_size = sizeof(struct values),
};

/* ---- what packagers install ---- */

static const struct command *const commands[] = {&command, NULL};

static const struct manual_item statuses[] = {
        {"0", "OUT.gguf is written, whole."},
        {"1", "The work failed: memory, or a write."},
        {"2", "Wrong usage."},
        {"3", "An input file is missing, damaged or not supported."},
        {"130, 143", "Ended by Ctrl-C or SIGTERM."},
        {NULL, NULL},
};

static const struct manual_section sections[] = {
        {"EXIT STATUS", "After any status but 0 there is no new OUT.gguf, and nothing is left of one that was begun.\n",
         statuses},
        {"FILES",
         "The output is written to a temporary file beside OUT.gguf, which takes the name once it is complete and "
         "on the disk. A conversion that was killed with SIGKILL leaves it; the next one to the same OUT.gguf removes "
         "it.\n",
         NULL},
        {NULL, NULL, NULL},
};

static const struct program program = {
        .name = "tern-convert",
        .summary = "make a GGUF file for tern from a ternary checkpoint",
        .commands = commands,
        .sections = sections,
        .see_also = "tern(1), tern-tune(1)",
};

/* ---- callbacks of the conversion ---- */

static void on_warning(void *user, const char *message)
{
	(void)user;
	warn("%s", message);
}

static void on_progress(void *user, uint64_t n_done, uint64_t n_total) { progress_update(user, n_done, n_total); }

static void on_temp_file(void *user, const char *path)
{
	(void)user;
	signals_clean_on_death(path);
}

/* ---- the summary ---- */

/* "packed uint8, 42 matrices; float, already ternary, 1 matrix" */
static void print_storage(FILE *to, const struct checkpoint_summary *s)
{
	const struct {
		size_t n;
		const char *what;
	} kinds[] = {
	        {s->weights.n_packed, "packed uint8 with a scale"},
	        {s->weights.n_codes, "int8 codes with a scale"},
	        {s->weights.n_words, "MLX's words with a scale for each row"},
	        {s->weights.n_masters, "master weights, ternarized by their mean"},
	        {s->weights.n_ternary_floats, "floats that are ternary"},
	        {s->weights.n_grouped, "floats that are ternary in groups of columns"},
	};
	const char *before = "  weights     ";

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].n) {
			fprintf(to, "%s%s (%zu %s)", before, kinds[i].what, kinds[i].n,
			        kinds[i].n == 1 ? "matrix" : "matrices");
			before = "; ";
		}
	fprintf(to, "; activations int8, one scale per %s\n", s->per_token ? "token" : "group of columns");
}

static void print_norms(FILE *to, const struct checkpoint_summary *s)
{
	fprintf(to, "  norms       ");
	if (strcmp(s->linear_norm, "none") == 0)
		fprintf(to, "none before the projections");
	else
		fprintf(to, "one before every projection, %s, eps %g",
		        strcmp(s->linear_norm, "weight") == 0 ? "with weights" : "without weights", s->linear_norm_eps);
	fprintf(to, "%s%s\n", s->has_qk_norm ? "; of queries and keys" : "", s->has_sub_norms ? "; sub-norms" : "");
}

static void print_zeros(FILE *to, const struct checkpoint_summary *s)
{
	uint64_t n_weights = 0, n_zeros = 0;

	fprintf(to, "  zeros       ");
	for (int i = 0; i < TERN_N_MATRICES; i++) {
		if (!s->weights.n_weights[i])
			continue;
		n_weights += s->weights.n_weights[i];
		n_zeros += s->weights.n_zeros[i];
		fprintf(to, "%s %.1f %%, ", tern_matrix_names[i],
		        100.0 * (double)s->weights.n_zeros[i] / (double)s->weights.n_weights[i]);
	}
	fprintf(to, "all %.1f %%\n", n_weights ? 100.0 * (double)n_zeros / (double)n_weights : 0.0);
}

static void print_model(FILE *to, const struct checkpoint_summary *s)
{
	fprintf(to,
	        "  model       %s (%s): %llu layers, width %llu, feed-forward %llu, %llu heads of %llu (%llu "
	        "key/value), "
	        "context %llu",
	        s->family, s->arch, (unsigned long long)s->n_layer, (unsigned long long)s->n_embd,
	        (unsigned long long)s->n_ff, (unsigned long long)s->n_head, (unsigned long long)s->head_dim,
	        (unsigned long long)s->n_head_kv, (unsigned long long)s->n_ctx);
	if (s->experts.n)
		fprintf(to, ", %llu of %llu experts of %llu", (unsigned long long)s->experts.n_used,
		        (unsigned long long)s->experts.n, (unsigned long long)s->experts.n_ff);
	if (strcmp(s->rope, "plain") != 0)
		fprintf(to, ", RoPE %s x %g", s->rope, s->rope_factor);
	fputc('\n', to);
}

/* A few lines about what was found and made; `output` is NULL for a dry run. */
static void print_summary(FILE *to, const struct checkpoint_summary *s, const char *output)
{
	char in[FORMAT_SIZE], out[FORMAT_SIZE];

	if (s->family)
		print_model(to, s);
	if (s->linear_norm) {
		print_storage(to, s);
		print_norms(to, s);
		print_zeros(to, s);
		fprintf(to, "  embedding   %s; head %s\n", s->embedding_type,
		        s->head_type ? s->head_type : "the same (tied)");
	}
	fprintf(to, "  tokenizer   %s, %zu tokens%s\n", s->tokenizer, s->n_tokens,
	        s->has_chat_template ? ", with a chat template" : "");
	if (s->linear_norm)
		fprintf(to, "  %s%s in, %s out, %.1f s\n", output ? "size        " : "would be    ",
		        format_bytes(in, s->n_bytes_in), format_bytes(out, s->n_bytes_out), s->seconds);
}

/* The same after convert_gguf(). */
static void print_gguf_summary(FILE *to, const struct gguf_summary *s, const struct convert_options *options)
{
	static const char *const types[] = {"T2R16", "TQ2_0", "I2_S"};
	char in[FORMAT_SIZE], out[FORMAT_SIZE];

	if (s->n_parts > 1)
		fprintf(to, "  parts       %zu\n", s->n_parts);
	if (options->target != TARGET_SAME)
		fprintf(to, "  matrices    %zu to %s; %zu of embedding and head to int8\n", s->n_ternary,
		        types[options->target], s->n_dense);
	fprintf(to, "  %s%s in, %s out, %zu tensors, %.1f s\n", options->output ? "size        " : "would be    ",
	        format_bytes(in, s->n_bytes_in), format_bytes(out, s->n_bytes_out), s->n_tensors, s->seconds);
}

/* ---- usage ---- */

/* A checkpoint is a directory; everything else is taken for a GGUF file, which says so itself if it is none. */
static bool is_gguf(const char *input)
{
	struct stat st;
	size_t n = strlen(input);

	if (stat(input, &st) == 0)
		return S_ISREG(st.st_mode);
	return n >= 5 && strcmp(input + n - 5, ".gguf") == 0;
}

static enum tern_status check_usage(const struct values *values, const struct operands *operands)
{
	bool gguf_only = values->merge || values->target != TARGET_T2R16 || values->i2s_layout != TERN_I2S_128;

	if (operands->n_items == 0)
		return usage_error(&command, "a checkpoint directory or a GGUF file is needed");
	if (operands->n_items > 1)
		return usage_error(&command, "'%.64s' is one operand too many; expected one directory or file",
		                   operands->items[1]);
	if (!values->output && !values->dry_run)
		return usage_error(&command, "-o OUT.gguf is needed");
	if (values->output && (strcmp(values->output, "-") == 0 || !*values->output))
		return usage_error(&command, "-o needs the name of a file; a model cannot go to standard output");
	if (gguf_only && !is_gguf(operands->items[0]))
		return usage_error(&command, "--to, --merge and --i2s-layout are for GGUF files; make one first");
	if (values->merge && values->target != TARGET_T2R16)
		return usage_error(&command, "--merge changes nothing, --to does: one after the other");
	if (values->masters && is_gguf(operands->items[0]))
		return usage_error(&command, "--masters is for checkpoints");
	if (values->vocab_only && is_gguf(operands->items[0]))
		return usage_error(&command, "--vocab-only is for checkpoint directories");
	return TERN_OK;
}

/* ---- the conversion ---- */

static enum tern_status run(const struct values *values, const char *input)
{
	bool from_gguf = is_gguf(input);
	struct progress progress;
	struct checkpoint_summary checkpoint;
	struct gguf_summary gguf;
	struct tern_error err;
	struct convert_options options = {.input = input,
	                                  .output = values->dry_run ? NULL : values->output,
	                                  .force = values->force,
	                                  .dry_run = values->dry_run,
	                                  .keep_embedding = values->embd == PRECISION_KEEP,
	                                  .keep_head = values->head == PRECISION_KEEP,
	                                  .n_threads = values->n_threads,
	                                  .listener = {&progress, on_warning, on_progress, on_temp_file},
	                                  .vocab_only = values->vocab_only,
	                                  .masters = values->masters,
	                                  .target = values->merge ? TARGET_SAME : (enum target)values->target,
	                                  .i2s_layout = (enum tern_i2s_layout)values->i2s_layout};
	enum tern_status status;

	if (from_gguf)
		signals_watch_map(input);
	progress_start(&progress, "converting");
	status = from_gguf ? convert_gguf(&options, &gguf, &err) : convert_checkpoint(&options, &checkpoint, &err);
	progress_end(&progress);
	if (status)
		return report_error(&err);
	if (values->quiet)
		return TERN_OK;
	if (options.output)
		note("%s -> %s", input, options.output);
	if (from_gguf)
		print_gguf_summary(stderr, &gguf, &options);
	else
		print_summary(stderr, &checkpoint, options.output);
	return TERN_OK;
}

int main(int argc, char **argv)
{
	struct values values;
	struct operands operands;
	enum tern_status status;

	term_start();
	term_set_program("tern-convert");
	signals_start();
	if (!options_parse(&command, argc, argv, &values, &operands, &status))
		return (int)status;
	term_configure(TERM_COLOR_AUTO, values.quiet);
	if (!program_print_text(&program, values.man, values.completion, &status) &&
	    !(status = check_usage(&values, &operands)))
		status = run(&values, operands.items[0]);
	options_free(&command, &values, &operands);
	return (int)output_finish(status);
}
