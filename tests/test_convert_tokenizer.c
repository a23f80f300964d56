/* Tokenizers of checkpoints, converted and asked for ids: what SentencePiece models and the tokens added to them
 * become, and where a space goes before a text. */
#include "checkpoint_build.h"
#include "spm_build.h"

#include "base/memory.h"
#include "convert/convert_checkpoint.h"
#include "text/vocabulary.h"

#include <tern.h>

#define MARK TERN_SPACE_MARK

/* The ids of all models here: <unk> <s> </s>, the bytes, then these. */
enum {
	UNK,
	BOS,
	EOS,
	BYTES,
	SPACE = BYTES + 256,
	LETTER_A,
	LETTER_B,
	FIRST
};

/* A SentencePiece model with pieces from FIRST on. */
struct spm_build {
	struct bytes model;
	size_t n;
};

static void spm_add(struct spm_build *b, const char *text, int type)
{
	put_piece(&b->model, text, -(float)b->n++, type);
}

static void spm_begin(struct spm_build *b)
{
	char byte[8];

	memset(b, 0, sizeof *b);
	spm_add(b, "<unk>", TERN_TOKEN_UNKNOWN);
	spm_add(b, "<s>", TERN_TOKEN_CONTROL);
	spm_add(b, "</s>", TERN_TOKEN_CONTROL);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(byte, sizeof byte, "<0x%02X>", i);
		spm_add(b, byte, TERN_TOKEN_BYTE);
	}
	spm_add(b, MARK, TERN_TOKEN_NORMAL);
	spm_add(b, "a", TERN_TOKEN_NORMAL);
	spm_add(b, "b", TERN_TOKEN_NORMAL);
}

static void spm_save(struct spm_build *b)
{
	struct bytes trainer = {.n = 0}, normalizer = {.n = 0};

	put_number(&trainer, 3, 2);
	put_number(&normalizer, 3, 1); /* add_dummy_prefix */
	put_number(&normalizer, 4, 0); /* remove_extra_whitespaces */
	put_bytes(&b->model, 2, trainer.bytes, trainer.n);
	put_bytes(&b->model, 3, normalizer.bytes, normalizer.n);
	scratch_write(scratch_path("tokenizer.model"), b->model.bytes, b->model.n);
}

/* Converts the directory, empties it, and opens the result. */
static struct tern_model *convert(void)
{
	struct tern_error err = {.message = ""};
	struct checkpoint_summary summary;
	struct tern_model *model = NULL;
	char path[800];

	snprintf(path, sizeof path, "%s", scratch_path("v.gguf"));
	struct convert_options options = {.input = scratch_directory, .output = path, .vocab_only = true};
	enum tern_status status = convert_checkpoint(&options, &summary, &err);
	if (!status)
		status = tern_model_open(&model, path, NULL, &err);
	CHECK(status == TERN_OK, "%s", err.message);
	scratch_count(true);
	if (status)
		exit(test_summary());
	return model;
}

static void check_ids(int line, const struct tern_model *model, unsigned flags, const char *text,
                      const int32_t *expected, size_t n_expected)
{
	struct tern_error err = {.message = ""};
	int32_t *ids = NULL;
	size_t n = 0;
	enum tern_status status = tern_tokenize(model, text, strlen(text), flags, &ids, &n, &err);
	bool same = !status && n == n_expected && memcmp(ids, expected, n * sizeof *ids) == 0;

	CHECK(same, "line %d: '%s': %s", line, text, err.message);
	for (size_t i = 0; !same && i < n; i++)
		fprintf(stderr, " %d", (int)ids[i]);
	tern_free(ids);
}
#define CHECK_IDS(model, flags, text, ...)                                \
	check_ids(__LINE__, model, flags, text, (int32_t[]){__VA_ARGS__}, \
	          sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

/* The model's own pieces can be added tokens, too; what the model calls a control token stays one. */
static void test_added_pieces(void)
{
	struct spm_build b;
	enum {
		NEW = FIRST + 4
	};

	spm_begin(&b);
	spm_add(&b, "[a]", TERN_TOKEN_NORMAL);
	spm_add(&b, "<b>", TERN_TOKEN_USER_DEFINED);
	spm_add(&b, "<a>", TERN_TOKEN_NORMAL);
	spm_add(&b, "[b]", TERN_TOKEN_CONTROL);
	spm_save(&b);
	build_text("tokenizer_config.json", "{\"add_bos_token\":false,\"added_tokens_decoder\":{"
	                                    "\"0\":{\"content\":\"<unk>\",\"special\":true},"
	                                    "\"262\":{\"content\":\"[a]\",\"special\":true},"
	                                    "\"263\":{\"content\":\"<b>\",\"special\":true},"
	                                    "\"264\":{\"content\":\"<a>\",\"special\":false},"
	                                    "\"265\":{\"content\":\"[b]\",\"special\":false},"
	                                    "\"266\":{\"content\":\"[new]\",\"special\":true}}}");
	struct tern_model *model = convert();
	CHECK_IDS(model, TERN_TOKENIZE_SPECIAL, "[a]<b><a>[b][new]", FIRST, FIRST + 1, FIRST + 2, FIRST + 3, NEW);
	CHECK_IDS(model, 0, "a[a]", SPACE, LETTER_A, BYTES + '[', LETTER_A, BYTES + ']');
	CHECK_IDS(model, 0, "<b>", SPACE, BYTES + '<', LETTER_B, BYTES + '>');
	CHECK_IDS(model, 0, "<a>b", FIRST + 2, SPACE, LETTER_B);
	CHECK_IDS(model, 0, "[b]", SPACE, BYTES + '[', LETTER_B, BYTES + ']');
	CHECK_IDS(model, TERN_TOKENIZE_SPECIAL, "<unk>", UNK);
	tern_model_close(model);
}

/* Of added_tokens.json, those with a role are control tokens, unless tokenizer_config.json lists them all by id. */
static void test_added_list(void)
{
	static const char list[] = "{\"<a>\":262,\"[a]\":263,\"<b>\":264,\"[b]\":265,\"<|b|>\":266}";
	struct spm_build b;

	spm_begin(&b);
	spm_save(&b);
	build_text("added_tokens.json", list);
	build_text("special_tokens_map.json", "{\"pad_token\":{\"content\":\"[a]\",\"lstrip\":false},"
	                                      "\"additional_special_tokens\":[\"<s>\",\"<b>\"]}");
	build_text("tokenizer_config.json", "{\"add_bos_token\":false,\"eos_token\":\"[b]\"}");
	struct tern_model *model = convert();
	CHECK_IDS(model, TERN_TOKENIZE_SPECIAL, "<a>[a]<b>[b]<|b|>", FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 4);
	CHECK_IDS(model, 0, "<a>", FIRST);
	CHECK_IDS(model, 0, "[a]", SPACE, BYTES + '[', LETTER_A, BYTES + ']');
	CHECK_IDS(model, 0, "<b>", SPACE, BYTES + '<', LETTER_B, BYTES + '>');
	CHECK_IDS(model, 0, "[b]", SPACE, BYTES + '[', LETTER_B, BYTES + ']');
	CHECK_IDS(model, 0, "<|b|>", SPACE, BYTES + '<', BYTES + '|', LETTER_B, BYTES + '|', BYTES + '>');
	tern_model_close(model);

	spm_begin(&b);
	spm_save(&b);
	build_text("added_tokens.json", "{\"<a>\":262,\"<b>\":263}");
	build_text("tokenizer_config.json", "{\"add_bos_token\":false,\"added_tokens_decoder\":{"
	                                    "\"262\":{\"content\":\"<a>\",\"special\":true},"
	                                    "\"263\":{\"content\":\"<b>\",\"special\":false}}}");
	model = convert();
	CHECK_IDS(model, 0, "<a>", SPACE, BYTES + '<', LETTER_A, BYTES + '>');
	CHECK_IDS(model, 0, "<b>", FIRST + 1);
	tern_model_close(model);
}

/* User-defined pieces are found with the spaces in them; Gemma's, which are nothing else, are joined. */
static void test_user_defined(void)
{
	struct spm_build b;

	spm_begin(&b);
	spm_add(&b, "a" MARK "b", TERN_TOKEN_USER_DEFINED);
	spm_add(&b, MARK MARK "[b]", TERN_TOKEN_USER_DEFINED);
	spm_add(&b, MARK MARK, TERN_TOKEN_USER_DEFINED);
	spm_add(&b, MARK MARK MARK, TERN_TOKEN_USER_DEFINED);
	spm_add(&b, "b" MARK "b", TERN_TOKEN_USER_DEFINED);
	spm_save(&b);
	build_text("tokenizer_config.json", "{\"add_bos_token\":false,\"added_tokens_decoder\":{"
	                                    "\"266\":{\"content\":\"b" MARK "b\",\"special\":true}}}");
	struct tern_model *model = convert();
	size_t n = 0;
	const char *text = tern_token_text(model, FIRST, &n);
	CHECK(n == 3 && memcmp(text, "a b", 3) == 0, "'%.*s'", (int)n, text);
	CHECK_IDS(model, 0, "a b", FIRST);
	CHECK_IDS(model, 0, "ba ba", SPACE, LETTER_B, FIRST, SPACE, LETTER_A);
	CHECK_IDS(model, 0, "a  [b]", SPACE, LETTER_A, FIRST + 1);
	CHECK_IDS(model, 0, "a   b", SPACE, LETTER_A, FIRST + 3, LETTER_B);
	CHECK_IDS(model, 0, "  a", FIRST + 3, LETTER_A);
	CHECK_IDS(model, 0, "b b", SPACE, LETTER_B, SPACE, LETTER_B);
	tern_model_close(model);
}

/* A tokenizer.json with the ids above, MARK a, and these parts. */
static void json_save(const char *normalizer, const char *pre_tokenizer)
{
	char json[16384];
	size_t n = 0;

#define PUT(...) n += (size_t)snprintf(json + n, sizeof json - n, __VA_ARGS__)
	PUT("{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true},"
	    "{\"id\":1,\"content\":\"<s>\",\"special\":true},{\"id\":2,\"content\":\"</s>\",\"special\":true}],"
	    "\"normalizer\":%s,\"pre_tokenizer\":%s,\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\","
	    "\"byte_fallback\":true,\"merges\":[\"" MARK " a\"],\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,",
	    normalizer, pre_tokenizer);
	for (unsigned i = 0; i < 256; i++)
		PUT("\"<0x%02X>\":%u,", i, BYTES + i);
	PUT("\"" MARK "\":%d,\"a\":%d,\"b\":%d,\"" MARK "a\":%d}}}", SPACE, LETTER_A, LETTER_B, FIRST);
#undef PUT
	build_text("tokenizer.json", json);
}

#define METASPACE(scheme) \
	"{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"split\":false,\"prepend_scheme\":\"" scheme "\"}"

/* Metaspace puts a space before a text that begins with none, Llama 2's normalizer before every text. */
static void test_space_prefix(void)
{
	static const char prepend[] =
	        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"},"
	        "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}]}";

	json_save("null", METASPACE("always"));
	struct tern_model *model = convert();
	CHECK_IDS(model, 0, "a", FIRST);
	CHECK_IDS(model, 0, " a", FIRST);
	CHECK_IDS(model, 0, "  a", SPACE, FIRST);
	CHECK_IDS(model, TERN_TOKENIZE_SPECIAL, "a<s>a</s> a", FIRST, BOS, FIRST, EOS, FIRST);
	tern_model_close(model);

	json_save("null", METASPACE("never"));
	model = convert();
	CHECK_IDS(model, 0, "a", LETTER_A);
	CHECK_IDS(model, 0, " a", FIRST);
	tern_model_close(model);

	json_save(prepend, "null");
	model = convert();
	CHECK_IDS(model, 0, "a", FIRST);
	CHECK_IDS(model, 0, " a", SPACE, FIRST);
	tern_model_close(model);
}

int main(void)
{
	scratch_begin();
	test_added_pieces();
	test_added_list();
	test_user_defined();
	test_space_prefix();
	scratch_end();
	return test_summary();
}
