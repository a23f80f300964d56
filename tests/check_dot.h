/* Checks of the kernels for panels of codes and int8 activations, for check_kernels. */
#ifndef TESTS_CHECK_DOT_H
#define TESTS_CHECK_DOT_H

#include "base/sizes.h"
#include "check_cases.h"

#include <stdbool.h>
#include <stdlib.h>

/* Of n_panel panels; one token may read them in strips, which then are `apart` panels from each other. */
static struct tern_streaming any_streaming(size_t n_panel, size_t n_token)
{
	struct tern_streaming streaming = {
	        .n_stream = PICK(1, 2, 4), .prefetch = PICK(0, 64, 2048, 4096, 65536), .most_stored = PICK(0, 16, 64)};

	if (n_token == 1 && n_panel % streaming.n_stream == 0 && below(2))
		streaming.strip_stride = n_panel / streaming.n_stream + below(3);
	return streaming;
}

/* Panels from the first to the end of the last. */
static size_t panel_span(size_t n_panel, struct tern_streaming streaming)
{
	return streaming.strip_stride ? (streaming.n_stream - 1) * streaming.strip_stride + n_panel / streaming.n_stream
	                              : n_panel;
}

/* What the panels in a room may be followed by: what lies behind them, themselves, or any place in the room, before
 * them too. */
static const uint8_t *any_next(const struct room *room)
{
	size_t place = below(3);
	return place == 0 ? NULL : place == 1 ? room->data : room->start + below(ROOM_SIZE);
}

/* For failures. */
static const char *describe_streaming(const uint8_t *panels, struct tern_streaming streaming)
{
	static char text[128];
	char next[32] = "those behind";

	if (streaming.next)
		snprintf(next, sizeof next, "panels %+td", streaming.next - panels);
	snprintf(text, sizeof text, "%zu streams %zu apart, prefetch %zu, up to %zu tokens as stored, next %s",
	         streaming.n_stream, streaming.strip_stride, streaming.prefetch, streaming.most_stored, next);
	return text;
}

/* tile_cols: columns of a tile. */
static int check_dot(tern_dot_panels *kernel, tern_dot_panels *reference, int round, size_t tile_cols)
{
	size_t n_col = below(3) ? 16 * (1 + below(40)) : 16 * PICK(1, 2, 5, 10, 11, 20, 21, 22, 41, 160, 432);
	size_t n_panel = 1 + below(4), n_token = below(3) ? 1 + below(14) : PICK(1, 1, 2, 6, 7, 30, 37);
	int codes_fill = (int)below(9), x_fill = (int)below(6);

	if (round < 48) { /* first the extremes of 16-bit sums: each constant with each kind of x, one token and some */
		codes_fill = round / 2 % 6;
		x_fill = round / 12;
		n_token = round % 2 ? 2 + below(7) : 1;
		n_col = 16 * (22 + below(40));
	} else if (round < 50) { /* then the longest rows, where 32-bit sums are largest */
		codes_fill = 3;
		x_fill = 2;
		n_token = round % 2 ? 7 : 1;
		n_col = 65536;
	}
	if (n_token > 14)
		n_col = tern_smaller(n_col, 640);
	n_col = tern_divide_up(n_col, tile_cols) * tile_cols;
	if (n_col <= 640 && below(4) == 0) /* more panels than kernels take at once, in odd numbers too */
		n_panel = 5 + below(15);

	struct tern_streaming streaming = any_streaming(n_panel, n_token);
	size_t panel_bytes = n_col / tile_cols * TERN_TILE_BYTES;
	size_t panel_stride = panel_bytes + (below(2) ? 0 : below(100)), x_stride = n_col + (below(2) ? 0 : below(100));
	size_t n_sum = n_token * n_panel * TERN_PANEL_ROWS;
	int32_t *sums = place(&rooms[0], n_sum, sizeof *sums);
	uint8_t *panels = place(&rooms[1], (panel_span(n_panel, streaming) - 1) * panel_stride + panel_bytes, 1);
	int8_t *x = place(&rooms[2], (n_token - 1) * x_stride + n_col, 1);
	int32_t *expected = malloc(n_sum * sizeof *expected);

	if (!expected)
		exit(1);
	streaming.next = any_next(&rooms[1]);
	fill_bytes(panels, rooms[1].size, codes_fill);
	fill_activations(x, rooms[2].size, x_fill);
	run_case("n_panel %zu stride %zu, n_token %zu stride %zu, n_col %zu, fills %d %d, %s", n_panel, panel_stride,
	         n_token, x_stride, n_col, codes_fill, x_fill, describe_streaming(panels, streaming));
	kernel(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, streaming);
	reference(expected, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, streaming);
	int ok = same_integers("sums", sums, expected, n_sum) && rooms_intact(3);
	free(expected);
	return ok;
}

static int check_dot_ternary(const struct tern_kernels *kernels, int round)
{
	return check_dot(kernels->dot_ternary, tern_kernels_portable.dot_ternary, round, TERN_TERNARY_TILE_COLS);
}

static int check_dot_nibble(const struct tern_kernels *kernels, int round)
{
	return check_dot(kernels->dot_nibble, tern_kernels_portable.dot_nibble, round, TERN_NIBBLE_TILE_COLS);
}

static int check_dot_binary(const struct tern_kernels *kernels, int round)
{
	return check_dot(kernels->dot_binary, tern_kernels_portable.dot_binary, round, TERN_BINARY_TILE_COLS);
}

/* Random scales for a matrix of n_step steps of columns, or one scale for all of it. */
static void make_groups(struct tern_groups *g, size_t n_panel, size_t n_token, size_t n_step)
{
	bool is_whole = below(4) == 0;

	g->steps_per_scale = 1 + below(3);
	g->steps_per_x = 1 + below(3);
	g->scales_stride = tern_divide_up(n_step, g->steps_per_scale) * TERN_PANEL_ROWS;
	g->x_stride = tern_divide_up(n_step, g->steps_per_x) + below(3);
	g->matrix_scale = 0.37f;
	uint16_t *scales = place(&rooms[3], n_panel * g->scales_stride, sizeof *scales);
	float *x_inverse = place(&rooms[4], n_token * g->x_stride, sizeof *x_inverse);
	for (size_t i = 0; i < n_panel * g->scales_stride; i++)
		scales[i] = (uint16_t)below(0x7c00);
	for (size_t i = 0; i < n_token * g->x_stride; i++)
		x_inverse[i] = (float)(1 + below(1000)) * 1e-3f;
	g->scales = is_whole ? NULL : scales;
	g->x_inverse = x_inverse;
}

/* The sum of the activations of each entry; kernels read those of entries that cover one step. */
static void sum_steps(struct tern_activation *sums, const struct tern_groups *g, const int8_t *x, size_t x_stride,
                      size_t n_token, size_t n_col)
{
	for (size_t t = 0; t < n_token; t++)
		for (size_t c = 0; c < n_col; c++)
			sums[t * g->x_stride + c / g->n_col / g->steps_per_x].sum += x[t * x_stride + c];
}

typedef void dot_groups_kernel(float *y, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                               size_t x_stride, size_t n_token, size_t n_col, const struct tern_groups *groups);

static int check_groups(dot_groups_kernel *kernel, dot_groups_kernel *reference, int round, size_t tile_cols)
{
	struct tern_groups g = {.n_col = tile_cols * (1 + below(round % 2 ? 8 : 20))};
	size_t n_panel = 1 + below(11), n_token = round % 4 ? 1 + below(32) : 1, n_col = tile_cols * (1 + below(40));
	size_t panel_bytes = n_col / tile_cols * TERN_TILE_BYTES,
	       panel_stride = panel_bytes + (below(2) ? 0 : below(100));
	size_t x_stride = n_col + (below(2) ? 0 : below(100)), n_y = n_token * n_panel * TERN_PANEL_ROWS;
	float *y = place(&rooms[0], n_y, sizeof *y), *expected = malloc(n_y * sizeof *expected);
	g.streaming = any_streaming(n_panel, n_token);
	size_t span = panel_span(n_panel, g.streaming);
	uint8_t *panels = place(&rooms[1], (span - 1) * panel_stride + panel_bytes, 1);
	int8_t *x = place(&rooms[2], (n_token - 1) * x_stride + n_col, 1);

	make_groups(&g, span, n_token, tern_divide_up(n_col, g.n_col));
	g.streaming.next = any_next(&rooms[1]);
	struct tern_activation *sums = calloc(n_token * g.x_stride, sizeof *sums);
	if (!expected || !sums)
		exit(1);
	fill_bytes(panels, rooms[1].size, round % 3 ? 0 : 1);
	fill_activations(x, rooms[2].size, round % 5 ? 0 : 1);
	sum_steps(sums, &g, x, x_stride, n_token, n_col);
	g.x = sums;
	run_case("n_panel %zu stride %zu, n_token %zu stride %zu, n_col %zu, steps of %zu, %zu a scale, %zu an x, %s",
	         n_panel, panel_stride, n_token, x_stride, n_col, g.n_col, g.steps_per_scale, g.steps_per_x,
	         describe_streaming(panels, g.streaming));
	kernel(y, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &g);
	reference(expected, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &g);
	int ok = same_floats("y", y, expected, n_y) && rooms_intact(5);
	free(expected);
	free(sums);
	return ok;
}

static int check_dot_groups(const struct tern_kernels *kernels, int round)
{
	return check_groups(kernels->dot_groups, tern_kernels_portable.dot_groups, round, TERN_TERNARY_TILE_COLS);
}

static int check_dot_groups_binary(const struct tern_kernels *kernels, int round)
{
	return check_groups(kernels->dot_groups_binary, tern_kernels_portable.dot_groups_binary, round,
	                    TERN_BINARY_TILE_COLS);
}

#endif
