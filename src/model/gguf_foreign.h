/* Files that people give to tern though they are not GGUF: by their first bytes. */
#ifndef TERN_MODEL_GGUF_FOREIGN_H
#define TERN_MODEL_GGUF_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

/* What a file that begins with (or is) these bytes seems to be and what to do about it, for the end of a message; or
 * NULL. */
const char *tern_gguf_looks_like(const uint8_t *bytes, size_t n_bytes);

#endif
