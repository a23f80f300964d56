#include "convert/mapping/vocabulary.h"

#include "base/memory.h"
#include "convert/mapping/projection.h"

#include <stdio.h>
#include <string.h>

static enum tern_status check_plain(const struct mapper *m, const struct output_tensor *out)
{
	enum tern_status status = mapper_check_shape(m, out->source, 2, (uint64_t[]){out->n_row, out->n_col});
	return status ? status : mapper_check_floats(m, out->source);
}

/* MLX's words, with the scales and biases that go with them. */
static enum tern_status take_affine(struct mapper *m, struct output_tensor *out)
{
	const struct json_string *name = &out->source->name;
	const struct tensor **parts[] = {&out->scales, &out->biases};
	const uint64_t words[] = {out->n_row, out->n_col / AFFINE_WORD_CODES},
	               groups[] = {out->n_row, out->n_col / AFFINE_GROUP};
	enum tern_status status = mapper_check_shape(m, out->source, 2, words);

	if (status)
		return status;
	if (out->n_col % AFFINE_GROUP)
		return checkpoint_fail(m->ckpt, out->source, m->err, "%llu columns are no multiple of %d",
		                       (unsigned long long)out->n_col, AFFINE_GROUP);
	for (int i = 0; i < 2; i++) {
		struct tensor *tensor;
		if ((status = mapper_require(m, &tensor, "without it the size of the packed weights is unknown",
		                             "%.*s.%s", (int)(name->length - strlen(".weight")), name->bytes,
		                             i ? "biases" : "scales")) ||
		    (status = mapper_check_shape(m, tensor, 2, groups)) || (status = mapper_check_floats(m, tensor)))
			return status;
		*parts[i] = tensor;
	}
	return TERN_OK;
}

static enum tern_status add_dense(struct mapper *m, const struct tensor *tensor, bool keep, const char *name)
{
	const struct config *config = m->config;
	struct output_tensor out = {.kind = keep ? OUTPUT_COPY : OUTPUT_Q8P,
	                            .source = tensor,
	                            .n_row = config->n_vocab,
	                            .n_col = config->n_embd};
	enum tern_status status = tensor->dtype == DTYPE_U32 ? take_affine(m, &out) : check_plain(m, &out);

	if (status || (status = mapper_add(m, &out, "%s.weight", name)) || keep)
		return status;
	out.kind = OUTPUT_ROW_SCALES;
	return mapper_add(m, &out, "%s.scale", name);
}

/* True if both tensors hold the same bytes. */
static enum tern_status compare(const struct checkpoint *ckpt, const struct tensor *a, const struct tensor *b,
                                bool *are_equal, struct tern_error *err)
{
	enum {
		CHUNK = 1 << 20
	};
	uint8_t *bytes = tern_alloc(2, CHUNK);
	enum tern_status status = bytes ? TERN_OK : tern_fail_memory(err, 2 * CHUNK);

	*are_equal = a->dtype == b->dtype && a->n_bytes == b->n_bytes;
	for (uint64_t at = 0; !status && *are_equal && at < a->n_bytes; at += CHUNK) {
		size_t n = a->n_bytes - at < CHUNK ? (size_t)(a->n_bytes - at) : CHUNK;
		if (!(status = checkpoint_read(ckpt, a, at, n, bytes, err)) &&
		    !(status = checkpoint_read(ckpt, b, at, n, bytes + CHUNK, err)))
			*are_equal = memcmp(bytes, bytes + CHUNK, n) == 0;
	}
	tern_free(bytes);
	return status;
}

/* Whether the values of a matrix of floats are ternary, as far as its first panel that is not ternary or its end. */
static enum tern_status look_for_ternary(const struct mapper *m, const struct tensor *tensor, bool *is_ternary)
{
	struct matrix matrix = {.ckpt = m->ckpt,
	                        .weight = tensor,
	                        .n_row = m->config->n_vocab,
	                        .n_col = m->config->n_embd,
	                        .storage = STORAGE_FLOATS};
	struct matrix_facts facts = matrix_no_facts(), all = facts;
	struct matrix_scratch scratch;
	uint64_t n_panel = tern_panel_count((size_t)matrix.n_row);
	enum tern_status status = mapper_check_shape(m, tensor, 2, (uint64_t[]){matrix.n_row, matrix.n_col});

	if (status)
		return status;
	matrix_list_group_sizes(&matrix);
	if (!matrix_scratch_init(&scratch, (size_t)matrix.n_col))
		status = tern_fail_memory(m->err, (size_t)matrix.n_col * TERN_PANEL_ROWS * sizeof(double));
	for (uint64_t panel = 0; !status && panel < n_panel && all.values.groups; panel++) {
		status = matrix_look(&matrix, panel, &scratch, &facts, m->err);
		matrix_merge_facts(&all, &facts);
	}
	matrix_scratch_free(&scratch);
	*is_ternary = all.values.groups && all.values.magnitude != 0.0f;
	return status;
}

/* Whether the head is one of the ternary projections: it is packed; modules_to_not_convert leaves it to be ternarized;
 * or it belongs to a weight-only model and its values are ternary (with --head keep it stays as it is). */
static enum tern_status head_is_ternary(const struct mapper *m, const struct tensor *head, bool *is_ternary)
{
	const struct quantization *q = &m->config->quantization;

	*is_ternary = head->dtype == DTYPE_U8 || head->dtype == DTYPE_I8;
	if (*is_ternary)
		return TERN_OK;
	if (m->is_trained || m->options->keep_head || !dtype_is_float(head->dtype)) {
		*is_ternary =
		        q->is_there && json_exists(q->not_converted) && !config_is_not_converted(m->config, "lm_head");
		return TERN_OK;
	}
	return look_for_ternary(m, head, is_ternary);
}

/* A matrix of the vocabulary as a projection. */
static enum tern_status add_ternary(struct mapper *m, enum tern_matrix_kind which, const char *prefix,
                                    const char *module)
{
	struct linear linear = {.which = which, .n_row = m->config->n_vocab, .n_col = m->config->n_embd};

	snprintf(linear.module, sizeof linear.module, "%s%s", prefix, module);
	snprintf(linear.out, sizeof linear.out, "%s", tern_matrix_names[which]);
	return map_projection(m, &linear);
}

enum tern_status map_check_tied_head(const struct checkpoint *ckpt, const struct tensor *head,
                                     const struct tensor *embedding, struct tern_error *err)
{
	bool are_equal;
	enum tern_status status = compare(ckpt, head, embedding, &are_equal, err);

	if (status || are_equal)
		return status;
	return checkpoint_fail(ckpt, head, err,
	                       "differs from the embedding though config.json says tie_word_embeddings is true");
}

enum tern_status map_head(struct mapper *m, const struct tensor *embedding)
{
	const struct config *config = m->config;
	const struct convert_options *options = m->options;
	struct tensor *head = mapper_take(m, "lm_head.weight");
	bool is_tied = !head || config->is_tied, is_ternary = false;
	enum tern_status status = TERN_OK;

	if (!head && config->says_tied && !config->is_tied)
		return mapper_require(m, &head, "config.json says tie_word_embeddings is false", "lm_head.weight");
	if (head)
		status = is_tied ? map_check_tied_head(m->ckpt, head, embedding, m->err)
		                 : head_is_ternary(m, head, &is_ternary);
	if (status)
		return status;
	if (!is_tied)
		return is_ternary ? add_ternary(m, TERN_OUTPUT, "", "lm_head")
		                  : add_dense(m, head, options->keep_head, "output");
	if (options->keep_embedding == options->keep_head) /* one tensor serves as both */
		return TERN_OK;
	if (!options->keep_head && !m->is_trained && dtype_is_float(embedding->dtype) &&
	    (status = look_for_ternary(m, embedding, &is_ternary)))
		return status;
	return is_ternary ? add_ternary(m, TERN_OUTPUT, m->prefix, mapper_embedding(m))
	                  : add_dense(m, embedding, options->keep_head, "output");
}

/* Ternary like the rest in some weight-only models: then also in the output, unless it is to be kept as it is. */
enum tern_status map_embedding(struct mapper *m, const struct tensor *tensor)
{
	bool is_ternary = false;
	enum tern_status status = TERN_OK;

	if (!m->is_trained && !m->options->keep_embedding && dtype_is_float(tensor->dtype))
		status = look_for_ternary(m, tensor, &is_ternary);
	if (status)
		return status;
	return is_ternary ? add_ternary(m, TERN_TOKEN_EMBD, m->prefix, mapper_embedding(m))
	                  : add_dense(m, tensor, m->options->keep_embedding, "token_embd");
}
