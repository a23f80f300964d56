#include "convert/gguf/gguf_metadata.h"

#include "api/vocab.h"
#include "base/machine.h"
#include "base/memory.h"
#include "model/hadamard.h"
#include "model/rope.h"

static enum tern_status check_rope(struct tern_hparams *hparams, const struct gguf *gguf, struct tern_error *err)
{
	enum tern_status status = tern_rope_load(hparams, gguf, err);

	tern_rope_free(hparams);
	return status;
}

static enum tern_status check_hadamard(const struct gguf *gguf, struct tern_error *err)
{
	struct tern_hadamard hadamard = {0};
	enum tern_status status = tern_hadamard_load(&hadamard, gguf, err);

	tern_free(hadamard.signs);
	tern_hadamard_clear(&hadamard);
	return status;
}

/* A file may do without a vocabulary: `tern logits` needs none. */
static enum tern_status check_text(const struct gguf *gguf, int n_threads, struct tern_error *err)
{
	struct tern_model_options options = {.n_threads = n_threads};
	struct tern_text text = {0};
	enum tern_status status;

	if (!tern_gguf_find(gguf, "tokenizer.ggml.model"))
		return TERN_OK;
	if (!(status = tern_choose_threads(&options.n_threads, err)))
		status = tern_text_load(&text, gguf, &options, err);
	tern_text_free(&text);
	return status;
}

enum tern_status gguf_read_metadata(struct tern_hparams *hparams, const struct gguf *gguf, bool with_text,
                                    int n_threads, struct tern_error *err)
{
	enum tern_status status;

	if ((status = tern_hparams_load(hparams, gguf, err)) || (status = check_rope(hparams, gguf, err)) ||
	    (status = check_hadamard(gguf, err)))
		return status;
	return with_text ? check_text(gguf, n_threads, err) : TERN_OK;
}
