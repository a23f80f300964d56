/* Unicode normal form C: letters and their marks joined to single characters where Unicode has them. */
#ifndef TERN_TEXT_NORMALIZE_H
#define TERN_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>

/* Brings a text to normal form C. Invalid UTF-8 stays as it is. *normal is the result, to be freed with tern_free(), or
 * NULL if the text is already in normal form. Time is linear in n_bytes. False when memory runs out. */
bool tern_normalize_nfc(const char *text, size_t n_bytes, char **normal, size_t *n_normal);

#endif
