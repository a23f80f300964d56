#include "infer/row_chunks.h"

#include "base/sizes.h"
#include "model/layout.h"

#include <stdbool.h>

enum {
	CHUNKS_PER_THREAD = 10,
};

/* For few tokens the time goes into reading the weights, and threads that are not equally fast need several chunks each
 * to share the work evenly. For many tokens a chunk has as many rows as the scratch holds. */
static size_t chunk_panels(size_t n_panel, size_t n_token, size_t n_thread)
{
	size_t share = n_panel / (n_thread * CHUNKS_PER_THREAD);

	if (n_token > TERN_READING_TOKENS)
		return TERN_MANY_TOKENS_PANELS;
	if (n_thread == 1 || share > TERN_MAX_CHUNK_PANELS)
		return TERN_MAX_CHUNK_PANELS;
	return tern_larger(share, 1);
}

void tern_divide_rows(struct tern_row_chunks *chunks, const struct tern_linear *const *linears, size_t n_linear,
                      size_t n_token, int n_thread, size_t n_strip)
{
	size_t n_panel = 0;

	for (size_t i = 0; i < n_linear; i++)
		n_panel += chunks->matrix_panels[i] = tern_panel_count(linears[i]->n_row);
	chunks->n_linear = n_linear;
	chunks->n_strip = n_token > TERN_TUNED_TOKENS ? 1 : n_strip;
	chunks->n_panel = tern_divide_up(chunk_panels(n_panel, n_token, (size_t)n_thread), chunks->n_strip);
	chunks->first_chunk[0] = 0;
	for (size_t i = 0; i < n_linear; i++) {
		size_t strip = chunks->matrix_panels[i] / chunks->n_strip;
		bool has_rest = chunks->matrix_panels[i] % chunks->n_strip;
		chunks->first_chunk[i + 1] = chunks->first_chunk[i] + tern_divide_up(strip, chunks->n_panel) + has_rest;
	}
}

struct tern_read_extent tern_read_extent_of(const struct tern_linear *const *linears, size_t n_linear)
{
	struct tern_read_extent read = {linears[0]->panels, tern_linear_panel_bytes(linears[0]), 0};

	for (size_t i = 0; i < n_linear; i++)
		read.n_bytes += tern_panel_count(linears[i]->n_row) * read.panel_bytes;
	return read;
}

struct tern_row_chunk tern_row_chunk_at(const struct tern_row_chunks *chunks, size_t chunk)
{
	struct tern_row_chunk at = {.linear = 0};
	struct tern_panel_range *panels = &at.panels;

	while (chunk >= chunks->first_chunk[at.linear + 1])
		at.linear++;
	panels->strip_stride = chunks->matrix_panels[at.linear] / chunks->n_strip;
	panels->n_strip = chunks->n_strip;
	panels->first = (chunk - chunks->first_chunk[at.linear]) * chunks->n_panel;
	panels->n = tern_smaller(panels->strip_stride - panels->first, chunks->n_panel);
	if (panels->first >= panels->strip_stride) { /* those behind the last strip */
		panels->first = panels->strip_stride * chunks->n_strip;
		panels->n = chunks->matrix_panels[at.linear] - panels->first;
		panels->n_strip = 1;
	}
	return at;
}
