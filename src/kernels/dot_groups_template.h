/* Template: dot_groups() and dot_groups_binary(). Integer sums of a step of columns are scaled and added up as floats.
 *
 * Parameters, besides those of dot_panels_template.h, whose functions it calls too:
 *
 *     LOAD_F16(h)     VECTOR_LANES half floats from const uint16_t *h, any alignment, as vfloat
 *
 * Slots: dot_groups, dot_groups_binary. */
#if !defined(LOAD_F16)
#error "dot_groups_template.h: a parameter is not defined"
#endif

#include <stdbool.h>

enum {
	STEP_FEW_TOKENS = 12, /* up to this many tokens unpacking costs more than it saves */
	STEP_PANELS = 8,      /* panels of a call of dot_ternary() for few tokens */
	STEP_TOKENS = 128,    /* tokens whose scales are gathered at a time */
};

/* What sets the kinds of panel apart. A pointer to it is a constant at every call. */
struct group_kernels {
	const struct tile_format *format;
	tern_dot_panels *dot;
};

static const struct group_kernels ternary_groups = {&ternary_format, dot_ternary};
static const struct group_kernels binary_groups = {&binary_format, dot_binary};

/* The results that the sums of a step are added to, and the scales they get. */
struct step_scales {
	float *y; /* of the first token and panel */
	size_t y_stride;
	const float *inverses;            /* [n_token] of the activations */
	const int32_t *firsts;            /* [n_token] minus the sum of the activations, since codes are weights + 1 */
	const vfloat (*weights)[VECTORS]; /* [n_panel] */
};

INLINE void add_scaled(float *y, vint sum, vfloat scale)
{
	store(y, load(y) + __builtin_convertvector(sum, vfloat) * scale);
}

/* Scales the sums of n_token tokens and n_panel panels, [n_token, n_panel * 16]. */
INLINE void scale_sums(const struct step_scales *s, const int32_t *sums, size_t n_token, size_t n_panel)
{
	for (size_t p = 0; p < n_panel; p++)
		for (size_t t = 0; t < n_token; t++) {
			const int32_t *from = sums + (t * n_panel + p) * LANES;
			float *y = s->y + t * s->y_stride + p * LANES;
			vfloat inverse = splat(s->inverses[t]);
			int32_t first = s->firsts[t];
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				add_scaled(y + v * VECTOR_LANES, load_ints(from + v * VECTOR_LANES) + first,
				           s->weights[p][v] * inverse);
		}
}

/* One step of n_token tokens from `token` on; n_token is a constant. The sums are scaled while they are in registers. x
 * is that of token 0. */
INLINE void multiply_scaled(const struct step_scales *s, const struct stretch *panels, const int8_t *x, size_t x_stride,
                            size_t token, size_t n_token)
{
	vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS];

	multiply_unpacked(sum, panels, x + token * x_stride, x_stride, n_token, s->firsts + token);
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		vfloat inverse = splat(s->inverses[token + t]);
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
			float *y = s->y + (token + t) * s->y_stride + p * LANES;
			if (PANELS_AT_ONCE > 1 && p >= panels->n_panel)
				continue;
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				add_scaled(y + v * VECTOR_LANES, sum[t][p][v], s->weights[p][v] * inverse);
		}
	}
}

/* One step of any number of tokens. */
static void multiply_step(const struct step_scales *s, const struct stretch *panels, const int8_t *x, size_t x_stride,
                          size_t n_token)
{
	size_t t = 0;

	for (; t + TOKENS_AT_ONCE <= n_token; t += TOKENS_AT_ONCE)
		multiply_scaled(s, panels, x, x_stride, t, TOKENS_AT_ONCE);
	for (; t + 2 <= n_token; t += 2)
		multiply_scaled(s, panels, x, x_stride, t, 2);
	if (t < n_token)
		multiply_scaled(s, panels, x, x_stride, t, 1);
}

/* A step of columns of some panels. */
struct step {
	const struct tern_groups *groups;
	size_t index, n_col; /* the last step may have fewer columns than the others */
	size_t first_panel;
};

INLINE int32_t sum_int8(const int8_t *x, size_t n)
{
	int32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return sum;
}

/* Gathers the scales of n_token <= STEP_TOKENS tokens from token `first` on, and the values their sums start from. x is
 * that of token `first` at the first column of the step. */
INLINE void gather_tokens(float *inverses, int32_t *firsts, const struct step *step, size_t first, size_t n_token,
                          const int8_t *x, size_t x_stride)
{
	const struct tern_groups *g = step->groups;
	size_t at = first * g->x_stride + step->index / g->steps_per_x;

	for (size_t t = 0; t < n_token; t++, at += g->x_stride) {
		inverses[t] = g->x_inverse[at];
		firsts[t] = -(g->steps_per_x > 1 ? sum_int8(x + t * x_stride, step->n_col) : g->x[at].sum);
	}
}

/* n_next: half floats from a panel's scales to those of the panel that takes its place, to be prefetched. */
INLINE void gather_weights(vfloat (*weights)[VECTORS], const struct step *step, size_t n_panel, size_t n_next)
{
	const struct tern_groups *g = step->groups;
	size_t at = step->first_panel * g->scales_stride + step->index / g->steps_per_scale * LANES;

	for (size_t p = 0; p < n_panel; p++, at += g->scales_stride) {
		if (g->scales)
			__builtin_prefetch(g->scales + at + n_next);
		for (size_t v = 0; v < VECTORS; v++)
			weights[p][v] = g->scales ? LOAD_F16(g->scales + at + v * VECTOR_LANES) : splat(g->whole);
	}
}

/* All steps of one token and n_panel <= TERN_MAX_STREAMS panels; groups: of these panels. */
INLINE void steps_of_token(float *y, const struct tern_groups *groups, const uint8_t *panels, size_t panel_stride,
                           size_t n_panel, const int8_t *x, size_t n_col, size_t n_next_scale, struct stream_end end,
                           const struct tile_format *format)
{
	_Alignas(64) int32_t sums[TERN_MAX_STREAMS * LANES];
	vfloat weights[TERN_MAX_STREAMS][VECTORS];

	for (size_t c = 0, n; c < n_col; c += n) {
		struct step step = {groups, c / groups->n_col, 0, 0};
		int32_t sum_first;
		float inverse;
		struct step_scales s = {y, 0, &inverse, &sum_first, (const vfloat(*)[VECTORS])weights};

		step.n_col = n = n_col - c < groups->n_col ? n_col - c : groups->n_col;
		gather_tokens(&inverse, &sum_first, &step, 0, 1, x + c, 0);
		gather_weights(weights, &step, n_panel, n_next_scale);
		dot_side_by_side(sums, panels, panel_stride, n_panel, x + c, n, groups->streaming.prefetch, end,
		                 format);
		scale_sums(&s, sums, 1, n_panel);
		panels += n / format->tile_cols * TERN_TILE_BYTES;
		end.n_left -= n / format->tile_cols;
	}
}

/* One token, y is 0; see dot_token(). */
INLINE void all_steps_of_token(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                               size_t n_col, const struct tern_groups *groups, const struct tile_format *format)
{
	struct stream_parts parts = share_panels(n_panel, groups->streaming);
	size_t n_shared = parts.n_stream * parts.n_part, stride = parts.n_part * panel_stride;
	const uint8_t *next = groups->streaming.next ? groups->streaming.next : panels + n_panel * panel_stride;
	struct stream_end end = {n_col / format->tile_cols, 0};
	struct tern_groups now = *groups;

	now.scales_stride = parts.n_part * groups->scales_stride;
	for (size_t p = 0; p < parts.n_part; p++, panels += panel_stride) {
		float some[TERN_MAX_STREAMS * LANES] = {0};
		if (p + 1 == parts.n_part)
			end.jump = jump_from(panels, end.n_left, next);
		steps_of_token(some, &now, panels, stride, parts.n_stream, x, n_col, groups->scales_stride, end,
		               format);
		for (size_t s = 0; s < parts.n_stream; s++)
			memcpy(y + (s * parts.n_part + p) * LANES, some + s * LANES, LANES * sizeof *y);
		now.scales = now.scales ? now.scales + groups->scales_stride : NULL;
	}
	panels += n_shared * panel_stride - stride;
	end.jump = 0;
	for (size_t p = n_shared; p < n_panel; p++, panels += panel_stride) {
		now.scales = groups->scales ? groups->scales + p * groups->scales_stride : NULL;
		steps_of_token(y + p * LANES, &now, panels, panel_stride, 1, x, n_col, groups->scales_stride, end,
		               format);
	}
}

/* One step of a few tokens and up to STEP_PANELS panels. */
INLINE void step_of_few(float *y, size_t y_stride, const struct step *step, const uint8_t *panels, size_t panel_stride,
                        size_t n_panel, const int8_t *x, size_t x_stride, size_t n_token,
                        const struct group_kernels *kernels)
{
	_Alignas(64) int32_t sums[STEP_FEW_TOKENS * STEP_PANELS * LANES];
	int32_t firsts[STEP_FEW_TOKENS];
	float inverses[STEP_FEW_TOKENS];
	vfloat weights[STEP_PANELS][VECTORS];
	struct step_scales s = {y, y_stride, inverses, firsts, (const vfloat(*)[VECTORS])weights};

	gather_tokens(inverses, firsts, step, 0, n_token, x, x_stride);
	gather_weights(weights, step, n_panel, n_panel * step->groups->scales_stride);
	kernels->dot(sums, panels, panel_stride, n_panel, x, x_stride, n_token, step->n_col, step->groups->streaming);
	scale_sums(&s, sums, n_token, n_panel);
}

/* One step of many tokens and up to PANELS_AT_ONCE panels; its columns fit into a stretch. */
INLINE void step_of_many(float *y, size_t y_stride, const struct step *step, const uint8_t *panels, size_t panel_stride,
                         size_t n_panel, const int8_t *x, size_t x_stride, size_t n_token,
                         const struct tile_format *format)
{
	_Alignas(QUAD_BYTES) uint8_t quads[UNPACKED_BYTES];
	int32_t firsts[STEP_TOKENS];
	float inverses[STEP_TOKENS];
	vfloat weights[PANELS_AT_ONCE][VECTORS];
	struct step_scales s = {y, y_stride, inverses, firsts, (const vfloat(*)[VECTORS])weights};
	struct stretch unpacked = {.codes = quads,
	                           .panel_stride = format->stretch_cols * LANES,
	                           .n_panel = n_panel,
	                           .n_quad = step->n_col / QUAD_COLS};

	gather_weights(weights, step, n_panel, n_panel * step->groups->scales_stride);
	unpack(quads, unpacked.panel_stride, panels, panel_stride, n_panel, step->n_col, format);
	for (size_t first = 0, n; first < n_token; first += n) {
		n = n_token - first < STEP_TOKENS ? n_token - first : STEP_TOKENS;
		gather_tokens(inverses, firsts, step, first, n, x + first * x_stride, x_stride);
		s.y = y + first * y_stride;
		multiply_step(&s, &unpacked, x + first * x_stride, x_stride, n);
	}
}

/* All steps of some tokens. */
INLINE void steps_of_tokens(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                            size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups,
                            const struct group_kernels *kernels)
{
	const bool is_few = n_token <= STEP_FEW_TOKENS;
	size_t panel_step = is_few ? STEP_PANELS : PANELS_AT_ONCE, y_stride = n_panel * LANES;

	for (size_t p = 0, n; p < n_panel; p += n) {
		n = n_panel - p < panel_step ? n_panel - p : panel_step;
		for (size_t c = 0; c < n_col; c += groups->n_col) {
			struct step step = {groups, c / groups->n_col,
			                    n_col - c < groups->n_col ? n_col - c : groups->n_col, p};
			const uint8_t *tiles =
			        panels + p * panel_stride + c / kernels->format->tile_cols * TERN_TILE_BYTES;
			if (is_few)
				step_of_few(y + p * LANES, y_stride, &step, tiles, panel_stride, n, x + c, x_stride,
				            n_token, kernels);
			else
				step_of_many(y + p * LANES, y_stride, &step, tiles, panel_stride, n, x + c, x_stride,
				             n_token, kernels->format);
		}
	}
}

INLINE void dot_steps(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                      size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups,
                      const struct group_kernels *kernels)
{
	/* A step that is longer than a stretch is computed for a few tokens at a time. */
	bool in_stretch = groups->n_col <= kernels->format->stretch_cols || n_col <= kernels->format->stretch_cols;
	size_t token_step = in_stretch ? n_token : STEP_FEW_TOKENS, y_stride = n_panel * LANES;

	memset(y, 0, n_token * y_stride * sizeof *y);
	if (n_token == 1) {
		all_steps_of_token(y, panels, panel_stride, n_panel, x, n_col, groups, kernels->format);
		return;
	}
	for (size_t t = 0, n; t < n_token; t += n) {
		struct tern_groups now = *groups;
		n = n_token - t < token_step ? n_token - t : token_step;
		now.x = groups->x + t * groups->x_stride;
		now.x_inverse = groups->x_inverse + t * groups->x_stride;
		steps_of_tokens(y + t * y_stride, panels, panel_stride, n_panel, x + t * x_stride, x_stride, n, n_col,
		                &now, kernels);
	}
}

static void dot_groups(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups)
{
	dot_steps(y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups, &ternary_groups);
}

static void dot_groups_binary(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                              size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups)
{
	dot_steps(y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups, &binary_groups);
}
