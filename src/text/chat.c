#include "text/chat.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <string.h>

/* ---- the rendered conversation ---- */

/* A growing text. Its spans say what is markup, in which control tokens are recognized. */
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
	if (!TERN_GROW(out->text, out->capacity, out->n_bytes + text.n))
		return tern_fail_memory(out->err, out->n_bytes + text.n);
	memcpy(out->text + out->n_bytes, text.bytes, text.n);
	out->n_bytes += text.n;
	if (out->n_spans > 0 && out->spans[out->n_spans - 1].special == markup) {
		out->spans[out->n_spans - 1].n_bytes += text.n;
		return TERN_OK;
	}
	if (!TERN_GROW(out->spans, out->span_capacity, out->n_spans + 1))
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

static const char thoughts_begin[] = "<think>", thoughts_end[] = "</think>";

enum {
	N_BEGIN = sizeof thoughts_begin - 1,
	N_END = sizeof thoughts_end - 1
};

static bool begins_with(struct slice s, const char *part)
{
	return s.n >= strlen(part) && memcmp(s.bytes, part, strlen(part)) == 0;
}

static struct slice skip(struct slice s, size_t n) { return (struct slice){s.bytes + n, s.n - n}; }

/* Where the first `part` begins; s.n if there is none. */
static size_t find(struct slice s, const char *part)
{
	size_t at = 0;

	while (at < s.n && !begins_with(skip(s, at), part))
		at++;
	return at;
}

/* Splits an answer. `answer` is what follows the last </think>, or everything if there is none. `thoughts` is what
 * precedes the first </think>, from after its last <think> on. */
static void split_thoughts(struct slice content, struct slice *thoughts, struct slice *answer)
{
	size_t at = find(content, thoughts_end);

	*thoughts = (struct slice){content.bytes, at < content.n ? at : 0};
	*answer = content;
	for (; at < answer->n; at = find(*answer, thoughts_end))
		*answer = skip(*answer, at + N_END);
	while ((at = find(*thoughts, thoughts_begin)) < thoughts->n)
		*thoughts = skip(*thoughts, at + N_BEGIN);
}

/* Splits an answer that begins with <think>: at the first </think>, or else all of it is thoughts. */
static void split_leading_thoughts(struct slice content, struct slice *thoughts, struct slice *answer)
{
	struct slice inside = skip(content, N_BEGIN);
	size_t at = find(inside, thoughts_end);

	*thoughts = (struct slice){inside.bytes, at};
	*answer = at < inside.n ? skip(inside, at + N_END) : skip(inside, at);
}

/* ---- messages ---- */

struct conversation {
	const struct chat_table *table;
	struct tern_chat_efforts efforts;
	unsigned flags;
	const struct tern_message *messages;
	size_t n_messages;
	size_t last_query; /* the last question of the user; n_messages - 1 if there is none */
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

static struct slice content_of(const struct tern_message *message)
{
	return (struct slice){message->content, message->n_bytes ? message->n_bytes : strlen(message->content)};
}

static enum tern_status check_message(const struct conversation *c, size_t i)
{
	enum chat_role role, next;
	const char *name = c->messages[i].role;
	char quoted[TERN_QUOTE_SIZE];

	if (!name || !c->messages[i].content)
		return tern_fail(c->err, TERN_ERR_USAGE, "message %zu: role or content is NULL", i + 1);
	if (!find_role(name, &role))
		return tern_fail(c->err, TERN_ERR_USAGE,
		                 "message %zu: unknown role '%s'; expected system, user or assistant", i + 1,
		                 tern_quote(quoted, name, strlen(name)));
	if (role != CHAT_SYSTEM || c->table->system == SYSTEM_AS_TURN)
		return TERN_OK;
	if (c->table->system == SYSTEM_REFUSED && content_of(&c->messages[i]).n == 0)
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

static enum tern_status check_flags(const struct conversation *c, bool has_query)
{
	const unsigned efforts = TERN_CHAT_EFFORT_LOW | TERN_CHAT_EFFORT_MEDIUM | TERN_CHAT_EFFORT_XHIGH;

	if (c->flags & efforts && !c->table->has_efforts)
		return tern_fail(c->err, TERN_ERR_USAGE, "this model's chat format knows no reasoning effort");
	if (c->flags & TERN_CHAT_GENERATE && c->table->needs_user && !has_query)
		return tern_fail(c->err, TERN_ERR_USAGE,
		                 "in this model's chat format an answer needs a message of the "
		                 "user before it");
	return TERN_OK;
}

/* Results of tools come as messages of the user, but ask for nothing. */
static bool is_query(const struct tern_message *message)
{
	static const char begin[] = "<tool_response>", end[] = "</tool_response>";
	struct slice content = trim(content_of(message));
	enum chat_role role;

	return find_role(message->role, &role) && role == CHAT_USER &&
	       !(begins_with(content, begin) && content.n >= sizeof end &&
	         begins_with(skip(content, content.n - (sizeof end - 1)), end));
}

static enum tern_status check_conversation(struct conversation *c)
{
	enum tern_status status;
	size_t i = c->n_messages;

	for (size_t m = 0; m < c->n_messages; m++)
		if ((status = check_message(c, m)))
			return status;
	while (i > 0 && !is_query(&c->messages[i - 1]))
		i--;
	c->last_query = i > 0 ? i - 1 : c->n_messages - 1;
	return check_flags(c, i > 0);
}

static enum tern_status put_thoughts(const struct conversation *c, struct slice thoughts)
{
	enum tern_status status;

	if ((status = put_markup(c->out, "<think>\n")) || (status = put_content(c->out, thoughts)))
		return status;
	return put_markup(c->out, "\n</think>\n\n");
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
		if ((status = put_thoughts(c, thoughts)))
			return status;
		has_thoughts = true;
	}
	for (; has_thoughts && answer.n > 0 && answer.bytes[0] == '\n'; answer.n--)
		answer.bytes++;
	return put_content(c->out, answer);
}

/* Answers whose thoughts are kept have a block of them, if an empty one. The template of Qwen3.6 cuts thoughts out of
 * the answer, which then loses the newlines before it but stays indented; that of Qwen3.8 is handed them beside it:
 * here they are the block that the answer begins with. */
static enum tern_status put_qwen36_answer(const struct conversation *c, size_t i, struct slice content)
{
	bool keeps_all = c->table->thoughts == THOUGHTS_QWEN38, has_end = find(content, thoughts_end) < content.n;
	struct slice thoughts = {content.bytes, 0}, answer = content;
	enum tern_status status;

	if (begins_with(content, thoughts_begin) && (keeps_all || !has_end))
		split_leading_thoughts(content, &thoughts, &answer);
	else if (!keeps_all)
		split_thoughts(content, &thoughts, &answer);
	if ((keeps_all || i > c->last_query) && (status = put_thoughts(c, trim(thoughts))))
		return status;
	return put_content(c->out, keeps_all ? trim(answer) : trim_newlines(answer));
}

static enum tern_status put_content_of(const struct conversation *c, size_t i, enum chat_role role)
{
	struct slice content = content_of(&c->messages[i]), thoughts;

	if (c->table->trims && (role != CHAT_SYSTEM || c->table->system <= SYSTEM_LEADING))
		content = trim(content);
	if (role == CHAT_ASSISTANT && c->table->thoughts == THOUGHTS_QWEN3)
		return put_qwen3_answer(c, i, content);
	if (role == CHAT_ASSISTANT && c->table->thoughts >= THOUGHTS_QWEN36)
		return put_qwen36_answer(c, i, content);
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
	if (role == CHAT_SYSTEM && table->system == SYSTEM_REFUSED)
		return TERN_OK; /* an empty one */
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

/* ---- reasoning effort ---- */

/* The sentence as Jinja's source spells it, without what it escapes by a backslash. */
static enum tern_status put_sentence(const struct conversation *c, struct tern_chat_sentence sentence)
{
	enum tern_status status = TERN_OK;

	for (size_t at = 0, n; at < sentence.n_bytes && !status; at += n) {
		struct slice rest = {sentence.bytes + at, sentence.n_bytes - at};
		bool is_escape = rest.bytes[0] == '\\' && rest.n > 1;
		n = is_escape ? 2 : 1;
		if (is_escape && rest.bytes[1] == 'n')
			status = put_content(c->out, (struct slice){"\n", 1});
		else
			status = put_content(c->out, (struct slice){rest.bytes + n - 1, 1});
	}
	return status;
}

static struct tern_chat_sentence choose_sentence(const struct conversation *c)
{
	if (!c->table->has_efforts || c->flags & TERN_CHAT_NO_THINKING)
		return (struct tern_chat_sentence){NULL, 0};
	return c->efforts.sentences[c->flags & TERN_CHAT_EFFORT_LOW      ? CHAT_EFFORT_LOW
	                            : c->flags & TERN_CHAT_EFFORT_MEDIUM ? CHAT_EFFORT_MEDIUM
	                            : c->flags & TERN_CHAT_EFFORT_XHIGH  ? CHAT_EFFORT_XHIGH
	                                                                 : c->efforts.preset];
}

/* The system turn of a format with efforts: the effort's sentence and the system text, if there is either. */
static enum tern_status put_effort_and_system(const struct conversation *c, bool has_system)
{
	const struct chat_turn *turn = &c->table->turns[CHAT_SYSTEM];
	struct tern_chat_sentence sentence = choose_sentence(c);
	bool has_text = has_system && trim(content_of(&c->messages[0])).n > 0;
	enum tern_status status;

	if (sentence.n_bytes == 0 && !has_text)
		return TERN_OK;
	if ((status = put_markup(c->out, turn->before)) || (status = put_sentence(c, sentence)) ||
	    (sentence.n_bytes > 0 && has_text && (status = put_markup(c->out, "\n\n"))) ||
	    (has_text && (status = put_content_of(c, 0, CHAT_SYSTEM))))
		return status;
	return put_markup(c->out, turn->after);
}

/* ---- the whole ---- */

static enum tern_status render(const struct conversation *c)
{
	const struct chat_table *table = c->table;
	enum tern_status status = TERN_OK;
	bool has_system = c->n_messages > 0 && strcmp(c->messages[0].role, "system") == 0;

	if (table->default_system && !has_system)
		if ((status = put_markup(c->out, table->turns[CHAT_SYSTEM].before)) ||
		    (status = put_markup(c->out, table->default_system)) ||
		    (status = put_markup(c->out, table->turns[CHAT_SYSTEM].after)))
			return status;
	if (table->has_efforts)
		status = put_effort_and_system(c, has_system);
	for (size_t i = table->has_efforts && has_system; i < c->n_messages && !status; i++)
		status = put_message(c, i);
	if (status || !(c->flags & TERN_CHAT_GENERATE) || (status = put_markup(c->out, table->generate)))
		return status;
	return put_markup(c->out, c->flags & TERN_CHAT_NO_THINKING ? table->no_thinking : table->thinking);
}

/* The token that is spelled like the template's BOS; if there is none, the vocabulary's BOS, which in some models is
 * another. -1: a conversation has none. */
static int32_t find_bos(const struct tern_tokenizer *tokenizer, const struct chat_table *table)
{
	if (!table->bos)
		return table->vocab_bos && tern_tokenizer_adds_bos(tokenizer) ? tern_tokenizer_bos_id(tokenizer) : -1;
	int32_t id = tern_tokenizer_find(tokenizer, table->bos, strlen(table->bos));
	return id >= 0 && tern_tokenizer_is_special(tokenizer, id) ? id : tern_tokenizer_bos_id(tokenizer);
}

enum tern_status tern_chat_encode(const struct tern_tokenizer *tokenizer, enum tern_chat_format format,
                                  const struct tern_chat_efforts *efforts, const struct tern_message *messages,
                                  size_t n_messages, unsigned flags, struct tern_ids *out, struct tern_error *err)
{
	struct rendering rendering = {.err = err};
	struct conversation c = {.efforts = efforts ? *efforts : tern_chat_efforts_of_qwen38(),
	                         .flags = flags,
	                         .messages = messages,
	                         .n_messages = n_messages,
	                         .out = &rendering,
	                         .err = err};
	enum tern_status status;

	c.table = tern_chat_table(format);
	if (!c.table)
		return tern_fail(err, TERN_ERR_USAGE, "the model has no chat format that tern knows");
	if ((status = check_conversation(&c)))
		return status;
	int32_t bos_id = find_bos(tokenizer, c.table);
	status = render(&c);
	if (!status && bos_id >= 0)
		status = tern_ids_push(out, bos_id, err);
	if (!status)
		status = tern_tokenizer_encode_spans(tokenizer, rendering.text, rendering.spans, rendering.n_spans, out,
		                                     err);
	tern_free(rendering.text);
	tern_free(rendering.spans);
	return status;
}
