/* Where two GGUF files differ, on standard output. */
#ifndef TERN_CLI_INFO_DIFFERENCES_H
#define TERN_CLI_INFO_DIFFERENCES_H

#include "api/inspect.h"

/* Compares metadata by key and tensors by name, not the order they come in nor where they lie. One line for each
 * difference: "-" is in the first file only, "+" in the second only, "~" in both. Returns how many there are. */
size_t info_put_differences(const struct gguf *first, const struct gguf *second);

#endif
