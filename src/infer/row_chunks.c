#include "infer/row_chunks.h"

#include "base/sizes.h"
#include "model/layout.h"

enum {
	PANELS_TOGETHER = 4, /* that kernels multiply at a time where they do not read strips */
};

/* How many chunks as long as they may be come first where a share has n_left units. Those that follow are half of what
 * is left each, so that the last ones are short, and threads that are not equally fast end at the same time. A thread
 * that is alone needs no short ones. */
static size_t long_chunks(const struct tern_row_chunks *chunks, size_t n_left)
{
	size_t least = chunks->n_share == 1 ? chunks->most_units : 2 * chunks->most_units - 1;
	return n_left < least ? 0 : (n_left - least) / chunks->most_units + 1;
}

static size_t short_chunk_units(const struct tern_row_chunks *chunks, size_t n_left)
{
	return chunks->n_share == 1 ? n_left : tern_divide_up(n_left, 2);
}

static size_t unit_count(const struct tern_row_chunks *chunks)
{
	return tern_divide_up(chunks->first_step[chunks->n_linear], chunks->unit);
}

void tern_divide_rows(struct tern_row_chunks *chunks, const struct tern_linear *const *linears, size_t n_linear,
                      size_t n_token, int n_thread, size_t n_strip)
{
	size_t most_panels = n_token > TERN_READING_TOKENS ? TERN_MANY_TOKENS_PANELS : TERN_MAX_CHUNK_PANELS;
	size_t n_left;

	chunks->n_linear = n_linear;
	chunks->n_share = (size_t)n_thread;
	chunks->n_strip = n_token > TERN_TUNED_TOKENS ? 1 : n_strip;
	chunks->unit = n_token > TERN_TUNED_TOKENS ? PANELS_TOGETHER : 1;
	chunks->most_units = most_panels / (chunks->n_strip * chunks->unit);
	chunks->first_step[0] = 0;
	for (size_t i = 0; i < n_linear; i++) {
		chunks->matrix_panels[i] = tern_panel_count(linears[i]->n_row);
		chunks->first_step[i + 1] =
		        chunks->first_step[i] + tern_divide_up(chunks->matrix_panels[i], chunks->n_strip);
	}
	n_left = tern_divide_up(unit_count(chunks), chunks->n_share);
	chunks->chunks_per_share = long_chunks(chunks, n_left);
	for (n_left -= chunks->chunks_per_share * chunks->most_units; n_left > 0;
	     n_left -= short_chunk_units(chunks, n_left))
		chunks->chunks_per_share++;
}

struct tern_read_extent tern_read_extent_of(const struct tern_linear *const *linears, size_t n_linear)
{
	struct tern_read_extent read = {linears[0]->panels, tern_linear_panel_bytes(linears[0]), 0};

	for (size_t i = 0; i < n_linear; i++)
		read.n_bytes += tern_panel_count(linears[i]->n_row) * read.panel_bytes;
	return read;
}

struct tern_row_span tern_row_chunk_at(const struct tern_row_chunks *chunks, size_t chunk)
{
	size_t share = chunk / chunks->chunks_per_share, index = chunk % chunks->chunks_per_share;
	size_t n_unit = unit_count(chunks), end_step = chunks->first_step[chunks->n_linear];
	size_t first = n_unit * share / chunks->n_share, share_end = n_unit * (share + 1) / chunks->n_share, end;
	size_t n_long = long_chunks(chunks, share_end - first);

	first += tern_smaller(index, n_long) * chunks->most_units;
	for (size_t i = n_long; i < index; i++)
		first += short_chunk_units(chunks, share_end - first);
	end = first + (index < n_long ? chunks->most_units : short_chunk_units(chunks, share_end - first));
	return (struct tern_row_span){tern_smaller(first * chunks->unit, end_step),
	                              tern_smaller(end * chunks->unit, end_step)};
}

bool tern_next_rows(const struct tern_row_chunks *chunks, struct tern_row_span *span, struct tern_rows *rows)
{
	size_t linear = 0, first, end, stride, n_behind;

	if (span->first >= span->end)
		return false;
	while (span->first >= chunks->first_step[linear + 1])
		linear++;
	first = span->first - chunks->first_step[linear];
	span->first = tern_smaller(span->end, chunks->first_step[linear + 1]);
	end = span->first - chunks->first_step[linear];
	stride = chunks->matrix_panels[linear] / chunks->n_strip;
	n_behind = end > stride ? chunks->matrix_panels[linear] % chunks->n_strip : 0;
	*rows = (struct tern_rows){
	        .linear = linear,
	        .strips = {first, tern_smaller(end, stride) - first, chunks->n_strip, stride},
	        .behind = {stride * chunks->n_strip, n_behind, 1, 0},
	};
	return true;
}
