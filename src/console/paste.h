/* What of a paste becomes text. */
#ifndef TERN_CONSOLE_PASTE_H
#define TERN_CONSOLE_PASTE_H

#include <stddef.h>

/* Cleans a paste in place and returns its new length: every kind of line break becomes a newline, sequences like those
 * of colours (ESC [ ... letter) are removed whole, and so is any other control character but the tab. */
size_t paste_clean(char *bytes, size_t n_bytes);

#endif
