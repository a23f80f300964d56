#include "convert/mapping/delta_net.h"

#include "convert/mapping/projection.h"

#include <stdio.h>

/* The net of a layer being mapped. */
struct net {
	struct mapper *m;
	const struct delta *delta;
	unsigned layer;
	uint64_t n_key, n_value; /* values of all heads */
};

static void name_module(const struct net *net, char module[MAPPER_NAME_SIZE], const char *name)
{
	snprintf(module, MAPPER_NAME_SIZE, "%slayers.%u.linear_attn.%s", net->m->prefix, net->layer, name);
}

/* Heads of head_dim rows, columns or values, behind `first` others. */
static struct order order_heads(const struct net *net, uint64_t first, uint64_t head_dim)
{
	const struct delta *delta = net->delta;
	return (struct order){.first = first,
	                      .head_dim = head_dim,
	                      .n_key = delta->n_head_key,
	                      .n_per_key = delta->n_head / delta->n_head_key};
}

static enum tern_status map_matrix(const struct net *net, const char *name, struct linear linear)
{
	name_module(net, linear.module, name);
	snprintf(linear.out, sizeof linear.out, "blk.%u.%s", net->layer, tern_matrix_names[linear.which]);
	return map_projection(net->m, &linear);
}

static enum tern_status map_projections(const struct net *net)
{
	uint64_t n_embd = net->m->config->n_embd, n_value = net->n_value, head_dim = net->delta->head_dim;
	enum tern_status status;

	if ((status = map_matrix(net, "in_proj_qkv",
	                         (struct linear){.which = TERN_DELTA_QKV,
	                                         .n_row = 2 * net->n_key + n_value,
	                                         .n_col = n_embd,
	                                         .rows = order_heads(net, 2 * net->n_key, head_dim)})) ||
	    (status = map_matrix(net, "in_proj_z",
	                         (struct linear){.which = TERN_DELTA_GATE,
	                                         .n_row = n_value,
	                                         .n_col = n_embd,
	                                         .rows = order_heads(net, 0, head_dim)})))
		return status;
	return map_matrix(net, "out_proj",
	                  (struct linear){.which = TERN_DELTA_OUT,
	                                  .n_row = n_embd,
	                                  .n_col = n_value,
	                                  .columns = order_heads(net, 0, head_dim)});
}

/* Which of the two gates: a projection like others where training ternarized it, else a matrix of floats. */
static enum tern_status map_gate(const struct net *net, const char *name, enum tern_matrix_kind which)
{
	struct mapper *m = net->m;
	char module[MAPPER_NAME_SIZE];
	struct tensor *weight;
	struct output_tensor tensor = {.kind = OUTPUT_COPY,
	                               .n_row = net->delta->n_head,
	                               .n_col = m->config->n_embd,
	                               .order = order_heads(net, 0, 1)};
	enum tern_status status;

	name_module(net, module, name);
	if ((status = mapper_require(m, &weight, MAPPER_EVERY_LAYER, "%s.weight", module)))
		return status;
	if (!dtype_is_float(weight->dtype) || may_be_master(m, module))
		return map_matrix(
		        net, name,
		        (struct linear){
		                .which = which, .n_row = tensor.n_row, .n_col = tensor.n_col, .rows = tensor.order});
	tensor.source = weight;
	status = mapper_check_shape(m, weight, 2, (uint64_t[]){tensor.n_row, tensor.n_col});
	return status ? status : mapper_add(m, &tensor, "blk.%u.%s.weight", net->layer, tern_matrix_names[which]);
}

/* [channels, 1, taps] */
static enum tern_status map_taps(const struct net *net)
{
	char expected[64];
	struct tensor *source;
	struct output_tensor tensor = {.kind = OUTPUT_TAPS,
	                               .n_row = 2 * net->n_key + net->n_value,
	                               .n_col = DELTA_TAPS,
	                               .order = order_heads(net, 2 * net->n_key, net->delta->head_dim)};
	enum tern_status status = mapper_require(net->m, &source, MAPPER_EVERY_LAYER,
	                                         "%slayers.%u.linear_attn.conv1d.weight", net->m->prefix, net->layer);

	if (status)
		return status;
	if (source->n_dims != 3 || source->shape[0] != tensor.n_row || source->shape[1] != 1 ||
	    source->shape[2] != DELTA_TAPS || !dtype_is_float(source->dtype)) {
		snprintf(expected, sizeof expected, "[%llu, 1, %d] of floats", (unsigned long long)tensor.n_row,
		         DELTA_TAPS);
		return mapper_fail_shape(net->m, source, expected);
	}
	tensor.source = source;
	return mapper_add(net->m, &tensor, "blk.%u.ssm_conv1d.weight", net->layer);
}

static enum tern_status map_vector(const struct net *net, const char *name, const char *out, uint64_t n,
                                   struct output_tensor tensor)
{
	char module[MAPPER_NAME_SIZE], out_name[GGUF_MAX_NAME_LENGTH + 1];
	struct tensor *source;
	enum tern_status status;

	name_module(net, module, name);
	snprintf(out_name, sizeof out_name, "blk.%u.%s", net->layer, out);
	status = mapper_require(net->m, &source, MAPPER_EVERY_LAYER, "%s", module);
	return status ? status : mapper_add_vector(net->m, source, n, tensor, out_name);
}

/* The norm's gains are as stored, unlike those of the family's other norms. */
static enum tern_status map_vectors(const struct net *net)
{
	uint64_t n_head = net->delta->n_head;
	struct output_tensor bias = {.order = order_heads(net, 0, 1)}, decay = bias;
	enum tern_status status;

	decay.is_log_decay = true;
	if ((status = map_vector(net, "A_log", "ssm_a", n_head, decay)) ||
	    (status = map_vector(net, "dt_bias", "ssm_dt.bias", n_head, bias)))
		return status;
	return map_vector(net, "norm.weight", "ssm_norm.weight", net->delta->head_dim, (struct output_tensor){0});
}

enum tern_status map_delta_net(struct mapper *m, uint64_t layer)
{
	const struct delta *delta = &m->config->delta;
	struct net net = {.m = m,
	                  .delta = delta,
	                  .layer = (unsigned)layer,
	                  .n_key = delta->n_head_key * delta->head_dim,
	                  .n_value = delta->n_head * delta->head_dim};
	enum tern_status status;

	if ((status = map_projections(&net)) || (status = map_gate(&net, "in_proj_b", TERN_DELTA_BETA)) ||
	    (status = map_gate(&net, "in_proj_a", TERN_DELTA_ALPHA)) || (status = map_taps(&net)))
		return status;
	return map_vectors(&net);
}
