#include "cli/bench/report.h"

#include "console/format.h"
#include "console/output.h"
#include "console/term.h"
#include "json/write.h"

#include <math.h>
#include <stdio.h>

/* Prints the text and frees it. */
static bool put_out(const struct bench_printer *printer, struct text *text)
{
	bool good = !text->failed;

	if (!good) {
		report_out_of_memory();
	} else if (printer->to_stderr) {
		term_erase_status();
		fwrite(text->n_bytes ? text->bytes : "", 1, text->n_bytes, stderr);
		fflush(stderr);
	} else {
		term_erase_status();
		output_write(text->bytes, text->n_bytes);
		good = output_flush();
	}
	text_free(text);
	return good;
}

/* ---- JSON: llama-bench's names in llama-bench's order, so that its readers read these; tern's own come last ---- */

/* null for NaN */
static void put_real(struct json_writer *json, const char *key, double value) { json_put_real(json, key, value, 9); }

/* What was measured, and how. llama-bench's options that tern lacks have the values that say so. */
static void put_setting(struct json_writer *json, const char *cpu, const struct bench_subject *subject,
                        const struct bench_test *test)
{
	const struct tern_model_info *info = &subject->opened.info;

	json_put_string(json, "build_commit", TERN_VERSION);
	json_put_int(json, "build_number", 0);
	json_put_string(json, "cpu_info", cpu);
	json_put_string(json, "gpu_info", "");
	json_put_string(json, "backends", "CPU");
	json_put_string(json, "model_filename", subject->opened.path);
	json_put_string(json, "model_type", subject->type);
	json_put_uint(json, "model_size", info->n_weight_bytes);
	json_put_uint(json, "model_n_params", info->n_params);
	json_put_int(json, "n_batch", test->n_batch);
	json_put_int(json, "n_ubatch", test->n_batch);
	json_put_int(json, "n_threads", test->n_threads);
	json_put_string(json, "cpu_mask", "0x0");
	json_put_bool(json, "cpu_strict", false);
	json_put_int(json, "poll", 50);
	json_put_string(json, "type_k", bench_kv_name(test->kv));
	json_put_string(json, "type_v", bench_kv_name(test->kv));
	json_put_int(json, "n_gpu_layers", 0);
	json_put_string(json, "split_mode", "layer");
	json_put_int(json, "main_gpu", 0);
	json_put_bool(json, "no_kv_offload", false);
	json_put_bool(json, "flash_attn", true);
	json_put_string(json, "tensor_split", "0.00");
	json_put_bool(json, "use_mmap", subject->use_mmap);
	json_put_bool(json, "embeddings", false);
	json_put_int(json, "n_prompt", test->n_prompt);
	json_put_int(json, "n_gen", test->n_gen + test->n_edit);
	json_put_int(json, "n_depth", test->n_depth);
}

static void put_result(struct json_writer *json, const struct bench_result *result)
{
	json_put_string(json, "test_time", result->time);
	json_put_uint(json, "avg_ns", (uint64_t)(result->avg_ns + 0.5));
	json_put_uint(json, "stddev_ns", (uint64_t)(result->stddev_ns + 0.5));
	put_real(json, "avg_ts", result->avg_ts);
	put_real(json, "stddev_ts", result->stddev_ts);
	json_put_string(json, "isa", tern_isa_name(NULL));
	put_real(json, "bytes_per_token", result->bytes_per_token);
	put_real(json, "limit_pct", result->limit_pct);
	put_real(json, "limit_drift_pct", result->limit_drift_pct);
	put_real(json, "overhead_us", result->overhead_us);
	put_real(json, "read_bytes_per_second", result->read_rate);
	put_real(json, "macs_per_second", result->multiply_rate > 0 ? result->multiply_rate : (double)NAN);
	put_real(json, "head_second_pass_pct", result->head_second_pass_pct);
	json_put_int(json, "n_edit", result->test.n_edit);
	put_real(json, "lookup_gain", result->lookup_gain);
	json_put_int(json, "n_guessed", result->n_guessed);
	json_put_int(json, "n_accepted", result->n_accepted);
	json_write_key(json, "samples_ns");
	json_write_begin_array(json);
	for (int i = 0; i < result->test.n_reps; i++)
		json_write_uint(json, (uint64_t)result->samples[i].ns);
	json_write_end_array(json);
	json_write_key(json, "samples_ts");
	json_write_begin_array(json);
	for (int i = 0; i < result->test.n_reps; i++)
		json_write_real(json, result->samples[i].tokens_per_second, 9);
	json_write_end_array(json);
}

static void put_record(struct text *to, const struct bench_printer *printer, const struct bench_subject *subject,
                       const struct bench_result *result)
{
	struct json_writer json = {.to = to};

	json_write_begin_object(&json);
	put_setting(&json, printer->cpu, subject, &result->test);
	put_result(&json, result);
	json_write_end_object(&json);
}

/* ---- Markdown ----------------------------------------------------------------------------------------------- */

struct column {
	const char *title;
	size_t width;
	bool is_left;
	char value[256];
};

enum {
	MAX_COLUMNS = 12
};

/* Characters of UTF-8 text. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void put_cell(struct text *to, const char *text, const struct column *column)
{
	size_t n = width_of(text);
	int n_pad = n < column->width ? (int)(column->width - n) : 0;

	text_printf(to, " %*s%s%*s |", column->is_left ? 0 : n_pad, "", text, column->is_left ? n_pad : 0, "");
}

static void put_md_header(struct text *to, const struct column *columns, size_t n_columns)
{
	text_printf(to, "|");
	for (size_t i = 0; i < n_columns; i++)
		put_cell(to, columns[i].title, &columns[i]);
	text_printf(to, "\n|");
	for (size_t i = 0; i < n_columns; i++) {
		text_printf(to, " ");
		for (size_t k = 0; k + !columns[i].is_left < columns[i].width; k++)
			text_printf(to, "-");
		text_printf(to, columns[i].is_left ? " |" : ": |");
	}
	text_printf(to, "\n");
}

static void put_md(struct text *to, const struct bench_printer *printer, const struct bench_subject *subject,
                   const struct bench_result *result)
{
	struct column columns[MAX_COLUMNS];
	char label[BENCH_LABEL_SIZE], number[FORMAT_SIZE];
	size_t n = 0;

#define COLUMN(name, columns_wide, left, ...)                                                \
	columns[n] = (struct column){.title = name, .width = columns_wide, .is_left = left}; \
	snprintf(columns[n++].value, sizeof columns[0].value, __VA_ARGS__)

	COLUMN("model", 30, true, "%s", subject->type);
	COLUMN("size", 10, false, "%s", format_bytes(number, subject->opened.info.n_weight_bytes));
	COLUMN("params", 10, false, "%s", format_count(number, subject->opened.info.n_params));
	COLUMN("backend", 10, true, "CPU");
	COLUMN("threads", 7, false, "%d", result->test.n_threads);
	if (printer->show_batch) {
		COLUMN("n_batch", 7, false, "%d", result->test.n_batch);
	}
	if (result->test.kv != TERN_KV_F16) {
		COLUMN("type_k", 6, false, "%s", bench_kv_name(result->test.kv));
		COLUMN("type_v", 6, false, "%s", bench_kv_name(result->test.kv));
	}
	COLUMN("test", 15, false, "%s", bench_label(label, &result->test));
	COLUMN("t/s", 20, false, "%.2f ± %.2f", result->avg_ts, result->stddev_ts);
	COLUMN("bytes/token", 11, false, "%s", format_bytes(number, (uint64_t)result->bytes_per_token));
	COLUMN("% of limit", 10, false, "%s%.1f", result->limit_drift_pct > BENCH_STEADY_PCT ? "~" : "",
	       result->limit_pct);
#undef COLUMN

	if (printer->n_rows == 0)
		put_md_header(to, columns, n);
	text_printf(to, "|");
	for (size_t i = 0; i < n; i++)
		put_cell(to, columns[i].value, &columns[i]);
	text_printf(to, "\n");
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

bool bench_print_row(struct bench_printer *printer, const struct bench_subject *subject,
                     const struct bench_result *result)
{
	struct text row = {0};

	if (printer->format == BENCH_NONE)
		return true;
	if (printer->format == BENCH_MD) {
		put_md(&row, printer, subject, result);
	} else {
		if (printer->format == BENCH_JSON)
			text_printf(&row, printer->n_rows ? ", " : "[\n  ");
		put_record(&row, printer, subject, result);
		text_printf(&row, "\n");
	}
	printer->n_rows++;
	return put_out(printer, &row);
}

bool bench_print_end(const struct bench_printer *printer)
{
	struct text end = {0};

	if (printer->format == BENCH_JSON && printer->n_rows)
		text_printf(&end, "]\n");
	return put_out(printer, &end);
}

bool bench_print_lines(const struct bench_printer *printer, const struct text *lines)
{
	struct text copy = {0};

	if (printer->format != BENCH_MD)
		return true;
	text_append(&copy, lines->bytes, lines->n_bytes);
	copy.failed |= lines->failed;
	return put_out(printer, &copy);
}
