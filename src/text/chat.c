#include "text/chat.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <string.h>

/* ---- the rendered conversation ---- */

/* A growing text. Its spans say what is markup, in which control tokens are recognised. */
struct rendering {
	char *text;
	size_t n_bytes, capacity;
	struct tern_span *spans;
	size_t n_spans, span_capacity;
	struct tern_error *err;
};

/* A part of a message. */
struct slice {
	const char *bytes;
	size_t n;
};

static enum tern_status put(struct rendering *out, struct slice text, bool markup)
{
	if (text.n == 0)
		return TERN_OK;
	if (!tern_grow((void **)&out->text, &out->capacity, out->n_bytes + text.n, 1))
		return tern_fail_memory(out->err, out->n_bytes + text.n);
	memcpy(out->text + out->n_bytes, text.bytes, text.n);
	out->n_bytes += text.n;
	if (out->n_spans > 0 && out->spans[out->n_spans - 1].special == markup) {
		out->spans[out->n_spans - 1].n_bytes += text.n;
		return TERN_OK;
	}
	if (!tern_grow((void **)&out->spans, &out->span_capacity, out->n_spans + 1, sizeof *out->spans))
		return tern_fail_memory(out->err, (out->n_spans + 1) * sizeof *out->spans);
	out->spans[out->n_spans++] = (struct tern_span){text.n, markup};
	return TERN_OK;
}

static enum tern_status put_markup(struct rendering *out, const char *markup)
{
	return put(out, (struct slice){markup, markup ? strlen(markup) : 0}, true);
}

static enum tern_status put_content(struct rendering *out, struct slice content) { return put(out, content, false); }

/* ---- what templates do with contents ---- */

/* The length of the white space character at text, or 0. White space is what Python's str.strip() removes: \s and
 * U+001C to U+001F. */
static size_t space_length(const char *text, size_t n_bytes)
{
	uint32_t code_point;
	size_t length;

	if (n_bytes == 0 || tern_utf8_decode(text, n_bytes, &code_point, &length) != TERN_UTF8_CHARACTER)
		return 0;
	return tern_unicode_class(code_point) == UNICODE_SPACE || (code_point >= 0x1c && code_point <= 0x1f) ? length
	                                                                                                     : 0;
}

static struct slice trim(struct slice s)
{
	size_t length;

	while ((length = space_length(s.bytes, s.n)) > 0) {
		s.bytes += length;
		s.n -= length;
	}
	while (s.n > 0) {
		size_t last = 1;
		while (last < s.n && last < 4 && ((unsigned char)s.bytes[s.n - last] & 0xc0) == 0x80)
			last++;
		if (space_length(s.bytes + s.n - last, last) != last)
			break;
		s.n -= last;
	}
	return s;
}

static struct slice trim_newlines(struct slice s)
{
	for (; s.n > 0 && s.bytes[0] == '\n'; s.n--)
		s.bytes++;
	while (s.n > 0 && s.bytes[s.n - 1] == '\n')
		s.n--;
	return s;
}

/* Splits an answer. `answer` is what follows the last </think>, or everything if there is none. `thoughts` is what
 * precedes the first </think>, from after its last <think> on. */
static void split_thoughts(struct slice content, struct slice *thoughts, struct slice *answer)
{
	static const char begin[] = "<think>", end[] = "</think>";
	const size_t n_begin = sizeof begin - 1, n_end = sizeof end - 1;

	*thoughts = (struct slice){content.bytes, 0};
	*answer = content;
	for (size_t i = 0; i + n_end <= content.n; i++) {
		if (memcmp(content.bytes + i, end, n_end) != 0)
			continue;
		if (answer->n == content.n)
			*thoughts = (struct slice){content.bytes, i};
		*answer = (struct slice){content.bytes + i + n_end, content.n - i - n_end};
	}
	for (size_t i = thoughts->n; i >= n_begin; i--) {
		if (memcmp(thoughts->bytes + i - n_begin, begin, n_begin) == 0) {
			*thoughts = (struct slice){thoughts->bytes + i, thoughts->n - i};
			break;
		}
	}
}

/* ---- messages ---- */

struct conversation {
	const struct chat_table *table;
	const struct tern_message *messages;
	size_t n_messages;
	size_t last_query; /* the last message of the user; n_messages - 1 if there is none */
	struct rendering *out;
	struct tern_error *err;
};

/* False if no template has this role. */
static bool find_role(const char *name, enum chat_role *role)
{
	static const char *const names[] = {"system", "user", "assistant"};

	for (int i = 0; i < N_CHAT_ROLES; i++) {
		if (strcmp(name, names[i]) == 0) {
			*role = (enum chat_role)i;
			return true;
		}
	}
	return false;
}

static enum tern_status check_message(const struct conversation *c, size_t i)
{
	enum chat_role role, next;
	const char *name = c->messages[i].role;
	char quoted[TERN_QUOTE_SIZE];

	if (!find_role(name, &role))
		return tern_fail(c->err, TERN_ERR_USAGE,
		                 "message %zu: unknown role '%s'; expected system, user or assistant", i + 1,
		                 tern_quote(quoted, name, strlen(name)));
	if (role != CHAT_SYSTEM || c->table->system == SYSTEM_AS_TURN)
		return TERN_OK;
	if (c->table->system == SYSTEM_REFUSED)
		return tern_fail(c->err, TERN_ERR_USAGE,
		                 "this model was not taught to follow a system text; leave it out");
	if (i > 0)
		return tern_fail(c->err, TERN_ERR_USAGE,
		                 "message %zu: in this model's chat format a system text comes first", i + 1);
	if (c->table->system == SYSTEM_BEFORE_USER &&
	    (c->n_messages < 2 || !find_role(c->messages[1].role, &next) || next != CHAT_USER))
		return tern_fail(c->err, TERN_ERR_USAGE,
		                 "in this model's chat format a system text needs a message of the user after it");
	return TERN_OK;
}

static enum tern_status check_conversation(struct conversation *c)
{
	enum tern_status status;
	enum chat_role role;

	c->last_query = c->n_messages - 1;
	for (size_t i = 0; i < c->n_messages; i++)
		if ((status = check_message(c, i)))
			return status;
	for (size_t i = c->n_messages; i-- > 0;) {
		if (find_role(c->messages[i].role, &role) && role == CHAT_USER) {
			c->last_query = i;
			break;
		}
	}
	return TERN_OK;
}

/* Qwen3 keeps thoughts only in answers after the last user message. An answer that ends the conversation gets a <think>
 * block even if it has no thoughts. */
static enum tern_status put_qwen3_answer(const struct conversation *c, size_t i, struct slice content)
{
	struct slice thoughts, answer;
	enum tern_status status = TERN_OK;

	split_thoughts(content, &thoughts, &answer);
	bool has_thoughts = answer.n < content.n;
	thoughts = trim_newlines(thoughts);
	if (i > c->last_query && (i + 1 == c->n_messages || thoughts.n > 0)) {
		if ((status = put_markup(c->out, "<think>\n")) || (status = put_content(c->out, thoughts)) ||
		    (status = put_markup(c->out, "\n</think>\n\n")))
			return status;
		has_thoughts = true;
	}
	for (; has_thoughts && answer.n > 0 && answer.bytes[0] == '\n'; answer.n--)
		answer.bytes++;
	return put_content(c->out, answer);
}

static enum tern_status put_content_of(const struct conversation *c, size_t i, enum chat_role role)
{
	const struct tern_message *message = &c->messages[i];
	struct slice content = {message->content, message->n_bytes}, thoughts;

	if (content.n == 0)
		content.n = strlen(content.bytes);

	if (c->table->trims && (role != CHAT_SYSTEM || c->table->system == SYSTEM_AS_TURN))
		content = trim(content);
	if (role == CHAT_ASSISTANT && c->table->thoughts == THOUGHTS_QWEN3)
		return put_qwen3_answer(c, i, content);
	if (role == CHAT_ASSISTANT && c->table->thoughts == THOUGHTS_DROPPED)
		split_thoughts(content, &thoughts, &content);
	return put_content(c->out, content);
}

static enum tern_status put_message(const struct conversation *c, size_t i)
{
	const struct chat_table *table = c->table;
	enum chat_role role = CHAT_USER;
	enum tern_status status;

	find_role(c->messages[i].role, &role);
	const struct chat_turn *turn = &table->turns[role];
	if (role == CHAT_SYSTEM && table->system == SYSTEM_BEFORE_USER)
		return TERN_OK; /* the user's turn puts it */
	if ((status = put_markup(c->out, turn->before)))
		return status;
	if (role == CHAT_USER && i == 1 && table->system == SYSTEM_BEFORE_USER &&
	    strcmp(c->messages[0].role, "system") == 0)
		if ((status = put_content_of(c, 0, CHAT_SYSTEM)) || (status = put_markup(c->out, "\n\n")))
			return status;
	if ((status = put_content_of(c, i, role)))
		return status;
	bool is_last_answer = role == CHAT_ASSISTANT && i + 1 == c->n_messages && table->last_answer_after;
	return put_markup(c->out, is_last_answer ? table->last_answer_after : turn->after);
}

static enum tern_status render(const struct conversation *c, unsigned flags)
{
	const struct chat_table *table = c->table;
	enum tern_status status = TERN_OK;
	bool has_system = c->n_messages > 0 && strcmp(c->messages[0].role, "system") == 0;

	if (table->default_system && !has_system)
		if ((status = put_markup(c->out, table->turns[CHAT_SYSTEM].before)) ||
		    (status = put_markup(c->out, table->default_system)) ||
		    (status = put_markup(c->out, table->turns[CHAT_SYSTEM].after)))
			return status;
	for (size_t i = 0; i < c->n_messages && !status; i++)
		status = put_message(c, i);
	if (!status && flags & TERN_CHAT_GENERATE)
		status = put_markup(c->out, table->generate);
	if (!status && flags & TERN_CHAT_GENERATE && flags & TERN_CHAT_NO_THINKING)
		status = put_markup(c->out, table->no_thinking);
	return status;
}

/* The token that is spelled like the template's BOS; if there is none, the vocabulary's BOS, which in some models is
 * another. */
static int32_t find_bos(const struct tern_tokenizer *tokenizer, const char *spelling)
{
	int32_t id = tern_tokenizer_find(tokenizer, spelling, strlen(spelling));

	return id >= 0 && tern_tokenizer_is_special(tokenizer, id) ? id : tern_tokenizer_bos_id(tokenizer);
}

enum tern_status tern_chat_encode(const struct tern_tokenizer *tokenizer, enum tern_chat_format format,
                                  const struct tern_message *messages, size_t n_messages, unsigned flags,
                                  struct tern_ids *out, struct tern_error *err)
{
	struct rendering rendering = {.err = err};
	struct conversation c = {.messages = messages, .n_messages = n_messages, .out = &rendering, .err = err};
	enum tern_status status;

	c.table = tern_chat_table(format);
	if (!c.table)
		return tern_fail(err, TERN_ERR_USAGE, "the model has no chat format that tern knows");
	if ((status = check_conversation(&c)))
		return status;
	int32_t bos_id = c.table->bos ? find_bos(tokenizer, c.table->bos) : -1;
	status = render(&c, flags);
	if (!status && bos_id >= 0)
		status = tern_ids_push(out, bos_id, err);
	if (!status)
		status = tern_tokenizer_encode_spans(tokenizer, rendering.text, rendering.spans, rendering.n_spans, out,
		                                     err);
	tern_free(rendering.text);
	tern_free(rendering.spans);
	return status;
}
