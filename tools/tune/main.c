/* tern-tune: fine-tuning of a checkpoint to ternary weights on a CPU. */
#include "base/machine.h"
#include "base/sizes.h"
#include "console/format.h"
#include "console/options.h"
#include "console/output.h"
#include "console/program_text.h"
#include "console/signals.h"
#include "console/term.h"
#include "tune/curve.h"
#include "tune/train.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

struct values {
	const char *data, *output, *evaluation, *teacher;
	int n_steps, batch_tokens, context, warmup, eval_every, save_every, n_threads, schedule, gains;
	float epochs, rate, weight_decay, clip, ramp, ramp_start, teacher_weight;
	struct option_seed seed;
	bool no_extra_norm, full_precision, from_scratch, resume, packed, quiet;
	const char *completion;
	bool man;
};

#define FIELD(name) offsetof(struct values, name)

static const struct option file_options[] = {
        {.name = "data",
         .letter = 'd',
         .kind = OPTION_TEXT,
         .offset = FIELD(data),
         .argument = "FILE",
         .once = true,
         .help = "what to train on: JSON Lines (FILE.jsonl) of {\"text\": ...} or {\"messages\": [...]}, of which the "
                 "answers are learned; else plain text, documents separated by blank lines"},
        {.name = "output",
         .letter = 'o',
         .kind = OPTION_TEXT,
         .offset = FIELD(output),
         .argument = "DIRECTORY",
         .once = true,
         .help = "where the checkpoint goes, and until it is finished the state to resume from; no file that is "
                 "there is replaced"},
        {.name = "eval",
         .kind = OPTION_TEXT,
         .offset = FIELD(evaluation),
         .argument = "FILE",
         .once = true,
         .help = "measure the loss on this text: JSON Lines as of --data, a document after the other; plain text as "
                 "`tern eval` does, with windows of --context tokens"},
        {.name = "packed",
         .kind = OPTION_FLAG,
         .offset = FIELD(packed),
         .help = "write ternary weights as two-bit codes instead of floats"},
        {0},
};

static const struct option training_options[] = {
        {.name = "steps",
         .kind = OPTION_INT,
         .offset = FIELD(n_steps),
         .argument = "N",
         .min = 1,
         .max = INT_MAX,
         .initial = "0",
         .help = "steps to train; needed unless --epochs is given"},
        {.name = "epochs",
         .kind = OPTION_FLOAT,
         .offset = FIELD(epochs),
         .argument = "X",
         .min = 1e-6,
         .max = 1e6,
         .initial = "0",
         .help = "times to go over the data, instead of --steps"},
        {.name = "batch-tokens",
         .kind = OPTION_INT,
         .offset = FIELD(batch_tokens),
         .argument = "N",
         .min = 2,
         .max = INT_MAX,
         .initial = "2560",
         .help = "tokens of a step at most"},
        {.name = "context",
         .kind = OPTION_INT,
         .offset = FIELD(context),
         .argument = "N",
         .min = 2,
         .max = INT_MAX,
         .initial = "0",
         .help = "tokens that see each other at most; by default 512, or what model and batch allow"},
        {.name = "lr",
         .kind = OPTION_FLOAT,
         .offset = FIELD(rate),
         .argument = "X",
         .min = 1e-9,
         .max = 1,
         .initial = "0.001",
         .help = "highest learning rate; it falls as half a cosine"},
        {.name = "warmup",
         .kind = OPTION_INT,
         .offset = FIELD(warmup),
         .argument = "N",
         .max = INT_MAX,
         .initial = "20",
         .help = "steps over which the learning rate rises"},
        {.name = "weight-decay",
         .kind = OPTION_FLOAT,
         .offset = FIELD(weight_decay),
         .argument = "X",
         .max = 1,
         .initial = "0.05",
         .help = "of matrices"},
        {.name = "clip",
         .kind = OPTION_FLOAT,
         .offset = FIELD(clip),
         .argument = "X",
         .max = 1e9,
         .initial = "1",
         .help = "largest norm of the gradient; 0: any"},
        {.name = "seed",
         .kind = OPTION_SEED,
         .offset = FIELD(seed),
         .argument = "N",
         .help = "decides the order of the data; 0 by default"},
        {.name = "from-scratch",
         .kind = OPTION_FLAG,
         .offset = FIELD(from_scratch),
         .help = "begin with random weights: the base needs config.json and a tokenizer alone"},
        {0},
};

static const struct option recipe_options[] = {
        {.name = "schedule",
         .kind = OPTION_CHOICE,
         .offset = FIELD(schedule),
         .argument = "ramp|layers|none",
         .help = "how weights and activations go over to their quantized values: gradually, layer by layer, "
                 "or at once"},
        {.name = "ramp",
         .kind = OPTION_FLOAT,
         .offset = FIELD(ramp),
         .argument = "X",
         .max = 1,
         .initial = "0.15",
         .help = "part of the steps that this takes"},
        {.name = "ramp-start",
         .kind = OPTION_FLOAT,
         .offset = FIELD(ramp_start),
         .argument = "X",
         .max = 1,
         .initial = "0",
         .help = "part of the steps in full precision before it"},
        {.name = "no-extra-norm",
         .kind = OPTION_FLAG,
         .offset = FIELD(no_extra_norm),
         .help = "put no RMSNorm in front of projections that have none"},
        {.name = "gains",
         .kind = OPTION_CHOICE,
         .offset = FIELD(gains),
         .argument = "one|rms",
         .help = "gain that inserted norms begin with: 1, or the RMS of what they normalize, which disturbs "
                 "the base less"},
        {.name = "distill",
         .kind = OPTION_TEXT,
         .offset = FIELD(teacher),
         .argument = "DIRECTORY",
         .once = true,
         .help = "also follow the residual stream of this checkpoint in full precision, after every layer"},
        {.name = "distill-weight",
         .kind = OPTION_FLOAT,
         .offset = FIELD(teacher_weight),
         .argument = "X",
         .max = 1e6,
         .initial = "1",
         .help = "weight of that in the loss"},
        {.name = "full-precision",
         .kind = OPTION_FLAG,
         .offset = FIELD(full_precision),
         .help = "train as it is: no norms are put in and nothing is quantized"},
        {0},
};

static const struct option other_options[] = {
        {.name = "eval-every",
         .kind = OPTION_INT,
         .offset = FIELD(eval_every),
         .argument = "N",
         .min = 1,
         .max = INT_MAX,
         .initial = "0",
         .help = "steps between measurements of --eval; by default only at the end"},
        {.name = "checkpoint-every",
         .kind = OPTION_INT,
         .offset = FIELD(save_every),
         .argument = "N",
         .min = 1,
         .max = INT_MAX,
         .initial = "100",
         .help = "steps between states on disk: what a crash can cost"},
        {.name = "resume",
         .kind = OPTION_FLAG,
         .offset = FIELD(resume),
         .help = "go on with a run that was interrupted or killed, by the same command"},
        {.name = "threads",
         .letter = 't',
         .kind = OPTION_INT,
         .offset = FIELD(n_threads),
         .argument = "N",
         .min = 1,
         .max = TERN_MAX_THREADS,
         .initial = "0",
         .help = "threads to use, by default one per fast core; no effect on the result"},
        {.name = "quiet",
         .letter = 'q',
         .kind = OPTION_FLAG,
         .offset = FIELD(quiet),
         .help = "no progress, warnings or summary"},
        PROGRAM_TEXT_OPTIONS(struct values),
        {0},
};

static const struct option_group groups[] = {
        {"Files:", file_options, 0},
        {"Training:", training_options, 0},
        {"Recipe:", recipe_options, 0},
        {"Other:", other_options, 0},
        {0},
};

static const struct command command = {
        .usage = "tern-tune DIRECTORY -d FILE -o DIRECTORY [OPTION...]",
        .summary = "Fine-tune a checkpoint (config.json, *.safetensors, tokenizer) to ternary weights: with an RMSNorm "
                   "in front of every projection, and weights and activations that go over to their quantized values",
        .examples = "  tern-tune base -d stories.txt -o tuned --steps 300\n"
                    "  tern-tune base -d chats.jsonl -o tuned --epochs 2 --eval held-out.txt --eval-every 50\n"
                    "  tern-tune base -d chats.jsonl -o tuned --epochs 2 --eval held-out.txt --eval-every 50 --resume\n"
                    "  tern-convert tuned -o tuned.gguf && tern chat -m tuned.gguf\n",
        .notes = "Trains Llama, Qwen 2 and Qwen 3 decoders, and BitNet's without sub-norms. The same\n"
                 "command gives the same bits with any number of threads, interrupted or not.\n"
                 "\n"
                 "Exit status: 0 done, 1 the work failed, 2 wrong usage, 3 an input file is\n"
                 "missing, damaged or not supported, 130 interrupted.\n",
        .groups = groups,
        .values_size = sizeof(struct values),
};

/* ---- what packagers install ---- */

static const struct command *const commands[] = {&command, NULL};

static const struct manual_item statuses[] = {
        {"0", "The checkpoint is written, whole."},
        {"1", "The work failed: memory, a write, or a loss that is no number."},
        {"2", "Wrong usage."},
        {"3", "An input file is missing, damaged or not supported."},
        {"130", "Ended by Ctrl-C; the state is written, --resume goes on."},
        {NULL, NULL},
};

static const struct manual_item files[] = {
        {"model.safetensors", "The weights, written last: where it is, the checkpoint is complete."},
        {"config.json, tokenizer.json, ...", "Those of the base, with the quantization that transformers and "
                                             "tern-convert go by."},
        {"tune.state", "What --resume needs, until the checkpoint is complete: parameters and moments, twelve bytes a "
                       "parameter."},
        {"loss.csv", "Loss, lambda, learning rate and speed of every step."},
        {NULL, NULL},
};

static const char large_models[] =
        "A model of billions of parameters is trained elsewhere, on many machines. In transformers, a BitNet "
        "configuration with linear_class autobitlinear, quantization_mode online, use_rms_norm true and "
        "rms_norm_eps 1e-6 trains the same network from lambda 1 on, and tern-convert reads the checkpoint that it "
        "saves.\n";

static const struct manual_section sections[] = {
        {"EXIT STATUS", NULL, statuses},
        {"FILES", "In the output directory:", files},
        {"LARGE MODELS", large_models, NULL},
        {NULL, NULL, NULL},
};

static const struct program program = {
        .name = "tern-tune",
        .summary = "fine-tune a checkpoint to ternary weights",
        .commands = commands,
        .sections = sections,
        .see_also = "tern(1), tern-convert(1)",
};

/* ---- progress ---- */

static void on_warning(void *user, const char *message)
{
	(void)user;
	warn("%s", message);
}

static void on_temp_file(void *user, const char *path)
{
	(void)user;
	signals_clean_on_death(path);
}

static void on_facts(void *user, const struct train_facts *f)
{
	char parameters[FORMAT_SIZE], tokens[FORMAT_SIZE], learned[FORMAT_SIZE], memory[FORMAT_SIZE],
	        available[FORMAT_SIZE];

	(void)user;
	if (term_is_quiet())
		return;
	note("%s parameters; %zu documents, %s tokens, %s of them learned; %llu steps of up to %zu tokens, context %zu",
	     format_count(parameters, f->n_parameters), f->n_documents, format_count(tokens, f->n_tokens),
	     format_count(learned, f->n_targets), (unsigned long long)f->n_steps, f->batch_tokens, f->context);
	note("%s of memory, %s are available; %d threads, %s", format_bytes(memory, f->n_bytes),
	     format_bytes(available, f->n_available), f->n_threads, f->kernel);
	if (f->is_resumed)
		note("resuming after step %llu", (unsigned long long)f->first_step);
}

static void on_step(void *user, const struct train_step *s)
{
	char line[200], left[FORMAT_SIZE];
	uint64_t tenth = s->n_steps / 10 + !(s->n_steps / 10);

	curve_add(user, s->step, s->n_steps, s->loss);
	if (term_is_quiet())
		return;
	snprintf(line, sizeof line, "step %llu/%llu  loss %.4f  lambda %.2f  %.0f tokens/s  %s left",
	         (unsigned long long)s->step, (unsigned long long)s->n_steps, s->loss, s->lambda, s->tokens_per_second,
	         format_duration(left, s->seconds_left));
	if (isfinite(s->evaluation))
		note("step %llu: loss %.4f, evaluation %.4f, lambda %.2f", (unsigned long long)s->step, s->loss,
		     s->evaluation, s->lambda);
	else if (!term_can_show_status() && (s->step % tenth == 0 || s->step == s->n_steps))
		note("%s", line);
	if (term_can_show_status() && s->step < s->n_steps) {
		/* A line that wraps could not be erased. */
		line[tern_smaller(sizeof line - 1, (size_t)term_columns() - 1)] = '\0';
		term_show_status(line);
	}
}

static bool keep_going(void *user)
{
	(void)user;
	return !signals_interrupted();
}

/* ---- usage ---- */

static enum tern_status check_usage(const struct values *v, const struct operands *operands)
{
	if (operands->n_items == 0)
		return usage_error(&command, "the directory of the base checkpoint is needed");
	if (operands->n_items > 1)
		return usage_error(&command, "'%.64s' is one operand too many; expected one directory",
		                   operands->items[1]);
	if (!v->data || !v->output)
		return usage_error(&command, "-d FILE and -o DIRECTORY are needed");
	if (v->n_steps == 0 && v->epochs == 0)
		return usage_error(&command, "one of --steps and --epochs is needed");
	if (v->n_steps > 0 && v->epochs > 0)
		return usage_error(&command, "--steps and --epochs exclude each other");
	if (v->full_precision && (v->packed || v->schedule != SCHEDULE_RAMP))
		return usage_error(&command, "--full-precision has neither --schedule nor --packed");
	if (v->gains == GAINS_RMS && (v->no_extra_norm || v->full_precision || v->from_scratch))
		return usage_error(&command, "--gains rms is for norms that are inserted into a trained network");
	if (v->ramp_start + v->ramp > 1.0f)
		return usage_error(&command, "--ramp-start and --ramp add up to more than all steps");
	if (v->eval_every && !v->evaluation)
		return usage_error(&command, "--eval-every needs --eval FILE");
	return TERN_OK;
}

static struct train_options options_of(const struct values *v, const char *base)
{
	return (struct train_options){
	        .base = base,
	        .data = v->data,
	        .output = v->output,
	        .evaluation = v->evaluation,
	        .teacher = v->teacher,
	        .n_steps = (uint64_t)v->n_steps,
	        .epochs = (double)v->epochs,
	        .batch_tokens = (size_t)v->batch_tokens,
	        .context = (size_t)v->context,
	        .rate = (double)v->rate,
	        .weight_decay = (double)v->weight_decay,
	        .clip = (double)v->clip,
	        .teacher_weight = (double)v->teacher_weight,
	        .start = (double)v->ramp_start,
	        .ramp = (double)v->ramp,
	        .n_warmup = (uint64_t)v->warmup,
	        .seed = v->seed.is_given ? v->seed.value : 0,
	        .schedule = v->full_precision ? SCHEDULE_FULL_PRECISION : (enum schedule_kind)v->schedule,
	        .gains = (enum gains)v->gains,
	        .no_extra_norm = v->no_extra_norm,
	        .from_scratch = v->from_scratch,
	        .packed = v->packed,
	        .resume = v->resume,
	        .eval_every = (uint64_t)v->eval_every,
	        .save_every = (uint64_t)v->save_every,
	        .n_threads = v->n_threads,
	};
}

static enum tern_status run(const struct values *v, const char *base)
{
	const struct train_options options = options_of(v, base);
	struct curve curve = {0};
	const struct train_reporter reporter = {
	        {.user = &curve, .on_warning = on_warning, .on_temp_file = on_temp_file},
	        on_facts,
	        on_step,
	        keep_going};
	struct tern_error err;
	enum train_end end;

	signals_catch_interrupt();
	enum tern_status status = train(&options, &reporter, &end, &err);
	term_erase_status();
	if (status)
		return report_error(&err);
	if (!term_is_quiet())
		curve_print(&curve, stderr);
	if (end == TRAIN_INTERRUPTED) {
		report("interrupted; the same command with --resume goes on");
		signals_die_of_interrupt();
	}
	if (!term_is_quiet())
		note("%s is finished; tern-convert makes a GGUF file of it", v->output);
	return TERN_OK;
}

int main(int argc, char **argv)
{
	struct values values;
	struct operands operands;
	enum tern_status status;

	term_start();
	term_set_program("tern-tune");
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
