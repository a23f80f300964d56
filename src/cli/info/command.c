/* tern info: what is in a model file. Reads the container only, so that it also describes files tern cannot run. */
#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/info/differences.h"
#include "cli/info/summary.h"
#include "cli/info/values.h"
#include "cli/models.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/signals.h"
#include "console/suggest.h"
#include "console/term.h"
#include "console/text.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct own_options {
	bool tensors, json, verify, diff;
	const char *key;
};

struct info_options {
	struct common_options common;
	struct own_options own;
};

#define FIELD(name) offsetof(struct own_options, name)

static const struct option own_options[] = {
        {.name = "tensors", .offset = FIELD(tensors), .help = "list every tensor: name, type, shape, size, place"},
        {.name = "key",
         .kind = OPTION_TEXT,
         .offset = FIELD(key),
         .argument = "NAME",
         .help = "print the value of one metadata key and nothing else; an array one item per line",
         .once = true},
        {.name = "json", .offset = FIELD(json), .help = "print one JSON object"},
        {.name = "verify",
         .offset = FIELD(verify),
         .help = "read all weights: invalid ternary codes, bad scales, NaN and infinities; exit status 3 if any"},
        {.name = "diff",
         .offset = FIELD(diff),
         .help = "list where two files differ, in metadata and tensors; exit status 1 if they do"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Information:", own_options, offsetof(struct info_options, own)},
        COMMON_MODEL_GROUP(struct info_options, common),
        COMMON_MESSAGE_GROUP(struct info_options, common),
        {.options = NULL},
};

static enum tern_status info_main(int argc, char **argv);

const struct command command_info = {
        .name = "info",
        .alias = "show",
        .summary = "Show what is in a model file",
        .usage = "tern info [OPTION...] [MODEL]\n       tern info --diff MODEL MODEL",
        .examples = "  tern info model.gguf\n"
                    "  tern info --tensors model.gguf\n"
                    "  tern info --key general.architecture model.gguf\n"
                    "  tern info --verify model.gguf\n"
                    "  tern info --diff before.gguf after.gguf\n",
        .groups = groups,
        .values_size = sizeof(struct info_options),
        .run = info_main,
};

/* JSON shows longer arrays by type and count only; --key shows any in full. */
enum {
	MAX_JSON_ITEMS = 64
};

struct info {
	struct info_options options;
	struct operands operands;
	char *path;
	struct tern_file file;
	struct gguf gguf;
	struct info_summary summary;
	struct tern_verify_result verified;
};

/* ---- one key ---- */

static enum tern_status put_key(const struct info *info)
{
	const char *key = info->options.own.key;
	const struct gguf_pair *pair = tern_gguf_find(&info->gguf, key);
	struct suggestion suggestion;
	struct json_writer json = {0};

	if (!pair) {
		suggest_start(&suggestion, key, strlen(key));
		for (size_t i = 0; i < info->gguf.n_pairs; i++)
			suggest_offer(&suggestion, info->gguf.pairs[i].key.bytes, info->gguf.pairs[i].key.length);
		report("%s: key '%.256s': not in the file%s%s%s", info->path, key,
		       suggestion.best[0] ? " (did you mean '" : "", suggestion.best, suggestion.best[0] ? "'?)" : "");
		return TERN_ERR_FAILED;
	}
	if (info->options.own.json) {
		info_json_value(&json, pair, UINT64_MAX);
		output_write("\n", 1);
	} else {
		info_put_bare_value(pair);
	}
	return TERN_OK;
}

/* ---- tables ---- */

static void put_metadata(const struct info *info)
{
	output_printf("\n%smetadata%s\n", term_style(STDOUT_FILENO, TERM_BOLD), term_style(STDOUT_FILENO, TERM_PLAIN));
	for (size_t i = 0; i < info->gguf.n_pairs; i++) {
		const struct gguf_pair *pair = &info->gguf.pairs[i];
		output_printf("  %-40.*s ", (int)pair->key.length, pair->key.bytes);
		info_put_value(pair);
		output_write("\n", 1);
	}
}

static void put_tensors(const struct info *info)
{
	output_printf("\n%s%-10s %12s %12s  %-20s %s%s\n", term_style(STDOUT_FILENO, TERM_BOLD), "type", "bytes", "at",
	              "shape", "name", term_style(STDOUT_FILENO, TERM_PLAIN));
	for (size_t i = 0; i < info->gguf.n_tensors; i++) {
		const struct gguf_tensor *tensor = &info->gguf.tensors[i];
		struct text shape = {0};
		for (int d = 0; d < tensor->n_dims; d++)
			text_printf(&shape, "%s%" PRIu64, d ? " x " : "", tensor->dims[d]);
		output_printf("%-10.10s %12" PRIu64 " %12" PRIu64 "  %-20s ", tern_gguf_type_name(tensor->type),
		              tensor->n_bytes, tensor->offset, shape.failed ? "" : shape.bytes);
		output_line_part(tensor->name.bytes, tensor->name.length);
		output_write("\n", 1);
		text_free(&shape);
	}
}

static void put_verified(const struct info *info)
{
	const struct tern_verify_result *v = &info->verified;

	output_printf("\n");
	for (size_t i = 0; i < v->n_faults; i++) {
		output_printf("tensor '");
		output_line_part(v->faults[i].tensor->name.bytes, v->faults[i].tensor->name.length);
		output_printf("': %s: %" PRIu64 "\n", v->faults[i].what, v->faults[i].count);
	}
	if (v->n_hole_bytes)
		output_printf("%" PRIu64 " bytes between tensors belong to nothing\n", v->n_hole_bytes);
	if (v->n_trailing_bytes)
		output_printf("%" PRIu64 " bytes after the last tensor belong to nothing\n", v->n_trailing_bytes);
	if (!v->n_faults)
		output_printf("verified: all weights of %zu tensors are sound\n", info->gguf.n_tensors);
}

/* ---- JSON ---- */

static void json_tensors(struct json_writer *json, const struct gguf *gguf)
{
	json_write_key(json, "tensors");
	json_write_begin_array(json);
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		json_write_begin_object(json);
		json_put_bytes(json, "name", tensor->name.bytes, tensor->name.length);
		json_put_string(json, "type", tern_gguf_type_name(tensor->type));
		json_write_key(json, "shape");
		json_write_begin_array(json);
		for (int d = 0; d < tensor->n_dims; d++)
			json_write_uint(json, tensor->dims[d]);
		json_write_end_array(json);
		json_put_uint(json, "bytes", tensor->n_bytes);
		json_put_uint(json, "offset", tensor->offset);
		json_write_end_object(json);
	}
	json_write_end_array(json);
}

static void json_verified(struct json_writer *json, const struct tern_verify_result *v)
{
	json_write_key(json, "verify");
	json_write_begin_object(json);
	json_write_key(json, "faults");
	json_write_begin_array(json);
	for (size_t i = 0; i < v->n_faults; i++) {
		json_write_begin_object(json);
		json_put_bytes(json, "tensor", v->faults[i].tensor->name.bytes, v->faults[i].tensor->name.length);
		json_put_string(json, "what", v->faults[i].what);
		json_put_uint(json, "count", v->faults[i].count);
		json_write_end_object(json);
	}
	json_write_end_array(json);
	json_put_uint(json, "hole_bytes", v->n_hole_bytes);
	json_put_uint(json, "trailing_bytes", v->n_trailing_bytes);
	json_write_end_object(json);
}

static void put_json(const struct info *info)
{
	struct json_writer json = {0};

	json_write_begin_object(&json);
	info_json_summary(&json, &info->summary);
	json_write_key(&json, "metadata");
	json_write_begin_object(&json);
	for (size_t i = 0; i < info->gguf.n_pairs; i++) {
		const struct gguf_pair *pair = &info->gguf.pairs[i];
		json_write_key_bytes(&json, pair->key.bytes, pair->key.length);
		info_json_value(&json, pair, MAX_JSON_ITEMS);
	}
	json_write_end_object(&json);
	if (info->options.own.tensors)
		json_tensors(&json, &info->gguf);
	if (info->options.own.verify)
		json_verified(&json, &info->verified);
	json_write_end_object(&json);
	output_write("\n", 1);
}

/* ---- the whole ---- */

static enum tern_status verify(struct info *info, struct tern_error *err)
{
	struct progress progress;
	enum tern_status status;

	progress_start(&progress, "reading the weights");
	status = tern_verify_weights(&info->gguf, info->file.size, &info->verified, progress_callback, &progress, err);
	progress_end(&progress);
	return status;
}

static enum tern_status open_file(struct info *info, struct tern_error *err)
{
	enum tern_status status = tern_file_open(&info->file, info->path, true, err);

	if (status)
		return status;
	signals_watch_map(info->path);
	if ((status = tern_gguf_parse(&info->gguf, info->path, info->file.data, info->file.size, err)))
		return status;
	info->summary = (struct info_summary){.gguf = &info->gguf, .file_size = info->file.size};
	tern_file_facts_of(&info->summary.facts, &info->gguf);
	return TERN_OK;
}

static void put_everything(const struct info *info)
{
	if (info->options.own.json) {
		put_json(info);
		return;
	}
	info_put_summary(&info->summary);
	if (info->options.own.tensors)
		put_tensors(info);
	else
		put_metadata(info);
	if (info->options.own.verify)
		put_verified(info);
}

/* Compares the open file with another. */
static enum tern_status diff(const struct info *info, const char *name, struct tern_error *err)
{
	struct tern_file file = {0};
	struct gguf gguf = {0};
	char *path = NULL;
	enum tern_status status = models_find(name, &path);

	if (status)
		return status;
	if ((status = tern_file_open(&file, path, true, err)) ||
	    (status = tern_gguf_parse(&gguf, path, file.data, file.size, err)))
		report_error(err);
	else if (info_put_differences(&info->gguf, &gguf) > 0)
		status = TERN_ERR_FAILED;
	tern_gguf_free(&gguf);
	tern_file_close(&file);
	tern_free(path);
	return status;
}

static enum tern_status work(struct info *info)
{
	struct tern_error err = {0};
	const char *name = info->options.common.model, *other = NULL;
	size_t n_wanted = (size_t)(name == NULL) + (size_t)info->options.own.diff, n = info->operands.n_items;
	enum tern_status status;

	if (n > n_wanted)
		return usage_error(&command_info, "unexpected '%.64s': one model at a time, or two with --diff",
		                   info->operands.items[n_wanted]);
	if (info->options.own.diff && n < n_wanted)
		return usage_error(&command_info, "--diff needs two models");
	if (info->options.own.diff &&
	    (info->options.own.tensors || info->options.own.json || info->options.own.verify || info->options.own.key))
		return usage_error(&command_info,
		                   "--diff has its own form; leave out --tensors, --key, --json, --verify");
	if (!name && n)
		name = info->operands.items[0];
	if (info->options.own.diff)
		other = info->operands.items[n_wanted - 1];
	if ((status = models_find(name, &info->path)))
		return status;
	if ((status = open_file(info, &err)))
		return report_error(&err);
	if (other)
		return diff(info, other, &err);
	if (info->options.own.key)
		return put_key(info);
	if (info->options.own.verify && (status = verify(info, &err)))
		return report_error(&err);
	put_everything(info);
	if (info->verified.n_faults) {
		output_flush();
		report("%s: damaged: %zu fault%s in the weights", info->path, info->verified.n_faults,
		       info->verified.n_faults == 1 ? "" : "s");
		return TERN_ERR_FILE;
	}
	return TERN_OK;
}

static enum tern_status info_main(int argc, char **argv)
{
	struct info info = {0};
	enum tern_status status;

	if (!options_parse(&command_info, argc, argv, &info.options, &info.operands, &status))
		return status;
	common_apply(&info.options.common, &info.operands);
	status = work(&info);
	tern_verify_free(&info.verified);
	tern_gguf_free(&info.gguf);
	tern_file_close(&info.file);
	tern_free(info.path);
	options_free(&command_info, &info.options, &info.operands);
	return output_finish(status);
}
