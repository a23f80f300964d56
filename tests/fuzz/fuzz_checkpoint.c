/* Fuzz target: converting a checkpoint, whose config.json, names, types and shapes of tensors and data come from the
 * input (its form is in seeds.py). It is converted, to be opened as a model, or refused in one line. */
#include "base/bytes.h"
#include "convert/convert_checkpoint.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern.h>
#include <unistd.h>

static const char tokenizer[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2},\"merges\":[]},\"added_tokens\":[],"
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}}";

static char folder[] = "/tmp/tern-fuzz.XXXXXX", output[sizeof folder + sizeof "/out.gguf"];

static void write_file(const char *name, const void *head, size_t n_head, const void *bytes, size_t n_bytes)
{
	char path[sizeof folder + 40];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(head, 1, n_head, file) != n_head || fwrite(bytes, 1, n_bytes, file) != n_bytes ||
	    fclose(file) != 0)
		abort();
}

static void remove_all(void)
{
	static const char *const names[] = {"config.json", "model.safetensors", "tokenizer.json", "out.gguf"};
	char path[sizeof folder + 40];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void begin(void)
{
	if (output[0])
		return;
	if (!mkdtemp(folder))
		abort();
	snprintf(output, sizeof output, "%s/out.gguf", folder);
	write_file("tokenizer.json", "", 0, tokenizer, sizeof tokenizer - 1);
	atexit(remove_all);
}

/* A line, and only for a file's fault. */
static void check_refusal(enum tern_status status, const struct tern_error *err)
{
	if (status != TERN_ERR_FILE || !err->message[0] || strchr(err->message, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct convert_options options = {.input = folder, .output = output, .force = true, .n_threads = 1};
	const struct tern_model_options open = {.n_threads = 1};
	struct checkpoint_summary summary;
	struct tern_error err = {0};
	struct tern_model *model;
	uint64_t n_header;

	if (n_bytes < 4 || n_bytes - 4 < (size_t)tern_load_u16(bytes) + tern_load_u16(bytes + 2))
		return 0;
	begin();
	size_t n_config = tern_load_u16(bytes);
	n_header = tern_load_u16(bytes + 2);
	write_file("config.json", "", 0, bytes + 4, n_config);
	write_file("model.safetensors", &n_header, sizeof n_header, bytes + 4 + n_config, n_bytes - 4 - n_config);
	options.masters = n_config % 2;
	options.keep_head = options.keep_embedding = n_header % 2;
	enum tern_status status = convert_checkpoint(&options, &summary, &err);
	if (status) {
		check_refusal(status, &err);
		return 0;
	}
	if ((status = tern_model_open(&model, output, &open, &err)))
		check_refusal(status, &err);
	else
		tern_model_close(model);
	return 0;
}
