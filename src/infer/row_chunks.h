/* How the rows of the matrices that are multiplied together are divided into chunks for threads. */
#ifndef TERN_INFER_ROW_CHUNKS_H
#define TERN_INFER_ROW_CHUNKS_H

#include "infer/tuner.h"
#include "model/transformer.h"

#include <stdbool.h>

enum {
	TERN_READING_TOKENS = 32, /* up to so many are few: reading the weights is the work, for more multiplying */
	TERN_MAX_CHUNK_PANELS = 32,
	TERN_MANY_TOKENS_PANELS = 8, /* panels of a chunk for many tokens: 64 KB of sums for 128 of them */
};

/* Up to TERN_TUNED_TOKENS tokens each matrix is divided into n_strip equal strips, and a step is one panel of each
 * strip, or the panels behind the last strip; for more a step is one panel. Each thread's share of the steps of all
 * matrices is divided into chunks. What it reads in chunk after chunk are n_strip streams without gaps. */
struct tern_row_chunks {
	size_t n_strip, n_linear, n_share;
	size_t unit;       /* steps that are not divided */
	size_t most_units; /* of a chunk */
	size_t chunks_per_share;
	size_t matrix_panels[TERN_MAX_READ_LINEARS];
	size_t first_step[TERN_MAX_READ_LINEARS + 1]; /* of matrix i; behind the last: how many there are */
};

/* Steps first .. end - 1. */
struct tern_row_span {
	size_t first, end;
};

/* Panels first .. first + n - 1 of a matrix, and the same of each of n_strip strips, which begin strip_stride panels
 * from each other. */
struct tern_panel_range {
	size_t first, n, n_strip, strip_stride;
};

static inline size_t tern_panel_at(const struct tern_panel_range *panels, size_t index)
{
	return panels->first + index / panels->n * panels->strip_stride + index % panels->n;
}

/* Panels of matrix `linear`: of its strips, and behind the last one. Either may be none. */
struct tern_rows {
	size_t linear;
	struct tern_panel_range strips, behind;
};

void tern_divide_rows(struct tern_row_chunks *chunks, const struct tern_linear *const *linears, size_t n_linear,
                      size_t n_token, int n_thread, size_t n_strip);

static inline size_t tern_row_chunk_count(const struct tern_row_chunks *chunks)
{
	return chunks->n_share * chunks->chunks_per_share;
}

/* May be empty. */
struct tern_row_span tern_row_chunk_at(const struct tern_row_chunks *chunks, size_t chunk);

/* Takes the rows of the first matrix of a span from it; false if it is empty. */
bool tern_next_rows(const struct tern_row_chunks *chunks, struct tern_row_span *span, struct tern_rows *rows);

/* What reading all of the matrices, which have as many columns, is to the tuner. */
struct tern_read_extent tern_read_extent_of(const struct tern_linear *const *linears, size_t n_linear);

#endif
