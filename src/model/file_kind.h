/* Guesses what kind of file someone gave tern by mistake, from its first bytes. */
#ifndef TERN_MODEL_FILE_KIND_H
#define TERN_MODEL_FILE_KIND_H

#include <stddef.h>
#include <stdint.h>

/* "it is a PNG image": what a file that begins with these bytes seems to be and what to do about it, for the end of a
 * message; NULL if unknown. */
const char *tern_guess_file_kind(const uint8_t *bytes, size_t n_bytes);

#endif
