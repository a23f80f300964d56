/* Where two GGUF files differ, on standard output. */
#ifndef TERN_CLI_GGUF_DIFF_H
#define TERN_CLI_GGUF_DIFF_H

#include "model/gguf.h"

/* Compares metadata by key and tensors by name, not the order they come in nor where they lie. One line for each
 * difference: "-" is in the first file only, "+" in the second only, "~" in both. Returns how many there are. */
size_t gguf_diff_print(const struct gguf *first, const struct gguf *second);

#endif
