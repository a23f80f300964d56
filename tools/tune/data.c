#include "tune/data.h"

#include "api/model.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/space.h"
#include "tune/hash.h"
#include "tune/random.h"
#include "json/parse.h"
#include "json/value.h"

#include <stdio.h>
#include <string.h>

enum {
	MAX_MESSAGES = 1024
};

static const size_t max_file = (size_t)1 << 38;

struct reader {
	struct corpus *corpus;
	const char *path;
	const struct tern_model *vocabulary;
	size_t context, line;
};

/* ---- documents to pieces ---- */

static enum tern_status append(struct reader *r, const int32_t *ids, size_t n, bool learned, struct tern_error *err)
{
	struct corpus *c = r->corpus;

	if (!TERN_GROW(c->ids, c->id_capacity, c->n_ids + n))
		return tern_fail_memory(err, (c->n_ids + n) * sizeof *c->ids);
	if (!TERN_GROW(c->learned, c->learned_capacity, c->n_ids + n))
		return tern_fail_memory(err, c->n_ids + n);
	if (n > 0)
		memcpy(c->ids + c->n_ids, ids, n * sizeof *ids);
	memset(c->learned + c->n_ids, learned, n);
	c->n_ids += n;
	return TERN_OK;
}

/* Appends a piece, unless there is nothing to learn from it. */
static enum tern_status add_piece(struct reader *r, size_t first, size_t n, struct tern_error *err)
{
	struct corpus *c = r->corpus;
	size_t n_targets = 0;

	for (size_t i = first + 1; i <= first + n; i++)
		n_targets += c->learned[i];
	if (n_targets == 0)
		return TERN_OK;
	if (!TERN_GROW(c->pieces, c->piece_capacity, c->n_pieces + 1))
		return tern_fail_memory(err, (c->n_pieces + 1) * sizeof *c->pieces);
	c->pieces[c->n_pieces++] = (struct piece){first, n};
	c->n_tokens += n;
	c->n_targets += n_targets;
	return TERN_OK;
}

/* The tokens from `first` on are a document. */
static enum tern_status end_document(struct reader *r, size_t first, struct tern_error *err)
{
	enum tern_status status = TERN_OK;

	r->corpus->n_documents++;
	for (size_t at = first; !status && at + 1 < r->corpus->n_ids; at += r->context) {
		status = add_piece(r, at, tern_smaller(r->corpus->n_ids - 1 - at, r->context), err);
	}
	return status;
}

/* A whole text, between the tokens that begin and end one. */
static enum tern_status add_text(struct reader *r, const char *text, size_t n_bytes, struct tern_error *err)
{
	int32_t end = tern_tokenizer_eos_id(r->vocabulary->text.tokenizer), *ids;
	size_t n, first = r->corpus->n_ids;
	enum tern_status status = tern_tokenize(r->vocabulary, text, n_bytes, TERN_TOKENIZE_BOS, &ids, &n, err);

	if (status)
		return status;
	if (!(status = append(r, ids, n, true, err)) && end >= 0 && (n == 0 || ids[n - 1] != end))
		status = append(r, &end, 1, true, err);
	tern_free(ids);
	return status ? status : end_document(r, first, err);
}

/* ---- conversations ---- */

/* Marks the tokens of message i, an answer: those that all messages up to it have and the beginning of the answer does
 * not. */
static enum tern_status mark_answer(struct reader *r, const struct tern_message *messages, size_t i, size_t first,
                                    struct tern_error *err)
{
	struct corpus *c = r->corpus;
	int32_t *before, *after;
	size_t n_before, n_after;
	enum tern_status status =
	        tern_chat_tokenize(r->vocabulary, messages, i, TERN_CHAT_GENERATE, &before, &n_before, err);

	/* Formats that ask for an answer only after a message of the user: one before it is read, not learned. */
	if (status)
		return status == TERN_ERR_USAGE ? TERN_OK : status;
	status = tern_chat_tokenize(r->vocabulary, messages, i + 1, 0, &after, &n_after, err);
	/* Formats that drop the thoughts of earlier answers: only what is in the whole conversation can be learned. */
	for (size_t t = 0; !status && t < n_after && first + t < c->n_ids && c->ids[first + t] == after[t]; t++)
		if (t >= n_before)
			c->learned[first + t] = 1;
	tern_free(before);
	if (!status)
		tern_free(after);
	return status;
}

static enum tern_status add_messages(struct reader *r, const struct tern_message *messages, size_t n,
                                     struct tern_error *err)
{
	size_t n_ids, first = r->corpus->n_ids;
	int32_t *ids;
	enum tern_status status = tern_chat_tokenize(r->vocabulary, messages, n, 0, &ids, &n_ids, err);

	if (status)
		return status;
	status = append(r, ids, n_ids, false, err);
	for (size_t i = 0; !status && i < n; i++)
		if (strcmp(messages[i].role, "assistant") == 0)
			status = mark_answer(r, messages, i, first, err);
	tern_free(ids);
	return status ? status : end_document(r, first, err);
}

static enum tern_status read_message(struct json_value value, struct tern_message *message, struct tern_error *err)
{
	static const char *const roles[] = {"system", "user", "assistant"};
	struct json_string content = {0};
	struct json_value role = json_find(value, "role");
	enum tern_status status;
	bool found = false;

	for (size_t i = 0; i < 3; i++)
		if (json_exists(role) && json_string_is(role, roles[i]))
			message->role = roles[i];
	if (!message->role)
		return json_fail(value, err, "expected a message with role system, user or assistant");
	if ((status = json_get_string(value, "content", &content, &found, err)))
		return status;
	if (!found)
		return json_fail_missing(value, "content", "a string", err);
	message->content = content.length ? content.bytes : "";
	message->n_bytes = content.length;
	return TERN_OK;
}

/* Adds the place to an error of something that does not know it, as those of JSON do. */
static enum tern_status at_line(const struct reader *r, enum tern_status status, struct tern_error *err)
{
	struct tern_error inner;

	if (!status)
		return TERN_OK;
	inner = *err;
	return tern_fail(err, status, "%s: line %zu: %s", r->path, r->line, inner.message);
}

static enum tern_status read_messages(struct reader *r, struct json_value list, struct tern_error *err)
{
	struct tern_message messages[MAX_MESSAGES] = {0};
	size_t n = 0;
	enum tern_status status;

	for (struct json_iterator it = json_items(list); json_next(&it); n++) {
		if (n == MAX_MESSAGES)
			return json_fail(list, err, "more than %d messages", MAX_MESSAGES);
		if ((status = read_message(it.value, &messages[n], err)))
			return status;
	}
	return n ? at_line(r, add_messages(r, messages, n, err), err) : TERN_OK;
}

static enum tern_status read_object(struct reader *r, struct json_value line, struct tern_error *err)
{
	struct json_string text;
	struct json_value list;
	bool found = false;
	enum tern_status status;

	if (json_type(line) != JSON_OBJECT)
		return json_fail_type(line, "an object", err);
	if ((status = json_get_string(line, "text", &text, &found, err)))
		return status;
	if (found)
		return at_line(r, add_text(r, text.bytes, text.length, err), err);
	if ((status = json_get_container(line, "messages", JSON_ARRAY, &list, err)))
		return status;
	if (!json_exists(list))
		return json_fail(line, err, "has neither \"text\" nor \"messages\"");
	return read_messages(r, list, err);
}

static enum tern_status read_json_line(struct reader *r, const char *line, size_t n, struct tern_error *err)
{
	struct json json;
	enum tern_status status = json_parse_line(&json, r->path, r->line, line, n, 0, err);

	if (status)
		return status;
	status = read_object(r, json_root(&json), err);
	json_free(&json);
	return status;
}

/* ---- files ---- */

static enum tern_status read_lines(struct reader *r, const char *text, size_t n, bool is_json, struct tern_error *err)
{
	enum tern_status status = TERN_OK;
	size_t document = 0, end_of_document = 0; /* of plain text */

	for (size_t at = 0; at < n && !status;) {
		const char *newline = memchr(text + at, '\n', n - at);
		size_t end = newline ? (size_t)(newline - text) : n;
		bool blank = tern_is_blank(text + at, end - at);
		r->line++;
		if (is_json && !blank) {
			status = read_json_line(r, text + at, end - at, err);
		} else if (!is_json && !blank) {
			document = end_of_document ? document : at;
			end_of_document = end;
		} else if (!is_json && end_of_document) {
			status = add_text(r, text + document, end_of_document - document, err);
			end_of_document = 0;
		}
		at = end + 1;
	}
	if (!status && end_of_document)
		status = add_text(r, text + document, end_of_document - document, err);
	return status;
}

static bool is_jsonl(const char *path)
{
	size_t n = strlen(path);
	return n >= 6 && strcmp(path + n - 6, ".jsonl") == 0;
}

static enum tern_status check_corpus(const struct reader *r, struct tern_error *err)
{
	if (r->corpus->n_pieces == 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: holds no text to learn from", r->path);
	return TERN_OK;
}

/* Some editors begin a file with a byte-order mark, which is no part of the text. */
static size_t skip_mark(const uint8_t *bytes, size_t n)
{
	return n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

enum tern_status corpus_read(struct corpus *corpus, const char *path, const struct tern_model *vocabulary,
                             size_t context, struct tern_error *err)
{
	struct reader r = {corpus, path, vocabulary, context, 0};
	uint8_t *bytes;
	size_t n;

	*corpus = (struct corpus){0};
	enum tern_status status = tern_read_file(path, max_file, &bytes, &n, err);
	if (status)
		return status;
	size_t mark = skip_mark(bytes, n);
	status = read_lines(&r, (const char *)bytes + mark, n - mark, is_jsonl(path), err);
	tern_free(bytes);
	return status ? status : check_corpus(&r, err);
}

/* Windows as those of `tern eval`: the first token of each is BOS where the vocabulary has one. */
static enum tern_status add_windows(struct reader *r, const int32_t *ids, size_t n, struct tern_error *err)
{
	size_t window = tern_smaller(n, r->context), n_scored = window - window / 2 - 1;
	int32_t bos = tern_bos(r->vocabulary);
	enum tern_status status = TERN_OK;

	for (size_t at = 0; !status && at + window <= n; at += window) {
		struct corpus *c = r->corpus;
		size_t first = c->n_ids;
		if ((status = append(r, ids + at, window, false, err)))
			break;
		if (bos >= 0)
			c->ids[first] = bos;
		memset(c->learned + first + window - n_scored, 1, n_scored);
		c->n_documents = 1;
		status = add_piece(r, first, window - 1, err);
	}
	return status;
}

enum tern_status corpus_read_evaluation(struct corpus *corpus, const char *path, const struct tern_model *vocabulary,
                                        size_t context, struct tern_error *err)
{
	struct reader r = {corpus, path, vocabulary, context, 0};
	uint8_t *bytes;
	int32_t *ids;
	size_t n, n_ids;
	enum tern_status status;

	if (is_jsonl(path))
		return corpus_read(corpus, path, vocabulary, context, err);
	*corpus = (struct corpus){0};
	if (context < 3)
		return tern_fail(
		        err, TERN_ERR_USAGE,
		        "--eval %s: windows of %zu tokens leave none to predict; plain text needs a --context of "
		        "at least 3",
		        path, context);
	if ((status = tern_read_file(path, max_file, &bytes, &n, err)))
		return status;
	status = tern_tokenize(vocabulary, (const char *)bytes, n, TERN_TOKENIZE_BOS, &ids, &n_ids, err);
	tern_free(bytes);
	if (status)
		return status;
	if (n_ids >= 4)
		status = add_windows(&r, ids, n_ids, err);
	tern_free(ids);
	return status ? status : check_corpus(&r, err);
}

void corpus_free(struct corpus *corpus)
{
	tern_free(corpus->ids);
	tern_free(corpus->learned);
	tern_free(corpus->pieces);
	*corpus = (struct corpus){0};
}

uint64_t corpus_hash(const struct corpus *corpus)
{
	return hash_bytes(hash_bytes(0, corpus->ids, corpus->n_ids * sizeof *corpus->ids), corpus->learned,
	                  corpus->n_ids);
}

/* ---- batches ---- */

static void shuffle(struct walk *walk)
{
	uint64_t state = random_state(walk->seed ^ tern_hash_mix(walk->epoch + 1));

	for (size_t i = 0; i < walk->corpus->n_pieces; i++)
		walk->order[i] = i;
	for (size_t i = walk->corpus->n_pieces; walk->shuffles && i > 1; i--) {
		size_t j = random_below(&state, i), other = walk->order[j];
		walk->order[j] = walk->order[i - 1];
		walk->order[i - 1] = other;
	}
	walk->at = 0;
}

enum tern_status walk_init(struct walk *walk, const struct corpus *corpus, uint64_t seed, bool shuffles,
                           size_t max_tokens, struct tern_error *err)
{
	*walk = (struct walk){.corpus = corpus, .seed = seed, .shuffles = shuffles, .max_tokens = max_tokens};
	if (!(walk->order = tern_alloc(corpus->n_pieces, sizeof *walk->order)))
		return tern_fail_memory(err, corpus->n_pieces * sizeof *walk->order);
	shuffle(walk);
	return TERN_OK;
}

void walk_free(struct walk *walk)
{
	tern_free(walk->order);
	*walk = (struct walk){0};
}

static void put_piece(struct batch *batch, const struct corpus *corpus, const struct piece *piece)
{
	batch->segments[batch->n_segment++] = (struct segment){batch->n_token, piece->n_token};
	for (size_t i = 0; i < piece->n_token; i++, batch->n_token++) {
		size_t at = piece->first + i;
		bool learned = corpus->learned[at + 1];
		batch->ids[batch->n_token] = corpus->ids[at];
		batch->targets[batch->n_token] = learned ? corpus->ids[at + 1] : -1;
		batch->positions[batch->n_token] = (uint32_t)i;
		batch->n_target += learned;
	}
}

void walk_next(struct walk *walk, struct batch *batch)
{
	size_t n_token = 0;

	if (walk->at == walk->corpus->n_pieces) {
		walk->epoch++;
		shuffle(walk);
	}
	if (batch)
		batch->n_token = batch->n_segment = batch->n_target = 0;
	for (; walk->at < walk->corpus->n_pieces; walk->at++) {
		const struct piece *piece = &walk->corpus->pieces[walk->order[walk->at]];
		if (n_token + piece->n_token > walk->max_tokens)
			break;
		n_token += piece->n_token;
		if (batch)
			put_piece(batch, walk->corpus, piece);
	}
}

enum tern_status batch_init(struct batch *batch, size_t max_tokens, struct tern_error *err)
{
	*batch = (struct batch){.ids = tern_alloc(max_tokens, sizeof *batch->ids),
	                        .targets = tern_alloc(max_tokens, sizeof *batch->targets),
	                        .positions = tern_alloc(max_tokens, sizeof *batch->positions),
	                        .segments = tern_alloc(max_tokens, sizeof *batch->segments)};
	if (!batch->ids || !batch->targets || !batch->positions || !batch->segments)
		return tern_fail_memory(err, max_tokens * (12 + sizeof *batch->segments));
	return TERN_OK;
}

void batch_free(struct batch *batch)
{
	tern_free(batch->ids);
	tern_free(batch->targets);
	tern_free(batch->positions);
	tern_free(batch->segments);
	*batch = (struct batch){0};
}
