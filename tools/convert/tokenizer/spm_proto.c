/* Protobuf wire format: a message is a sequence of fields, each a varint tag (number << 3 | wire type) and a value:
 * a varint (0), 8 bytes (1), a length and that many bytes (2), 4 bytes (5). Groups (3, 4) are obsolete and refused.
 * If a field comes more than once, the last value counts; messages that come more than once are merged. */
#include "convert/tokenizer/spm_proto.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5
};

/* A message, or what is left of it. */
struct message {
	const uint8_t *at, *end;
};

struct field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;       /* varint, or the raw bits of a 32- or 64-bit value */
	struct message bytes; /* of WIRE_BYTES */
	const uint8_t *start; /* of the tag, for messages */
};

struct reader {
	const char *path;
	const uint8_t *start; /* of the file */
	struct spm_model *model;
	int64_t model_type;
	struct tern_error *err;
};

static enum tern_status fail_at(const struct reader *r, const uint8_t *at, const char *what)
{
	return tern_fail(r->err, TERN_ERR_FILE, "%s: byte %zu: %s", r->path, (size_t)(at - r->start), what);
}

static enum tern_status read_varint(const struct reader *r, struct message *m, uint64_t *value)
{
	const uint8_t *start = m->at;

	*value = 0;
	for (int shift = 0; shift < 70; shift += 7) {
		if (m->at == m->end)
			return fail_at(r, start, "a number is cut by the end of its message");
		uint8_t byte = *m->at++;
		if (shift == 63 && byte > 1)
			break;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return TERN_OK;
	}
	return fail_at(r, start, "a number of more than 64 bits");
}

/* The next field; m->at < m->end. */
static enum tern_status read_field(const struct reader *r, struct message *m, struct field *field)
{
	enum tern_status status;
	uint64_t tag, length;

	field->start = m->at;
	if ((status = read_varint(r, m, &tag)))
		return status;
	if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return fail_at(r, field->start, "a field number out of range: not a SentencePiece model");
	field->number = (uint32_t)(tag >> 3);
	field->type = (enum wire_type)(tag & 7);
	if (field->type == WIRE_VARINT)
		return read_varint(r, m, &field->value);
	if (field->type == WIRE_BYTES) {
		if ((status = read_varint(r, m, &length)))
			return status;
	} else if (field->type == WIRE_32 || field->type == WIRE_64) {
		length = field->type == WIRE_32 ? 4 : 8;
	} else {
		return fail_at(r, field->start, "a wire type that is not used: not a SentencePiece model");
	}
	if (length > (uint64_t)(m->end - m->at))
		return fail_at(r, field->start, "a field goes on past the end of its message");
	field->bytes = (struct message){m->at, m->at + length};
	m->at += length;
	if (field->type == WIRE_32)
		field->value = tern_load_u32(field->bytes.at);
	else if (field->type == WIRE_64)
		field->value = tern_load_u64(field->bytes.at);
	return TERN_OK;
}

/* ---- pieces ---- */

static enum tern_status read_piece_field(const struct reader *r, const struct field *field, struct spm_piece *piece)
{
	static const enum wire_type types[] = {0, WIRE_BYTES, WIRE_32, WIRE_VARINT};

	if (field->number > 3)
		return TERN_OK;
	if (field->type != types[field->number])
		return fail_at(r, field->start, "a field of a piece has the wrong wire type");
	if (field->number == 1) {
		piece->bytes = (const char *)field->bytes.at;
		piece->length = (size_t)(field->bytes.end - field->bytes.at);
	} else if (field->number == 2) {
		piece->score = tern_f32_from_bits((uint32_t)field->value);
	} else {
		if (field->value < 1 || field->value > 6)
			return fail_at(r, field->start, "an unknown type of piece");
		piece->type = (int32_t)field->value;
	}
	return TERN_OK;
}

static bool is_utf8(const char *bytes, size_t n)
{
	for (size_t at = 0, length; at < n; at += length) {
		uint32_t code_point;
		if (tern_utf8_decode(bytes + at, n - at, &code_point, &length) != TERN_UTF8_CHARACTER)
			return false;
	}
	return true;
}

static enum tern_status read_piece(const struct reader *r, struct message m, const uint8_t *start)
{
	struct spm_piece piece = {.bytes = "", .type = 1};
	struct spm_model *model = r->model;
	enum tern_status status;
	struct field field;

	while (m.at < m.end)
		if ((status = read_field(r, &m, &field)) || (status = read_piece_field(r, &field, &piece)))
			return status;
	if (piece.length == 0 || piece.length > SPM_MAX_PIECE_BYTES || !is_utf8(piece.bytes, piece.length))
		return fail_at(r, start, "a piece that is empty, too long or not UTF-8");
	if (!isfinite(piece.score))
		return fail_at(r, start, "a piece whose score is not finite");
	if (model->n_pieces == SPM_MAX_PIECES)
		return fail_at(r, start, "more than 4194304 pieces");
	if (!TERN_GROW(model->pieces, model->capacity, model->n_pieces + 1))
		return tern_fail_memory(r->err, model->n_pieces * sizeof piece);
	model->pieces[model->n_pieces++] = piece;
	return TERN_OK;
}

/* ---- settings ---- */

static enum tern_status read_trainer_field(struct reader *r, const struct field *field)
{
	enum {
		MODEL_TYPE = 3,
		SUFFIX_SPACE = 24,
		BYTE_FALLBACK = 35,
		UNK_ID = 40,
		BOS_ID,
		EOS_ID,
		PAD_ID
	};
	struct spm_model *model = r->model;
	uint32_t n = field->number;
	int32_t *ids[] = {&model->unk_id, &model->bos_id, &model->eos_id, &model->pad_id};

	if (n != MODEL_TYPE && n != SUFFIX_SPACE && n != BYTE_FALLBACK && (n < UNK_ID || n > PAD_ID))
		return TERN_OK;
	if (field->type != WIRE_VARINT)
		return fail_at(r, field->start, "a setting has the wrong wire type");
	if (n == MODEL_TYPE)
		r->model_type = (int64_t)field->value;
	else if (n == BYTE_FALLBACK)
		model->byte_fallback = field->value != 0;
	else if (n == SUFFIX_SPACE) {
		if (field->value != 0)
			return fail_at(r, field->start, "treat_whitespace_as_suffix is not supported");
	} else {
		/* A negative id is its 64-bit two's complement and means there is none. */
		int64_t id = (int64_t)field->value;
		if (id > INT32_MAX)
			return fail_at(r, field->start, "a token id out of range");
		*ids[n - UNK_ID] = id < 0 ? -1 : (int32_t)id;
	}
	return TERN_OK;
}

static enum tern_status read_normalizer_field(struct reader *r, const struct field *field)
{
	enum {
		CHARSMAP = 2,
		DUMMY_PREFIX = 3,
		EXTRA_WHITESPACES = 4,
		ESCAPE_WHITESPACES = 5
	};
	struct spm_model *model = r->model;

	if (field->number < CHARSMAP || field->number > ESCAPE_WHITESPACES)
		return TERN_OK;
	if (field->type != (field->number == CHARSMAP ? WIRE_BYTES : WIRE_VARINT))
		return fail_at(r, field->start, "a setting has the wrong wire type");
	if (field->number == CHARSMAP)
		model->has_charsmap = field->bytes.at < field->bytes.end;
	else if (field->number == DUMMY_PREFIX)
		model->add_dummy_prefix = field->value != 0;
	else if (field->number == EXTRA_WHITESPACES)
		model->remove_extra_whitespaces = field->value != 0;
	else if (field->value == 0)
		return fail_at(r, field->start, "escape_whitespaces = false is not supported");
	return TERN_OK;
}

static enum tern_status read_settings(struct reader *r, struct message m,
                                      enum tern_status (*read)(struct reader *, const struct field *))
{
	enum tern_status status;
	struct field field;

	while (m.at < m.end)
		if ((status = read_field(r, &m, &field)) || (status = read(r, &field)))
			return status;
	return TERN_OK;
}

/* ---- the model ---- */

static enum tern_status read_model(struct reader *r, struct message m)
{
	enum {
		PIECES = 1,
		TRAINER = 2,
		NORMALIZER = 3
	};
	enum tern_status status = TERN_OK;
	struct field field;

	while (!status && m.at < m.end) {
		if ((status = read_field(r, &m, &field)) || field.number > NORMALIZER)
			continue;
		if (field.type != WIRE_BYTES)
			return fail_at(r, field.start, "a field has the wrong wire type: not a SentencePiece model");
		if (field.number == PIECES)
			status = read_piece(r, field.bytes, field.start);
		else
			status = read_settings(r, field.bytes,
			                       field.number == TRAINER ? read_trainer_field : read_normalizer_field);
	}
	return status;
}

static enum tern_status check_model(const struct reader *r)
{
	static const char *const types[] = {"?", "unigram", "BPE", "word", "char"};
	const struct spm_model *model = r->model;
	const int32_t ids[] = {model->unk_id, model->bos_id, model->eos_id, model->pad_id};
	static const char *const names[] = {"unk", "bos", "eos", "pad"};

	if (model->n_pieces == 0)
		return tern_fail(r->err, TERN_ERR_FILE, "%s: no pieces: not a SentencePiece model", r->path);
	if (r->model_type != 2)
		return tern_fail(r->err, TERN_ERR_FILE,
		                 "%s: a SentencePiece %s model (type %lld); only BPE (2) is supported", r->path,
		                 types[r->model_type >= 1 && r->model_type <= 4 ? r->model_type : 0],
		                 (long long)r->model_type);
	for (int i = 0; i < 4; i++)
		if (ids[i] >= 0 && (size_t)ids[i] >= model->n_pieces)
			return tern_fail(r->err, TERN_ERR_FILE,
			                 "%s: trainer_spec: %s_id is %d but there are %zu pieces", r->path, names[i],
			                 ids[i], model->n_pieces);
	return TERN_OK;
}

enum tern_status spm_parse(struct spm_model *model, const char *path, const uint8_t *bytes, size_t n_bytes,
                           struct tern_error *err)
{
	/* model_type and the settings of the model begin with the defaults of sentencepiece_model.proto. */
	struct reader r = {.path = path, .start = bytes, .model = model, .model_type = 1, .err = err};
	enum tern_status status;

	*model = (struct spm_model){
	        .bos_id = 1, .eos_id = 2, .pad_id = -1, .add_dummy_prefix = true, .remove_extra_whitespaces = true};
	status = read_model(&r, (struct message){bytes, bytes + n_bytes});
	if (!status)
		status = check_model(&r);
	if (status)
		spm_free(model);
	return status;
}

void spm_free(struct spm_model *model)
{
	tern_free(model->pieces);
	memset(model, 0, sizeof *model);
}
