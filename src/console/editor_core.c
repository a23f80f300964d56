#include "console/editor_core.h"
#include "base/clock.h"

void editor_finish(struct editor *editor, enum editor_event event)
{
	editor->event = event;
	editor->is_done = true;
}

void editor_insert(struct editor *editor, const char *bytes, size_t n_bytes)
{
	if (!line_insert(&editor->line, bytes, n_bytes))
		screen_beep(&editor->screen); /* out of memory */
}

void editor_draw(struct editor *editor)
{
	const struct line *line = &editor->line;
	struct frame_source source = {
	        .prompt = editor->search.is_active ? editor->search.prompt.bytes : editor->prompt,
	        .more_prompt = editor->more_prompt,
	        .bytes = line->bytes,
	        .n_bytes = line->n_bytes,
	        .cursor = line->cursor,
	};
	uint64_t begin_ns = tern_clock_ns(), end_ns;

	screen_draw(&editor->screen, &source);
	end_ns = tern_clock_ns();
	/* A very long text takes long to draw: four fifths of the time are left for the keys. */
	editor->draw_due_ns = end_ns + 4 * (end_ns - begin_ns);
	editor->needs_drawing = false;
}
