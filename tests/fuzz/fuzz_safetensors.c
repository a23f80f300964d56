/* Fuzz target: safetensors headers. Every tensor that is accepted lies inside the file. */
#include "base/memory.h"
#include "convert/checkpoint/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tern_error err;
	struct tensor *tensors;
	size_t n_header, n_tensors;
	char *header, *names;

	if (safetensors_header_length("fuzz", data, size < 64 ? size : 64, size, &n_header, &err) ||
	    !(header = tern_alloc(n_header + 1, 1)))
		return 0;
	memcpy(header, data + 8, n_header);
	if (safetensors_parse("fuzz", header, n_header, size, &tensors, &n_tensors, &names, &err))
		return 0;
	for (size_t i = 0; i < n_tensors; i++)
		if (tensors[i].offset > size || tensors[i].n_bytes > size - tensors[i].offset)
			abort();
	tern_free(tensors);
	tern_free(names);
	return 0;
}
