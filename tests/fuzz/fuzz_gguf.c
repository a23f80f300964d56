/* Fuzz target: the GGUF reader. What it accepts must be readable to the last byte and be found by name, matrices in
 * types of other engines must be repacked or refused, and the file must open as a model or be refused. */
#include "base/memory.h"
#include "fuzz.h"
#include "gguf_read_all.h"
#include "model/dequantize.h"
#include "model/gguf_parse.h"
#include "model/load.h"
#include "model/repack.h"

#include <stdlib.h>

static volatile uint64_t sink; /* keeps the compiler from leaving the reading out */

static void repack(const struct gguf *gguf, const struct gguf_tensor *tensor, struct tern_repacker *repacker)
{
	struct tern_ternary ternary;
	uint8_t *planes;
	float *row_scales;

	if (tensor->n_dims < 2 || tensor->n_dims > 3 || tensor->dims[0] % 16 || tensor->dims[0] > 65536)
		return;
	if ((tern_is_foreign_ternary(tensor->type) || tern_is_float_type(tensor->type)) &&
	    tern_repack_ternary(repacker, tensor, gguf->alignment, &ternary) == TERN_OK) {
		tern_free(ternary.panels);
		tern_free(ternary.group_scales);
	}
	if (tern_can_dequantize(tensor->type) && tern_repack_q8p(repacker, tensor, &planes, &row_scales) == TERN_OK) {
		tern_free(planes);
		tern_free(row_scales);
	}
}

static void repack_all(const struct gguf *gguf, uint8_t layout)
{
	struct tern_model_options options = {.n_threads = 1, .i2s_layout = (enum tern_i2s_layout)(layout % 3)};
	struct tern_repacker repacker;
	struct tern_error err;

	if (tern_repacker_init(&repacker, gguf, &options, NULL, &err) == TERN_OK)
		for (size_t i = 0; i < gguf->n_tensors && repacker.pool; i++)
			repack(gguf, &gguf->tensors[i], &repacker);
	tern_repacker_clear(&repacker);
}

static void load(const struct gguf *gguf)
{
	const struct tern_model_options options = {.n_threads = 1};
	struct tern_transformer transformer;
	struct tern_error err = {0};

	if (tern_transformer_load(&transformer, gguf, &options, NULL, &err) == TERN_OK)
		tern_transformer_free(&transformer);
	else if (!err.message[0] || strchr(err.message, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct gguf gguf;
	struct tern_error err;

	if (tern_gguf_parse(&gguf, "fuzz", bytes, n_bytes, &err) == TERN_OK) {
		sink += gguf_read_all(&gguf);
		if (!gguf_finds_all(&gguf))
			abort();
		repack_all(&gguf, bytes[n_bytes - 1]);
		load(&gguf);
	} else if (strchr(err.message, '\n') || strncmp(err.message, "fuzz: ", 6) != 0 || gguf.pairs) {
		abort();
	}
	tern_gguf_free(&gguf);
	return 0;
}
