/* GGUF files whose keys contradict each other, or say what tern does not know: converting refuses them with the words
 * of opening them, and leaves nothing behind. Merging, which changes nothing, takes them as they are. */
#include "convert/convert_gguf.h"
#include "hybrid_model.h"
#include "scratch.h"
#include "test.h"

#include <string.h>
#include <tern.h>

static struct tern_error err;

static enum tern_status convert(enum target target)
{
	char input[800], output[800];
	struct gguf_summary summary;

	snprintf(input, sizeof input, "%s", scratch_path("in.gguf"));
	snprintf(output, sizeof output, "%s", scratch_path("out.gguf"));
	struct convert_options options = {
	        .input = input, .output = output, .force = true, .n_threads = 1, .target = target};
	return convert_gguf(&options, &summary, &err);
}

static void write_input(bool is_folded, bool is_tied, const struct tiny_change *change)
{
	const struct tiny_change changes[] = {*change, {0}};
	struct hybrid_kind kind = {.is_folded = is_folded, .is_tied = is_tied, .changes = changes};

	CHECK(hybrid_write(scratch_path("in.gguf"), &kind, &err), "%s", err.message);
}

static void check_refusals(void)
{
#define H "prism.hadamard."
	static const struct {
		bool is_folded, is_tied;
		struct tiny_change change;
		const char *said;
		bool is_text; /* other engines may know such a tokenizer */
	} cases[] = {
	        {true, true, {TINY_EXTRA, TINY_NUMBER, 1, H "tied_outpuX"}, H "tied_outpuX': not known", false},
	        {true, true, {H "tied_output", TINY_SKIP, 0, NULL}, H "tied_output", false},
	        {true, true, {HYBRID_OTHER_NAME, TINY_SKIP, 0, "token_embd.weight"}, "token_embd", false},
	        {true, true, {HYBRID_FLOAT_EMBEDDING, TINY_SKIP, 0, NULL}, "not ternary", false},
	        {false,
	         false,
	         {"tokenizer.ggml.eos_token_id", TINY_NUMBER, VOCAB, NULL},
	         "eos_token_id': token 258",
	         true},
	        {false,
	         false,
	         {"tokenizer.ggml.bos_token_id", TINY_NUMBER, 1e6, NULL},
	         "bos_token_id': token 1000000",
	         true},
	        {false,
	         false,
	         {TINY_EXTRA, TINY_NUMBER, 300, "tokenizer.ggml.eot_token_id"},
	         "eot_token_id': token 300",
	         true},
	        {false, false, {"tokenizer.ggml.token_type", TINY_NUMBER, 3, NULL}, "token_type': 3 items", true},
	        {false, false, {"tokenizer.ggml.pre", TINY_STRING, 0, "my-bpe"}, "my-bpe", true},
	        {false, false, {TINY_EXTRA, TINY_NUMBER, 1, "qwen35.rope.scaling.type"}, "rope.scaling.type", false},
	        {false, false, {"qwen35.ssm.conv_kernel", TINY_SKIP, 0, NULL}, "ssm.conv_kernel", false},
	};
#undef H
	struct tern_error opening;
	struct tern_model *model;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *said = cases[i].said;
		write_input(cases[i].is_folded, cases[i].is_tied, &cases[i].change);
		CHECK(tern_model_open(&model, scratch_path("in.gguf"), NULL, &opening) == TERN_ERR_FILE, "%s: opened",
		      said);
		enum target end = cases[i].is_text ? TARGET_T2R16 : TARGET_I2_S;
		for (enum target target = TARGET_T2R16; target <= end; target++) {
			CHECK(convert(target) == TERN_ERR_FILE, "%s: converted", said);
			CHECK(strstr(err.message, said) && !strcmp(err.message, opening.message),
			      "%s: '%s', but opening says '%s'", said, err.message, opening.message);
			CHECK(scratch_count(false) == 1, "%s: a file is left", said);
		}
		CHECK(convert(TARGET_SAME) == TERN_OK, "%s: merging: %s", said, err.message);
		remove(scratch_path("out.gguf"));
	}
}

static void check_taken(bool is_folded, bool is_tied, const char *left_out)
{
	const struct tiny_change change = {left_out, TINY_SKIP, 0, NULL};
	struct tern_model_options no_text = {.no_text = true};
	struct tern_model *model = NULL;

	write_input(is_folded, is_tied, &change);
	CHECK(convert(TARGET_T2R16) == TERN_OK, "%s", err.message);
	CHECK(tern_model_open(&model, scratch_path("out.gguf"), &no_text, &err) == TERN_OK, "%s", err.message);
	tern_model_close(model);
	remove(scratch_path("out.gguf"));
}

int main(void)
{
	scratch_begin();
	hybrid_fill();
	check_refusals();
	check_taken(false, false, "nothing");
	check_taken(true, false, "nothing");
	check_taken(true, true, "nothing");
	check_taken(false, false, "tokenizer.ggml.model"); /* then nothing says how to read the vocabulary */
	scratch_end();
	return test_summary();
}
