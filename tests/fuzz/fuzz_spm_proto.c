/* Fuzz target: SentencePiece models. Every piece that is accepted lies inside the file. */
#include "convert/tokenizer/spm_proto.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tern_error err;
	struct spm_model model;

	if (spm_parse(&model, "fuzz", data, size, &err))
		return 0;
	for (size_t i = 0; i < model.n_pieces; i++) {
		const uint8_t *bytes = (const uint8_t *)model.pieces[i].bytes;
		if (bytes < data || model.pieces[i].length > (size_t)(data + size - bytes))
			abort();
	}
	spm_free(&model);
	return 0;
}
