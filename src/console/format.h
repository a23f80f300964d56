/* Numbers as people read them. Each function writes into out and returns it. */
#ifndef TERN_CONSOLE_FORMAT_H
#define TERN_CONSOLE_FORMAT_H

#include <stdint.h>

enum {
	FORMAT_SIZE = 40
};

/* "12 s", "3 min 20 s", "2 h 05 min" */
const char *format_duration(char out[FORMAT_SIZE], double seconds);
/* "812.40 MiB" */
const char *format_bytes(char out[FORMAT_SIZE], uint64_t n_bytes);
/* "2.41 B", "4.33 M", "1536" */
const char *format_count(char out[FORMAT_SIZE], uint64_t n);
/* The fewest digits that read back as the same value: 9 at most for what was a float, 17 for a double. */
const char *format_real(char out[FORMAT_SIZE], double value, int max_digits);

#endif
