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
	LONG_STEP_TOKENS = 12, /* tokens of a long step at a time */
	LONG_STEP_PANELS = 8,  /* panels of a long step at a time */
	STEP_TOKENS = 256,     /* tokens whose scales are gathered at a time */
};

/* The results that the sums of a step are added to, and the scales they get. */
struct step_scales {
	float *y; /* of the first token and panel */
	size_t y_stride;
	const float *inverses;            /* [n_token] of the activations */
	const int32_t *firsts;            /* [n_token] minus the sum of the activations, since codes are weights + 1 */
	const vfloat (*weights)[VECTORS]; /* [n_panel], or PANELS_AT_ONCE in short steps */
};

INLINE vfloat plus_scaled(const float *y, vint sum, vfloat scale)
{
	return load(y) + __builtin_convertvector(sum, vfloat) * scale;
}

INLINE void add_scaled(float *y, vint sum, vfloat scale) { store(y, plus_scaled(y, sum, scale)); }

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

/* A stretch of a step. */
struct scaled_multiplication {
	struct multiplication products; /* without sums */
	const struct step_scales *scales;
};

/* A turn: the sums are scaled while they are in registers. Where panels are missing, the last one has been multiplied
 * in their place: its results are stored again, without a branch for each sum. */
INLINE void multiply_and_scale(const void *task, size_t token, size_t n_token, size_t codes_per_byte)
{
	const struct scaled_multiplication *m = task;
	const struct step_scales s = *m->scales; /* a copy, which storing results cannot change */
	vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS];
	size_t at[PANELS_AT_ONCE];
	float *y = s.y + token * s.y_stride;

	if (codes_per_byte == 1)
		prefetch_share(&m->products, token, n_token);
	multiply(sum, &m->products, token, n_token, s.firsts + token, codes_per_byte);
	for (size_t p = 0; p < PANELS_AT_ONCE; p++)
		at[p] = (p < m->products.stretch->n_panel ? p : m->products.stretch->n_panel - 1) * LANES;
	UNROLL
	for (size_t t = 0; t < n_token; t++, y += s.y_stride) {
		vfloat inverse = splat(s.inverses[token + t]), result[PANELS_AT_ONCE][VECTORS];
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				result[p][v] = plus_scaled(y + at[p] + v * VECTOR_LANES, sum[t][p][v],
				                           s.weights[p][v] * inverse);
		}
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				store(y + at[p] + v * VECTOR_LANES, result[p][v]);
		}
	}
}

/* One step of any number of tokens. */
typedef void scaled_step(const struct step_scales *s, const struct stretch *stretch, const int8_t *x, size_t x_stride,
                         size_t n_token);

#define SCALED_STEP(name, codes_per_byte)                                                               \
	NOINLINE void name(const struct step_scales *s, const struct stretch *stretch, const int8_t *x, \
	                   size_t x_stride, size_t n_token)                                             \
	{                                                                                               \
		const struct scaled_multiplication task = {                                             \
		        {.stretch = stretch, .x = x, .x_stride = x_stride, .n_token = n_token}, s};     \
		take_turns(multiply_and_scale, &task, n_token, codes_per_byte);                         \
	}

SCALED_STEP(scale_quads, 1)
#if HAS_STORED
SCALED_STEP(scale_ternary, 4)
SCALED_STEP(scale_bits, 8)
#endif
#undef SCALED_STEP

/* What sets the kinds of panel apart. A pointer to it is a constant at every call. */
struct group_kernels {
	const struct tile_format *format;
	tern_dot_panels *dot;
	scaled_step *scale_stored; /* NULL unless HAS_STORED */
};

static const struct group_kernels ternary_groups = {&ternary_format, dot_ternary, IF_STORED(scale_ternary)};
static const struct group_kernels binary_groups = {&binary_format, dot_binary, IF_STORED(scale_bits)};

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
			weights[p][v] =
			        g->scales ? LOAD_F16(g->scales + at + v * VECTOR_LANES) : splat(g->matrix_scale);
	}
}

/* All steps of one token and n_panel panels, 1, 2 or 4, a constant; groups: of these panels, n_next_scale from the
 * scales of those that follow. Where the streams go on is asked once a step: most are a few cache lines of each panel.
 */
INLINE void steps_side_by_side(float *y, const struct tern_groups *groups, const uint8_t *panels, size_t panel_stride,
                               size_t n_panel, const int8_t *x, size_t n_col, size_t n_next_scale,
                               struct stream_end end, const struct tile_format *format)
{
	size_t prefetch = groups->streaming.prefetch, n;
	size_t n_until_scale = 0;
	vfloat weights[TERN_MAX_STREAMS][VECTORS];

	memset(y, 0, n_panel * LANES * sizeof *y);
	for (struct step step = {groups, 0, 0, 0}; n_col > 0; n_col -= n, x += n, step.index++, n_until_scale--) {
		vint sum[TERN_MAX_STREAMS][VECTORS];
		int32_t first;
		float inverse;
		step.n_col = n = n_col < groups->n_col ? n_col : groups->n_col;
		gather_tokens(&inverse, &first, &step, 0, 1, x, 0);
		if (n_until_scale == 0) {
			gather_weights(weights, &step, n_panel, n_next_scale);
			n_until_scale = groups->steps_per_scale;
		}
		sum_tiles(sum, panels, panel_stride, n_panel, x, n, prefetch_distance(prefetch, end),
		          format->codes_per_byte);
		IN_MEMORY(weights);
		IN_MEMORY(y);
		UNROLL
		for (size_t p = 0; p < n_panel; p++) {
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				add_scaled(y + p * LANES + v * VECTOR_LANES, sum[p][v] + first,
				           weights[p][v] * inverse);
		}
		panels += n / format->tile_cols * TERN_TILE_BYTES;
		end.n_left -= n / format->tile_cols;
	}
}

/* The same of any number of panels up to TERN_MAX_STREAMS that streams have. */
INLINE void steps_of_token(float *y, const struct tern_groups *groups, const uint8_t *panels, size_t panel_stride,
                           size_t n_panel, const int8_t *x, size_t n_col, size_t n_next_scale, struct stream_end end,
                           const struct tile_format *format)
{
	if (n_panel == 4)
		steps_side_by_side(y, groups, panels, panel_stride, 4, x, n_col, n_next_scale, end, format);
	else if (n_panel == 2)
		steps_side_by_side(y, groups, panels, panel_stride, 2, x, n_col, n_next_scale, end, format);
	else
		steps_side_by_side(y, groups, panels, panel_stride, 1, x, n_col, n_next_scale, end, format);
}

/* One token; see dot_token(). */
INLINE void all_steps_of_token(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                               size_t n_col, const struct tern_groups *groups, const struct tile_format *format)
{
	struct stream_parts parts = share_panels(n_panel, groups->streaming);
	size_t n_shared = parts.n_stream * parts.n_part, stride = parts.strip_stride * panel_stride;
	const uint8_t *next = after_panels(panels, panel_stride, n_panel, parts, groups->streaming);
	struct stream_end end = {n_col / format->tile_cols, 0};
	struct tern_groups now = *groups;

	now.scales_stride = parts.strip_stride * groups->scales_stride;
	for (size_t p = 0; p < parts.n_part; p++, panels += panel_stride) {
		float some[TERN_MAX_STREAMS * LANES];
		if (p + 1 == parts.n_part)
			end.jump = jump_from(panels, end.n_left, next);
		steps_of_token(some, &now, panels, stride, parts.n_stream, x, n_col, groups->scales_stride, end,
		               format);
		for (size_t s = 0; s < parts.n_stream; s++)
			memcpy(y + (s * parts.n_part + p) * LANES, some + s * LANES, LANES * sizeof *y);
		now.scales = now.scales ? now.scales + groups->scales_stride : NULL;
	}
	panels += n_shared * panel_stride - parts.n_part * panel_stride;
	end.jump = 0;
	for (size_t p = n_shared; p < n_panel; p++, panels += panel_stride) {
		now.scales = groups->scales ? groups->scales + p * groups->scales_stride : NULL;
		steps_of_token(y + p * LANES, &now, panels, panel_stride, 1, x, n_col, groups->scales_stride, end,
		               format);
	}
}

/* ---- several tokens -------------------------------------------------------------------------------------------- */

/* One step that fits into a stretch, of any number of tokens and of PANELS_AT_ONCE panels, or fewer where they are
 * unpacked. */
INLINE void short_step(float *y, size_t y_stride, const struct step *step, const struct stretch *stretch,
                       const int8_t *x, size_t x_stride, size_t n_token, scaled_step *scaled)
{
	int32_t firsts[STEP_TOKENS];
	float inverses[STEP_TOKENS];
	vfloat weights[PANELS_AT_ONCE][VECTORS];
	struct step_scales s = {y, y_stride, inverses, firsts, (const vfloat(*)[VECTORS])weights};

	gather_weights(weights, step, stretch->n_panel, stretch->n_panel * step->groups->scales_stride);
	for (size_t p = 1; p < PANELS_AT_ONCE; p++)
		if (p >= stretch->n_panel)
			memcpy(weights[p], weights[p - 1], sizeof weights[p]);
	for (size_t first = 0, n; first < n_token; first += n) {
		n = n_token - first < STEP_TOKENS ? n_token - first : STEP_TOKENS;
		gather_tokens(inverses, firsts, step, first, n, x + first * x_stride, x_stride);
		s.y = y + first * y_stride;
		scaled(&s, stretch, x + first * x_stride, x_stride, n);
	}
}

/* Steps of some panels of any number of tokens, y is 0. */
INLINE void short_steps_unpacked(float *y, size_t y_stride, const uint8_t *panels, size_t panel_stride, size_t n_panel,
                                 const int8_t *x, size_t x_stride, size_t n_token, size_t n_col,
                                 const struct tern_groups *groups, const struct tile_format *format)
{
	_Alignas(QUAD_BYTES) uint8_t quads[UNPACKED_BYTES];
	struct stretch stretch = {.codes = quads, .panel_stride = format->stretch_cols * LANES};

	for (size_t p = 0; p < n_panel; p += stretch.n_panel) {
		struct step step = {groups, 0, 0, p};
		stretch.n_panel = n_panel - p < PANELS_AT_ONCE ? n_panel - p : PANELS_AT_ONCE;
		for (size_t c = 0; c < n_col; c += step.n_col, step.index++) {
			const uint8_t *tiles = panels + p * panel_stride + c / format->tile_cols * TERN_TILE_BYTES;
			step.n_col = n_col - c < groups->n_col ? n_col - c : groups->n_col;
			stretch.n_quad = step.n_col / QUAD_COLS;
			stretch.next = (struct tile_block){tiles + step.n_col / format->tile_cols * TERN_TILE_BYTES,
			                                   panel_stride, groups->n_col / format->tile_cols};
			if (c + step.n_col == n_col)
				stretch.next.first = panels + (p + stretch.n_panel) * panel_stride;
			unpack(quads, stretch.panel_stride, tiles, panel_stride, stretch.n_panel, step.n_col, format);
			short_step(y + p * LANES, y_stride, &step, &stretch, x + c, x_stride, n_token, scale_quads);
		}
	}
}

#if HAS_STORED
/* The same of a few tokens, with tiles as they are stored; see dot_stored(). */
INLINE void short_steps_stored(float *y, size_t y_stride, const uint8_t *panels, size_t panel_stride, size_t n_panel,
                               const int8_t *x, size_t x_stride, size_t n_token, size_t n_col,
                               const struct tern_groups *groups, const struct group_kernels *kernels)
{
	const struct tern_streaming streaming = groups->streaming;
	const size_t tile_cols = kernels->format->tile_cols, n_tile = n_col / tile_cols;
	struct stretch stretch;

	for (size_t p = 0; p < n_panel; p += stretch.n_panel) {
		struct step step = {groups, 0, 0, p};
		bool is_one = n_panel - p < PANELS_AT_ONCE;
		stretch.n_panel = is_one ? 1 : PANELS_AT_ONCE;
		stretch.panel_stride = is_one ? 0 : panel_stride;
		struct stream_end end =
		        end_of_panels(panels, panel_stride, p, p + stretch.n_panel, n_panel, n_tile, streaming.next);
		for (size_t c = 0; c < n_col; c += step.n_col, step.index++) {
			step.n_col = n_col - c < groups->n_col ? n_col - c : groups->n_col;
			stretch.n_quad = step.n_col / QUAD_COLS;
			stretch.codes = panels + p * panel_stride + c / tile_cols * TERN_TILE_BYTES;
			end.n_left = n_tile - c / tile_cols;
			stretch.prefetch = prefetch_distance(streaming.prefetch, end);
			short_step(y + p * LANES, y_stride, &step, &stretch, x + c, x_stride, n_token,
			           kernels->scale_stored);
		}
	}
}
#endif

/* Steps that are longer than a stretch, for a few tokens at a time. */
INLINE void long_steps(float *y, size_t y_stride, const uint8_t *panels, size_t panel_stride, size_t n_panel,
                       const int8_t *x, size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups,
                       const struct group_kernels *kernels)
{
	_Alignas(64) int32_t sums[LONG_STEP_TOKENS * LONG_STEP_PANELS * LANES];
	int32_t firsts[LONG_STEP_TOKENS];
	float inverses[LONG_STEP_TOKENS];
	vfloat weights[LONG_STEP_PANELS][VECTORS];
	struct step_scales s = {y, y_stride, inverses, firsts, (const vfloat(*)[VECTORS])weights};
	struct tern_streaming streaming = groups->streaming;

	for (size_t t = 0, n_now; t < n_token; t += n_now) {
		n_now = n_token - t < LONG_STEP_TOKENS ? n_token - t : LONG_STEP_TOKENS;
		for (size_t p = 0, n; p < n_panel; p += n) {
			struct step step = {groups, 0, 0, p};
			const uint8_t *tile = panels + p * panel_stride;
			n = n_panel - p < LONG_STEP_PANELS ? n_panel - p : LONG_STEP_PANELS;
			s.y = y + t * y_stride + p * LANES;
			for (size_t c = 0; c < n_col; c += step.n_col, step.index++, tile = streaming.next) {
				const int8_t *x_now = x + t * x_stride + c;
				step.n_col = n_col - c < groups->n_col ? n_col - c : groups->n_col;
				gather_tokens(inverses, firsts, &step, t, n_now, x_now, x_stride);
				gather_weights(weights, &step, n, n * groups->scales_stride);
				streaming.next = tile + step.n_col / kernels->format->tile_cols * TERN_TILE_BYTES;
				kernels->dot(sums, tile, panel_stride, n, x_now, x_stride, n_now, step.n_col,
				             streaming);
				scale_sums(&s, sums, n_now, n);
			}
		}
	}
}

/* One step of all columns: the sums of any number of tokens are where the results will be. 0 is added, as to what was
 * there before the first step of several: it makes a -0 a 0. */
INLINE void one_step(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                     size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups,
                     const struct group_kernels *kernels)
{
	struct stream_parts parts = share_panels(n_panel, groups->streaming);
	struct step step = {groups, 0, n_col, 0};

	for (size_t p = 0; groups->scales && p < n_panel; p++)
		__builtin_prefetch(groups->scales + panel_at(&parts, p) * groups->scales_stride);
	kernels->dot((int32_t *)y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups->streaming);
	for (size_t p = 0; p < n_panel; p++) {
		vfloat weights[1][VECTORS];
		step.first_panel = panel_at(&parts, p);
		gather_weights(weights, &step, 1, 0);
		for (size_t t = 0; t < n_token; t++) {
			float inverse, *at = y + (t * n_panel + p) * LANES;
			int32_t first;
			gather_tokens(&inverse, &first, &step, t, 1, x + t * x_stride, 0);
			for (size_t v = 0; v < VECTORS; v++, at += VECTOR_LANES)
				store(at, __builtin_convertvector((vint)load(at) + first, vfloat) *
				                          (weights[0][v] * inverse) +
				                  0.0f);
		}
	}
}

INLINE void dot_steps(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                      size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups,
                      const struct group_kernels *kernels)
{
	size_t y_stride = n_panel * LANES;

	if (groups->n_col >= n_col) {
		one_step(y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups, kernels);
		return;
	}
	if (n_token == 1) {
		all_steps_of_token(y, panels, panel_stride, n_panel, x, n_col, groups, kernels->format);
		return;
	}
	memset(y, 0, n_token * y_stride * sizeof *y);
	if (groups->n_col > kernels->format->stretch_cols)
		long_steps(y, y_stride, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups, kernels);
#if HAS_STORED
	else if (n_token <= TOKENS_AT_ONCE || n_token <= groups->streaming.most_stored)
		short_steps_stored(y, y_stride, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups,
		                   kernels);
#endif
	else
		short_steps_unpacked(y, y_stride, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups,
		                     kernels->format);
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
