#include "tune/log.h"

#include "tune/outdir.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LINE_SIZE = 256
};

const char log_title[] = "step,loss,distillation,lambda,learning_rate,gradient_norm,tokens_per_second,evaluation\n";

/* Where the first line after that of `step` begins. */
static long find_end(FILE *file, uint64_t step)
{
	char line[LINE_SIZE];
	long end = 0;

	while (fgets(line, sizeof line, file)) {
		bool is_title = end == 0, is_whole = strchr(line, '\n') != NULL;
		if (!is_whole || (!is_title && strtoull(line, NULL, 10) > step))
			break;
		end = ftell(file);
	}
	return end;
}

enum tern_status log_open(struct log *log, const char *output, uint64_t step, struct tern_error *err)
{
	char path[OUTDIR_PATH_SIZE];
	enum tern_status status = outdir_path(path, output, LOG_NAME, err);

	if (status)
		return status;
	log->file = fopen(path, step ? "r+" : "w+");
	if (!log->file && step)
		log->file = fopen(path, "w+");
	if (!log->file)
		return tern_fail(err, TERN_ERR_FAILED, "%s: %s", path, strerror(errno));
	long end = find_end(log->file, step);
	if (fseek(log->file, end, SEEK_SET) != 0 || ftruncate(fileno(log->file), end) != 0 ||
	    (end == 0 && fputs(log_title, log->file) == EOF))
		return tern_fail(err, TERN_ERR_FAILED, "%s: %s", path, strerror(errno));
	return TERN_OK;
}

enum tern_status log_add(struct log *log, const struct train_step *s, struct tern_error *err)
{
	fprintf(log->file, "%llu,%.6f,%.6f,%.4f,%.4e,%.4f,%.0f,", (unsigned long long)s->step, s->loss, s->distilled,
	        s->lambda, s->rate, s->norm, s->tokens_per_second);
	if (isfinite(s->evaluation))
		fprintf(log->file, "%.6f", s->evaluation);
	if (fputc('\n', log->file) == EOF || fflush(log->file) != 0)
		return tern_fail(err, TERN_ERR_FAILED, LOG_NAME ": cannot write: %s", strerror(errno));
	return TERN_OK;
}

void log_close(struct log *log)
{
	if (log->file)
		fclose(log->file);
	log->file = NULL;
}
