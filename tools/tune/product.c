/* How a product runs: each task has a block of c and goes through k by DEPTH steps. Of these it packs a slab of columns
 * of b and then, one after the other, slabs of rows of a, so that a kernel reads both in order, and multiplies them
 * patch by patch. Nothing is shared: threads wait for each other at the end alone. */
#include "tune/product.h"

#include "base/cache.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "tune/transpose.h"

#include <string.h>

enum {
	DEPTH = 256,        /* steps of k between loading and storing a patch of c: a panel of a is 12 KiB, for L1 */
	SLAB_ROWS = 96,     /* of a: 96 KiB, for L2; a multiple of every kernel's rows */
	SLAB_COLUMNS = 512, /* of b: 512 KiB; a multiple of every kernel's columns */
	OWN_ROWS = SLAB_ROWS * DEPTH,
	OWN = OWN_ROWS + SLAB_COLUMNS * DEPTH, /* floats of a thread */
	/* c is divided into as many blocks at most, as long as they are larger than that many elements: packing a and b
	 * for small blocks costs more than an even division gains. */
	BLOCKS_PER_THREAD = 4,
	SMALL_BLOCK = 256 * 256,
	LINE = TERN_CACHE_LINE / sizeof(float),
};

bool product_init(struct product *product, const struct product_kernel *kernel, struct tern_pool *pool)
{
	*product = (struct product){.kernel = kernel, .pool = pool};
	product->own = tern_alloc_aligned((size_t)tern_pool_size(pool) * OWN, sizeof(float));
	return product->own;
}

void product_free(struct product *product)
{
	tern_free(product->own);
	*product = (struct product){0};
}

static const float *element(struct view x, size_t row, size_t column)
{
	return x.at + row * x.row_stride + column * x.column_stride;
}

/* ---- packing ---- */

/* Where `width` is a constant a row is a few vector moves and not a call of memcpy(). */
static inline void copy_rows(float *to, const float *at, size_t k_stride, size_t k, size_t width)
{
	for (size_t p = 0; p < k; p++)
		memcpy(to + p * width, at + p * k_stride, width * sizeof *to);
}

static void copy_panel(float *to, const float *at, size_t k_stride, size_t k, size_t width)
{
	switch (width) {
	case 4:
		copy_rows(to, at, k_stride, k, 4);
		break;
	case 6:
		copy_rows(to, at, k_stride, k, 6);
		break;
	case 12:
		copy_rows(to, at, k_stride, k, 12);
		break;
	case 16:
		copy_rows(to, at, k_stride, k, 16);
		break;
	case 32:
		copy_rows(to, at, k_stride, k, 32);
		break;
	default:
		copy_rows(to, at, k_stride, k, width);
	}
}

/* Of vectors whose elements are contiguous. */
static void transpose_panel(float *to, const float *at, size_t vector_stride, size_t k, size_t width)
{
	size_t i = 0, p;

	for (; i + 4 <= width; i += 4) {
		for (p = 0; p + 4 <= k; p += 4)
			transpose_4x4(to + p * width + i, width, at + i * vector_stride + p, vector_stride);
		for (; p < k; p++)
			for (size_t j = i; j < i + 4; j++)
				to[p * width + j] = at[j * vector_stride + p];
	}
	for (; i < width; i++)
		for (p = 0; p < k; p++)
			to[p * width + i] = at[i * vector_stride + p];
}

/* Packs n vectors of k elements into panels of `width` vectors: element p of vector i of a panel goes to
 * panel[p * width + i]. Zeros fill the last panel. */
static void pack(float *to, const float *at, size_t vector_stride, size_t k_stride, size_t n, size_t k, size_t width)
{
	for (; n >= width; n -= width, to += k * width, at += width * vector_stride)
		if (vector_stride == 1)
			copy_panel(to, at, k_stride, k, width);
		else
			transpose_panel(to, at, vector_stride, k, width);
	if (n == 0)
		return;
	memset(to, 0, k * width * sizeof *to);
	for (size_t p = 0; p < k; p++)
		for (size_t i = 0; i < n; i++)
			to[p * width + i] = at[i * vector_stride + p * k_stride];
}

/* ---- prefetching what is packed next ---- */

/* Rows of memory as columns of cache lines: the kernel prefetches one column while it computes a patch. Whole depths
 * alone, and where vectors are contiguous the CPU sees by itself what comes next. */
struct ahead {
	const float *at;
	size_t stride, n_lines;
};

static struct ahead ahead_of(struct view x, size_t width, size_t from, size_t k)
{
	if (x.column_stride != 1 || from + DEPTH > k)
		return (struct ahead){0};
	return (struct ahead){x.at + from * x.row_stride, x.row_stride, tern_divide_up(width, LINE)};
}

static bool take_line(struct ahead *ahead, const float **at, size_t *stride)
{
	if (ahead->n_lines == 0)
		return false;
	*at = ahead->at;
	*stride = ahead->stride;
	ahead->at += LINE;
	ahead->n_lines--;
	return true;
}

/* ---- patches ---- */

/* A patch of which only n_row rows and n_column columns are in c. */
static void multiply_edge(const struct product_kernel *kernel, float *c, size_t c_stride, const float *a,
                          const float *b, size_t n_row, size_t n_column, size_t k, bool accumulate)
{
	float patch[PRODUCT_MAX_ROWS * PRODUCT_MAX_COLUMNS] = {0};

	for (size_t i = 0; accumulate && i < n_row; i++)
		memcpy(patch + i * kernel->n_column, c + i * c_stride, n_column * sizeof *c);
	kernel->multiply(patch, kernel->n_column, a, b, k, accumulate, a, 0);
	for (size_t i = 0; i < n_row; i++)
		memcpy(c + i * c_stride, patch + i * kernel->n_column, n_column * sizeof *c);
}

/* Packed rows times packed columns: c is [m, n]. A panel of rows stays in L1 while all columns pass. */
static void multiply_slabs(const struct product_kernel *kernel, float *c, size_t c_stride, const float *a,
                           const float *b, size_t m, size_t n, size_t k, bool accumulate, struct ahead ahead[2])
{
	for (size_t i = 0; i < m; i += kernel->n_row)
		for (size_t j = 0; j < n; j += kernel->n_column) {
			float *patch = c + i * c_stride + j;
			const float *rows = a + i * k, *columns = b + j * k, *next = rows;
			size_t n_row = tern_smaller(kernel->n_row, m - i),
			       n_column = tern_smaller(kernel->n_column, n - j);
			size_t stride = 0;
			if (n_row < kernel->n_row || n_column < kernel->n_column) {
				multiply_edge(kernel, patch, c_stride, rows, columns, n_row, n_column, k, accumulate);
				continue;
			}
			if (!take_line(&ahead[0], &next, &stride))
				take_line(&ahead[1], &next, &stride);
			kernel->multiply(patch, c_stride, rows, columns, k, accumulate, next, stride);
		}
}

/* ---- by one thread ---- */

void product_serial(const struct product *product, int worker, float *c, size_t c_stride, struct view a, struct view b,
                    size_t m, size_t n, size_t k, bool accumulate)
{
	const struct product_kernel *kernel = product->kernel;
	float *rows = product->own + (size_t)worker * OWN, *columns = rows + OWN_ROWS;
	struct view a_transposed = {.at = a.at, .row_stride = a.column_stride, .column_stride = a.row_stride};

	for (size_t p = 0; p < k; p += DEPTH) {
		size_t depth = tern_smaller(DEPTH, k - p);
		struct ahead ahead[2] = {ahead_of(b, n, p + DEPTH, k), ahead_of(a_transposed, m, p + DEPTH, k)};
		for (size_t j = 0; j < n; j += SLAB_COLUMNS) {
			size_t n_now = tern_smaller(SLAB_COLUMNS, n - j);
			pack(columns, element(b, p, j), b.column_stride, b.row_stride, n_now, depth, kernel->n_column);
			for (size_t i = 0; i < m; i += SLAB_ROWS) {
				size_t m_now = tern_smaller(SLAB_ROWS, m - i);
				pack(rows, element(a, i, p), a.row_stride, a.column_stride, m_now, depth,
				     kernel->n_row);
				multiply_slabs(kernel, c + i * c_stride + j, c_stride, rows, columns, m_now, n_now,
				               depth, accumulate || p > 0, ahead);
			}
		}
	}
}

/* ---- by all threads ---- */

struct job {
	const struct product *product;
	float *c;
	size_t c_stride;
	struct view a, b;
	size_t m, n, k;
	bool accumulate;
	size_t n_rows, n_columns; /* of a block of c */
};

static size_t n_blocks(const struct job *job)
{
	return tern_divide_up(job->m, job->n_rows) * tern_divide_up(job->n, job->n_columns);
}

/* Halves the longer side, in whole patches. */
static void divide(struct job *job)
{
	const struct product_kernel *kernel = job->product->kernel;
	size_t n_threads = (size_t)tern_pool_size(job->product->pool), n_most = n_threads * BLOCKS_PER_THREAD, n;

	job->n_rows = job->m;
	job->n_columns = job->n;
	while ((n = n_blocks(job)) < n_threads || (n < n_most && job->n_rows * job->n_columns > SMALL_BLOCK)) {
		size_t *side = job->n_rows > job->n_columns ? &job->n_rows : &job->n_columns;
		size_t unit = side == &job->n_rows ? kernel->n_row : kernel->n_column;
		if (*side <= unit)
			break;
		*side = tern_divide_up(*side, 2 * unit) * unit;
	}
}

static void block_task(void *context, size_t chunk, int worker)
{
	const struct job *job = context;
	size_t n_across = tern_divide_up(job->n, job->n_columns);
	size_t row = chunk / n_across * job->n_rows, column = chunk % n_across * job->n_columns;
	struct view a = job->a, b = job->b;

	a.at = element(a, row, 0);
	b.at = element(b, 0, column);
	product_serial(job->product, worker, job->c + row * job->c_stride + column, job->c_stride, a, b,
	               tern_smaller(job->n_rows, job->m - row), tern_smaller(job->n_columns, job->n - column), job->k,
	               job->accumulate);
}

void product_run(const struct product *product, float *c, size_t c_stride, struct view a, struct view b, size_t m,
                 size_t n, size_t k, bool accumulate)
{
	struct job job = {product, c, c_stride, a, b, m, n, k, accumulate, 0, 0};

	divide(&job);
	tern_pool_run(product->pool, block_task, &job, n_blocks(&job));
}

/* ---- the limit ---- */

struct peak {
	const struct product_kernel *kernel;
	size_t n_round;
	volatile float result;
};

static void peak_task(void *context, size_t chunk, int worker)
{
	struct peak *peak = context;

	(void)chunk, (void)worker;
	float result = peak->kernel->peak(peak->n_round);
	if (result < -1e30f) /* never: the compiler has to compute it */
		peak->result = result;
}

double product_measure_peak(const struct product *product, double seconds)
{
	struct peak peak = {.kernel = product->kernel, .n_round = 100000};
	size_t n_threads = (size_t)tern_pool_size(product->pool);
	double n_flops = (double)(n_threads * peak.n_round * product->kernel->flops_per_round), best = 0;
	uint64_t first = tern_clock_ns(), start = first, now;

	do {
		tern_pool_run(product->pool, peak_task, &peak, n_threads);
		now = tern_clock_ns();
		double speed = n_flops / ((double)(now - start) * 1e-9);
		best = speed > best ? speed : best;
		start = now;
	} while ((double)(now - first) * 1e-9 < seconds);
	return best;
}
