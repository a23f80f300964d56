#include "api/inspect.h"

#include "api/session.h"
#include "base/machine.h"
#include "base/memory.h"
#include "infer/delta_state.h"
#include "infer/head.h"
#include "kernels/peak.h"
#include "model/arch.h"
#include "model/layout.h"
#include "model/names.h"
#include "model/random_model.h"
#include "model/repack.h"

#include <string.h>

/* ---- files ----------------------------------------------------------------------------------------------- */

static void gather_hparams(struct tern_file_facts *f, const struct gguf *gguf)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	struct tern_hparams h;

	if (tern_hparams_load(&h, gguf, &f->refused))
		return;
	f->n_layer = h.n_layer;
	f->n_delta_layer = h.n_layer - h.n_layer_kv;
	f->is_rotated = tern_gguf_find(gguf, "prism.hadamard.version") != NULL;
	f->n_embd = h.n_embd;
	f->n_ff = h.n_expert ? h.n_ff_expert : h.n_ff;
	f->n_expert = h.n_expert;
	f->n_expert_used = h.n_expert_used;
	f->n_head = h.n_head;
	f->n_head_kv = h.n_head_kv;
	f->head_dim = h.head_dim;
	f->n_ctx_train = h.n_ctx_train;
	f->n_rot = h.n_rot;
	f->activation_group = h.activation_group;
	f->rms_eps = h.rms_eps;
	f->linear_norm_eps = h.linear_norm_eps;
	f->has_weightless_norms = h.linear_norm == TERN_LINEAR_NORM_WEIGHTLESS;
	f->n_state_bytes = tern_state_bytes(&h);
	for (int type = 0; type < TERN_N_KV_TYPES; type++)
		f->n_kv_bytes[type] = tern_kv_position_bytes(&h, (enum tern_kv_type)type);
	f->rope_scaling = (struct gguf_string){"none", 4};
	if (!tern_arch_key(key, gguf, "rope.freq_base", NULL))
		tern_gguf_get_f32(gguf, key, &f->rope_base, NULL, NULL);
	if (!tern_arch_key(key, gguf, "rope.scaling.type", NULL))
		tern_gguf_get_string(gguf, key, &f->rope_scaling, NULL, NULL);
}

static void count_type(struct tern_file_facts *f, const struct gguf_tensor *tensor)
{
	size_t i = 0;

	while (i < f->n_types && f->types[i].type != tensor->type)
		i++;
	if (i == TERN_MAX_FILE_TYPES)
		return;
	if (i == f->n_types)
		f->types[f->n_types++] = (struct tern_file_type){.type = tensor->type};
	f->types[i].n_tensors++;
	f->types[i].n_bytes += tensor->n_bytes;
}

static void count_norms(struct tern_file_facts *f, struct gguf_string name)
{
	f->n_linear_norms += tern_is_linear_norm(name);
	f->n_sub_norms += tern_gguf_string_ends_in(name, "_sub_norm.weight");
	f->n_qk_norms += tern_gguf_string_ends_in(name, ".attn_q_norm.weight") ||
	                 tern_gguf_string_ends_in(name, ".attn_k_norm.weight");
	f->n_biases += tern_gguf_string_ends_in(name, ".bias");
}

static void count_parameters(struct tern_file_facts *f, const struct gguf_tensor *tensor)
{
	uint64_t n = 1;

	f->n_bytes += tensor->n_bytes;
	if (tern_gguf_string_ends_in(tensor->name, ".scale"))
		return;
	for (int d = 0; d < tensor->n_dims; d++)
		n *= tensor->dims[d]; /* the reader has checked the product */
	f->n_params += n;
	if (tern_is_own_ternary(tensor->type) || tern_is_foreign_ternary(tensor->type)) {
		f->n_ternary_params += n;
		f->n_ternary_bytes += tensor->n_bytes;
	}
}

static void count_repacking(struct tern_file_facts *f, const struct gguf *gguf, const struct gguf_tensor *tensor)
{
	uint32_t type = tern_repacked_type(gguf, tensor);
	uint64_t n_bytes;

	if (type == tensor->type || !tern_gguf_tensor_bytes(type, tensor->n_dims, tensor->dims, &n_bytes)) {
		f->n_weight_bytes += tensor->n_bytes;
		return;
	}
	f->n_weight_bytes += n_bytes;
	f->n_to_t2r16 += type == GGUF_TENSOR_T2R16;
	f->n_to_t1r16 += type == GGUF_TENSOR_T1R16;
	f->n_to_q8p += type == GGUF_TENSOR_Q8P;
	f->n_repacked_bytes += n_bytes;
}

/* An embedding that is no head gives one row. */
static void count_token_bytes(struct tern_file_facts *f, const struct gguf *gguf, const struct gguf_tensor *tensor)
{
	uint32_t type = tern_repacked_type(gguf, tensor);
	uint64_t n_bytes;

	if ((tern_gguf_string_is(tensor->name, "token_embd.weight") && tern_gguf_find_tensor(gguf, "output.weight")) ||
	    tern_is_mtp_tensor(gguf, tensor->name) ||
	    !tern_gguf_tensor_bytes(type, tensor->n_dims, tensor->dims, &n_bytes))
		return;
	if (f->n_expert && (tern_is_experts(tensor->name) || tern_gguf_string_ends_in(tensor->name, "_exps.scale"))) {
		n_bytes = n_bytes / f->n_expert * f->n_expert_used;
		f->n_expert_token_bytes += n_bytes;
	}
	f->n_token_bytes += type == GGUF_TENSOR_Q8P ? n_bytes / 2 : n_bytes;
}

void tern_file_facts_of(struct tern_file_facts *f, const struct gguf *gguf)
{
	memset(f, 0, sizeof *f);
	if (gguf->n_tensors)
		gather_hparams(f, gguf);
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		count_type(f, tensor);
		count_norms(f, tensor->name);
		count_parameters(f, tensor);
		if (!f->refused.status) {
			count_repacking(f, gguf, tensor);
			count_token_bytes(f, gguf, tensor);
		}
	}
}

const struct gguf *tern_model_gguf(const struct tern_model *model) { return &model->gguf; }

/* ---- models of random weights ---------------------------------------------------------------------------- */

enum tern_status tern_model_make_random(struct tern_model **out, const char *shape,
                                        const struct tern_model_options *options, struct tern_error *err)
{
	struct tern_model_options settings = options ? *options : (struct tern_model_options){0};
	struct tern_model *model;
	enum tern_status status;
	uint8_t *image;

	*out = NULL;
	if ((status = tern_choose_threads(&settings.n_threads, err)))
		return status;
	if (!(model = tern_alloc(1, sizeof *model)) || !(model->path = tern_copy_string(shape, strlen(shape)))) {
		tern_free(model);
		return tern_fail_memory(err, sizeof *model + strlen(shape));
	}
	settings.no_text = true;
	if (!(status = tern_random_image(shape, &settings, &image, &model->file.size, err))) {
		model->file.data = image;
		status = tern_model_load(model, &settings, err);
	}
	if (status)
		tern_model_close(model);
	else
		*out = model;
	return status;
}

/* ---- the cost of a token --------------------------------------------------------------------------------- */

static uint64_t linear_bytes(const struct tern_linear *linear)
{
	size_t n_panel = tern_panel_count(linear->n_row);
	uint64_t n = n_panel * tern_linear_panel_bytes(linear);

	if (linear->scale_group)
		n += n_panel * TERN_PANEL_ROWS * (linear->n_col / linear->scale_group) * sizeof(uint16_t);
	if (linear->bias)
		n += linear->n_row * sizeof *linear->bias;
	if (linear->norm_gain)
		n += linear->n_col * sizeof *linear->norm_gain;
	return n;
}

/* What a token reads of a delta net beside ternary matrices; the state is read and written. */
static uint64_t delta_bytes(const struct tern_delta_weights *d, const struct tern_delta_shape *shape, size_t n_embd)
{
	size_t n_float = TERN_CONV_TAPS * shape->n_convolved + 2 * shape->n_head + shape->head_dim +
	                 2 * shape->n_value * shape->head_dim;

	return n_float * sizeof(float) +
	       (d->gates_are_float ? 2 * shape->n_head * tern_gguf_row_bytes(d->float_beta.type, n_embd) : 0);
}

static void add_layer(struct tern_cost *cost, struct tern_layer *layer, const struct tern_hparams *h)
{
	struct tern_layer_matrix matrix;

	for (size_t i = 0; tern_layer_matrix(h, layer, i, &matrix); i++) {
		uint64_t n_bytes = linear_bytes(matrix.linear), n_mac = (uint64_t)matrix.n_row * matrix.n_col;
		if (matrix.n_expert) {
			cost->all_expert_bytes += n_bytes;
			n_bytes = n_bytes / matrix.n_expert * h->n_expert_used;
			n_mac = n_mac / matrix.n_expert * h->n_expert_used;
			cost->expert_bytes += n_bytes;
		}
		cost->layer_bytes += n_bytes;
		cost->layer_macs += n_mac;
	}
	if (layer->ffn == TERN_FFN_EXPERTS)
		cost->layer_bytes +=
		        layer->experts.router.n_row * tern_gguf_row_bytes(layer->experts.router.type, h->n_embd);
	cost->layer_bytes += 2 * h->n_embd * sizeof(float);
	if (layer->mixer == TERN_MIXER_DELTA) {
		cost->layer_bytes += delta_bytes(&layer->delta, &h->delta, h->n_embd);
		return;
	}
	cost->layer_bytes += layer->attention.q_norm ? 2 * h->head_dim * sizeof(float) : 0;
	cost->layer_bytes += layer->attention.sub_norm ? (h->n_head * h->head_dim + h->n_ff) * sizeof(float) : 0;
}

static void add_head(struct tern_cost *cost, const struct tern_transformer *t)
{
	const struct tern_matrix *m = &t->head;
	const uint64_t dims[GGUF_MAX_DIMS] = {m->n_col, m->n_row, 1, 1};

	cost->head_macs = (uint64_t)t->hparams.n_vocab * t->hparams.n_embd;
	if (t->head_is_ternary) {
		cost->head_bytes = linear_bytes(&t->ternary_head);
	} else {
		tern_gguf_tensor_bytes(m->type, 2, dims, &cost->head_bytes);
		if (m->type == GGUF_TENSOR_Q8P) {
			cost->head_low_bytes = cost->head_bytes / 2;
			cost->head_bytes += m->n_row * sizeof *m->row_scales;
		}
	}
	cost->head_bytes += t->hparams.n_embd * sizeof(float); /* the norm in front of it */
}

void tern_cost_of(struct tern_cost *cost, const struct tern_model *model, enum tern_kv_type kv)
{
	const struct tern_transformer *t = &model->transformer;

	*cost = (struct tern_cost){.kv_bytes = tern_kv_position_bytes(&t->hparams, kv),
	                           .state_bytes = 2 * tern_state_bytes(&t->hparams)};
	for (size_t i = 0; i < t->hparams.n_layer; i++)
		add_layer(cost, &t->layers[i], &t->hparams);
	add_head(cost, t);
}

void tern_memory_of(struct tern_memory *memory, const struct tern_session *session)
{
	const struct tern_kv *kv = &session->sequence.kv;
	const struct tern_transformer *t = &session->model->transformer;
	struct tern_file_facts facts;

	tern_file_facts_of(&facts, &session->model->gguf);
	*memory = (struct tern_memory){.weight_bytes = facts.n_weight_bytes,
	                               .state_bytes = facts.n_state_bytes,
	                               .token_bytes = tern_kv_position_bytes(&t->hparams, kv->type),
	                               .context_bytes = kv->n_bytes};
}

static const struct tern_linear *first_matrix(const struct tern_model *model)
{
	struct tern_layer_matrix first;

	tern_layer_matrix(&model->transformer.hparams, &model->transformer.layers[0], 0, &first);
	return first.linear;
}

size_t tern_model_scale_group(const struct tern_model *model) { return first_matrix(model)->scale_group; }

const char *tern_model_ternary_type(const struct tern_model *model)
{
	return tern_gguf_type_name(first_matrix(model)->is_binary ? GGUF_TENSOR_T1R16 : GGUF_TENSOR_T2R16);
}

void tern_compute_top_logits(struct tern_session *session, size_t n_top)
{
	tern_top_logits(&session->engine, &session->sequence, n_top);
}

struct tern_head_reads tern_session_head_reads(const struct tern_session *session)
{
	return (struct tern_head_reads){session->engine.n_head_panel, session->engine.n_low_panel};
}

bool tern_session_read_choice(const struct tern_session *session, size_t index, struct tern_read_choice *choice)
{
	const struct tern_read_kind *kind = tern_tuner_kind(&session->engine.tuner, index);
	struct tern_streaming best;

	if (!kind)
		return false;
	best = tern_tuner_best(kind);
	*choice = (struct tern_read_choice){.panel_bytes = kind->panel_bytes,
	                                    .n_bytes = kind->n_bytes,
	                                    .is_few = kind->is_few,
	                                    .is_settled = kind->is_settled,
	                                    .n_stream = best.n_stream,
	                                    .prefetch = best.prefetch};
	return true;
}

size_t tern_session_stored_tokens(const struct tern_session *session)
{
	const struct tern_engine *engine = &session->engine;
	size_t most = 0;

	for (size_t i = 0; i < TERN_STORED_KERNELS; i++) {
		const struct tern_stored_choice *choice = &engine->stored_choices[i];
		if (choice->is_final && choice->dot != engine->kernels->dot_nibble)
			most = tern_larger(most, tern_larger(choice->most, engine->kernels->turn_tokens));
	}
	return most;
}

/* ---- limits of the machine ------------------------------------------------------------------------------- */

void tern_meter_start(struct tern_meter *meter, const struct tern_session *session)
{
	const struct gguf *gguf = &session->model->gguf;
	const uint8_t *begin = NULL, *end = NULL;

	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		if (!begin || tensor->data < begin)
			begin = tensor->data;
		if (!end || tensor->data + tensor->n_bytes > end)
			end = tensor->data + tensor->n_bytes;
	}
	*meter = (struct tern_meter){.pool = session->engine.pool,
	                             .peak = session->engine.kernels->peak,
	                             .weights = begin,
	                             .n_weight_bytes = (size_t)(end - begin)};
	meter->instruction = meter->peak->instruction;
}

double tern_meter_read(const struct tern_meter *m, uint64_t min_ns)
{
	tern_pool_use(m->pool, tern_pool_size(m->pool));
	return tern_measure_read(m->pool, m->peak, m->weights, m->n_weight_bytes, min_ns);
}

double tern_meter_multiply(const struct tern_meter *m, uint64_t min_ns)
{
	tern_pool_use(m->pool, tern_pool_size(m->pool));
	return tern_measure_multiply(m->pool, m->peak, min_ns);
}
