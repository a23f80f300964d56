/* The speed of tern-tune's float products next to the limit of the instruction set: the three products of a projection
 * in training, for the shapes of tern-tiny and of a 25 M model.
 *
 *     tune_speed [THREADS [SECONDS]]
 *
 * What else runs on the machine slows peak and products alike, but not at the same moment: all are measured in turn for
 * as long as is asked, and the best of each counts. */
#include "base/clock.h"
#include "base/memory.h"
#include "tune/product.h"
#include "tune/product_select.h"

#include <stdio.h>
#include <stdlib.h>

struct shape {
	size_t n_token, n_row, n_col;
	int n_in_layer; /* projections of a layer that have it */
};

static const struct shape shapes[] = {{3200, 256, 256, 2},  {3200, 128, 256, 2}, {3200, 512, 256, 2},
                                      {3200, 256, 512, 1},  {2048, 512, 512, 2}, {2048, 256, 512, 2},
                                      {2048, 1408, 512, 2}, {2048, 512, 1408, 1}};

enum which {
	FORWARD,
	BY_INPUT,
	BY_WEIGHT,
	N_PRODUCTS,
	N_SHAPES = sizeof shapes / sizeof *shapes,
	SHAPES_PER_MODEL = N_SHAPES / 2,
	MAX_TOKENS = 3200,
	MAX_WIDTH = 1408,
	MAX_WEIGHTS = 1408 * 512,
};

struct buffers {
	float *x, *w, *y;
};

static double operations(struct shape s) { return 2.0 * (double)s.n_token * (double)s.n_row * (double)s.n_col; }

/* x [n_token, n_col], W [n_row, n_col]: y = x W^T, dx = dy W, dW += dy^T x. Returns operations per second. */
static double measure(const struct product *product, enum which which, struct shape s, const struct buffers *b)
{
	uint64_t start = tern_clock_ns();

	if (which == FORWARD)
		product_run(product, b->y, s.n_row, (struct view){b->x, s.n_col, 1}, (struct view){b->w, 1, s.n_col},
		            s.n_token, s.n_row, s.n_col, false);
	else if (which == BY_INPUT)
		product_run(product, b->x, s.n_col, (struct view){b->y, s.n_row, 1}, (struct view){b->w, s.n_col, 1},
		            s.n_token, s.n_col, s.n_row, false);
	else
		product_run(product, b->w, s.n_col, (struct view){b->y, 1, s.n_row}, (struct view){b->x, s.n_col, 1},
		            s.n_row, s.n_col, s.n_token, true);
	return operations(s) / ((double)(tern_clock_ns() - start) * 1e-9);
}

static void keep_best(double *best, double now) { *best = now > *best ? now : *best; }

/* The numbers do not matter, but that none of them is subnormal or grows without bound. */
static void fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(i % 7) * 0.01f;
}

/* Operations per second of all products of a layer, whose shapes are those from `first` on. */
static double rate_of_layer(double best[N_SHAPES][N_PRODUCTS], size_t first)
{
	double n = 0, seconds = 0;

	for (size_t i = first; i < first + SHAPES_PER_MODEL; i++)
		for (int which = 0; which < N_PRODUCTS; which++) {
			n += shapes[i].n_in_layer * operations(shapes[i]);
			seconds += shapes[i].n_in_layer * operations(shapes[i]) / best[i][which];
		}
	return n / seconds;
}

static void run(const struct product *product, double seconds, const struct buffers *b)
{
	static const char *const names[] = {"forward", "by input", "by weight"};
	double best[N_SHAPES][N_PRODUCTS] = {{0}}, peak = 0;
	uint64_t begin = tern_clock_ns();

	while ((double)(tern_clock_ns() - begin) * 1e-9 < seconds) {
		for (size_t i = 0; i < N_SHAPES; i++)
			for (int which = 0; which < N_PRODUCTS; which++) {
				keep_best(&peak, product_measure_peak(product, 0.001));
				keep_best(&best[i][which], measure(product, (enum which)which, shapes[i], b));
			}
		fill(b->x, (size_t)MAX_TOKENS * MAX_WIDTH);
		fill(b->w, MAX_WEIGHTS);
		fill(b->y, (size_t)MAX_TOKENS * MAX_WIDTH);
	}
	printf("%s, %d threads: peak %.1f GFLOP/s; each product's GFLOP/s and share\n", product->kernel->name,
	       tern_pool_size(product->pool), peak * 1e-9);
	for (size_t i = 0; i < N_SHAPES; i++) {
		printf("  %4zu tokens, [%4zu, %4zu]:", shapes[i].n_token, shapes[i].n_row, shapes[i].n_col);
		for (int which = 0; which < N_PRODUCTS; which++)
			printf("  %s %6.1f (%.2f)", names[which], best[i][which] * 1e-9, best[i][which] / peak);
		putchar('\n');
	}
	printf("  all products of a layer: tern-tiny %.1f (%.2f), 25 M %.1f (%.2f)\n", rate_of_layer(best, 0) * 1e-9,
	       rate_of_layer(best, 0) / peak, rate_of_layer(best, SHAPES_PER_MODEL) * 1e-9,
	       rate_of_layer(best, SHAPES_PER_MODEL) / peak);
}

int main(int argc, char **argv)
{
	struct buffers b = {tern_alloc_huge((size_t)MAX_TOKENS * MAX_WIDTH, sizeof(float)),
	                    tern_alloc_huge(MAX_WEIGHTS, sizeof(float)),
	                    tern_alloc_huge((size_t)MAX_TOKENS * MAX_WIDTH, sizeof(float))};
	struct tern_error err;
	struct tern_pool *pool;

	if (!b.x || !b.w || !b.y || tern_pool_new(&pool, argc > 1 ? atoi(argv[1]) : 2, &err))
		return 1;
	for (size_t i = 1; tern_kernels_built()[i]; i++) {
		struct product product;
		if (!tern_kernels_usable(tern_kernels_built()[i]))
			continue;
		if (!product_init(&product, product_kernel_of(tern_kernels_built()[i]), pool))
			return 1;
		run(&product, argc > 2 ? atof(argv[2]) : 10, &b);
		product_free(&product);
	}
	tern_pool_free(pool);
	tern_free(b.x), tern_free(b.w), tern_free(b.y);
	return 0;
}
