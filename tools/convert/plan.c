/* What is known of every plan: names and shapes. */
#include "convert/plan.h"

#include "base/memory.h"

#include <string.h>

/* The projections by their names on both sides. */
static const struct {
	const char *module, *gguf;
} projections[N_PROJECTIONS] = {
        [PROJECTION_Q] = {"self_attn.q_proj", "attn_q"},         [PROJECTION_K] = {"self_attn.k_proj", "attn_k"},
        [PROJECTION_V] = {"self_attn.v_proj", "attn_v"},         [PROJECTION_O] = {"self_attn.o_proj", "attn_output"},
        [PROJECTION_GATE] = {"mlp.gate_proj", "ffn_gate"},       [PROJECTION_UP] = {"mlp.up_proj", "ffn_up"},
        [PROJECTION_DOWN] = {"mlp.down_proj", "ffn_down"},       [PROJECTION_HEAD] = {"lm_head", "output"},
        [PROJECTION_EMBEDDING] = {"embed_tokens", "token_embd"},
};

const char *projection_name(enum projection projection) { return projections[projection].gguf; }

const char *projection_module(enum projection projection) { return projections[projection].module; }

void plan_free(struct plan *plan)
{
	tern_free(plan->steps);
	tern_free(plan->matrices);
	memset(plan, 0, sizeof *plan);
}

int step_shape(const struct step *step, uint32_t *type, uint64_t dims[GGUF_MAX_DIMS])
{
	static const uint32_t kept[] = {[DTYPE_F64] = GGUF_TENSOR_F32,
	                                [DTYPE_F32] = GGUF_TENSOR_F32,
	                                [DTYPE_F16] = GGUF_TENSOR_F16,
	                                [DTYPE_BF16] = GGUF_TENSOR_BF16};

	dims[0] = step->n_col;
	dims[1] = step->n_row;
	switch (step->kind) {
	case STEP_TERNARY:
		*type = GGUF_TENSOR_T2R16;
		return 2;
	case STEP_Q8P:
		*type = GGUF_TENSOR_Q8P;
		return 2;
	case STEP_COPY:
		*type = kept[step->source->dtype];
		return 2;
	case STEP_SCALE:
		if (step->matrix->group) {
			*type = GGUF_TENSOR_F16;
			dims[0] = TERN_PANEL_ROWS;
			dims[1] = step->n_col / step->matrix->group;
			dims[2] = (step->n_row + TERN_PANEL_ROWS - 1) / TERN_PANEL_ROWS;
			return 3;
		}
		dims[0] = 1;
		break;
	case STEP_ROW_SCALES:
		dims[0] = step->n_row;
		break;
	default:
		break;
	}
	*type = GGUF_TENSOR_F32;
	return 1;
}
