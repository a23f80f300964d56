#include "cli/info_facts.h"
#include "console/escape.h"
#include "console/format.h"
#include "console/output.h"
#include "console/term.h"
#include "model/repack.h"
#include "model/transformer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- gathering ---- */

static struct gguf_string get_string(const struct gguf *gguf, const char *key)
{
	struct gguf_string value = {"", 0};

	if (tern_gguf_get_string(gguf, key, &value, NULL, NULL))
		return (struct gguf_string){"", 0};
	return value;
}

static struct info_number get_number(const struct gguf *gguf, const char *key)
{
	struct info_number number = {false, 0};

	if (tern_gguf_get_u32(gguf, key, &number.value, &number.is_known, NULL))
		number.is_known = false;
	return number;
}

/* "ARCH.suffix" */
static const char *arch_key(char key[GGUF_MAX_KEY_LENGTH + 1], const struct info_facts *facts, const char *suffix)
{
	snprintf(key, GGUF_MAX_KEY_LENGTH + 1, "%.*s.%s", (int)facts->architecture.length, facts->architecture.bytes,
	         suffix);
	return key;
}

static struct info_number get_arch_number(const struct info_facts *facts, const struct gguf *gguf, const char *suffix)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	return get_number(gguf, arch_key(key, facts, suffix));
}

static struct info_real get_real(const struct gguf *gguf, const char *key)
{
	struct info_real real = {false, 0};

	if (tern_gguf_get_f32(gguf, key, &real.value, &real.is_known, NULL))
		real.is_known = false;
	return real;
}

static void gather_sizes(struct info_facts *f, const struct gguf *gguf)
{
	const struct gguf_pair *tokens = tern_gguf_find(gguf, "tokenizer.ggml.tokens");

	f->n_layer = get_arch_number(f, gguf, "block_count");
	f->n_embd = get_arch_number(f, gguf, "embedding_length");
	f->n_ff = get_arch_number(f, gguf, "feed_forward_length");
	f->n_head = get_arch_number(f, gguf, "attention.head_count");
	f->n_head_kv = get_arch_number(f, gguf, "attention.head_count_kv");
	f->head_dim = get_arch_number(f, gguf, "attention.key_length");
	f->n_ctx_train = get_arch_number(f, gguf, "context_length");
	f->n_rot = get_arch_number(f, gguf, "rope.dimension_count");
	f->bos = get_number(gguf, "tokenizer.ggml.bos_token_id");
	f->eos = get_number(gguf, "tokenizer.ggml.eos_token_id");
	f->eot = get_number(gguf, "tokenizer.ggml.eot_token_id");
	f->n_vocab = tokens && tokens->type == GGUF_ARRAY ? tokens->n_items : 0;
	/* What the format says holds where the key is left out. */
	if (!f->n_head_kv.is_known)
		f->n_head_kv = f->n_head;
	if (!f->head_dim.is_known && f->n_embd.is_known && f->n_head.is_known && f->n_head.value > 0)
		f->head_dim = (struct info_number){true, f->n_embd.value / f->n_head.value};
	if (!f->n_rot.is_known)
		f->n_rot = f->head_dim;
}

static void count_type(struct info_facts *f, const struct gguf_tensor *tensor)
{
	size_t i = 0;

	while (i < f->n_types && f->types[i].type != tensor->type)
		i++;
	if (i == MAX_TYPES)
		return;
	if (i == f->n_types)
		f->types[f->n_types++] = (struct info_type){.type = tensor->type};
	f->types[i].n_tensors++;
	f->types[i].n_bytes += tensor->n_bytes;
}

static void count_norms(struct info_facts *f, struct gguf_string name)
{
	f->n_linear_norms += tern_gguf_string_ends_in(name, "_norm_in.weight") ||
	                     tern_gguf_string_ends_in(name, ".rms_norm.weight") ||
	                     tern_gguf_string_ends_in(name, ".rms_norm");
	f->n_sub_norms += tern_gguf_string_ends_in(name, "_sub_norm.weight");
	f->n_qk_norms += tern_gguf_string_ends_in(name, ".attn_q_norm.weight") ||
	                 tern_gguf_string_ends_in(name, ".attn_k_norm.weight");
	f->n_biases += tern_gguf_string_ends_in(name, ".bias");
}

static void gather_tensors(struct info_facts *f, const struct gguf *gguf)
{
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		uint64_t n = 1;
		for (int d = 0; d < tensor->n_dims; d++)
			n *= tensor->dims[d]; /* the reader has checked the product */
		count_type(f, tensor);
		count_norms(f, tensor->name);
		f->n_tensor_bytes += tensor->n_bytes;
		if (tern_gguf_string_ends_in(tensor->name, ".scale"))
			continue;
		f->n_params += n;
		if (tensor->type == GGUF_TENSOR_T2R16 || tern_is_foreign_ternary(tensor->type)) {
			f->n_ternary_params += n;
			f->n_ternary_bytes += tensor->n_bytes;
		}
	}
}

/* What the model becomes in memory; nothing is known of files that tern would refuse. */
static void gather_computing(struct info_facts *f, const struct gguf *gguf)
{
	struct tern_hparams hparams;

	if (f->n_params == 0 || tern_hparams_load(&hparams, gguf, NULL))
		return;
	f->activation_group = (struct info_number){true, (uint32_t)hparams.activation_group};
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		uint32_t type = tern_repacked_type(gguf, tensor);
		uint64_t n_bytes;
		if (type == tensor->type || !tern_gguf_tensor_bytes(type, tensor->n_dims, tensor->dims, &n_bytes))
			continue;
		f->n_to_t2r16 += type == GGUF_TENSOR_T2R16;
		f->n_to_q8p += type == GGUF_TENSOR_Q8P;
		f->n_repacked_bytes += n_bytes;
	}
}

void info_gather_facts(struct info_facts *f, const struct gguf *gguf, const char *path, uint64_t file_size)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	struct gguf_string norm = get_string(gguf, "tern.linear_norm");

	memset(f, 0, sizeof *f);
	f->path = path;
	f->file_size = file_size;
	f->version = gguf->version;
	f->alignment = gguf->alignment;
	f->n_keys = gguf->n_pairs;
	f->n_tensors = gguf->n_tensors;
	f->name = get_string(gguf, "general.name");
	f->architecture = get_string(gguf, "general.architecture");
	f->tokenizer = get_string(gguf, "tokenizer.ggml.model");
	f->pretokenizer = get_string(gguf, "tokenizer.ggml.pre");
	f->rope_scaling = get_string(gguf, arch_key(key, f, "rope.scaling.type"));
	f->has_chat_template = get_string(gguf, "tokenizer.chat_template").length > 0;
	f->rms_eps = get_real(gguf, arch_key(key, f, "attention.layer_norm_rms_epsilon"));
	f->rope_base = get_real(gguf, arch_key(key, f, "rope.freq_base"));
	f->linear_norm_eps = get_real(gguf, "tern.linear_norm_eps");
	f->has_weightless_norms = norm.length == 10 && memcmp(norm.bytes, "weightless", 10) == 0;
	gather_sizes(f, gguf);
	gather_tensors(f, gguf);
	gather_computing(f, gguf);
}

/* ---- the table ---- */

enum {
	LABEL_WIDTH = 16
};

static void begin_row(const char *label) { output_printf("%-*s", LABEL_WIDTH, label); }
static void end_row(void) { output_write("\n", 1); }

static void put_string(struct gguf_string string)
{
	struct text shown = {0};

	escape_append(&shown, string.bytes, string.length, ESCAPE_LINE);
	if (shown.bytes && !shown.failed)
		output_write(shown.bytes, shown.n_bytes);
	text_free(&shown);
}

static void string_row(const char *label, struct gguf_string string)
{
	if (string.length == 0)
		return;
	begin_row(label);
	put_string(string);
	end_row();
}

/* "LABEL VALUE words", joined to what the row has already; nothing if the value is not known. */
static void put_number(struct info_number number, const char *separator, const char *words)
{
	if (number.is_known)
		output_printf("%s%" PRIu32 "%s%s", separator, number.value, *words ? " " : "", words);
}

static void put_real(struct info_real real, const char *words)
{
	char text[FORMAT_SIZE];

	if (real.is_known)
		output_printf("%s %s", words, format_real(text, (double)real.value, 9));
}

static void number_row(const char *label, struct info_number number, const char *words)
{
	if (!number.is_known)
		return;
	begin_row(label);
	put_number(number, "", words);
	end_row();
}

static double bits_per(uint64_t n_bytes, uint64_t n_weights)
{
	return n_weights ? 8.0 * (double)n_bytes / (double)n_weights : 0;
}

static void put_weights(const struct info_facts *f)
{
	char total[FORMAT_SIZE], ternary[FORMAT_SIZE], rest[FORMAT_SIZE];

	if (f->n_params == 0)
		return;
	begin_row("parameters");
	output_printf("%s: %s ternary, %s other\n", format_count(total, f->n_params),
	              format_count(ternary, f->n_ternary_params),
	              format_count(rest, f->n_params - f->n_ternary_params));
	begin_row("bits per weight");
	output_printf("%.2f", bits_per(f->n_tensor_bytes, f->n_params));
	if (f->n_ternary_params)
		output_printf(" over all, %.2f in ternary matrices", bits_per(f->n_ternary_bytes, f->n_ternary_params));
	end_row();
}

static void put_shape(const struct info_facts *f)
{
	number_row("layers", f->n_layer, "");
	if (f->n_embd.is_known) {
		begin_row("width");
		put_number(f->n_embd, "", "residual stream");
		put_number(f->n_ff, ", ", "feed-forward");
		end_row();
	}
	if (f->n_head.is_known) {
		begin_row("heads");
		put_number(f->n_head, "", "for queries");
		put_number(f->n_head_kv, ", ", "for keys and values");
		put_number(f->head_dim, ", ", "wide");
		end_row();
	}
	number_row("context", f->n_ctx_train, "tokens");
	if (f->rope_base.is_known) {
		begin_row("positions");
		put_real(f->rope_base, "RoPE, base");
		put_number(f->n_rot, ", ", "dimensions");
		output_printf(", scaling ");
		put_string(f->rope_scaling.length ? f->rope_scaling : (struct gguf_string){"none", 4});
		end_row();
	}
}

static void put_norms(const struct info_facts *f)
{
	begin_row("norms");
	if (f->n_linear_norms)
		output_printf("in front of %zu projections, ", f->n_linear_norms);
	else if (f->has_weightless_norms)
		output_printf("weightless in front of every projection, ");
	if (f->linear_norm_eps.is_known && (f->n_linear_norms || f->has_weightless_norms)) {
		put_real(f->linear_norm_eps, "eps");
		output_printf("; ");
	}
	put_real(f->rms_eps, "layers: eps");
	if (f->n_sub_norms)
		output_printf(", %zu sub-norms", f->n_sub_norms);
	if (f->n_qk_norms)
		output_printf(", %zu for queries and keys", f->n_qk_norms);
	end_row();
	if (f->n_biases) {
		begin_row("biases");
		output_printf("%zu\n", f->n_biases);
	}
}

static void put_computing(const struct info_facts *f)
{
	char bytes[FORMAT_SIZE];

	if (!f->activation_group.is_known)
		return;
	begin_row("activations");
	if (f->activation_group.value)
		output_printf("int8, a scale for every %" PRIu32 " columns\n", f->activation_group.value);
	else
		output_printf("int8, a scale for every token\n");
	if (f->n_repacked_bytes == 0)
		return;
	begin_row("when opened");
	if (f->n_to_t2r16)
		output_printf("%zu matrices become T2R16, ", f->n_to_t2r16);
	if (f->n_to_q8p)
		output_printf("the head becomes Q8P, ");
	output_printf("%s in memory\n", format_bytes(bytes, f->n_repacked_bytes));
}

static void put_vocabulary(const struct info_facts *f)
{
	if (f->n_vocab == 0)
		return;
	begin_row("vocabulary");
	output_printf("%" PRIu64 " tokens, ", f->n_vocab);
	put_string(f->tokenizer);
	if (f->pretokenizer.length) {
		output_printf(" / ");
		put_string(f->pretokenizer);
	}
	if (f->bos.is_known)
		output_printf(", BOS %" PRIu32, f->bos.value);
	if (f->eos.is_known)
		output_printf(", EOS %" PRIu32, f->eos.value);
	if (f->eot.is_known)
		output_printf(", EOT %" PRIu32, f->eot.value);
	end_row();
	begin_row("chat template");
	output_printf(f->has_chat_template ? "yes\n" : "none\n");
}

static void put_types(const struct info_facts *f)
{
	char bytes[FORMAT_SIZE];

	for (size_t i = 0; i < f->n_types; i++) {
		begin_row(i ? "" : "types");
		output_printf("%-8s %6zu tensor%s %14s\n", tern_gguf_type_name(f->types[i].type), f->types[i].n_tensors,
		              f->types[i].n_tensors == 1 ? " " : "s", format_bytes(bytes, f->types[i].n_bytes));
	}
}

void info_put_facts(const struct info_facts *f)
{
	char bytes[FORMAT_SIZE];

	begin_row("file");
	put_string((struct gguf_string){f->path, strlen(f->path)});
	end_row();
	begin_row("size");
	output_printf("%s (%" PRIu64 " bytes)\n", format_bytes(bytes, f->file_size), f->file_size);
	begin_row("format");
	output_printf("GGUF version %" PRIu32 ", %zu keys, %zu tensors, alignment %" PRIu64 "\n", f->version, f->n_keys,
	              f->n_tensors, f->alignment);
	string_row("name", f->name);
	string_row("architecture", f->architecture);
	put_weights(f);
	put_shape(f);
	if (f->n_params) {
		put_norms(f);
		put_computing(f);
	}
	put_vocabulary(f);
	put_types(f);
}

/* ---- JSON ---- */

static void json_optional(struct json_writer *json, const char *key, struct info_number number)
{
	json_write_key(json, key);
	if (number.is_known)
		json_write_uint(json, number.value);
	else
		json_write_null(json);
}

static void json_count(struct json_writer *json, const char *key, uint64_t count)
{
	json_write_key(json, key);
	json_write_uint(json, count);
}

static void json_types(struct json_writer *json, const struct info_facts *f)
{
	json_write_key(json, "types");
	json_write_begin_array(json);
	for (size_t i = 0; i < f->n_types; i++) {
		json_write_begin_object(json);
		json_write_key(json, "type");
		json_write_string(json, tern_gguf_type_name(f->types[i].type));
		json_count(json, "tensors", f->types[i].n_tensors);
		json_count(json, "bytes", f->types[i].n_bytes);
		json_write_end_object(json);
	}
	json_write_end_array(json);
}

void info_json_facts(struct json_writer *json, const struct info_facts *f)
{
	json_write_key(json, "file");
	json_write_string(json, f->path);
	json_count(json, "size", f->file_size);
	json_count(json, "version", f->version);
	json_count(json, "alignment", f->alignment);
	json_write_key(json, "name");
	json_write_bytes(json, f->name.bytes, f->name.length);
	json_write_key(json, "architecture");
	json_write_bytes(json, f->architecture.bytes, f->architecture.length);
	json_count(json, "parameters", f->n_params);
	json_count(json, "ternary_parameters", f->n_ternary_params);
	json_write_key(json, "bits_per_weight");
	json_write_real(json, bits_per(f->n_tensor_bytes, f->n_params), 6);
	json_write_key(json, "ternary_bits_per_weight");
	json_write_real(json, bits_per(f->n_ternary_bytes, f->n_ternary_params), 6);
	json_optional(json, "layers", f->n_layer);
	json_optional(json, "width", f->n_embd);
	json_optional(json, "feed_forward", f->n_ff);
	json_optional(json, "heads", f->n_head);
	json_optional(json, "heads_kv", f->n_head_kv);
	json_optional(json, "head_dim", f->head_dim);
	json_optional(json, "context", f->n_ctx_train);
	json_count(json, "vocabulary", f->n_vocab);
	json_write_key(json, "chat_template");
	json_write_bool(json, f->has_chat_template);
	json_count(json, "projection_norms", f->n_linear_norms);
	json_write_key(json, "weightless_norms");
	json_write_bool(json, f->has_weightless_norms);
	json_count(json, "sub_norms", f->n_sub_norms);
	json_count(json, "query_key_norms", f->n_qk_norms);
	json_count(json, "biases", f->n_biases);
	json_optional(json, "activation_group", f->activation_group);
	json_count(json, "repacked_tensors", f->n_to_t2r16 + f->n_to_q8p);
	json_count(json, "repacked_bytes", f->n_repacked_bytes);
	json_types(json, f);
}
