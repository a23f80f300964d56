/* Fuzz target: the GGUF reader. What it accepts must be readable to the last byte and be found by name. */
#include "fuzz.h"
#include "gguf_read_all.h"

#include <stdlib.h>

static volatile uint64_t sink; /* keeps the compiler from leaving the reading out */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct gguf gguf;
	struct tern_error err;

	if (tern_gguf_parse(&gguf, "fuzz", bytes, n_bytes, &err) == TERN_OK) {
		sink += gguf_read_all(&gguf);
		if (!gguf_finds_all(&gguf))
			abort();
	} else if (strchr(err.message, '\n') || strncmp(err.message, "fuzz: ", 6) != 0 || gguf.pairs) {
		abort();
	}
	tern_gguf_free(&gguf);
	return 0;
}
