/* dot_groups() for every instruction set with vectors: the integer products of panels.h, a step of columns at a time,
 * and floats of lanes.h to scale and add them up. The file of an instruction set includes this one last, after it has
 * made
 *
 *     dot_ternary      its tern_dot_panels
 *     ternary_format   how its multiply_tile() wants ternary tiles unpacked
 *     multiply_tile    its multiply_panels for a constant number of tokens, at most TOKEN_TILE, of PANELS_MULTIPLIED
 *                      panels at once (a macro)
 *     multiply_scaled_tile()  if MULTIPLY_SCALED is defined: one that does as the one below, in registers
 *     token_sums()            if TOKEN_SUMS is defined: dot_ternary for one token and at most PANELS_IN_TURN panels,
 *                             which asks memory for what lies `ahead` bytes further on */
#ifndef TERN_KERNELS_GROUPS_H
#define TERN_KERNELS_GROUPS_H

enum {
	GROUP_FEW_TOKENS = 12, /* up to which unpacking does not pay */
	GROUP_PANELS = 8,      /* panels of a call of dot_ternary() for few tokens */
	GROUP_TOKENS = 128,    /* tokens whose scales are gathered at a time */
};

/* Adds (float)sums * (weight * inverse) to y for n_token tokens from `token` on and n_panel panels; sums are
 * [n_token, sums_stride]. */
INLINE void add_scaled(const struct scaled *s, const int32_t *sums, size_t sums_stride, size_t token, size_t n_token,
                       size_t n_panel)
{
	for (size_t p = 0; p < n_panel; p++)
		for (size_t t = 0; t < n_token; t++) {
			const int32_t *from = sums + t * sums_stride + p * LANES;
			float *y = s->y + (token + t) * s->y_stride + p * LANES;
			vfloat inverse = splat(s->inverses[token + t]);
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				vint sum;
				memcpy(&sum, from + v * VECTOR_LANES, sizeof sum);
				store(y + v * VECTOR_LANES,
				      load(y + v * VECTOR_LANES) +
				              __builtin_convertvector(sum, vfloat) * (s->weights[p][v] * inverse));
			}
		}
}

#ifndef MULTIPLY_SCALED
/* One step of n_token tokens from `token` on, n_token being a constant, with x of the first of all. */
INLINE void multiply_scaled_tile(const struct scaled *s, const struct stretch *panels, const int8_t *x, size_t x_stride,
                                 size_t token, size_t n_token)
{
	enum {
		WIDTH = PANELS_MULTIPLIED * LANES
	};
	_Alignas(64) int32_t sums[TOKEN_TILE * WIDTH];

	for (size_t t = 0; t < n_token; t++)
		for (size_t r = 0; r < WIDTH; r++)
			sums[t * WIDTH + r] = -s->corrections[token + t];
	multiply_tile(sums, WIDTH, panels, x + token * x_stride, x_stride, n_token);
	add_scaled(s, sums, WIDTH, token, n_token, panels->n_panel);
}
#endif

/* One step of any number of tokens. */
static void multiply_scaled(const struct scaled *s, const struct stretch *panels, const int8_t *x, size_t x_stride,
                            size_t n_token)
{
	size_t t = 0;

	for (; t + TOKEN_TILE <= n_token; t += TOKEN_TILE)
		multiply_scaled_tile(s, panels, x, x_stride, t, TOKEN_TILE);
	for (; t + 2 <= n_token; t += 2)
		multiply_scaled_tile(s, panels, x, x_stride, t, 2);
	if (t < n_token)
		multiply_scaled_tile(s, panels, x, x_stride, t, 1);
}

/* A step of columns of some panels. */
struct group_step {
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

/* Gathers the scales of n_token <= GROUP_TOKENS tokens from `first` on, and what the codes' +1 adds to their sums:
 * their activations, added up. x: of the first of them, in this step. */
INLINE void gather_tokens(float *inverses, int32_t *corrections, const struct group_step *step, size_t first,
                          size_t n_token, const int8_t *x, size_t x_stride)
{
	const struct tern_groups *g = step->groups;
	size_t at = first * g->x_stride + step->index / g->steps_per_x;

	for (size_t t = 0; t < n_token; t++, at += g->x_stride) {
		inverses[t] = g->x_inverse[at];
		corrections[t] = g->steps_per_x > 1 ? sum_int8(x + t * x_stride, step->n_col) : g->x[at].sum;
	}
}

INLINE void gather_weights(vfloat (*weights)[VECTORS], const struct group_step *step, size_t n_panel)
{
	const struct tern_groups *g = step->groups;
	size_t at = step->first_panel * g->scales_stride + step->index / g->steps_per_scale * LANES;

	for (size_t p = 0; p < n_panel; p++, at += g->scales_stride) {
		if (g->scales) /* those of the panels that come next */
			__builtin_prefetch(g->scales + at + n_panel * g->scales_stride);
		for (size_t v = 0; v < VECTORS; v++)
			weights[p][v] = g->scales ? LOAD_F16(g->scales + at + v * VECTOR_LANES) : splat(g->whole);
	}
}

#ifdef TOKEN_SUMS
/* All steps of one token and a few panels. */
static void steps_of_token(float *y, const struct tern_groups *groups, size_t first_panel, const uint8_t *panels,
                           size_t panel_stride, size_t n_panel, const int8_t *x, size_t n_col)
{
	_Alignas(64) int32_t sums[PANELS_IN_TURN * LANES];
	vfloat weights[PANELS_IN_TURN][VECTORS];
	size_t left = panel_stride; /* bytes of a panel */

	for (size_t c = 0, n; c < n_col; c += n) {
		struct group_step step = {groups, c / groups->n_col, 0, first_panel};
		int32_t correction;
		float inverse;
		struct scaled s = {y, 0, &inverse, &correction, (const vfloat(*)[VECTORS])weights};
		size_t n_bytes;

		n = n_col - c < groups->n_col ? n_col - c : groups->n_col;
		n_bytes = n / TERN_TERNARY_TILE_COLS * TERN_TILE_BYTES;
		step.n_col = n;
		gather_tokens(&inverse, &correction, &step, 0, 1, x + c, 0);
		gather_weights(weights, &step, n_panel);
		token_sums(sums, panels, panel_stride, n_panel, x + c, n,
		           left > PREFETCH + n_bytes ? PREFETCH : PREFETCH + (n_panel - 1) * panel_stride);
		for (size_t r = 0; r < n_panel * LANES; r++)
			sums[r] -= correction;
		add_scaled(&s, sums, 0, 0, 1, n_panel);
		panels += n_bytes;
		left -= n_bytes;
	}
}
#endif

/* A few tokens and up to GROUP_PANELS panels at once. */
static void step_of_few(float *y, size_t y_stride, const struct group_step *step, const uint8_t *panels,
                        size_t panel_stride, size_t n_panel, const int8_t *x, size_t x_stride, size_t n_token)
{
	_Alignas(64) int32_t sums[GROUP_FEW_TOKENS * GROUP_PANELS * LANES];
	int32_t corrections[GROUP_FEW_TOKENS];
	float inverses[GROUP_FEW_TOKENS];
	vfloat weights[GROUP_PANELS][VECTORS];
	struct scaled s = {y, y_stride, inverses, corrections, (const vfloat(*)[VECTORS])weights};
	size_t width = n_panel * LANES;

	gather_tokens(inverses, corrections, step, 0, n_token, x, x_stride);
	gather_weights(weights, step, n_panel);
	dot_ternary(sums, panels, panel_stride, n_panel, x, x_stride, n_token, step->n_col);
	for (size_t t = 0; t < n_token; t++)
		for (size_t r = 0; r < width; r++)
			sums[t * width + r] -= corrections[t];
	add_scaled(&s, sums, width, 0, n_token, n_panel);
}

/* Many tokens and one tile of panels, whose columns fit into a stretch. */
static void step_of_many(float *y, size_t y_stride, const struct group_step *step, const uint8_t *panels,
                         size_t panel_stride, size_t n_panel, const int8_t *x, size_t x_stride, size_t n_token)
{
	const size_t stretch_cols = ternary_format.n_tile * ternary_format.n_col;
	_Alignas(GROUP_BYTES) uint8_t codes[UNPACKED_BYTES];
	int32_t corrections[GROUP_TOKENS];
	float inverses[GROUP_TOKENS];
	vfloat weights[PANELS_MULTIPLIED][VECTORS];
	struct scaled s = {y, y_stride, inverses, corrections, (const vfloat(*)[VECTORS])weights};
	struct stretch unpacked = {.codes = codes,
	                           .panel_stride = stretch_cols * LANES,
	                           .n_panel = n_panel,
	                           .n_group = step->n_col / GROUP_COLS,
	                           .n_place = 1};

	gather_weights(weights, step, n_panel);
	for (size_t i = 0; i < PANELS_MULTIPLIED; i++)
		unpack_stretch(codes + i * unpacked.panel_stride,
		               panels + (i < n_panel ? i : n_panel - 1) * panel_stride, step->n_col, &ternary_format);
	for (size_t first = 0, n; first < n_token; first += n) {
		n = n_token - first < GROUP_TOKENS ? n_token - first : GROUP_TOKENS;
		gather_tokens(inverses, corrections, step, first, n, x + first * x_stride, x_stride);
		s.y = y + first * y_stride;
		multiply_scaled(&s, &unpacked, x + first * x_stride, x_stride, n);
	}
}

static void dot_groups(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups)
{
	size_t stretch_cols = ternary_format.n_tile * ternary_format.n_col, y_stride = n_panel * LANES;
	/* Steps that are longer than a stretch are left to dot_ternary() as well, a few tokens at a time. */
	bool in_stretch = groups->n_col <= stretch_cols || n_col <= stretch_cols;
	size_t token_step = in_stretch && n_token > GROUP_FEW_TOKENS ? n_token : GROUP_FEW_TOKENS;
	size_t panel_step = token_step > GROUP_FEW_TOKENS ? PANELS_MULTIPLIED : GROUP_PANELS;

	memset(y, 0, n_token * y_stride * sizeof *y);
#ifdef TOKEN_SUMS
	for (size_t p = 0, n; n_token == 1 && p < n_panel; p += n) {
		n = n_panel - p < PANELS_IN_TURN ? n_panel - p : PANELS_IN_TURN;
		steps_of_token(y + p * LANES, groups, p, panels + p * panel_stride, panel_stride, n, x, n_col);
	}
	if (n_token == 1)
		return;
#endif
	for (size_t t = 0, n_now; t < n_token; t += n_now) {
		struct tern_groups now = *groups;
		n_now = n_token - t < token_step ? n_token - t : token_step;
		now.x = groups->x + t * groups->x_stride;
		now.x_inverse = groups->x_inverse + t * groups->x_stride;
		for (size_t p = 0, n; p < n_panel; p += n) {
			n = n_panel - p < panel_step ? n_panel - p : panel_step;
			for (size_t c = 0; c < n_col; c += groups->n_col) {
				struct group_step step = {&now, c / groups->n_col,
				                          n_col - c < groups->n_col ? n_col - c : groups->n_col, p};
				(token_step > GROUP_FEW_TOKENS ? step_of_many : step_of_few)(
				        y + t * y_stride + p * LANES, y_stride, &step,
				        panels + p * panel_stride + c / TERN_TERNARY_TILE_COLS * TERN_TILE_BYTES,
				        panel_stride, n, x + t * x_stride + c, x_stride, n_now);
			}
		}
	}
}

#endif
