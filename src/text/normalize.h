/* Unicode normal form C: letters and their marks joined to single characters where Unicode has them. */
#ifndef TERN_TEXT_NORMALIZE_H
#define TERN_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>

/* Brings n_bytes at text to normal form C. Bytes that are no UTF-8 stay as they are. *normal is the result, or NULL
 * if the text is in normal form already; the caller frees it with tern_free(). Time is linear in n_bytes.
 * False when memory runs out. */
bool tern_normalize_nfc(const char *text, size_t n_bytes, char **normal, size_t *n_normal);

#endif
