#include "convert/convert.h"

#include "base/clock.h"
#include "base/threads.h"
#include "convert/target.h"
#include "convert/vocab_put.h"
#include "convert/vocab_read.h"
#include "text/pretokenize.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the output ---- */

/* An output that is one of the input's files would destroy it, --force or not. */
static enum tern_status check_output(const struct conversion *c)
{
	static const char *const names[] = {
	        "config.json",           "generation_config.json",      "tokenizer.json",      "tokenizer.model",
	        "tokenizer_config.json", "added_tokens.json",           "chat_template.jinja", "chat_template.json",
	        "model.safetensors",     "model.safetensors.index.json"};
	const char *output = c->options->output;
	struct stat out, st;
	bool is_input = false;

	if (stat(output, &out) != 0)
		return TERN_OK;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		is_input = is_input || (fstatat(c->dir.fd, names[i], &st, 0) == 0 && st.st_dev == out.st_dev &&
		                        st.st_ino == out.st_ino);
	for (size_t i = 0; i < c->ckpt.n_shards; i++)
		is_input = is_input || (fstat(c->ckpt.shards[i].fd, &st) == 0 && st.st_dev == out.st_dev &&
		                        st.st_ino == out.st_ino);
	if (is_input)
		return tern_fail(c->err, TERN_ERR_USAGE, "%s: is a file of the checkpoint", output);
	return TERN_OK;
}

static enum tern_status create(struct conversion *c)
{
	const struct convert_options *options = c->options;
	enum tern_status status;

	if (options->dry_run)
		return TERN_OK;
	status = check_output(c);
	return status ? status : target_create(&c->writer, options->output, options->force, &options->reporter, c->err);
}

/* ---- tensors ---- */

static enum tern_status add_tensors(const struct conversion *c)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; !status && i < c->plan.n_steps; i++) {
		const struct step *step = &c->plan.steps[i];
		uint64_t dims[GGUF_MAX_DIMS];
		uint32_t type;
		int n_dims = step_shape(step, &type, dims);
		status = tern_gguf_add_tensor(c->writer, step->name, type, n_dims, dims, c->err);
	}
	return status;
}

/* Bytes that will be read: floats of matrices twice, and dense matrices that become Q8P, too. */
static uint64_t count_bytes(const struct plan *plan)
{
	uint64_t n = 0;

	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct step *step = &plan->steps[i];
		if (step->kind == STEP_TERNARY)
			n += step->matrix->weight->n_bytes * (step->matrix->storage == STORAGE_FLOATS ? 2 : 1);
		else if (step->source)
			n += step->source->n_bytes * (step->kind == STEP_Q8P ? 2 : step->kind != STEP_ROW_SCALES);
	}
	return n;
}

/* ---- what was found ---- */

static void summarise_config(struct convert_summary *s, const struct config *config)
{
	static const char *const ropes[] = {"plain", "linear", "llama3", "yarn"};

	s->family = config->family->title;
	s->arch = config->arch;
	s->n_layer = config->n_layer;
	s->n_embd = config->n_embd;
	s->n_ff = config->n_ff;
	s->n_head = config->n_head;
	s->n_head_kv = config->n_head_kv;
	s->head_dim = config->head_dim;
	s->n_vocab = config->n_vocab;
	s->n_ctx = config->n_ctx;
	s->rope = ropes[config->rope.type];
	s->rope_factor = config->rope.factor;
	s->has_sub_norms = config->has_sub_norms;
	s->has_qk_norm = config->family->has_qk_norm;
}

static void summarise_plan(struct convert_summary *s, const struct conversion *c)
{
	const struct plan *plan = &c->plan;

	s->linear_norm = plan->linear_norm;
	s->linear_norm_eps = plan->linear_norm_eps;
	s->is_tied = plan->is_tied;
	s->per_token = plan->per_token;
	s->head_is_ternary = plan->head_is_ternary;
	s->n_shards = c->ckpt.n_shards;
	for (size_t i = 0; i < c->ckpt.n_tensors; i++)
		s->n_bytes_in += c->ckpt.tensors[i].n_bytes;
	for (size_t i = 0; i < plan->n_steps; i++) {
		uint64_t dims[GGUF_MAX_DIMS];
		uint32_t type;
		step_shape(&plan->steps[i], &type, dims);
		if (strcmp(plan->steps[i].name, "token_embd.weight") == 0)
			s->embedding_type = tern_gguf_type_name(type);
		if (strcmp(plan->steps[i].name, "output.weight") == 0)
			s->head_type = tern_gguf_type_name(type);
	}
}

static void summarise_vocab(struct convert_summary *s, const struct vocab *vocab)
{
	if (vocab->kind == TERN_VOCAB_SPM)
		snprintf(s->tokenizer, sizeof s->tokenizer, "SentencePiece BPE");
	else
		snprintf(s->tokenizer, sizeof s->tokenizer, "byte-level BPE (%s)", vocab->pre);
	s->n_tokens = vocab->n_tokens;
	s->has_chat_template = vocab->n_templates > 0;
}

/* ---- the whole ---- */

static enum tern_status read_input(struct conversion *c, struct vocab *vocab)
{
	const struct convert_options *options = c->options;
	enum tern_status status;

	if ((status = directory_open(&c->dir, options->input, c->err)) ||
	    (status = config_read(&c->config, &c->dir, options->vocab_only, c->err)))
		return status;
	if (c->config.family)
		summarise_config(c->summary, &c->config);
	if (!options->vocab_only &&
	    ((status = checkpoint_open(&c->ckpt, &c->dir, c->err)) ||
	     (status = plan_make(&c->plan, &c->ckpt, &c->config, options->precision, &options->reporter, c->err))))
		return status;
	status = vocab_read(vocab, &c->dir, &c->config, c->config.n_vocab, &options->reporter, c->err);
	if (!status)
		summarise_vocab(c->summary, vocab);
	return status;
}

/* The tokenizer, which may be big, is let go before the weights are worked on. */
static enum tern_status begin_output(struct conversion *c)
{
	struct vocab vocab = {0};
	enum tern_status status = read_input(c, &vocab);

	if (!status && !(status = create(c)) && c->writer && !(status = metadata_put(c)))
		status = vocab_put(&vocab, c->writer, c->err);
	vocab_free(&vocab);
	return status;
}

static enum tern_status write_output(struct conversion *c)
{
	enum tern_status status;

	c->n_to_read = count_bytes(&c->plan);
	if ((status = tern_pool_new(&c->pool, c->options->n_threads ? c->options->n_threads : tern_default_threads(),
	                            c->err)) ||
	    (status = execute_look(c)))
		return status;
	if (!c->options->vocab_only)
		summarise_plan(c->summary, c);
	if (c->writer && ((status = add_tensors(c)) || (status = tern_gguf_begin_data(c->writer, c->err))))
		return status;
	if ((status = execute_write(c)))
		return status;
	return checkpoint_check_unchanged(&c->ckpt, c->err);
}

enum tern_status convert(const struct convert_options *options, struct convert_summary *summary, struct tern_error *err)
{
	struct conversion c = {.options = options, .summary = summary, .dir = {.fd = -1}, .err = err};
	uint64_t start = tern_clock_ns();
	enum tern_status status;

	memset(summary, 0, sizeof *summary);
	status = begin_output(&c);
	if (!status)
		status = write_output(&c);
	status = target_finish(&c.writer, status, &options->reporter, err);
	tern_pool_free(c.pool);
	plan_free(&c.plan);
	checkpoint_close(&c.ckpt);
	config_free(&c.config);
	directory_close(&c.dir);
	summary->seconds = (double)(tern_clock_ns() - start) * 1e-9;
	return status;
}
