/* What every fuzz target gives: called with any bytes, it returns 0, or crashes if it found something.
 * Link a target with clang's -fsanitize=fuzzer, or with main.c to run it over files. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#endif
