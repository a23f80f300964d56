/* Products of float matrices: every instruction set, any number of threads and the serial form give the bits of the
 * definition, for odd shapes and all orders of storage. */
#include "test.h"

#include "tune/product.h"
#include "tune/product_select.h"

#include <math.h>
#include <string.h>

enum {
	MAX = 260 * 260
};

static float a[MAX], b[MAX], c[MAX], expected[MAX];

static void fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)((int64_t)(test_random() % 2001) - 1000) * 1e-3f;
}

static void define(struct view x, struct view y, size_t m, size_t n, size_t k, bool accumulate)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			float sum = accumulate ? expected[i * n + j] : 0.0f;
			for (size_t p = 0; p < k; p++)
				sum = fmaf(x.at[i * x.row_stride + p * x.column_stride],
				           y.at[p * y.row_stride + j * y.column_stride], sum);
			expected[i * n + j] = sum;
		}
}

static void check_shape(const struct product *product, size_t m, size_t n, size_t k)
{
	for (int form = 0; form < 16; form++) {
		bool a_rows = form & 1, b_rows = form & 2, accumulate = form & 4, serial = form & 8;
		struct view x = {a, a_rows ? k : 1, a_rows ? 1 : m}, y = {b, b_rows ? n : 1, b_rows ? 1 : k};
		fill(a, m * k);
		fill(b, k * n);
		fill(c, m * n);
		memcpy(expected, c, m * n * sizeof *c);
		define(x, y, m, n, k, accumulate);
		if (serial)
			product_serial(product, 0, c, n, x, y, m, n, k, accumulate);
		else
			product_run(product, c, n, x, y, m, n, k, accumulate);
		CHECK(memcmp(c, expected, m * n * sizeof *c) == 0, "%s, %d threads: [%zu, %zu] x [%zu, %zu], form %d",
		      product->kernel->name, tern_pool_size(product->pool), m, k, k, n, form);
	}
}

int main(void)
{
	static const size_t shapes[][3] = {{1, 1, 1},  {12, 32, 5},    {13, 33, 193}, {5, 70, 192},
	                                   {97, 9, 1}, {200, 130, 50}, {24, 64, 256}, {3, 200, 200}};

	for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
		struct tern_error err;
		struct tern_pool *pool;
		if (tern_pool_new(&pool, n_threads, &err))
			return 1;
		for (size_t i = 0; tern_kernels_built()[i]; i++) {
			const struct tern_kernels *table = tern_kernels_built()[i];
			struct product product;
			if (!tern_kernels_usable(table))
				continue;
			if (!product_init(&product, product_kernel_of(table), pool))
				return 1;
			for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
				check_shape(&product, shapes[s][0], shapes[s][1], shapes[s][2]);
			product_free(&product);
		}
		tern_pool_free(pool);
	}
	return test_summary();
}
