#include "infer/row_chunks.h"

#include "model/layout.h"

enum {
	CHUNKS_PER_THREAD = 10,
	PANEL_MULTIPLE = 4, /* kernels read so many panels at a time */
};

/* For few tokens the time goes into reading the weights. Memory is fastest in long runs, since each chunk has to start
 * its streams anew, but threads that are not equally fast need several chunks each to share the work evenly. For many
 * tokens a chunk has as many rows as the scratch holds. */
static size_t chunk_panels(size_t n_panel, size_t n_token, size_t n_thread)
{
	size_t share = n_panel / (n_thread * CHUNKS_PER_THREAD) / PANEL_MULTIPLE * PANEL_MULTIPLE;

	if (n_token > TERN_FEW_TOKENS)
		return TERN_MANY_TOKENS_PANELS;
	if (n_thread == 1 || share > TERN_MAX_CHUNK_PANELS)
		return TERN_MAX_CHUNK_PANELS;
	return share < PANEL_MULTIPLE ? PANEL_MULTIPLE : share;
}

void tern_divide_rows(struct tern_row_chunks *chunks, const struct tern_linear *const *linears, size_t n_linear,
                      size_t n_token, int n_thread)
{
	size_t n_panel = 0;

	for (size_t i = 0; i < n_linear; i++)
		n_panel += tern_panel_count(linears[i]->n_row);
	chunks->n_linear = n_linear;
	chunks->n_row = chunk_panels(n_panel, n_token, (size_t)n_thread) * TERN_PANEL_ROWS;
	chunks->first_chunk[0] = 0;
	for (size_t i = 0; i < n_linear; i++)
		chunks->first_chunk[i + 1] =
		        chunks->first_chunk[i] + (linears[i]->n_row + chunks->n_row - 1) / chunks->n_row;
}

size_t tern_row_chunk(const struct tern_row_chunks *chunks, size_t chunk, size_t *first_row)
{
	size_t i = 0;

	while (chunk >= chunks->first_chunk[i + 1])
		i++;
	*first_row = (chunk - chunks->first_chunk[i]) * chunks->n_row;
	return i;
}
