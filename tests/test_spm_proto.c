/* SentencePiece models: a good file is read field by field; wrong ones are refused with the place; then every
 * truncation, every flipped bit and some thousands of rewrites. */
#include "spm_build.h"
#include "test.h"

#include "convert/tokenizer/spm_proto.h"

#include <string.h>

/* A small BPE model, with unknown fields of every wire type. */
static void make_model(struct bytes *model)
{
	struct bytes trainer = {.n = 0}, normalizer = {.n = 0};

	model->n = 0;
	put_piece(model, "<unk>", 0, 2);
	put_piece(model, "<s>", 0, 3);
	put_piece(model, "</s>", 0, 3);
	put_piece(model, "<0x0A>", 0, 6);
	put_piece(model, "\xe2\x96\x81t", -1.5f, 1);
	put_piece(model, "he", -2, 1);
	put_bytes(&trainer, 1, "corpus.txt", 10);
	put_number(&trainer, 3, 2);
	put_number(&trainer, 35, 1);
	put_number(&trainer, 43, UINT64_MAX); /* pad_id = -1 */
	put_varint(&trainer, 999 << 3 | 1);
	put_raw(&trainer, "12345678", 8);
	put_bytes(model, 2, trainer.bytes, trainer.n);
	put_bytes(&normalizer, 1, "identity", 8);
	put_number(&normalizer, 4, 0);
	put_bytes(model, 3, normalizer.bytes, normalizer.n);
	put_number(model, 77, 300);
	put_varint(model, 78 << 3 | 5);
	put_raw(model, "1234", 4);
}

/* Parses a copy in a buffer of exactly this size. */
static enum tern_status parse_copy(const uint8_t *bytes, size_t n, struct spm_model *model, uint8_t **copy,
                                   struct tern_error *err)
{
	*copy = malloc(n ? n : 1);
	if (!*copy)
		abort();
	memcpy(*copy, bytes, n);
	return spm_parse(model, "t.model", *copy, n, err);
}

static void test_good(void)
{
	struct tern_error err = {0};
	struct spm_model model;
	struct bytes file;
	uint8_t *copy;

	make_model(&file);
	enum tern_status status = parse_copy(file.bytes, file.n, &model, &copy, &err);
	CHECK(status == TERN_OK, "%s", err.message);
	if (status)
		return;
	CHECK(model.n_pieces == 6, "%zu pieces", model.n_pieces);
	CHECK(model.unk_id == 0 && model.bos_id == 1 && model.eos_id == 2 && model.pad_id == -1, "ids");
	CHECK(model.byte_fallback && model.add_dummy_prefix && !model.remove_extra_whitespaces && !model.has_charsmap,
	      "settings");
	const struct spm_piece *piece = &model.pieces[4];
	CHECK(piece->length == 4 && memcmp(piece->bytes, "\xe2\x96\x81t", 4) == 0, "piece 4");
	CHECK(piece->score == -1.5f && piece->type == 1, "piece 4: %g, %d", (double)piece->score, piece->type);
	CHECK(model.pieces[0].type == 2 && model.pieces[2].type == 3 && model.pieces[3].type == 6, "types");
	spm_free(&model);
	free(copy);
}

static void check_refused(const char *what, const struct bytes *file, const char *says)
{
	struct tern_error err = {0};
	struct spm_model model;
	uint8_t *copy;
	enum tern_status status = parse_copy(file->bytes, file->n, &model, &copy, &err);

	CHECK(status == TERN_ERR_FILE, "%s: accepted", what);
	CHECK(strstr(err.message, says) && strncmp(err.message, "t.model: ", 9) == 0, "%s: expected '%s' in %s", what,
	      says, err.message);
	if (!status)
		spm_free(&model);
	free(copy);
}

/* Whole files that are refused. */
#define BYTES(text) text, sizeof text - 1
static const struct bad_file {
	const char *what, *bytes;
	size_t n;
	const char *says;
} bad_files[] = {
        {"empty", BYTES(""), "no pieces"},
        {"field 0", BYTES("\x02\x00"), "byte 0: a field number"},
        {"text", BYTES("version https"), "byte 0: "},
        {"group", BYTES("\x0b"), "byte 0: a wire type"},
        {"end of group", BYTES("\x0c"), "byte 0: a wire type"},
        {"wire type 6", BYTES("\x0e"), "byte 0: a wire type"},
        {"wire type 7", BYTES("\x0f"), "byte 0: a wire type"},
        {"pieces as number", BYTES("\x08\x01"), "byte 0: a field has the wrong wire type"},
        {"trainer as number", BYTES("\x10\x01"), "byte 0: a field has the wrong wire type"},
        {"length past the end", BYTES("\x0a\x05\x0a"), "byte 0: a field goes on past the end"},
        {"huge length", BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "byte 0: a field goes on"},
        {"cut tag", BYTES("\x80"), "byte 0: a number is cut"},
        {"cut length", BYTES("\x0a\x80"), "byte 1: a number is cut"},
        {"endless tag", BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "byte 0: a number of more than 64"},
        {"65 bits", BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), "byte 0: a number of more than 64"},
        {"cut 32 bits", BYTES("\x9d\x06\x01\x02\x03"), "byte 0: a field goes on"},
        {"cut 64 bits", BYTES("\x99\x06\x01\x02\x03\x04\x05\x06\x07"), "byte 0: a field goes on"},
        {"piece without text", BYTES("\x0a\x00"), "byte 0: a piece that is empty"},
        {"text of a piece as number", BYTES("\x0a\x02\x08\x01"), "byte 2: a field of a piece"},
        {"score as number", BYTES("\x0a\x05\x0a\x01\x61\x10\x01"), "byte 5: a field of a piece"},
        {"type as bytes", BYTES("\x0a\x06\x0a\x01\x61\x1a\x01\x61"), "byte 5: a field of a piece"},
        {"type 0", BYTES("\x0a\x05\x0a\x01\x61\x18\x00"), "byte 5: an unknown type"},
        {"type 7", BYTES("\x0a\x05\x0a\x01\x61\x18\x07"), "byte 5: an unknown type"},
        {"text past the piece", BYTES("\x0a\x03\x0a\x02\x61\x0a\x00"), "byte 2: a field goes on"},
        {"not UTF-8", BYTES("\x0a\x03\x0a\x01\xff"), "byte 0: a piece that is empty"},
        {"score NaN", BYTES("\x0a\x08\x0a\x01\x61\x15\x00\x00\xc0\x7f"), "byte 0: a piece whose score"},
        {"score infinite", BYTES("\x0a\x08\x0a\x01\x61\x15\x00\x00\x80\xff"), "byte 0: a piece whose score"},
        {"unigram by default", BYTES("\x0a\x03\x0a\x01\x61"), "SentencePiece unigram model"},
        {"unigram", BYTES("\x0a\x03\x0a\x01\x61\x12\x02\x18\x01"), "SentencePiece unigram model (type 1)"},
        {"word", BYTES("\x0a\x03\x0a\x01\x61\x12\x02\x18\x03"), "SentencePiece word model"},
        {"char", BYTES("\x0a\x03\x0a\x01\x61\x12\x02\x18\x04"), "SentencePiece char model"},
        {"type 99", BYTES("\x0a\x03\x0a\x01\x61\x12\x02\x18\x63"), "(type 99)"},
        {"type as bytes", BYTES("\x0a\x03\x0a\x01\x61\x12\x02\x1a\x00"), "byte 7: a setting"},
        {"ids past the end", BYTES("\x0a\x03\x0a\x01\x61\x12\x02\x18\x02"), "bos_id is 1 but there are 1"},
        {"prefix as bytes", BYTES("\x1a\x02\x1a\x00"), "byte 2: a setting"},
        {"spaces not escaped", BYTES("\x1a\x02\x28\x00"), "byte 2: escape_whitespaces"},
        {"space as suffix", BYTES("\x12\x03\xc0\x01\x01"), "byte 2: treat_whitespace"},
        {"id out of range", BYTES("\x12\x07\xc0\x02\x80\x80\x80\x80\x08"), "byte 2: a token id"},
};

static void test_bad_bytes(void)
{
	for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
		const struct bad_file *bad = &bad_files[i];
		struct bytes file = {.n = 0};
		put_raw(&file, bad->bytes, bad->n);
		check_refused(bad->what, &file, bad->says);
	}
}

/* Of settings that come twice the last counts, and messages that come twice are one. */
static void test_repeated(void)
{
	struct tern_error err = {0};
	struct spm_model model;
	struct bytes file, more = {.n = 0};
	uint8_t *copy;

	make_model(&file);
	put_number(&more, 40, 3);
	put_number(&more, 40, 4);
	put_bytes(&file, 2, more.bytes, more.n);
	CHECK(parse_copy(file.bytes, file.n, &model, &copy, &err) == TERN_OK, "%s", err.message);
	CHECK(model.unk_id == 4 && model.byte_fallback, "unk_id %d", model.unk_id);
	spm_free(&model);
	free(copy);
}

/* ---- damage ---- */

static void parse_any(const uint8_t *bytes, size_t n)
{
	struct tern_error err = {0};
	struct spm_model model;
	uint8_t *copy;
	enum tern_status status = parse_copy(bytes, n, &model, &copy, &err);

	if (status == TERN_OK) {
		size_t sum = 0;
		for (size_t i = 0; i < model.n_pieces; i++)
			for (size_t j = 0; j < model.pieces[i].length; j++)
				sum += (unsigned char)model.pieces[i].bytes[j];
		CHECK(sum > 0 && model.bos_id < (int64_t)model.n_pieces, "pieces of nothing");
		spm_free(&model);
	} else {
		CHECK(status == TERN_ERR_FILE && err.message[0], "no message");
	}
	free(copy);
}

static void test_damage(void)
{
	struct bytes good, bad;

	make_model(&good);
	for (size_t n = 0; n < good.n; n++)
		parse_any(good.bytes, n);
	for (size_t bit = 0; bit < good.n * 8; bit++) {
		bad = good;
		bad.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		parse_any(bad.bytes, bad.n);
	}
	for (int round = 0; round < 5000; round++) {
		bad = good;
		for (uint64_t i = test_random() % 4 + 1; i > 0; i--)
			bad.bytes[test_random() % bad.n] = (uint8_t)test_random();
		parse_any(bad.bytes, bad.n);
	}
}

int main(void)
{
	test_good();
	test_bad_bytes();
	test_repeated();
	test_damage();
	return test_summary();
}
