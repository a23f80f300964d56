#include "cli/info/summary.h"

#include "console/format.h"
#include "console/output.h"

#include <inttypes.h>
#include <string.h>

/* "" if the key is absent or of another type. */
static struct gguf_string get_string(const struct gguf *gguf, const char *key)
{
	struct gguf_string value = {"", 0};

	tern_gguf_get_string(gguf, key, &value, NULL, NULL);
	return value;
}

static uint64_t count_tokens(const struct gguf *gguf)
{
	const struct gguf_pair *tokens = tern_gguf_find(gguf, "tokenizer.ggml.tokens");

	return tokens && tokens->type == GGUF_ARRAY ? tokens->n_items : 0;
}

static double bits_per(uint64_t n_bytes, uint64_t n_weights)
{
	return n_weights ? 8.0 * (double)n_bytes / (double)n_weights : 0;
}

/* ---- the table ---- */

enum {
	LABEL_WIDTH = 16
};

static void begin_row(const char *label) { output_printf("%-*s", LABEL_WIDTH, label); }
static void end_row(void) { output_write("\n", 1); }

static void put_string(struct gguf_string string) { output_line_part(string.bytes, string.length); }

static void string_row(const char *label, struct gguf_string string)
{
	if (string.length == 0)
		return;
	begin_row(label);
	put_string(string);
	end_row();
}

static void put_weights(const struct tern_file_facts *f)
{
	char total[FORMAT_SIZE], ternary[FORMAT_SIZE], rest[FORMAT_SIZE];

	if (f->n_params == 0)
		return;
	begin_row("parameters");
	output_printf("%s: %s ternary, %s other\n", format_count(total, f->n_params),
	              format_count(ternary, f->n_ternary_params),
	              format_count(rest, f->n_params - f->n_ternary_params));
	begin_row("bits per weight");
	output_printf("%.2f", bits_per(f->n_bytes, f->n_params));
	if (f->n_ternary_params)
		output_printf(" over all, %.2f in ternary matrices", bits_per(f->n_ternary_bytes, f->n_ternary_params));
	end_row();
}

static void put_shape(const struct tern_file_facts *f)
{
	char base[FORMAT_SIZE];

	begin_row("layers");
	output_printf("%zu", f->n_layer);
	if (f->n_delta_layer)
		output_printf(", of which %zu are gated delta nets", f->n_delta_layer);
	output_printf("%s", f->is_rotated ? "; weights in a Hadamard-rotated basis\n" : "\n");
	begin_row("width");
	output_printf("%zu residual stream, %zu feed-forward\n", f->n_embd, f->n_ff);
	if (f->n_expert) {
		begin_row("experts");
		output_printf("%zu in every layer, of which a token uses %zu\n", f->n_expert, f->n_expert_used);
	}
	begin_row("heads");
	output_printf("%zu for queries, %zu for keys and values, %zu wide\n", f->n_head, f->n_head_kv, f->head_dim);
	begin_row("context");
	output_printf("%zu tokens\n", f->n_ctx_train);
	if (f->rope_base != 0) {
		begin_row("positions");
		output_printf("RoPE, base %s, %zu dimensions, scaling ", format_real(base, (double)f->rope_base, 9),
		              f->n_rot);
		put_string(f->rope_scaling);
		end_row();
	}
}

static void put_norms(const struct tern_file_facts *f)
{
	char eps[FORMAT_SIZE];

	begin_row("norms");
	if (f->n_linear_norms)
		output_printf("in front of %zu projections, ", f->n_linear_norms);
	else if (f->has_weightless_norms)
		output_printf("weightless in front of every projection, ");
	if (f->n_linear_norms || f->has_weightless_norms)
		output_printf("eps %s; ", format_real(eps, (double)f->linear_norm_eps, 9));
	output_printf("layers: eps %s", format_real(eps, (double)f->rms_eps, 9));
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

static void put_computing(const struct tern_file_facts *f)
{
	char bytes[FORMAT_SIZE], token[FORMAT_SIZE], token_q8[FORMAT_SIZE];

	begin_row("activations");
	if (f->activation_group)
		output_printf("int8, a scale for every %zu columns\n", f->activation_group);
	else
		output_printf("int8, a scale for every token\n");
	begin_row("memory");
	output_printf("%s of weights, %s or %s (q8) for each token of context", format_bytes(bytes, f->n_weight_bytes),
	              format_bytes(token, f->n_kv_bytes[TERN_KV_F16]),
	              format_bytes(token_q8, f->n_kv_bytes[TERN_KV_Q8]));
	if (f->n_state_bytes)
		output_printf(", %s of state", format_bytes(bytes, f->n_state_bytes));
	end_row();
	begin_row("a token reads");
	output_printf("%s of weights", format_bytes(bytes, f->n_token_bytes));
	if (f->n_expert)
		output_printf(", %s of them in experts", format_bytes(token, f->n_expert_token_bytes));
	end_row();
	if (f->n_repacked_bytes == 0)
		return;
	begin_row("when opened");
	if (f->n_to_t2r16)
		output_printf("%zu matrices become T2R16, ", f->n_to_t2r16);
	if (f->n_to_t1r16)
		output_printf("%zu matrices become T1R16, ", f->n_to_t1r16);
	if (f->n_to_q8p)
		output_printf("the head becomes Q8P, ");
	output_printf("%s in memory; tern-convert makes that permanent\n", format_bytes(bytes, f->n_repacked_bytes));
}

static void put_token(const struct gguf *gguf, const char *key, const char *label)
{
	uint32_t id;
	bool found = false;

	if (!tern_gguf_get_u32(gguf, key, &id, &found, NULL) && found)
		output_printf(", %s %" PRIu32, label, id);
}

static void put_vocabulary(const struct gguf *gguf)
{
	struct gguf_string pretokenizer = get_string(gguf, "tokenizer.ggml.pre");
	uint64_t n_vocab = count_tokens(gguf);

	if (n_vocab == 0)
		return;
	begin_row("vocabulary");
	output_printf("%" PRIu64 " tokens, ", n_vocab);
	put_string(get_string(gguf, "tokenizer.ggml.model"));
	if (pretokenizer.length) {
		output_printf(" / ");
		put_string(pretokenizer);
	}
	put_token(gguf, "tokenizer.ggml.bos_token_id", "BOS");
	put_token(gguf, "tokenizer.ggml.eos_token_id", "EOS");
	put_token(gguf, "tokenizer.ggml.eot_token_id", "EOT");
	end_row();
	begin_row("chat template");
	output_printf(get_string(gguf, "tokenizer.chat_template").length ? "yes\n" : "none\n");
}

static void put_types(const struct tern_file_facts *f)
{
	char bytes[FORMAT_SIZE];

	for (size_t i = 0; i < f->n_types; i++) {
		begin_row(i ? "" : "types");
		output_printf("%-8s %6zu tensor%s %14s\n", tern_gguf_type_name(f->types[i].type), f->types[i].n_tensors,
		              f->types[i].n_tensors == 1 ? " " : "s", format_bytes(bytes, f->types[i].n_bytes));
	}
}

void info_put_summary(const struct info_summary *summary)
{
	const struct tern_file_facts *f = &summary->facts;
	const struct gguf *gguf = summary->gguf;
	char bytes[FORMAT_SIZE];

	string_row("file", (struct gguf_string){gguf->path, strlen(gguf->path)});
	begin_row("size");
	output_printf("%s (%" PRIu64 " bytes)\n", format_bytes(bytes, summary->file_size), summary->file_size);
	begin_row("format");
	output_printf("GGUF version %" PRIu32 ", %zu keys, %zu tensors, alignment %" PRIu64 "\n", gguf->version,
	              gguf->n_pairs, gguf->n_tensors, gguf->alignment);
	string_row("name", get_string(gguf, "general.name"));
	string_row("architecture", get_string(gguf, "general.architecture"));
	if (f->refused.status)
		string_row("not supported", (struct gguf_string){f->refused.message, strlen(f->refused.message)});
	put_weights(f);
	if (f->n_layer) {
		put_shape(f);
		put_norms(f);
		put_computing(f);
	}
	put_vocabulary(gguf);
	put_types(f);
}

/* ---- JSON ---- */

/* null for a file that tern does not support */
static void json_size(struct json_writer *json, const char *key, size_t size, const struct tern_file_facts *f)
{
	json_write_key(json, key);
	if (f->n_layer)
		json_write_uint(json, size);
	else
		json_write_null(json);
}

static void json_types(struct json_writer *json, const struct tern_file_facts *f)
{
	json_write_key(json, "types");
	json_write_begin_array(json);
	for (size_t i = 0; i < f->n_types; i++) {
		json_write_begin_object(json);
		json_put_string(json, "type", tern_gguf_type_name(f->types[i].type));
		json_put_uint(json, "tensors", f->types[i].n_tensors);
		json_put_uint(json, "bytes", f->types[i].n_bytes);
		json_write_end_object(json);
	}
	json_write_end_array(json);
}

static void json_shape(struct json_writer *json, const struct tern_file_facts *f)
{
	json_size(json, "layers", f->n_layer, f);
	json_size(json, "delta_layers", f->n_delta_layer, f);
	json_size(json, "width", f->n_embd, f);
	json_size(json, "feed_forward", f->n_ff, f);
	if (f->n_expert) {
		json_size(json, "experts", f->n_expert, f);
		json_size(json, "experts_used", f->n_expert_used, f);
	}
	json_size(json, "heads", f->n_head, f);
	json_size(json, "heads_kv", f->n_head_kv, f);
	json_size(json, "head_dim", f->head_dim, f);
	json_size(json, "context", f->n_ctx_train, f);
}

void info_json_summary(struct json_writer *json, const struct info_summary *summary)
{
	const struct tern_file_facts *f = &summary->facts;
	const struct gguf *gguf = summary->gguf;
	struct gguf_string name = get_string(gguf, "general.name"), arch = get_string(gguf, "general.architecture");

	json_put_string(json, "file", gguf->path);
	json_put_uint(json, "size", summary->file_size);
	json_put_uint(json, "version", gguf->version);
	json_put_uint(json, "alignment", gguf->alignment);
	json_put_bytes(json, "name", name.bytes, name.length);
	json_put_bytes(json, "architecture", arch.bytes, arch.length);
	json_write_key(json, "not_supported");
	if (f->refused.status)
		json_write_string(json, f->refused.message);
	else
		json_write_null(json);
	json_put_uint(json, "parameters", f->n_params);
	json_put_uint(json, "ternary_parameters", f->n_ternary_params);
	json_put_real(json, "bits_per_weight", bits_per(f->n_bytes, f->n_params), 6);
	json_put_real(json, "ternary_bits_per_weight", bits_per(f->n_ternary_bytes, f->n_ternary_params), 6);
	json_shape(json, f);
	json_put_uint(json, "vocabulary", count_tokens(gguf));
	json_put_bool(json, "chat_template", get_string(gguf, "tokenizer.chat_template").length > 0);
	json_put_uint(json, "projection_norms", f->n_linear_norms);
	json_put_bool(json, "weightless_norms", f->has_weightless_norms);
	json_put_uint(json, "sub_norms", f->n_sub_norms);
	json_put_uint(json, "query_key_norms", f->n_qk_norms);
	json_put_uint(json, "biases", f->n_biases);
	json_size(json, "activation_group", f->activation_group, f);
	json_put_uint(json, "repacked_tensors", f->n_to_t2r16 + f->n_to_t1r16 + f->n_to_q8p);
	json_put_uint(json, "repacked_bytes", f->n_repacked_bytes);
	json_size(json, "weight_bytes", f->n_weight_bytes, f);
	json_size(json, "state_bytes", f->n_state_bytes, f);
	json_size(json, "read_bytes", f->n_token_bytes, f);
	json_size(json, "token_bytes", f->n_kv_bytes[TERN_KV_F16], f);
	json_size(json, "token_bytes_q8", f->n_kv_bytes[TERN_KV_Q8], f);
	json_types(json, f);
}
