/* Prints where two GGUF files differ. */
#ifndef TERN_CLI_INFO_DIFFERENCES_H
#define TERN_CLI_INFO_DIFFERENCES_H

#include "api/inspect.h"

/* Compares metadata by key and tensors by name, whatever their order and offsets. One line per difference: "-" is in
 * the first file only, "+" in the second only, "~" in both. Returns the number of differences. */
size_t info_put_differences(const struct gguf *first, const struct gguf *second);

#endif
