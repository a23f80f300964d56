#include "console/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *format_duration(char out[FORMAT_SIZE], double seconds)
{
	long s = seconds < 1e9 ? (long)(seconds + 0.5) : 1000000000;

	if (s < 60)
		snprintf(out, FORMAT_SIZE, "%ld s", s);
	else if (s < 3600)
		snprintf(out, FORMAT_SIZE, "%ld min %02ld s", s / 60, s % 60);
	else
		snprintf(out, FORMAT_SIZE, "%ld h %02ld min", s / 3600, s / 60 % 60);
	return out;
}

const char *format_bytes(char out[FORMAT_SIZE], uint64_t n_bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double n = (double)n_bytes / 1024;
	int unit = 0;

	while (n >= 1024 && unit < 3) {
		n /= 1024;
		unit++;
	}
	if (n_bytes < 1024)
		snprintf(out, FORMAT_SIZE, "%" PRIu64 " bytes", n_bytes);
	else
		snprintf(out, FORMAT_SIZE, "%.2f %s", n, units[unit]);
	return out;
}

const char *format_count(char out[FORMAT_SIZE], uint64_t n)
{
	if (n >= 1000000000)
		snprintf(out, FORMAT_SIZE, "%.2f B", (double)n * 1e-9);
	else if (n >= 1000000)
		snprintf(out, FORMAT_SIZE, "%.2f M", (double)n * 1e-6);
	else if (n >= 10000)
		snprintf(out, FORMAT_SIZE, "%.1f k", (double)n * 1e-3);
	else
		snprintf(out, FORMAT_SIZE, "%" PRIu64, n);
	return out;
}

const char *format_real(char out[FORMAT_SIZE], double value, int max_digits)
{
	char text[FORMAT_SIZE];
	int n_digits = 6;
	double back;

	do {
		snprintf(text, sizeof text, "%.*g", n_digits, value);
		back = max_digits > 9 ? strtod(text, NULL) : (double)strtof(text, NULL);
	} while (back != value && n_digits++ < max_digits);
	return strcpy(out, text);
}
