#include "model/bind_vocab.h"

#include "model/bind_linear.h"
#include "model/dequantize.h"
#include "model/layout.h"

#include <stdio.h>

/* A matrix of the vocabulary that is a projection: it may lack the norm with weights that the layers have, or have it
 * alone. */
static enum tern_status bind_ternary_rows(struct tern_binder *b, const char *stem, struct tern_linear *linear)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	size_t n_linear = b->n_linear, n_with_gain = b->n_linear_with_gain;
	const struct tern_layer_matrix matrix = {.n_row = h->n_vocab, .n_col = h->n_embd, .linear = linear};
	enum tern_status status = tern_bind_linear(b, stem, &matrix);

	b->n_linear = n_linear;
	b->n_linear_with_gain = n_with_gain;
	return status;
}

/* The rows of the vocabulary as they are in the file. */
static enum tern_status bind_matrix(struct tern_binder *b, const char *stem, struct tern_matrix *matrix)
{
	char name[GGUF_MAX_NAME_LENGTH];
	const struct tern_hparams *h = &b->transformer->hparams;

	snprintf(name, sizeof name, "%s.weight", stem);
	const struct gguf_tensor *tensor = tern_bind_take(b, name);
	if (!tensor)
		return tern_bind_fail(b, name, "missing");
	if (tensor->n_dims != 2 || tensor->dims[0] != h->n_embd || tensor->dims[1] != h->n_vocab)
		return tern_bind_fail(b, name, "expected %zu columns and %zu rows", h->n_embd, h->n_vocab);
	*matrix = (struct tern_matrix){tensor->type, h->n_vocab, h->n_embd, tensor->data, NULL};
	if (tensor->type == GGUF_TENSOR_Q8P) {
		snprintf(name, sizeof name, "%s.scale", stem);
		return tern_bind_floats(b, name, h->n_vocab, true, &matrix->row_scales);
	}
	if (!tern_is_float_type(tensor->type))
		return TERN_OK;
	matrix->data = tern_bind_aligned(b, tensor, tensor->type == GGUF_TENSOR_F32 ? sizeof(float) : sizeof(uint16_t));
	return matrix->data ? TERN_OK : tern_fail_memory(b->err, (size_t)tensor->n_bytes);
}

static bool is_type_in_panels(uint32_t type) { return tern_is_own_ternary(type) || type == GGUF_TENSOR_I2_S; }

enum tern_status tern_bind_embedding(struct tern_binder *b)
{
	struct tern_transformer *t = b->transformer;
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, "token_embd.weight");

	t->embedding_is_ternary = tensor && is_type_in_panels(tensor->type);
	if (tensor && tern_hadamard_take_rows(&b->hadamard, b->gguf, tensor)) {
		t->embedding_block = b->hadamard.block;
		t->embedding_signs = tern_hadamard_signs(&b->hadamard, t->hparams.n_embd);
	}
	return t->embedding_is_ternary ? bind_ternary_rows(b, "token_embd", &t->ternary_embedding)
	                               : bind_matrix(b, "token_embd", &t->embedding);
}

/* A head in a type that is only read, not computed on: a quantized copy. */
static enum tern_status quantize_head(struct tern_binder *b, const struct gguf_tensor *tensor)
{
	struct tern_matrix *head = &b->transformer->head;
	uint8_t *planes;
	float *row_scales;
	enum tern_status status = tern_repack_q8p(&b->repacker, tensor, &planes, &row_scales);

	if (status)
		return status;
	size_t n_bytes = 2 * tern_panel_count(head->n_row) * tern_q8p_panel_bytes(head->n_col);
	bool adopted = tern_bind_adopt(b, planes, n_bytes);
	adopted = tern_bind_adopt(b, row_scales, head->n_row * sizeof *row_scales) && adopted;
	head->type = GGUF_TENSOR_Q8P;
	head->data = planes;
	head->row_scales = row_scales;
	return adopted ? TERN_OK : tern_fail_memory(b->err, n_bytes);
}

enum tern_status tern_bind_head(struct tern_binder *b)
{
	struct tern_transformer *t = b->transformer;
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, "output.weight");
	bool is_tied = !tensor;
	enum tern_status status = TERN_OK;

	if (is_tied)
		tensor = tern_gguf_find_tensor(b->gguf, "token_embd.weight");
	t->head_is_ternary = tern_is_own_ternary(tensor->type) || tern_is_foreign_ternary(tensor->type);
	if (is_tied && t->embedding_is_ternary) {
		t->ternary_head = t->ternary_embedding;
		return TERN_OK;
	}
	if (t->head_is_ternary)
		return bind_ternary_rows(b, is_tied ? "token_embd" : "output", &t->ternary_head);
	if (is_tied)
		t->head = t->embedding;
	else
		status = bind_matrix(b, "output", &t->head);
	if (status || t->head.type == GGUF_TENSOR_Q8P || tern_is_float_type(t->head.type))
		return status;
	return quantize_head(b, tensor);
}
