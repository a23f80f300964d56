#include "convert/config/experts.h"

#include "model/limits.h"
#include "json/value.h"

enum tern_status experts_read(struct experts *experts, struct json_value root, struct tern_error *err)
{
	enum tern_status status;

	experts->normalizes = true;
	if ((status = json_get_size(root, "num_experts", true, 1, TERN_MAX_EXPERTS, &experts->n, err)) ||
	    (status = json_get_size(root, "num_experts_per_tok", true, 1, experts->n, &experts->n_used, err)) ||
	    (status = json_get_size(root, "moe_intermediate_size", true, 16, TERN_MAX_WIDTH, &experts->n_ff, err)) ||
	    (status = json_get_bool(root, "norm_topk_prob", &experts->normalizes, NULL, err)))
		return status;
	if (experts->n_ff % 16)
		return json_fail_type(json_find(root, "moe_intermediate_size"), "a multiple of 16", err);
	return TERN_OK;
}
