#include "tune/trainer.h"

#include "api/model.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "convert/convert_checkpoint.h"
#include "convert/mapping/map_checkpoint.h"
#include "tune/export.h"
#include "tune/gains.h"
#include "tune/hash.h"
#include "tune/outdir.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DEFAULT_CONTEXT = 512,
};

/* In the output directory, for a moment. */
#define VOCABULARY_NAME "tune.tokenizer.gguf"

/* ---- before the first step ---- */

static bool is_full_precision(const struct train_options *o) { return o->schedule == SCHEDULE_FULL_PRECISION; }

static enum tern_status open_source(struct source *source, const char *path, bool needs_weights, struct tern_error *err)
{
	enum tern_status status;

	if ((status = directory_open(&source->dir, path, err)) ||
	    (status = config_read(&source->config, &source->dir, false, err)))
		return status;
	return needs_weights ? checkpoint_open(&source->ckpt, &source->dir, err) : TERN_OK;
}

static void close_source(struct source *source)
{
	checkpoint_close(&source->ckpt);
	config_free(&source->config);
	directory_close(&source->dir);
}

static bool is_source(const struct source *source, const struct stat *directory)
{
	struct stat st;
	return fstat(source->dir.fd, &st) == 0 && st.st_dev == directory->st_dev && st.st_ino == directory->st_ino;
}

/* Nothing that is there is replaced but what a run that was killed before its first state left. */
static enum tern_status check_free(const struct directory *output, struct tern_error *err)
{
	const char *name = export_find(output);
	enum tern_status status;

	if (name && strncmp(name, "model.", 6) == 0)
		return tern_fail(err, TERN_ERR_USAGE, "%s: holds a finished checkpoint; remove it or use another -o",
		                 output->path);
	if (name)
		return outdir_fail_taken(output, name, err);
	status = outdir_check_own(output, VOCABULARY_NAME, "GGUF", err);
	return status ? status : outdir_check_own(output, LOG_NAME, log_title, err);
}

static enum tern_status check_output(const struct trainer *t, const struct directory *output)
{
	struct stat out;

	if (fstat(output->fd, &out) != 0)
		return tern_fail(t->err, TERN_ERR_FAILED, "%s: %s", output->path, strerror(errno));
	bool is_base = is_source(&t->base, &out);
	if (is_base || (t->options->teacher && is_source(&t->teacher_source, &out)))
		return tern_fail(t->err, TERN_ERR_USAGE, "%s: is the %s; the output needs a directory of its own",
		                 output->path, is_base ? "base" : "teacher");
	if (!directory_has(output, STATE_NAME))
		return check_free(output, t->err);
	if (!t->options->resume)
		return tern_fail(t->err, TERN_ERR_USAGE,
		                 "%s: holds a run that was begun; go on with --resume, or use another -o",
		                 output->path);
	return TERN_OK;
}

static enum tern_status prepare_output(struct trainer *t)
{
	const char *path = t->options->output;
	struct directory output;
	struct stat out;
	enum tern_status status;

	t->made_output = mkdir(path, 0777) == 0;
	if (!t->made_output && errno != EEXIST)
		return tern_fail(t->err, TERN_ERR_FAILED, "%s: cannot create it: %s", path, strerror(errno));
	if (stat(path, &out) != 0 || !S_ISDIR(out.st_mode))
		return tern_fail(t->err, TERN_ERR_USAGE, "%s: is not a directory", path);
	if ((status = directory_open(&output, path, t->err)))
		return status;
	status = check_output(t, &output);
	directory_close(&output);
	return status;
}

/* The tokenizer as the engine will have it: converted to a file of its own, opened, and removed again. */
static enum tern_status open_vocabulary(struct trainer *t)
{
	struct tern_model_options settings = {.no_mmap = true};
	struct convert_options options = {.input = t->options->base,
	                                  .force = true,
	                                  .vocab_only = true,
	                                  .n_threads = 1,
	                                  .listener = t->reporter->listener};
	struct checkpoint_summary summary;
	const struct listener *listener = &t->reporter->listener;
	char path[OUTDIR_PATH_SIZE];
	enum tern_status status = outdir_path(path, t->options->output, VOCABULARY_NAME, t->err);

	if (status)
		return status;
	options.output = path;
	if (!(status = convert_checkpoint(&options, &summary, t->err))) {
		listener->on_temp_file(listener->user, path);
		status = tern_model_open(&t->vocabulary, path, &settings, t->err);
		unlink(path);
		listener->on_temp_file(listener->user, NULL);
	}
	return status;
}

static size_t choose_context(const struct trainer *t)
{
	size_t context = t->options->context, most = (size_t)t->base.config.n_ctx;

	if (!context)
		context = tern_smaller(DEFAULT_CONTEXT, t->options->batch_tokens);
	return tern_smaller(context, most);
}

static enum tern_status check_options(const struct trainer *t)
{
	const struct train_options *o = t->options;

	if (o->context > (size_t)t->base.config.n_ctx)
		return tern_fail(t->err, TERN_ERR_USAGE, "--context %zu: the model has %zu", o->context,
		                 (size_t)t->base.config.n_ctx);
	if (o->context > o->batch_tokens)
		return tern_fail(t->err, TERN_ERR_USAGE, "--context %zu: a batch has only %zu tokens", o->context,
		                 o->batch_tokens);
	return TERN_OK;
}

static enum tern_status open_networks(struct trainer *t)
{
	const struct train_options *o = t->options;
	enum norms norms = o->no_extra_norm || is_full_precision(o) ? NORMS_OF_CHECKPOINT : NORMS_EXTRA;
	const struct checkpoint *ckpt = o->from_scratch ? NULL : &t->base.ckpt;
	const struct network *a = &t->network, *b = &t->teacher;
	enum tern_status status;

	if ((status = network_init(&t->network, &t->base.config, ckpt, norms, t->context, t->err)) || !o->teacher)
		return status;
	if ((status = open_source(&t->teacher_source, o->teacher, true, t->err)) ||
	    (status = network_init(&t->teacher, &t->teacher_source.config, &t->teacher_source.ckpt, NORMS_OF_CHECKPOINT,
	                           t->context, t->err)))
		return status;
	if (a->n_layer != b->n_layer || a->n_embd != b->n_embd || a->n_vocab != b->n_vocab)
		return tern_fail(t->err, TERN_ERR_USAGE,
		                 "%s: the teacher has %zu layers of width %zu and %zu tokens, the base %zu of %zu and "
		                 "%zu: both need the same",
		                 o->teacher, b->n_layer, b->n_embd, b->n_vocab, a->n_layer, a->n_embd, a->n_vocab);
	return TERN_OK;
}

static enum tern_status read_texts(struct trainer *t)
{
	const struct train_options *o = t->options;
	enum tern_status status = corpus_read(&t->corpus, o->data, t->vocabulary, t->context, t->err);

	if (!status && o->evaluation)
		status = corpus_read_evaluation(&t->evaluation, o->evaluation, t->vocabulary, t->context, t->err);
	return status;
}

/* Batches of the first epoch; another order may make one more or less of them. */
static enum tern_status count_batches(const struct trainer *t, uint64_t *n)
{
	const struct train_options *o = t->options;
	struct walk walk;
	enum tern_status status = walk_init(&walk, &t->corpus, o->seed, true, o->batch_tokens, t->err);

	for (*n = 0; !status && walk.at < t->corpus.n_pieces; ++*n)
		walk_next(&walk, NULL);
	walk_free(&walk);
	return status;
}

/* Epochs are a rounded number, and may be a little more than what was asked for: 0.1 of 10 batches is one step. */
static enum tern_status plan_steps(struct trainer *t)
{
	const struct train_options *o = t->options;
	uint64_t n = o->n_steps;
	enum tern_status status = TERN_OK;

	if (!n && !(status = count_batches(t, &n)))
		n = (uint64_t)ceil(o->epochs * (1 - (double)FLT_EPSILON) * (double)n);
	t->schedule = (struct schedule){.kind = o->schedule,
	                                .n_steps = n ? n : 1,
	                                .n_warmup = o->n_warmup < n ? o->n_warmup : n / 2,
	                                .start = o->start,
	                                .ramp = o->ramp,
	                                .rate = o->rate,
	                                .n_layer = t->network.n_layer};
	return status;
}

/* Bytes that will be allocated for networks, graphs and moments. */
static uint64_t count_bytes(const struct trainer *t)
{
	size_t n_threads = (size_t)tern_pool_size(t->pool), n_tokens = t->options->batch_tokens;
	uint64_t n = graph_bytes(&t->network, n_threads, n_tokens, t->context, true);

	n += network_bytes(&t->network) + (uint64_t)t->network.n_floats * 2 * sizeof(float); /* with moments */
	if (t->options->teacher)
		n += graph_bytes(&t->teacher, n_threads, n_tokens, t->context, false) + network_bytes(&t->teacher);
	return n;
}

static enum tern_status check_memory(const struct trainer *t, struct train_facts *facts)
{
	const double mib = 1048576.0;

	facts->n_bytes = count_bytes(t);
	facts->n_available = tern_available_memory();
	if (facts->n_bytes > facts->n_available)
		return tern_fail(t->err, TERN_ERR_FAILED,
		                 "training needs %.0f MiB of memory and %.0f are available; fewer --batch-tokens need "
		                 "less",
		                 (double)facts->n_bytes / mib, (double)facts->n_available / mib);
	return TERN_OK;
}

/* Runs the base as it is over the first batch. The training graph does not exist yet, so this takes no more memory. */
static enum tern_status set_gains(struct trainer *t)
{
	const struct train_options *o = t->options;
	const struct blend none = {.lambdas = t->zeros};
	struct network plain = {0};
	struct graph graph = {0};
	enum tern_status status;

	walk_next(&t->walk, &t->batch);
	if (!(status = network_init(&plain, &t->base.config, &t->base.ckpt, NORMS_OF_CHECKPOINT, t->context, t->err)) &&
	    !(status = network_read(&plain, &t->base.ckpt, t->err)) &&
	    !(status = graph_init(&graph, &plain, t->kernels, t->pool, o->batch_tokens, t->context, true, t->err))) {
		graph_forward(&graph, &t->batch, &none);
		gains_set_rms(&t->network, &graph, &t->batch);
	}
	graph_free(&graph);
	network_free(&plain);
	walk_free(&t->walk);
	return status ? status : walk_init(&t->walk, &t->corpus, o->seed, true, o->batch_tokens, t->err);
}

/* All of it: a tensor that is not used would be missing in the result. */
static enum tern_status read_network(struct network *network, const struct source *source, struct tern_error *err)
{
	enum tern_status status = network_read(network, &source->ckpt, err);
	return status ? status : map_check_all_used(&source->ckpt, &source->config, err);
}

static enum tern_status allocate(struct trainer *t)
{
	const struct train_options *o = t->options;
	size_t n_layer = t->network.n_layer;
	enum tern_status status;

	t->lambdas = tern_alloc(n_layer, sizeof *t->lambdas);
	t->zeros = tern_alloc(n_layer, sizeof *t->zeros);
	if (!t->lambdas || !t->zeros)
		return tern_fail_memory(t->err, n_layer * sizeof *t->zeros);
	status = o->from_scratch ? network_randomize(&t->network, o->seed, t->err)
	                         : read_network(&t->network, &t->base, t->err);
	if (status || (status = batch_init(&t->batch, o->batch_tokens, t->err)) ||
	    (status = walk_init(&t->walk, &t->corpus, o->seed, true, o->batch_tokens, t->err)) ||
	    (o->gains == GAINS_RMS && (status = set_gains(t))) ||
	    (status = graph_init(&t->graph, &t->network, t->kernels, t->pool, o->batch_tokens, t->context, true,
	                         t->err)) ||
	    (status = adamw_init(&t->adamw, &t->network, o->weight_decay, o->clip, t->err)) || !o->teacher)
		return status;
	if ((status = read_network(&t->teacher, &t->teacher_source, t->err)))
		return status;
	return graph_init(&t->teacher_graph, &t->teacher, t->kernels, t->pool, o->batch_tokens, t->context, false,
	                  t->err);
}

/* ---- the state on disk ---- */

/* What config.json says of positions shows in the angles. */
static uint64_t rope_hash(const struct network *network)
{
	size_t n = network->n_ctx * (network->head_dim / 2) * sizeof(float);
	return hash_bytes(hash_bytes(0, network->cosine, n), network->sine, n);
}

/* What config.json says of everything else. */
static uint64_t config_hash(const struct network *n)
{
	const double facts[] = {(double)n->n_layer,         (double)n->n_embd,   (double)n->n_ff,    (double)n->n_head,
	                        (double)n->n_head_kv,       (double)n->head_dim, (double)n->n_vocab, (double)n->rms_eps,
	                        (double)n->linear_norm_eps, n->has_extra_norm,   n->is_tied,         (double)n->gate};
	return hash_bytes(0, facts, sizeof facts);
}

static void list_settings(struct trainer *t)
{
	const struct train_options *o = t->options;
	const struct schedule *s = &t->schedule;
	uint64_t hash = corpus_hash(&t->corpus);
	const struct network *teacher = &t->teacher;
	uint64_t teacher_hash = o->teacher ? hash_bytes(0, teacher->values, teacher->n_floats * sizeof(float)) : 0;
	uint64_t teacher_config = o->teacher ? config_hash(teacher) ^ rope_hash(teacher) : 0;
	const struct state_setting settings[] = {{"number of steps", (double)s->n_steps},
	                                         {"--batch-tokens", (double)o->batch_tokens},
	                                         {"--context", (double)t->context},
	                                         {"--lr", o->rate},
	                                         {"--warmup", (double)s->n_warmup},
	                                         {"--weight-decay", o->weight_decay},
	                                         {"--clip", o->clip},
	                                         {"--seed", (double)(uint32_t)o->seed},
	                                         {"--seed, its upper half", (double)(o->seed >> 32)},
	                                         {"--schedule", (double)s->kind},
	                                         {"--ramp-start", s->start},
	                                         {"--ramp", s->ramp},
	                                         {"--no-extra-norm", (double)o->no_extra_norm},
	                                         {"--gains", (double)o->gains},
	                                         {"--from-scratch", (double)o->from_scratch},
	                                         {"--distill", o->teacher ? o->teacher_weight : -1},
	                                         {"teacher", (double)(teacher_hash >> 12)},
	                                         {"config.json of teacher", (double)(teacher_config >> 12)},
	                                         {"config.json of the base", (double)(config_hash(&t->network) >> 12)},
	                                         {"RoPE of the base", (double)(rope_hash(&t->network) >> 12)},
	                                         {"text in -d", (double)(hash >> 12)}};

	_Static_assert(sizeof settings <= sizeof t->state.settings, "settings fit");
	memcpy(t->state.settings, settings, sizeof settings);
}

/* Goes on where the state on disk, if there is one, ends. */
static enum tern_status resume(struct trainer *t)
{
	enum tern_status status = state_read(t->options->output, &t->state, &t->network, &t->adamw, t->err);

	for (uint64_t i = 0; !status && i < t->state.step; i++)
		walk_next(&t->walk, NULL);
	t->first_step = t->state.step;
	return status;
}

/* ---- the whole ---- */

enum tern_status trainer_prepare(struct trainer *t)
{
	const struct train_options *o = t->options;
	enum export_form form = o->packed ? EXPORT_PACKED : EXPORT_MASTER;
	struct train_facts facts = {0};
	enum tern_status status;
	int n_threads = o->n_threads;

	if (!(t->kernels = tern_kernels_select(t->err)))
		return TERN_ERR_USAGE;
	if ((status = tern_choose_threads(&n_threads, t->err)) ||
	    (status = tern_pool_new(&t->pool, n_threads, t->err)) ||
	    (status = open_source(&t->base, o->base, !o->from_scratch, t->err)) || (status = check_options(t)))
		return status;
	t->context = choose_context(t);
	if ((status = open_networks(t)) || (status = export_check(&t->network, form, t->err)) ||
	    (status = check_memory(t, &facts)) || (status = prepare_output(t)) || (status = open_vocabulary(t)) ||
	    (status = read_texts(t)) || (status = plan_steps(t)))
		return status;
	if ((status = allocate(t)))
		return status;
	list_settings(t);
	if ((o->resume && (status = resume(t))) || (status = log_open(&t->log, o->output, t->state.step, t->err)))
		return status;
	facts.n_parameters = t->network.n_floats;
	facts.n_documents = t->corpus.n_documents;
	facts.n_tokens = t->corpus.n_tokens;
	facts.n_targets = t->corpus.n_targets;
	facts.n_steps = t->schedule.n_steps;
	facts.first_step = t->first_step;
	facts.context = t->context;
	facts.batch_tokens = o->batch_tokens;
	facts.n_threads = tern_pool_size(t->pool);
	facts.kernel = t->graph.product.kernel->name;
	facts.is_resumed = t->first_step > 0;
	t->reporter->on_facts(t->reporter->listener.user, &facts);
	return TERN_OK;
}

void trainer_close(struct trainer *t)
{
	log_close(&t->log);
	if (t->made_output)
		rmdir(t->options->output); /* where a failure left it empty */
	walk_free(&t->walk);
	batch_free(&t->batch);
	adamw_free(&t->adamw);
	graph_free(&t->graph);
	graph_free(&t->teacher_graph);
	network_free(&t->network);
	network_free(&t->teacher);
	corpus_free(&t->corpus);
	corpus_free(&t->evaluation);
	tern_model_close(t->vocabulary);
	tern_pool_free(t->pool);
	close_source(&t->base);
	close_source(&t->teacher_source);
	tern_free(t->lambdas);
	tern_free(t->zeros);
}
