#include "tune/export.h"

#include "base/memory.h"
#include "tune/outdir.h"
#include "json/write.h"

#include <stdio.h>
#include <string.h>

enum {
	MAX_COPIED = 1 << 30
};

static enum tern_status write_bytes(const char *path, const char *name, const void *bytes, size_t n,
                                    const struct listener *listener, struct tern_error *err)
{
	struct tern_outfile out;
	enum tern_status status = outdir_create(&out, path, name, listener, err);

	if (status)
		return status;
	status = tern_outfile_write(&out, bytes, n, err);
	return outdir_finish(&out, status, listener, err);
}

/* ---- the tokenizer ---- */

static const char *const copied[] = {"tokenizer.json",          "tokenizer.model",   "tokenizer_config.json",
                                     "special_tokens_map.json", "vocab.json",        "merges.txt",
                                     "generation_config.json",  "added_tokens.json", "chat_template.jinja",
                                     "chat_template.json"};

static enum tern_status copy_files(const char *path, const struct directory *base, const struct listener *listener,
                                   struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; !status && i < sizeof copied / sizeof *copied; i++) {
		uint8_t *bytes;
		size_t n;
		if ((status = directory_read_file(base, copied[i], MAX_COPIED, &bytes, &n, err)))
			return status;
		if (bytes)
			status = write_bytes(path, copied[i], bytes, n, listener, err);
		tern_free(bytes);
	}
	return status;
}

/* ---- config.json ---- */

static void copy_value(struct json_writer *to, struct json_value value)
{
	struct json_string s;

	switch (json_type(value)) {
	case JSON_STRING:
		s = json_string(value);
		json_write_bytes(to, s.bytes, s.length);
		break;
	case JSON_ARRAY:
		json_write_begin_array(to);
		for (struct json_iterator it = json_items(value); json_next(&it);)
			copy_value(to, it.value);
		json_write_end_array(to);
		break;
	case JSON_OBJECT:
		json_write_begin_object(to);
		for (struct json_iterator it = json_items(value); json_next(&it);) {
			json_write_key_bytes(to, json_string(it.key).bytes, json_string(it.key).length);
			copy_value(to, it.value);
		}
		json_write_end_object(to);
		break;
	default:
		json_write_scalar(to, json_text(value),
		                  strspn(json_text(value), "+-.0123456789abcdefghijklmnopqrstuvwxyzE"));
	}
}

/* What transformers' BitNet integration and tern-convert go by. */
static void put_quantization(struct json_writer *to, const struct network *net, enum export_form form)
{
	json_write_key(to, "quantization_config");
	json_write_begin_object(to);
	json_put_string(to, "quant_method", "bitnet");
	json_put_string(to, "linear_class", "autobitlinear");
	json_put_string(to, "quantization_mode", form == EXPORT_PACKED ? "offline" : "online");
	json_put_bool(to, "use_rms_norm", net->has_extra_norm);
	json_put_real(to, "rms_norm_eps", (double)net->linear_norm_eps, 9);
	json_write_end_object(to);
}

static enum tern_status write_config(const char *path, const struct network *net, const struct config *config,
                                     enum export_form form, const struct listener *listener, struct tern_error *err)
{
	static const char *const replaced[] = {"quantization_config", "torch_dtype", "dtype", "tie_word_embeddings"};
	struct text text = {0};
	struct json_writer to = {.to = &text};

	json_write_begin_object(&to);
	for (struct json_iterator it = json_items(json_root(&config->json)); json_next(&it);) {
		bool keep = true;
		for (size_t i = form == EXPORT_FULL_PRECISION; i < sizeof replaced / sizeof *replaced; i++)
			keep = keep && !json_string_is(it.key, replaced[i]);
		if (!keep)
			continue;
		json_write_key_bytes(&to, json_string(it.key).bytes, json_string(it.key).length);
		copy_value(&to, it.value);
	}
	json_put_string(&to, "torch_dtype", "float32");
	json_put_bool(&to, "tie_word_embeddings", net->is_tied);
	if (form != EXPORT_FULL_PRECISION)
		put_quantization(&to, net, form);
	json_write_end_object(&to);
	text_printf(&text, "\n");
	enum tern_status status = text.failed
	                                  ? tern_fail_memory(err, text.n_bytes)
	                                  : write_bytes(path, "config.json", text.bytes, text.n_bytes, listener, err);
	text_free(&text);
	return status;
}

/* ---- model.safetensors ---- */

static bool is_packed(const struct network *net, const struct parameter *p, enum export_form form)
{
	return form == EXPORT_PACKED && p->is_matrix && p != &net->parameters[net->embedding] &&
	       p != &net->parameters[net->head];
}

enum tern_status export_check(const struct network *net, enum export_form form, struct tern_error *err)
{
	for (size_t i = 0; i < net->n_parameters; i++) {
		const struct parameter *p = &net->parameters[i];
		if (is_packed(net, p, form) && p->n_row % 4 != 0)
			return tern_fail(err, TERN_ERR_USAGE,
			                 "--packed: %s has %zu rows; packed matrices have a multiple of 4", p->name,
			                 p->n_row);
		if (form == EXPORT_PACKED && strstr(p->name, ".bias"))
			return tern_fail(err, TERN_ERR_USAGE, "--packed: %s: packed matrices have no biases", p->name);
	}
	return TERN_OK;
}

static void put_tensor(struct json_writer *json, const char *name, const char *suffix, const char *type,
                       const size_t *shape, size_t n_dims, size_t n_bytes, size_t *at)
{
	char key[128];

	snprintf(key, sizeof key, "%s%s", name, suffix);
	json_write_key(json, key);
	json_write_begin_object(json);
	json_put_string(json, "dtype", type);
	json_write_key(json, "shape");
	json_write_begin_array(json);
	for (size_t i = 0; i < n_dims; i++)
		json_write_uint(json, shape[i]);
	json_write_end_array(json);
	json_write_key(json, "data_offsets");
	json_write_begin_array(json);
	json_write_uint(json, *at);
	json_write_uint(json, *at += n_bytes);
	json_write_end_array(json);
	json_write_end_object(json);
}

/* The header: first all floats, so that they are aligned, then packed matrices. */
static void put_header(struct text *text, const struct network *net, enum export_form form)
{
	struct json_writer json = {.to = text};
	size_t at = 0;

	json_write_begin_object(&json);
	json_write_key(&json, "__metadata__");
	json_write_begin_object(&json);
	json_put_string(&json, "format", "pt");
	json_write_end_object(&json);
	for (int packed = 0; packed < 2; packed++)
		for (size_t i = 0; i < net->n_parameters; i++) {
			const struct parameter *p = &net->parameters[i];
			const size_t floats[] = {p->n_row, p->n_col}, codes[] = {p->n_row / 4, p->n_col}, one = 1;
			bool is_codes = is_packed(net, p, form);
			if (packed && is_codes)
				put_tensor(&json, p->name, "", "U8", codes, 2, p->n / 4, &at);
			else if (!packed && is_codes) /* X.weight_scale, of X.weight */
				put_tensor(&json, p->name, "_scale", "F32", &one, 1, sizeof(float), &at);
			else if (!packed)
				put_tensor(&json, p->name, "", "F32", floats + !p->is_matrix, 1 + p->is_matrix,
				           p->n * sizeof(float), &at);
		}
	json_write_end_object(&json);
	while (!text->failed && text->n_bytes % 8)
		text_append(text, " ", 1);
}

/* Row r of the codes + 1 is in bits 2i, 2i+1 of byte row r mod (n_row / 4), i = r / (n_row / 4). */
static void pack(uint8_t *codes, const float *values, const struct parameter *p)
{
	struct ternary ternary = ternary_of(values, p->n);
	size_t quarter = p->n / 4;

	for (size_t at = 0; at < quarter; at++) {
		codes[at] = 0;
		for (size_t i = 0; i < 4; i++) {
			float code;
			quantize_weights(&code, values + i * quarter + at, ternary, 1.0f, 1);
			codes[at] |= (uint8_t)((code > 0 ? 2u : code < 0 ? 0u : 1u) << 2 * i);
		}
	}
}

static enum tern_status write_packed(struct tern_outfile *out, const struct network *net, const struct parameter *p,
                                     struct tern_error *err)
{
	const float *values = net->values + p->offset;
	uint8_t *codes = tern_alloc(p->n / 4, 1);

	if (!codes)
		return tern_fail_memory(err, p->n / 4);
	pack(codes, values, p);
	enum tern_status status = tern_outfile_write(out, codes, p->n / 4, err);
	tern_free(codes);
	return status;
}

static enum tern_status write_tensors(struct tern_outfile *out, const struct network *net, enum export_form form,
                                      struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	for (int packed = 0; packed < 2; packed++)
		for (size_t i = 0; !status && i < net->n_parameters; i++) {
			const struct parameter *p = &net->parameters[i];
			const float *values = net->values + p->offset;
			bool is_codes = is_packed(net, p, form);
			float scale = is_codes && !packed ? ternary_of(values, p->n).scale : 0.0f;
			if (packed && is_codes)
				status = write_packed(out, net, p, err);
			else if (!packed && is_codes)
				status = tern_outfile_write(out, &scale, sizeof scale, err);
			else if (!packed)
				status = tern_outfile_write(out, values, p->n * sizeof *values, err);
		}
	return status;
}

static enum tern_status write_weights(const char *path, const struct network *net, enum export_form form,
                                      const struct listener *listener, struct tern_error *err)
{
	struct text header = {0};
	struct tern_outfile out;
	uint64_t n_header;
	enum tern_status status;

	put_header(&header, net, form);
	n_header = header.n_bytes;
	status = header.failed ? tern_fail_memory(err, header.n_bytes)
	                       : outdir_create(&out, path, "model.safetensors", listener, err);
	if (!status) {
		if (!(status = tern_outfile_write(&out, &n_header, sizeof n_header, err)) &&
		    !(status = tern_outfile_write(&out, header.bytes, header.n_bytes, err)))
			status = write_tensors(&out, net, form, err);
		status = outdir_finish(&out, status, listener, err);
	}
	text_free(&header);
	return status;
}

/* ---- the whole ---- */

const char *export_find(const struct directory *output)
{
	static const char *const made[] = {"model.safetensors", "model.safetensors.index.json", "config.json"};

	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		if (directory_has(output, made[i]))
			return made[i];
	for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
		if (directory_has(output, copied[i]))
			return copied[i];
	return NULL;
}

enum tern_status export_write(const char *path, const struct network *net, const struct directory *base,
                              const struct config *config, enum export_form form, const struct listener *listener,
                              struct tern_error *err)
{
	enum tern_status status;

	if ((status = write_config(path, net, config, form, listener, err)) ||
	    (status = copy_files(path, base, listener, err)))
		return status;
	return write_weights(path, net, form, listener, err);
}
