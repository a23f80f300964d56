/* How a product runs: b is packed into panels of columns, PRODUCT_DEPTH rows each, by all threads, as much of it as
 * SHARED holds; then each task packs a slab of rows of a and multiplies it by some of the panels. */
#include "tune/product.h"

#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

enum {
	SLAB_COLUMNS = 2048, /* a multiple of every kernel's columns */
	SLAB_ROWS = 96,      /* of a, packed by a task: 72 KiB, for L2; a multiple of every kernel's rows */
	SHARED = 2 * SLAB_COLUMNS * PRODUCT_DEPTH, /* floats of b, packed */
	SERIAL_COLUMNS = 512,                      /* of b, packed by a serial product */
	OWN_ROWS = SLAB_ROWS * PRODUCT_DEPTH,
	OWN = OWN_ROWS + SERIAL_COLUMNS * PRODUCT_DEPTH, /* floats of a thread */
	TASKS_PER_THREAD = 3,
};

bool product_init(struct product *product, const struct product_kernel *kernel, struct tern_pool *pool)
{
	*product = (struct product){.kernel = kernel, .pool = pool};
	product->shared = tern_alloc_huge(SHARED, sizeof(float));
	product->own = tern_alloc_aligned((size_t)tern_pool_size(pool) * OWN, sizeof(float));
	return product->shared && product->own;
}

void product_free(struct product *product)
{
	tern_free(product->shared);
	tern_free(product->own);
	*product = (struct product){0};
}

static size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }
static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

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

/* Packs n vectors of k elements, n <= width: element p of vector i goes to to[p * width + i]. Vectors up to `width`
 * are zero. */
static void pack_panel(float *to, const float *at, size_t vector_stride, size_t k_stride, size_t n, size_t k,
                       size_t width)
{
	if (n < width)
		memset(to, 0, k * width * sizeof *to);
	if (vector_stride == 1 && n == width) {
		copy_panel(to, at, k_stride, k, width);
		return;
	}
	if (vector_stride == 1) {
		for (size_t p = 0; p < k; p++)
			memcpy(to + p * width, at + p * k_stride, n * sizeof *to);
		return;
	}
	/* The vectors are contiguous in k: four at a time share the cache lines that are written. */
	size_t i = 0;
	for (; i + 4 <= n; i += 4) {
		const float *v0 = at + i * vector_stride, *v1 = v0 + vector_stride, *v2 = v1 + vector_stride,
		            *v3 = v2 + vector_stride;
		float *out = to + i;
		for (size_t p = 0; p < k; p++, out += width) {
			out[0] = v0[p * k_stride];
			out[1] = v1[p * k_stride];
			out[2] = v2[p * k_stride];
			out[3] = v3[p * k_stride];
		}
	}
	for (; i < n; i++)
		for (size_t p = 0; p < k; p++)
			to[p * width + i] = at[i * vector_stride + p * k_stride];
}

/* Packs rows first .. first + n - 1 of a, columns from..from + k - 1. */
static void pack_rows(float *to, const struct product_kernel *kernel, struct view a, size_t first, size_t n,
                      size_t from, size_t k)
{
	for (size_t i = 0; i < n; i += kernel->n_row, to += k * kernel->n_row)
		pack_panel(to, a.at + (first + i) * a.row + from * a.column, a.row, a.column,
		           min_size(kernel->n_row, n - i), k, kernel->n_row);
}

static void pack_columns(float *to, const struct product_kernel *kernel, struct view b, size_t first, size_t n,
                         size_t from, size_t k)
{
	for (size_t j = 0; j < n; j += kernel->n_column, to += k * kernel->n_column)
		pack_panel(to, b.at + (first + j) * b.column + from * b.row, b.column, b.row,
		           min_size(kernel->n_column, n - j), k, kernel->n_column);
}

/* ---- patches ---- */

/* A patch of which only n_row rows and n_column columns are in c. */
static void multiply_edge(const struct product_kernel *kernel, float *c, size_t c_stride, const float *a,
                          const float *b, size_t n_row, size_t n_column, size_t k, bool accumulate)
{
	float patch[PRODUCT_MAX_ROWS * PRODUCT_MAX_COLUMNS] = {0};

	for (size_t i = 0; accumulate && i < n_row; i++)
		memcpy(patch + i * kernel->n_column, c + i * c_stride, n_column * sizeof *c);
	kernel->multiply(patch, kernel->n_column, a, b, k, accumulate);
	for (size_t i = 0; i < n_row; i++)
		memcpy(c + i * c_stride, patch + i * kernel->n_column, n_column * sizeof *c);
}

/* Packed rows times packed columns: c is [m, n]. A panel of columns stays in L1 while all rows pass. */
static void multiply_slabs(const struct product_kernel *kernel, float *c, size_t c_stride, const float *a,
                           const float *b, size_t m, size_t n, size_t k, bool accumulate)
{
	for (size_t j = 0; j < n; j += kernel->n_column)
		for (size_t i = 0; i < m; i += kernel->n_row) {
			float *patch = c + i * c_stride + j;
			if (m - i >= kernel->n_row && n - j >= kernel->n_column)
				kernel->multiply(patch, c_stride, a + i * k, b + j * k, k, accumulate);
			else
				multiply_edge(kernel, patch, c_stride, a + i * k, b + j * k,
				              min_size(kernel->n_row, m - i), min_size(kernel->n_column, n - j), k,
				              accumulate);
		}
}

/* ---- by all threads ---- */

struct job {
	const struct product *product;
	float *c; /* of the first column */
	size_t c_stride;
	struct view a, b;
	size_t m, n, k;             /* of what is packed at a time */
	size_t first_column, first; /* of b; of k */
	size_t n_panels;            /* of columns */
	size_t n_rows;              /* of a, packed by a task */
	size_t n_parts, part;       /* parts of `part` columns each that a slab of rows is multiplied by in turn */
	bool accumulate;
};

/* The packed columns from the p-th of k and the column on; each depth has all its panels together. */
static float *packed(const struct job *job, size_t p, size_t column)
{
	size_t depth = min_size(PRODUCT_DEPTH, job->k - p);
	return job->product->shared + p * job->n_panels * job->product->kernel->n_column + column * depth;
}

static void pack_task(void *context, size_t chunk, int worker)
{
	const struct job *job = context;
	size_t width = job->product->kernel->n_column, p = chunk / job->n_panels * PRODUCT_DEPTH;
	size_t column = chunk % job->n_panels * width;

	(void)worker;
	pack_columns(packed(job, p, column), job->product->kernel, job->b, job->first_column + column,
	             min_size(width, job->n - column), job->first + p, min_size(PRODUCT_DEPTH, job->k - p));
}

static void multiply_task(void *context, size_t chunk, int worker)
{
	const struct job *job = context;
	const struct product_kernel *kernel = job->product->kernel;
	size_t row = chunk / job->n_parts * job->n_rows, column = chunk % job->n_parts * job->part;
	size_t m = min_size(job->n_rows, job->m - row), n = min_size(job->part, job->n - column);
	float *rows = job->product->own + (size_t)worker * OWN;

	for (size_t p = 0; p < job->k; p += PRODUCT_DEPTH) {
		size_t depth = min_size(PRODUCT_DEPTH, job->k - p);
		pack_rows(rows, kernel, job->a, row, m, job->first + p, depth);
		multiply_slabs(kernel, job->c + row * job->c_stride + column, job->c_stride, rows,
		               packed(job, p, column), m, n, depth, job->accumulate || p > 0);
	}
}

/* Blocks of fewer rows, then parts of the columns, where there would be too few tasks for the threads: packing rows
 * anew for each part costs more. */
static void divide(struct job *job)
{
	const struct product_kernel *kernel = job->product->kernel;
	size_t wanted = (size_t)tern_pool_size(job->product->pool) * TASKS_PER_THREAD;
	size_t n_rows = ceil_div(ceil_div(job->m, wanted), kernel->n_row) * kernel->n_row;

	job->n_rows = min_size(n_rows, SLAB_ROWS);
	size_t n_parts = min_size(ceil_div(wanted, 2 * ceil_div(job->m, job->n_rows)), job->n_panels);
	job->part = ceil_div(job->n_panels, n_parts) * kernel->n_column;
	job->n_parts = ceil_div(job->n, job->part);
}

static void run_slab(struct job *job)
{
	divide(job);
	tern_pool_run(job->product->pool, pack_task, job, ceil_div(job->k, PRODUCT_DEPTH) * job->n_panels);
	tern_pool_run(job->product->pool, multiply_task, job, ceil_div(job->m, job->n_rows) * job->n_parts);
}

void product_run(const struct product *product, float *c, size_t c_stride, struct view a, struct view b, size_t m,
                 size_t n, size_t k, bool accumulate)
{
	struct job job = {.product = product, .c_stride = c_stride, .a = a, .b = b, .m = m};

	for (size_t column = 0; column < n; column += SLAB_COLUMNS) {
		job.c = c + column;
		job.first_column = column;
		job.n = min_size(SLAB_COLUMNS, n - column);
		job.n_panels = ceil_div(job.n, product->kernel->n_column);
		/* As much of k as the packed columns have room for. */
		size_t step = SHARED / (job.n_panels * product->kernel->n_column * PRODUCT_DEPTH) * PRODUCT_DEPTH;
		for (size_t p = 0; p < k; p += step) {
			job.first = p;
			job.k = min_size(step, k - p);
			job.accumulate = accumulate || p > 0;
			run_slab(&job);
		}
	}
}

/* ---- by one thread ---- */

void product_serial(const struct product *product, int worker, float *c, size_t c_stride, struct view a, struct view b,
                    size_t m, size_t n, size_t k, bool accumulate)
{
	float *rows = product->own + (size_t)worker * OWN, *columns = rows + OWN_ROWS;

	for (size_t p = 0; p < k; p += PRODUCT_DEPTH) {
		size_t depth = min_size(PRODUCT_DEPTH, k - p);
		for (size_t j = 0; j < n; j += SERIAL_COLUMNS) {
			size_t n_now = min_size(SERIAL_COLUMNS, n - j);
			pack_columns(columns, product->kernel, b, j, n_now, p, depth);
			for (size_t i = 0; i < m; i += SLAB_ROWS) {
				size_t m_now = min_size(SLAB_ROWS, m - i);
				pack_rows(rows, product->kernel, a, i, m_now, p, depth);
				multiply_slabs(product->kernel, c + i * c_stride + j, c_stride, rows, columns, m_now,
				               n_now, depth, accumulate || p > 0);
			}
		}
	}
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
