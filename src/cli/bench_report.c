/* The five formats of `tern bench`, each row put out as soon as it is known. */
#include "cli/bench.h"
#include "console/format.h"
#include "console/output.h"
#include "console/term.h"
#include "json/write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Puts the text out and frees it. */
static bool put_out(const struct bench_printer *printer, struct text *text)
{
	bool good = !text->failed;

	if (!good) {
		report("out of memory");
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

/* ---- records ------------------------------------------------------------------------------------------------ */

static void put_value(struct text *to, const struct bench_field *field)
{
	char real[FORMAT_SIZE];

	if (field->kind == BENCH_TEXT)
		text_printf(to, "%s", field->text);
	else if (field->kind != BENCH_REAL)
		text_printf(to, "%" PRId64, field->number);
	else if (!isnan(field->real))
		text_printf(to, "%s", format_real(real, field->real, 9));
}

/* The value between `quote` characters; those in it are doubled. */
static void put_quoted(struct text *to, const struct bench_field *field, char quote)
{
	struct text value = {0};

	put_value(&value, field);
	to->failed |= value.failed;
	text_append(to, &quote, 1);
	for (size_t i = 0; i < value.n_bytes; i++) {
		if (value.bytes[i] == quote)
			text_append(to, &quote, 1);
		text_append(to, value.bytes + i, 1);
	}
	text_append(to, &quote, 1);
	text_free(&value);
}

static void put_csv(struct text *to, const struct bench_printer *printer, const struct bench_field *fields,
                    size_t n_fields)
{
	for (size_t i = 0; i < n_fields && printer->n_rows == 0; i++)
		text_printf(to, "%s%s", fields[i].name, i + 1 < n_fields ? "," : "\n");
	for (size_t i = 0; i < n_fields; i++) {
		put_quoted(to, &fields[i], '"');
		text_printf(to, i + 1 < n_fields ? "," : "\n");
	}
}

static void put_sql(struct text *to, const struct bench_printer *printer, const struct bench_field *fields,
                    size_t n_fields)
{
	static const char *const types[] = {"TEXT", "INTEGER", "REAL", "INTEGER"};

	if (printer->n_rows == 0) {
		text_printf(to, "CREATE TABLE IF NOT EXISTS test (\n");
		for (size_t i = 0; i < n_fields; i++)
			text_printf(to, "  %s %s%s\n", fields[i].name, types[fields[i].kind],
			            i + 1 < n_fields ? "," : "");
		text_printf(to, ");\n\n");
	}
	text_printf(to, "INSERT INTO test (");
	for (size_t i = 0; i < n_fields; i++)
		text_printf(to, "%s%s", fields[i].name, i + 1 < n_fields ? ", " : ") VALUES (");
	for (size_t i = 0; i < n_fields; i++) {
		if (fields[i].kind == BENCH_TEXT)
			put_quoted(to, &fields[i], '\'');
		else if (fields[i].kind == BENCH_REAL && isnan(fields[i].real))
			text_printf(to, "NULL");
		else
			put_value(to, &fields[i]);
		text_printf(to, i + 1 < n_fields ? ", " : ");\n");
	}
}

static void put_field_json(struct json_writer *json, const struct bench_field *field)
{
	json_write_key(json, field->name);
	switch (field->kind) {
	case BENCH_TEXT:
		json_write_string(json, field->text);
		break;
	case BENCH_INT:
		json_write_int(json, field->number);
		break;
	case BENCH_REAL:
		json_write_real(json, field->real, 9);
		break;
	case BENCH_BOOL:
		json_write_bool(json, field->number != 0);
		break;
	}
}

static void put_json_object(struct text *to, const struct bench_field *fields, size_t n_fields,
                            const struct bench_result *result)
{
	struct json_writer json = {.to = to};

	json_write_begin_object(&json);
	for (size_t i = 0; i < n_fields; i++)
		put_field_json(&json, &fields[i]);
	json_write_key(&json, "samples_ns");
	json_write_begin_array(&json);
	for (int i = 0; i < result->test.n_reps; i++)
		json_write_uint(&json, result->samples[i].ns);
	json_write_end_array(&json);
	json_write_key(&json, "samples_ts");
	json_write_begin_array(&json);
	for (int i = 0; i < result->test.n_reps; i++)
		json_write_real(&json, result->samples[i].tokens_per_second, 9);
	json_write_end_array(&json);
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

/* Characters, for a text of UTF-8. */
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
	COLUMN("size", 10, false, "%s", format_bytes(number, subject->n_bytes));
	COLUMN("params", 10, false, "%s", format_count(number, subject->n_params));
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
	COLUMN("% of limit", 10, false, "%.1f", result->limit_pct);
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
	struct bench_field fields[BENCH_MAX_FIELDS];
	size_t n_fields = bench_fields(fields, printer->cpu, subject, result);
	struct text row = {0};

	switch (printer->format) {
	case BENCH_CSV:
		put_csv(&row, printer, fields, n_fields);
		break;
	case BENCH_JSON:
		text_printf(&row, printer->n_rows ? ",\n  " : "[\n  ");
		put_json_object(&row, fields, n_fields, result);
		break;
	case BENCH_JSONL:
		put_json_object(&row, fields, n_fields, result);
		text_printf(&row, "\n");
		break;
	case BENCH_MD:
		put_md(&row, printer, subject, result);
		break;
	case BENCH_SQL:
		put_sql(&row, printer, fields, n_fields);
		break;
	}
	printer->n_rows++;
	return put_out(printer, &row);
}

bool bench_print_end(struct bench_printer *printer)
{
	struct text end = {0};

	if (printer->format == BENCH_JSON && printer->n_rows)
		text_printf(&end, "\n]\n");
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
