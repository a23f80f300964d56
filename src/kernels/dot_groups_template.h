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
	STEP_TOKENS = 256,     /* tokens whose activations are summed up at a time */
};

/* The results that the sums of a step are added to, and the scales they get. */
struct step_scales {
	float *y; /* of the first token and panel */
	size_t y_stride;
	const struct tern_activation *x; /* of the first token, x_stride apart: the sums, since codes are weights + 1 */
	size_t x_stride;
	const float *inverses; /* of the first token, inverses_stride apart */
	size_t inverses_stride;
	const vfloat (*weights)[VECTORS]; /* [n_panel] of the step; NULL: rows have one scale, which comes at the end */
	const vfloat (*rows)[VECTORS];    /* [n_panel] of whole rows in their last step; else NULL */
};

INLINE vfloat plus_scaled(const float *y, vint sum, vfloat scale)
{
	return load(y) + __builtin_convertvector(sum, vfloat) * scale;
}

/* Scales the sums of n_token tokens and n_panel panels, [n_token, n_panel * 16]. */
INLINE void scale_sums(const struct step_scales *s, const int32_t *sums, size_t n_token, size_t n_panel)
{
	for (size_t p = 0; p < n_panel; p++)
		for (size_t t = 0; t < n_token; t++) {
			const int32_t *from = sums + (t * n_panel + p) * LANES;
			float *y = s->y + t * s->y_stride + p * LANES;
			vfloat inverse = splat(s->inverses[t * s->inverses_stride]);
			int32_t x_sum = s->x[t * s->x_stride].sum;
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				vfloat total =
				        plus_scaled(y + v * VECTOR_LANES, load_ints(from + v * VECTOR_LANES) - x_sum,
				                    s->weights ? s->weights[p][v] * inverse : inverse);
				store(y + v * VECTOR_LANES, s->rows ? total * s->rows[p][v] : total);
			}
		}
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

/* Of a token's activations in a step, from x on; at: the entry that covers them. */
INLINE int32_t step_sum(const struct step *step, size_t at, const int8_t *x)
{
	return step->groups->steps_per_x > 1 ? sum_int8(x, step->n_col) : step->groups->x[at].sum;
}

/* Where the scales of n_token <= STEP_TOKENS tokens from token `first` on are, and their sums, which `sums` has room
 * for. x is that of token `first` at the first column of the step. */
INLINE void find_tokens(struct step_scales *s, struct tern_activation *sums, const struct step *step, size_t first,
                        size_t n_token, const int8_t *x, size_t x_stride)
{
	const struct tern_groups *g = step->groups;
	size_t at = first * g->x_stride + step->index / g->steps_per_x;

	s->inverses = g->x_inverse + at;
	s->x = g->x + at;
	s->inverses_stride = s->x_stride = g->x_stride;
	if (g->steps_per_x == 1)
		return;
	for (size_t t = 0; t < n_token; t++)
		sums[t].sum = sum_int8(x + t * x_stride, step->n_col);
	s->x = sums;
	s->x_stride = 1;
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
	bool has_rows = has_row_scales(groups, n_col);
	size_t n_until_scale = 0;
	vfloat weights[TERN_MAX_STREAMS][VECTORS];

	memset(y, 0, n_panel * LANES * sizeof *y);
	for (struct step step = {groups, 0, 0, 0}; n_col > 0; n_col -= n, x += n, step.index++, n_until_scale--) {
		vint sum[TERN_MAX_STREAMS][VECTORS];
		size_t at = step.index / groups->steps_per_x;
		float inverse = groups->x_inverse[at];
		step.n_col = n = n_col < groups->n_col ? n_col : groups->n_col;
		int32_t x_sum = step_sum(&step, at, x);
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
				store(y + p * LANES + v * VECTOR_LANES,
				      plus_scaled(y + p * LANES + v * VECTOR_LANES, sum[p][v] - x_sum,
				                  has_rows ? splat(inverse) : weights[p][v] * inverse));
		}
		panels += n / format->tile_cols * TERN_TILE_BYTES;
		end.n_left -= n / format->tile_cols;
	}
	for (size_t p = 0; has_rows && p < n_panel; p++)
		for (size_t v = 0; v < VECTORS; v++, y += VECTOR_LANES)
			store(y, load(y) * weights[p][v]);
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

/* A stretch of a step. */
struct scaled_multiplication {
	struct multiplication products; /* without sums */
	const struct step_scales *scales;
};

/* Scales the sums of n_token tokens from `token` on, while they are in registers. n_token is a constant, the last three
 * parameters may be. */
INLINE void scale_turn(const struct step_scales *s, vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], size_t token,
                       size_t n_token, size_t n_panel, bool has_weights, bool ends_rows)
{
	const float *inverses = s->inverses + token * s->inverses_stride;
	float *y = s->y + token * s->y_stride;

	UNROLL
	for (size_t t = 0; t < n_token; t++, y += s->y_stride, inverses += s->inverses_stride) {
		vfloat inverse = splat(*inverses);
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
			if (p >= n_panel)
				continue;
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				float *at = y + p * LANES + v * VECTOR_LANES;
				vfloat total = plus_scaled(at, sum[t][p][v],
				                           has_weights ? s->weights[p][v] * inverse : inverse);
				store(at, ends_rows ? total * s->rows[p][v] : total);
			}
		}
	}
}

/* A turn. */
INLINE void multiply_and_scale(const void *task, size_t token, size_t n_token, size_t codes_per_byte)
{
	const struct scaled_multiplication *m = task;
	const struct step_scales s = *m->scales; /* a copy, which storing results cannot change */
	const struct tern_activation *x = s.x + token * s.x_stride;
	const size_t n_panel = m->products.stretch->n_panel;
	vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS];
	int32_t firsts[TOKENS_AT_ONCE];

	prefetch_share(&m->products.stretch->next, token, n_token, m->products.n_token);
	UNROLL
	for (size_t t = 0; t < n_token; t++, x += s.x_stride)
		firsts[t] = -x->sum;
	multiply(sum, &m->products, token, n_token, firsts, codes_per_byte);
	if (n_panel < PANELS_AT_ONCE)
		scale_turn(&s, sum, token, n_token, n_panel, s.weights != NULL, s.rows != NULL);
	else if (s.weights)
		scale_turn(&s, sum, token, n_token, PANELS_AT_ONCE, true, false);
	else if (s.rows)
		scale_turn(&s, sum, token, n_token, PANELS_AT_ONCE, false, true);
	else
		scale_turn(&s, sum, token, n_token, PANELS_AT_ONCE, false, false);
}

/* A step of any number of tokens, unpacked. */
NOINLINE void scale_quads(const struct step_scales *s, const struct stretch *stretch, const int8_t *x, size_t x_stride,
                          size_t n_token)
{
	const struct scaled_multiplication task = {
	        {.stretch = stretch, .x = x, .x_stride = x_stride, .n_token = n_token}, s};
	take_turns(multiply_and_scale, &task, n_token, 1);
}

/* One step that fits into a stretch, of any number of tokens and at most PANELS_AT_ONCE panels. has_rows: rows have one
 * scale. */
INLINE void short_step(float *y, size_t y_stride, const struct step *step, const struct stretch *stretch,
                       const int8_t *x, size_t x_stride, size_t n_token, bool has_rows, bool is_last)
{
	struct tern_activation sums[STEP_TOKENS];
	vfloat weights[PANELS_AT_ONCE][VECTORS];
	const vfloat(*const gathered)[VECTORS] = (const vfloat(*)[VECTORS])weights;
	struct step_scales s = {.y_stride = y_stride,
	                        .weights = has_rows ? NULL : gathered,
	                        .rows = has_rows && is_last ? gathered : NULL};

	if (!has_rows || is_last)
		gather_weights(weights, step, stretch->n_panel, stretch->n_panel * step->groups->scales_stride);
	for (size_t first = 0, n; first < n_token; first += n) {
		n = n_token - first < STEP_TOKENS ? n_token - first : STEP_TOKENS;
		find_tokens(&s, sums, step, first, n, x + first * x_stride, x_stride);
		s.y = y + first * y_stride;
		scale_quads(&s, stretch, x + first * x_stride, x_stride, n);
	}
}

/* Steps of some panels of any number of tokens, y is 0. */
INLINE void short_steps_unpacked(float *y, size_t y_stride, const uint8_t *panels, size_t panel_stride, size_t n_panel,
                                 const int8_t *x, size_t x_stride, size_t n_token, size_t n_col,
                                 const struct tern_groups *groups, const struct tile_format *format)
{
	_Alignas(QUAD_BYTES) uint8_t quads[UNPACKED_BYTES];
	const bool has_rows = has_row_scales(groups, n_col);
	struct stretch stretch = {.codes = quads, .panel_stride = format->stretch_cols * LANES};

	for (size_t p = 0; p < n_panel; p += stretch.n_panel) {
		struct step step = {groups, 0, 0, p};
		stretch.n_panel = n_panel - p < PANELS_AT_ONCE ? n_panel - p : PANELS_AT_ONCE;
		for (size_t c = 0; c < n_col; c += step.n_col, step.index++) {
			const uint8_t *tiles = panels + p * panel_stride + c / format->tile_cols * TERN_TILE_BYTES;
			step.n_col = n_col - c < groups->n_col ? n_col - c : groups->n_col;
			bool is_last = c + step.n_col == n_col;
			stretch.n_quad = step.n_col / QUAD_COLS;
			stretch.next = (struct tile_block){tiles + step.n_col / format->tile_cols * TERN_TILE_BYTES,
			                                   panel_stride, groups->n_col / format->tile_cols};
			if (is_last)
				stretch.next.first = panels + (p + stretch.n_panel) * panel_stride;
			unpack(quads, stretch.panel_stride, tiles, panel_stride, stretch.n_panel, step.n_col, format);
			short_step(y + p * LANES, y_stride, &step, &stretch, x + c, x_stride, n_token, has_rows,
			           is_last);
		}
	}
}

#if HAS_STORED
/* All steps of some tokens and of PANELS_AT_ONCE panels as they are stored, or of one panel, which then takes the place
 * of all of them. What they add up to stays in registers or near them. */
struct stored_rows {
	const struct tern_groups *groups;
	float *y; /* of the first token and panel */
	size_t y_stride;
	struct stretch stretch; /* of the first step; next: all of the panels that follow */
	struct stream_end end;
	size_t first_panel;
	const int8_t *x; /* of the first token */
	size_t x_stride, n_token, n_col;
};

/* Adds the sums of a step, multiplied by its scales, to those of the steps before. n_token is a constant. */
INLINE void add_step(vfloat total[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS],
                     vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const float *inverses, size_t inverses_stride,
                     size_t n_token, const vfloat (*weights)[VECTORS])
{
	UNROLL
	for (size_t t = 0; t < n_token; t++, inverses += inverses_stride) {
		vfloat inverse = splat(*inverses);
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				total[t][p][v] += __builtin_convertvector(sum[t][p][v], vfloat) *
				                  (weights ? weights[p][v] * inverse : inverse);
		}
	}
}

/* Stores the results of n_token tokens from `token` on, a constant. */
INLINE void store_rows(const struct stored_rows *rows, vfloat total[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS],
                       size_t token, size_t n_token, bool has_rows)
{
	const struct step step = {.groups = rows->groups, .first_panel = rows->first_panel};
	const size_t n_panel = rows->stretch.n_panel;
	float *y = rows->y + token * rows->y_stride;
	vfloat weights[PANELS_AT_ONCE][VECTORS];

	if (has_rows)
		gather_weights(weights, &step, n_panel, n_panel * step.groups->scales_stride);
	UNROLL
	for (size_t t = 0; t < n_token; t++, y += rows->y_stride) {
		UNROLL
		for (size_t p = 0; p < PANELS_AT_ONCE; p++) {
			if (p >= n_panel)
				continue;
			UNROLL
			for (size_t v = 0; v < VECTORS; v++)
				store(y + p * LANES + v * VECTOR_LANES,
				      has_rows ? total[t][p][v] * weights[p][v] : total[t][p][v]);
		}
	}
}

/* A turn. Where there are several, they prefetch the panels that follow: the first turn would else wait for memory,
 * while the others do not read from there. */
INLINE void multiply_rows(const void *task, size_t token, size_t n_token, size_t codes_per_byte)
{
	const struct stored_rows *rows = task;
	const struct tern_groups *g = rows->groups;
	const bool has_rows = has_row_scales(g, rows->n_col);
	const size_t tile_cols = codes_per_byte * QUAD_COLS, work = rows->n_token * rows->n_col;
	const int8_t *x = rows->x + token * rows->x_stride;
	struct step step = {g, 0, 0, rows->first_panel};
	struct stretch stretch = rows->stretch;
	struct stream_end end = rows->end;
	vfloat total[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], weights[PANELS_AT_ONCE][VECTORS];

	UNROLL
	for (size_t t = 0; t < n_token; t++)
		memset(total[t], 0, sizeof total[t]);
	for (size_t c = 0; c < rows->n_col; c += step.n_col, step.index++) {
		vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS];
		int32_t firsts[TOKENS_AT_ONCE];
		size_t entry = token * g->x_stride + step.index / g->steps_per_x;
		step.n_col = tern_smaller(rows->n_col - c, g->n_col);
		if (rows->n_token > TOKENS_AT_ONCE)
			prefetch_share(&stretch.next, token * rows->n_col + n_token * c, n_token * step.n_col, work);
		stretch.n_quad = step.n_col / QUAD_COLS;
		stretch.prefetch = prefetch_distance(g->streaming.prefetch, end);
		UNROLL
		for (size_t t = 0; t < n_token; t++)
			firsts[t] = -step_sum(&step, entry + t * g->x_stride, x + c + t * rows->x_stride);
		multiply_stored(sum, &stretch, x + c, rows->x_stride, n_token, firsts, codes_per_byte);
		if (has_rows)
			add_step(total, sum, g->x_inverse + entry, g->x_stride, n_token, NULL);
		else {
			gather_weights(weights, &step, stretch.n_panel, 0);
			add_step(total, sum, g->x_inverse + entry, g->x_stride, n_token,
			         (const vfloat(*)[VECTORS])weights);
		}
		stretch.codes += step.n_col / tile_cols * TERN_TILE_BYTES;
		end.n_left -= step.n_col / tile_cols;
	}
	store_rows(rows, total, token, n_token, has_rows);
}

NOINLINE void multiply_ternary_rows(const struct stored_rows *rows)
{
	take_turns(multiply_rows, rows, rows->n_token, 4);
}

NOINLINE void multiply_binary_rows(const struct stored_rows *rows)
{
	take_turns(multiply_rows, rows, rows->n_token, 8);
}
#endif

/* What sets the kinds of panel apart. A pointer to it is a constant at every call. */
struct stored_rows;
struct group_kernels {
	const struct tile_format *format;
	tern_dot_panels *dot;
	void (*stored_rows)(const struct stored_rows *rows); /* NULL unless HAS_STORED */
};

static const struct group_kernels ternary_groups = {&ternary_format, dot_ternary, IF_STORED(multiply_ternary_rows)};
static const struct group_kernels binary_groups = {&binary_format, dot_binary, IF_STORED(multiply_binary_rows)};

#if HAS_STORED
/* Any number of panels; see dot_stored(). */
INLINE void dot_stored_rows(float *y, size_t y_stride, const uint8_t *panels, size_t panel_stride, size_t n_panel,
                            const int8_t *x, size_t x_stride, size_t n_token, size_t n_col,
                            const struct tern_groups *groups, const struct group_kernels *kernels)
{
	const size_t n_tile = n_col / kernels->format->tile_cols;
	const uint8_t *const next = groups->streaming.next;
	struct stored_rows rows = {.groups = groups,
	                           .y_stride = y_stride,
	                           .x = x,
	                           .x_stride = x_stride,
	                           .n_token = n_token,
	                           .n_col = n_col};

	rows.stretch.next = (struct tile_block){NULL, panel_stride, n_tile};
	for (size_t p = 0; p < n_panel; p += rows.stretch.n_panel) {
		bool is_one = n_panel - p < PANELS_AT_ONCE;
		rows.y = y + p * LANES;
		rows.first_panel = p;
		rows.stretch.n_panel = is_one ? 1 : PANELS_AT_ONCE;
		rows.stretch.panel_stride = is_one ? 0 : panel_stride;
		rows.stretch.codes = panels + p * panel_stride;
		rows.stretch.next.first = panels + (p + rows.stretch.n_panel) * panel_stride;
		if (next && p + rows.stretch.n_panel == n_panel)
			rows.stretch.next.first = next;
		rows.end = end_of_panels(panels, panel_stride, p, p + rows.stretch.n_panel, n_panel, n_tile, next);
		kernels->stored_rows(&rows);
	}
}
#endif

/* Steps that are longer than a stretch, for a few tokens at a time. */
INLINE void long_steps(float *y, size_t y_stride, const uint8_t *panels, size_t panel_stride, size_t n_panel,
                       const int8_t *x, size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups,
                       const struct group_kernels *kernels)
{
	_Alignas(64) int32_t sums[LONG_STEP_TOKENS * LONG_STEP_PANELS * LANES];
	struct tern_activation x_sums[LONG_STEP_TOKENS];
	vfloat weights[LONG_STEP_PANELS][VECTORS];
	const bool has_rows = has_row_scales(groups, n_col);
	const vfloat(*const gathered)[VECTORS] = (const vfloat(*)[VECTORS])weights;
	struct step_scales s = {.y_stride = y_stride, .weights = has_rows ? NULL : gathered};
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
				find_tokens(&s, x_sums, &step, t, n_now, x_now, x_stride);
				s.rows = has_rows && c + step.n_col == n_col ? gathered : NULL;
				if (!has_rows || s.rows)
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
			size_t entry = t * groups->x_stride;
			int32_t x_sum = step_sum(&step, entry, x + t * x_stride);
			float inverse = groups->x_inverse[entry], *at = y + (t * n_panel + p) * LANES;
			for (size_t v = 0; v < VECTORS; v++, at += VECTOR_LANES)
				store(at, (__builtin_convertvector((vint)load(at) - x_sum, vfloat) * inverse + 0.0f) *
				                  weights[0][v]);
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
#if HAS_STORED
	if (n_token <= TOKENS_AT_ONCE || n_token <= groups->streaming.most_stored) {
		dot_stored_rows(y, y_stride, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups,
		                kernels);
		return;
	}
#endif
	memset(y, 0, n_token * y_stride * sizeof *y);
	if (groups->n_col > kernels->format->stretch_cols)
		long_steps(y, y_stride, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, groups, kernels);
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
