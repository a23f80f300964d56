/* Planning the token embedding and the output head: shared or not, dense or ternary. */
#include "convert/plan_head.h"

#include "base/memory.h"
#include "convert/plan_linear.h"

#include <stdio.h>
#include <string.h>

static enum tern_status add_dense(struct planner *p, const struct tensor *tensor, bool keep, const char *name)
{
	const struct config *config = p->config;
	struct step step = {.kind = keep ? STEP_COPY : STEP_Q8P,
	                    .source = tensor,
	                    .n_row = config->n_vocab,
	                    .n_col = config->n_embd};
	enum tern_status status = planner_check_shape(p, tensor, config->n_vocab, config->n_embd);

	if (status)
		return status;
	if (!dtype_is_float(tensor->dtype))
		return checkpoint_fail(p->ckpt, tensor, p->err, "type %s; expected floats", dtype_name(tensor->dtype));
	if ((status = planner_add_step(p, &step, "%s.weight", name)) || keep)
		return status;
	step.kind = STEP_ROW_SCALES;
	return planner_add_step(p, &step, "%s.scale", name);
}

/* True if both tensors hold the same bytes. */
static enum tern_status compare(const struct planner *p, const struct tensor *a, const struct tensor *b,
                                bool *are_equal)
{
	enum {
		CHUNK = 1 << 20
	};
	uint8_t *bytes = tern_alloc(2, CHUNK);
	enum tern_status status = bytes ? TERN_OK : tern_fail_memory(p->err, 2 * CHUNK);

	*are_equal = a->dtype == b->dtype && a->n_bytes == b->n_bytes;
	for (uint64_t at = 0; !status && *are_equal && at < a->n_bytes; at += CHUNK) {
		size_t n = a->n_bytes - at < CHUNK ? (size_t)(a->n_bytes - at) : CHUNK;
		if (!(status = checkpoint_read(p->ckpt, a, at, n, bytes, p->err)) &&
		    !(status = checkpoint_read(p->ckpt, b, at, n, bytes + CHUNK, p->err)))
			*are_equal = memcmp(bytes, bytes + CHUNK, n) == 0;
	}
	tern_free(bytes);
	return status;
}

/* Whether the values of a matrix of floats are ternary, as far as its first panel that is not ternary or its end. */
static enum tern_status look_for_ternary(const struct planner *p, const struct tensor *tensor, bool *is_ternary)
{
	struct matrix matrix = {.ckpt = p->ckpt,
	                        .weight = tensor,
	                        .n_row = p->config->n_vocab,
	                        .n_col = p->config->n_embd,
	                        .storage = STORAGE_FLOATS};
	struct matrix_facts facts = matrix_no_facts(), all = facts;
	struct matrix_scratch scratch;
	uint64_t n_panel = tern_panel_count((size_t)matrix.n_row);
	enum tern_status status = planner_check_shape(p, tensor, matrix.n_row, matrix.n_col);

	if (status)
		return status;
	matrix_list_group_sizes(&matrix);
	if (!matrix_scratch_init(&scratch, (size_t)matrix.n_col))
		status = tern_fail_memory(p->err, (size_t)matrix.n_col * TERN_PANEL_ROWS * sizeof(double));
	for (uint64_t panel = 0; !status && panel < n_panel && all.values.groups; panel++) {
		status = matrix_look(&matrix, panel, &scratch, &facts, p->err);
		matrix_merge_facts(&all, &facts);
	}
	matrix_scratch_free(&scratch);
	*is_ternary = all.values.groups && all.values.magnitude != 0.0f;
	return status;
}

/* Whether the head is one of the ternary projections: it is packed; modules_to_not_convert leaves it to be ternarised;
 * or it belongs to a weight-only model and its values are ternary (with --head keep it stays as it is). */
static enum tern_status head_is_ternary(const struct planner *p, const struct tensor *head, bool *is_ternary)
{
	const struct quantization *q = &p->config->quantization;

	*is_ternary = head->dtype == DTYPE_U8 || head->dtype == DTYPE_I8;
	if (*is_ternary)
		return TERN_OK;
	if (p->is_trained || p->options.keep_head || !dtype_is_float(head->dtype)) {
		*is_ternary =
		        q->is_there && json_exists(q->not_converted) && !config_is_not_converted(p->config, "lm_head");
		return TERN_OK;
	}
	return look_for_ternary(p, head, is_ternary);
}

/* The embedding, or the head that is tied to it, as a ternary matrix. */
static enum tern_status add_ternary_embedding(struct planner *p, enum projection projection)
{
	struct linear linear = {.projection = projection, .n_row = p->config->n_vocab, .n_col = p->config->n_embd};

	snprintf(linear.module, sizeof linear.module, "%sembed_tokens", p->prefix);
	snprintf(linear.out, sizeof linear.out, "%s", projection_name(projection));
	return planner_add_linear(p, &linear);
}

/* A head that is there and tied has to be the embedding once more. */
static enum tern_status check_tied_head(const struct planner *p, const struct tensor *head,
                                        const struct tensor *embedding)
{
	bool are_equal;
	enum tern_status status = compare(p, head, embedding, &are_equal);

	if (status || are_equal)
		return status;
	return checkpoint_fail(p->ckpt, head, p->err,
	                       "differs from the embedding though config.json says tie_word_embeddings is true");
}

enum tern_status planner_add_head(struct planner *p, const struct tensor *embedding)
{
	const struct config *config = p->config;
	const struct tensor *head = planner_take(p, "lm_head.weight");
	struct linear linear = {.module = "lm_head",
	                        .out = "output",
	                        .projection = PROJECTION_HEAD,
	                        .n_row = config->n_vocab,
	                        .n_col = config->n_embd};
	bool same_precision = p->options.keep_embedding == p->options.keep_head, is_ternary = false;
	enum tern_status status = TERN_OK;

	if (!head && config->says_tied && !config->is_tied)
		return planner_fail_missing(p, "lm_head.weight", "config.json says tie_word_embeddings is false");
	p->plan->is_tied = !head || config->is_tied;
	if (head)
		status = config->is_tied ? check_tied_head(p, head, embedding) : head_is_ternary(p, head, &is_ternary);
	if (status)
		return status;
	if (p->plan->is_tied && same_precision) /* one tensor serves as both, unless the user wants them different */
		return TERN_OK;
	if (p->plan->is_tied && !p->options.keep_head && !p->is_trained && dtype_is_float(embedding->dtype) &&
	    (status = look_for_ternary(p, embedding, &is_ternary)))
		return status;
	if (p->plan->is_tied)
		return is_ternary ? add_ternary_embedding(p, PROJECTION_HEAD)
		                  : add_dense(p, embedding, p->options.keep_head, "output");
	p->plan->head_is_ternary = is_ternary;
	return is_ternary ? planner_add_linear(p, &linear) : add_dense(p, head, p->options.keep_head, "output");
}

/* Ternary like the rest in some weight-only models: then it is so in the output, unless it is to be kept as it is. */
enum tern_status planner_add_embedding(struct planner *p, const struct tensor *tensor)
{
	bool is_ternary = false;
	enum tern_status status = TERN_OK;

	if (!p->is_trained && !p->options.keep_embedding && dtype_is_float(tensor->dtype))
		status = look_for_ternary(p, tensor, &is_ternary);
	if (status)
		return status;
	return is_ternary ? add_ternary_embedding(p, PROJECTION_EMBEDDING)
	                  : add_dense(p, tensor, p->options.keep_embedding, "token_embd");
}
