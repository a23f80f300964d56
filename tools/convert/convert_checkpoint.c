#include "convert/convert_checkpoint.h"

#include "base/clock.h"
#include "base/machine.h"
#include "convert/mapping/map_checkpoint.h"
#include "convert/metadata.h"
#include "convert/tokenizer/vocab_read.h"
#include "convert/tokenizer/vocab_write.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A conversion under way. */
struct conversion {
	const struct convert_options *options;
	struct checkpoint_summary *summary;
	struct directory dir;
	struct config config;
	struct checkpoint ckpt;
	struct mapping mapping;
	struct out_file output;
	struct tern_error *err;
};

/* ---- the output ---- */

/* Whether the output is a file in `folder` of the checkpoint, under whatever name; GGUF files are no part of it. */
static bool is_output_in(const struct conversion *c, const char *folder)
{
	int fd = openat(c->dir.fd, folder, O_RDONLY | O_DIRECTORY);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct stat st;
	bool is_there = false;

	if (!directory && fd >= 0)
		close(fd);
	while (directory && !is_there && (entry = readdir(directory))) {
		size_t length = strlen(entry->d_name);
		bool is_gguf = length > 5 && strcmp(entry->d_name + length - 5, ".gguf") == 0;
		is_there = !is_gguf && fstatat(fd, entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
		           out_file_is(&c->output, &st);
	}
	if (directory)
		closedir(directory);
	return is_there;
}

/* --force or not, the output must not replace a file of the checkpoint. */
static enum tern_status check_output(const struct conversion *c)
{
	if (is_output_in(c, ".") || is_output_in(c, "1_Pooling"))
		return tern_fail(c->err, TERN_ERR_USAGE, "%s: is a file of the checkpoint", c->options->output);
	return TERN_OK;
}

static enum tern_status begin_data(const struct conversion *c)
{
	for (size_t i = 0; i < c->mapping.n_tensors; i++) {
		uint64_t dims[GGUF_MAX_DIMS];
		uint32_t type;
		int n_dims = output_tensor_shape(&c->mapping.tensors[i], &type, dims);
		tern_gguf_add_tensor(c->output.writer, c->mapping.tensors[i].name, type, n_dims, dims);
	}
	return tern_gguf_begin_data(c->output.writer, c->err);
}

/* Bytes that will be read: floats of matrices twice, also those of dense matrices that become Q8P. */
static uint64_t count_bytes(const struct mapping *mapping)
{
	uint64_t n = 0;

	for (size_t i = 0; i < mapping->n_tensors; i++) {
		const struct output_tensor *tensor = &mapping->tensors[i];
		if (tensor->kind == OUTPUT_TERNARY)
			n += tensor->matrix->weight->n_bytes * (tensor->matrix->storage == STORAGE_FLOATS ? 2 : 1);
		else if (tensor->source)
			n += tensor->source->n_bytes *
			     (tensor->kind == OUTPUT_Q8P ? 2 : tensor->kind != OUTPUT_ROW_SCALES);
	}
	return n;
}

/* ---- what was found ---- */

static void summarize_config(struct checkpoint_summary *s, const struct config *config)
{
	static const char *const ropes[] = {"plain", "linear", "llama3", "yarn", "longrope"};

	s->family = config->family->title;
	s->arch = config->arch;
	s->n_layer = config->n_layer;
	s->n_embd = config->n_embd;
	s->n_ff = config->n_ff;
	s->n_head = config->n_head;
	s->n_head_kv = config->n_head_kv;
	s->head_dim = config->head_dim;
	s->n_ctx = config->n_ctx;
	s->experts = config->experts;
	s->rope = ropes[config->rope.type];
	s->rope_factor = config->rope.factor;
	s->has_sub_norms = config->has_sub_norms;
	s->has_qk_norm = (config->family->features & LAYER_QK_NORM) != 0;
}

static void summarize_mapping(struct checkpoint_summary *s, const struct conversion *c)
{
	const struct mapping *mapping = &c->mapping;

	s->linear_norm = mapping->linear_norm;
	s->linear_norm_eps = mapping->linear_norm_eps;
	s->per_token = mapping->per_token;
	for (size_t i = 0; i < c->ckpt.n_tensors; i++)
		s->n_bytes_in += c->ckpt.tensors[i].n_bytes;
	for (size_t i = 0; i < mapping->n_tensors; i++) {
		uint64_t dims[GGUF_MAX_DIMS];
		uint32_t type;
		output_tensor_shape(&mapping->tensors[i], &type, dims);
		if (strcmp(mapping->tensors[i].name, "token_embd.weight") == 0)
			s->embedding_type = tern_gguf_type_name(type);
		if (strcmp(mapping->tensors[i].name, "output.weight") == 0)
			s->head_type = tern_gguf_type_name(type);
	}
}

static void summarize_vocab(struct checkpoint_summary *s, const struct vocab *vocab)
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
		summarize_config(c->summary, &c->config);
	if (!options->vocab_only && ((status = checkpoint_open(&c->ckpt, &c->dir, c->err)) ||
	                             (status = map_checkpoint(&c->mapping, &c->ckpt, &c->config, options, c->err))))
		return status;
	status = vocab_read(vocab, &c->dir, &c->config, &options->listener, c->err);
	if (!status)
		summarize_vocab(c->summary, vocab);
	return status;
}

/* Frees the tokenizer, which may be big, before the work on the weights. */
static enum tern_status begin_output(struct conversion *c)
{
	struct vocab vocab = {0};
	const struct mapping *mapping = c->options->vocab_only ? NULL : &c->mapping;
	enum tern_status status = read_input(c, &vocab);

	if (!status && !(status = check_output(c)) && !(status = out_file_create(&c->output)) && c->output.writer) {
		metadata_write(c->output.writer, &c->dir, &c->config, mapping);
		vocab_write(&vocab, c->output.writer);
	}
	vocab_free(&vocab);
	return status;
}

static enum tern_status write_tensors(struct conversion *c, const struct tensor_data *data)
{
	enum tern_status status = tensor_data_examine(data);

	if (status)
		return status;
	if (!c->options->vocab_only)
		summarize_mapping(c->summary, c);
	if (c->output.writer && (status = begin_data(c)))
		return status;
	if ((status = tensor_data_write(data)))
		return status;
	return checkpoint_check_unchanged(&c->ckpt, c->err);
}

static enum tern_status write_output(struct conversion *c)
{
	int n_threads = c->options->n_threads;
	struct tensor_data data = {.ckpt = &c->ckpt,
	                           .mapping = &c->mapping,
	                           .rope = &c->config.rope,
	                           .output = &c->output,
	                           .counts = &c->summary->weights};
	enum tern_status status = tern_choose_threads(&n_threads, c->err);

	if (!status)
		status = tern_pool_new(&data.pool, n_threads, c->err);
	c->output.n_to_read = count_bytes(&c->mapping);
	if (!status)
		status = write_tensors(c, &data);
	tern_pool_free(data.pool);
	return status;
}

enum tern_status convert_checkpoint(const struct convert_options *options, struct checkpoint_summary *summary,
                                    struct tern_error *err)
{
	struct conversion c = {.options = options,
	                       .summary = summary,
	                       .dir = {.fd = -1},
	                       .output = {.options = options, .err = err},
	                       .err = err};
	uint64_t start = tern_clock_ns();
	enum tern_status status;

	memset(summary, 0, sizeof *summary);
	status = begin_output(&c);
	if (!status)
		status = write_output(&c);
	status = out_file_finish(&c.output, status);
	mapping_free(&c.mapping);
	checkpoint_close(&c.ckpt);
	config_free(&c.config);
	directory_close(&c.dir);
	summary->n_bytes_out = c.output.n_written;
	summary->seconds = (double)(tern_clock_ns() - start) * 1e-9;
	return status;
}
