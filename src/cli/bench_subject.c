/* Models under test: from a file, or made up. */
#include "api/model.h"
#include "base/memory.h"
#include "cli/bench.h"
#include "console/term.h"
#include "console/text.h"
#include "model/gguf_parse.h"

#include <stdio.h>
#include <string.h>

/* "bitnet-b1.58 2.4B T2R16", "qwen3 1.7B T2R16 g128" where columns have scales in groups */
static char *describe(const struct gguf *gguf, const struct tern_transformer *transformer)
{
	uint64_t n_params = transformer->n_params;
	size_t group = transformer->layers[0].q.scale_group;
	struct gguf_string arch = {"?", 1};
	struct text type = {0};
	double millions = (double)n_params * 1e-6;

	tern_gguf_get_string(gguf, "general.architecture", &arch, NULL, NULL);
	text_append(&type, arch.bytes, arch.length);
	if (millions >= 999.5)
		text_printf(&type, " %.*fB", millions < 9950, millions * 1e-3);
	else
		text_printf(&type, " %.*fM", millions < 9.95, millions);
	text_printf(&type, " T2R16");
	if (group)
		text_printf(&type, " g%zu", group);
	return type.failed ? NULL : type.bytes;
}

/* What both kinds have in common, from their network and their file. */
static enum tern_status describe_weights(struct bench_subject *subject, const struct gguf *gguf,
                                         const struct tern_transformer *transformer)
{
	const uint8_t *end = NULL;

	subject->transformer = transformer;
	subject->n_params = transformer->n_params;
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		if (!subject->weights || tensor->data < subject->weights)
			subject->weights = tensor->data;
		if (!end || tensor->data + tensor->n_bytes > end)
			end = tensor->data + tensor->n_bytes;
		subject->n_bytes += tensor->n_bytes;
	}
	subject->n_weight_bytes = (size_t)(end - subject->weights);
	if (!(subject->type = describe(gguf, transformer))) {
		report("out of memory");
		return TERN_ERR_FAILED;
	}
	return TERN_OK;
}

enum tern_status bench_subject_open(struct bench_subject *subject, const struct common_options *options)
{
	enum tern_status status = common_open_weights(&subject->opened, options);

	if (status)
		return status;
	subject->file = subject->opened.path;
	subject->use_mmap = !options->no_mmap;
	subject->bos = tern_bos(subject->opened.model);
	return describe_weights(subject, &subject->opened.model->gguf, &subject->opened.model->transformer);
}

enum tern_status bench_subject_make(struct bench_subject *subject, const char *name, int n_threads)
{
	struct tern_error err = {0};
	enum tern_status status;
	size_t n_bytes;

	snprintf(subject->own_name, sizeof subject->own_name, "--shape %.16s", name);
	subject->file = subject->own_name;
	subject->bos = -1;
	if (!(status = bench_make_image(name, n_threads, &subject->image, &n_bytes, &err)) &&
	    !(status = tern_gguf_parse(&subject->gguf, subject->file, subject->image, n_bytes, &err)))
		status = tern_transformer_load(&subject->own, &subject->gguf, NULL, NULL, &err);
	return status ? report_error(&err) : describe_weights(subject, &subject->gguf, &subject->own);
}

void bench_subject_close(struct bench_subject *subject)
{
	tern_transformer_free(&subject->own);
	tern_gguf_free(&subject->gguf);
	tern_free(subject->image);
	tern_free(subject->type);
	common_close(&subject->opened);
	memset(subject, 0, sizeof *subject);
}
