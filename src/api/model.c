/* Opening and describing models. */
#include "api/model.h"

#include "base/machine.h"
#include "base/memory.h"
#include "kernels/kernels.h"
#include "model/gguf_parse.h"
#include "model/repack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static enum tern_status load_names(struct tern_model *model, struct tern_error *err)
{
	struct gguf_string arch = {"", 0}, name = {"", 0};
	enum tern_status status;

	if ((status = tern_gguf_get_string(&model->gguf, "general.architecture", &arch, NULL, err)) ||
	    (status = tern_gguf_get_string(&model->gguf, "general.name", &name, NULL, err)))
		return status;
	model->arch = tern_copy_string(arch.bytes, arch.length);
	model->name = tern_copy_string(name.bytes, name.length);
	return model->arch && model->name ? TERN_OK : tern_fail_memory(err, arch.length + name.length);
}

static enum tern_status lock(const struct tern_model *model, const void *at, size_t n_bytes, struct tern_error *err)
{
	if (mlock(at, n_bytes) == 0)
		return TERN_OK;
	return tern_fail(err, TERN_ERR_FAILED, "%s: cannot lock %zu bytes in memory: %s", model->path, n_bytes,
	                 strerror(errno));
}

/* The file's bytes that are computed on, among them an embedding of which a head was made, and what has been made of
 * the others. */
static enum tern_status lock_weights(struct tern_model *model, struct tern_error *err)
{
	const struct tern_transformer *t = &model->transformer;
	enum tern_status status = TERN_OK;

	model->is_locked = true;
	for (size_t i = 0; i < model->gguf.n_tensors && !status; i++) {
		const struct gguf_tensor *tensor = &model->gguf.tensors[i];
		if (tern_repacked_type(&model->gguf, tensor) == tensor->type || tensor->data == t->embedding.data)
			status = lock(model, tensor->data, (size_t)tensor->n_bytes, err);
	}
	for (size_t i = 0; i < t->n_owned && !status; i++)
		status = lock(model, t->owned[i].block, t->owned[i].n_bytes, err);
	if (!status)
		model->transformer.n_mapped_bytes = 0; /* they are in memory now, which has as much less left */
	return status;
}

/* What is freed, not unmapped, would stay locked. */
static void unlock_weights(const struct tern_model *model)
{
	const struct tern_transformer *t = &model->transformer;

	for (size_t i = 0; i < t->n_owned; i++)
		munlock(t->owned[i].block, t->owned[i].n_bytes);
	if (!model->file.is_mapped)
		munlock(model->file.data, model->file.size);
}

enum tern_status tern_model_load(struct tern_model *model, const struct tern_model_options *options,
                                 struct tern_error *err)
{
	enum tern_status status;

	if ((status = tern_gguf_parse(&model->gguf, model->path, model->file.data, model->file.size, err)) ||
	    (status = load_names(model, err)))
		return status;
	model->has_weights = model->gguf.n_tensors > 0;
	if (model->has_weights &&
	    (status = tern_transformer_load(&model->transformer, &model->gguf, options, &model->file, err)))
		return status;
	model->text.bos_id = -1;
	if ((!options->no_text || !model->has_weights) &&
	    (status = tern_text_load(&model->text, &model->gguf, options, err)))
		return status;
	return options->lock ? lock_weights(model, err) : TERN_OK;
}

/* A file that is read, not mapped, has to fit as a whole. What is wrong with it otherwise is found when it is opened.
 */
static enum tern_status check_size(const struct tern_model *model, const struct tern_model_options *options,
                                   struct tern_error *err)
{
	struct stat file;
	char what[TERN_QUOTE_SIZE + 16], quoted[TERN_QUOTE_SIZE];

	if (!options->no_mmap || stat(model->path, &file) != 0 || !S_ISREG(file.st_mode))
		return TERN_OK;
	snprintf(what, sizeof what, "%s: reading it", tern_quote(quoted, model->path, strlen(model->path)));
	return tern_check_memory(what, (uint64_t)file.st_size, options->overcommit, err);
}

static enum tern_status check_options(const struct tern_model_options *options, struct tern_error *err)
{
	if (options->i2s_layout < TERN_I2S_128 || options->i2s_layout > TERN_I2S_ROWS4)
		return tern_fail(err, TERN_ERR_USAGE, "layout of I2_S: expected a TERN_I2S_ constant, got %d",
		                 (int)options->i2s_layout);
	return options->chat_format ? tern_text_check_format(options->chat_format, err) : TERN_OK;
}

static enum tern_status load(struct tern_model *model, const struct tern_model_options *options, struct tern_error *err)
{
	enum tern_status status;

	if (!tern_kernels_select(err))
		return TERN_ERR_USAGE;
	if ((status = check_size(model, options, err)))
		return status;
	status = tern_file_open(&model->file, model->path, !options->no_mmap, err);
	return status ? status : tern_model_load(model, options, err);
}

enum tern_status tern_model_open(struct tern_model **out, const char *path, const struct tern_model_options *options,
                                 struct tern_error *err)
{
	struct tern_model_options chosen = options ? *options : (struct tern_model_options){0};
	struct tern_model *model;
	enum tern_status status;

	*out = NULL;
	if ((status = tern_choose_threads(&chosen.n_threads, err)) || (status = check_options(&chosen, err)))
		return status;
	if (!(model = tern_alloc(1, sizeof *model)) || !(model->path = tern_copy_string(path, strlen(path)))) {
		tern_free(model);
		return tern_fail_memory(err, sizeof *model + strlen(path));
	}
	if ((status = load(model, &chosen, err))) {
		tern_model_close(model);
		return status;
	}
	*out = model;
	return TERN_OK;
}

void tern_model_close(struct tern_model *model)
{
	if (!model)
		return;
	if (model->is_locked)
		unlock_weights(model);
	tern_text_free(&model->text);
	tern_transformer_free(&model->transformer);
	tern_gguf_free(&model->gguf);
	tern_file_close(&model->file);
	tern_free(model->name);
	tern_free(model->arch);
	tern_free(model->path);
	tern_free(model);
}

void tern_model_get_info(const struct tern_model *model, struct tern_model_info *info)
{
	const struct tern_hparams *h = &model->transformer.hparams;

	*info = (struct tern_model_info){
	        .arch = model->arch,
	        .name = model->name,
	        .n_layer = (int)h->n_layer,
	        .n_embd = (int)h->n_embd,
	        .n_head = (int)h->n_head,
	        .n_head_kv = (int)h->n_head_kv,
	        .head_dim = (int)h->head_dim,
	        .n_ff = (int)(h->n_expert ? h->n_ff_expert : h->n_ff),
	        .n_vocab = (int)(model->has_weights ? h->n_vocab : tern_tokenizer_n_pieces(model->text.tokenizer)),
	        .n_ctx_train = (int)h->n_ctx_train,
	        .n_params = model->transformer.n_params,
	        .chat_format = model->text.has_chat_template ? tern_chat_name(model->text.chat_format) : NULL,
	};
	for (size_t i = 0; i < model->gguf.n_tensors; i++)
		info->n_weight_bytes += model->gguf.tensors[i].n_bytes;
}

enum tern_status tern_model_need_weights(const struct tern_model *model, struct tern_error *err)
{
	return model->has_weights
	               ? TERN_OK
	               : tern_fail(err, TERN_ERR_FILE, "%s: the file has a tokenizer but no weights", model->path);
}

enum tern_status tern_model_need_text(const struct tern_model *model, struct tern_error *err)
{
	if (model->text.tokenizer)
		return TERN_OK;
	return tern_fail(err, TERN_ERR_USAGE, "%s: the model was opened without its tokenizer", model->path);
}

int tern_default_threads(void) { return tern_threads_of_machine(""); }

const char *tern_isa_name(struct tern_error *err)
{
	const struct tern_kernels *kernels = tern_kernels_select(err);
	return kernels ? kernels->name : NULL;
}
