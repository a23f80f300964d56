/* How the rows of the matrices that are multiplied together are divided into chunks for threads. */
#ifndef TERN_INFER_ROW_CHUNKS_H
#define TERN_INFER_ROW_CHUNKS_H

#include "model/transformer.h"

enum {
	TERN_MANY_TOKENS_PANELS = 8, /* panels of a chunk for many tokens: 64 KB of sums for 128 of them */
	TERN_FEW_TOKENS = 32,        /* for up to so many tokens chunks are longer */
	TERN_MAX_CHUNK_PANELS = 32,
};

struct tern_row_chunks {
	size_t n_row; /* of a chunk, if it is not the last of its matrix */
	size_t n_linear;
	size_t first_chunk[TERN_MAX_READ_LINEARS + 1]; /* of matrix i; behind the last: how many there are */
};

void tern_divide_rows(struct tern_row_chunks *chunks, const struct tern_linear *const *linears, size_t n_linear,
                      size_t n_token, int n_thread);

static inline size_t tern_row_chunk_count(const struct tern_row_chunks *chunks)
{
	return chunks->first_chunk[chunks->n_linear];
}

/* Which matrix a chunk belongs to, and its first row there. */
size_t tern_row_chunk(const struct tern_row_chunks *chunks, size_t chunk, size_t *first_row);

#endif
