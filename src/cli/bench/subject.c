#include "cli/bench/subject.h"

#include "api/inspect.h"
#include "console/progress.h"
#include "console/term.h"
#include "console/text.h"

#include <stdio.h>
#include <string.h>

/* "bitnet-b1.58 2.4B T2R16"; "qwen3 1.7B T1R16 g128" where 128 columns share a scale */
static void describe(struct bench_subject *subject)
{
	const struct tern_model_info *info = &subject->opened.info;
	size_t group = tern_model_scale_group(subject->opened.model);
	double millions = (double)info->n_params * 1e-6;
	char count[32], scales[32] = "";

	if (millions >= 999.5)
		snprintf(count, sizeof count, "%.*fB", millions < 9950, millions * 1e-3);
	else
		snprintf(count, sizeof count, "%.*fM", millions < 9.95, millions);
	if (group)
		snprintf(scales, sizeof scales, " g%zu", group);
	snprintf(subject->type, sizeof subject->type, "%s %s %s%s", *info->arch ? info->arch : "?", count,
	         tern_model_ternary_type(subject->opened.model), scales);
}

enum tern_status bench_subject_open(struct bench_subject *subject, const struct common_options *options)
{
	enum tern_status status = open_model_with_weights(&subject->opened, options);

	if (status)
		return status;
	subject->use_mmap = !options->no_mmap;
	describe(subject);
	return TERN_OK;
}

enum tern_status bench_subject_make(struct bench_subject *subject, const char *shape, int n_threads)
{
	struct opened *opened = &subject->opened;
	struct progress progress;
	struct tern_model_options options = {
	        .n_threads = n_threads, .on_progress = progress_callback, .user = &progress};
	struct tern_error err = {0};
	struct text path = {0};
	enum tern_status status;

	text_printf(&path, "--shape %s", shape);
	opened->path = path.bytes;
	progress_start(&progress, "making weights");
	status = path.failed ? tern_fail_memory(&err, strlen(shape))
	                     : tern_model_make_random(&opened->model, shape, &options, &err);
	progress_end(&progress);
	if (status)
		return report_error(&err);
	tern_model_get_info(opened->model, &opened->info);
	describe(subject);
	return TERN_OK;
}

void bench_subject_close(struct bench_subject *subject)
{
	open_model_close(&subject->opened);
	memset(subject, 0, sizeof *subject);
}
