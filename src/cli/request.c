#include "cli/request.h"
#include "base/error.h"
#include "base/memory.h"
#include "console/suggest.h"
#include "json/parse.h"
#include "json/value.h"

#include <stdio.h>
#include <string.h>

/* ---- settings: the options of the command line, by their names with '_' for '-' ---- */

/* What a value has to be, "a number (from 0 to 100)". Returns out. */
static const char *expected(char out[EXPECTED_SIZE], const struct option *option)
{
	if (option->kind == OPTION_FLAG)
		return "true or false";
	if (option->kind == OPTION_LIST)
		return "a string or an array of strings";
	return option_expected(out, option);
}

static enum tern_status read_choice(const struct option *option, void *field, struct json_value value,
                                    struct tern_error *err)
{
	char word[64], what[EXPECTED_SIZE];
	struct json_string text = {0};

	if (json_type(value) == JSON_STRING)
		text = json_string(value);
	if (text.length > 0 && text.length < sizeof word) {
		memcpy(word, text.bytes, text.length);
		word[text.length] = '\0';
		if (option_set(option, field, word))
			return TERN_OK;
	}
	return json_fail_type(value, expected(what, option), err);
}

static enum tern_status read_number(const struct option *option, void *field, struct json_value value,
                                    struct tern_error *err)
{
	char digits[64], what[EXPECTED_SIZE];
	size_t length = strspn(json_text(value), "+-.0123456789eE");

	if (json_type(value) == JSON_NUMBER && length < sizeof digits) {
		memcpy(digits, json_text(value), length);
		digits[length] = '\0';
		if (option_set(option, field, digits))
			return TERN_OK;
	}
	return json_fail_type(value, expected(what, option), err);
}

static enum tern_status add_stop(struct request *request, struct json_value value, struct tern_error *err)
{
	struct json_string text;
	enum tern_status status = json_to_string(value, &text, err);

	if (status)
		return status;
	if (memchr(text.bytes, '\0', text.length))
		return json_fail(value, err, "a stop string cannot hold a NUL");
	text_append(&request->stops, text.bytes, text.length);
	text_append(&request->stops, "", 1);
	request->settings.stops.n_items++;
	return TERN_OK;
}

/* Replaces the command line's stop strings. */
static enum tern_status read_stops(struct request *request, struct json_value value, struct tern_error *err)
{
	enum tern_status status = TERN_OK;
	const char **items, *at;

	tern_free((void *)request->settings.stops.items);
	request->settings.stops = (struct option_list){0};
	if (json_type(value) == JSON_STRING)
		status = add_stop(request, value, err);
	else if (json_type(value) != JSON_ARRAY)
		return json_fail_type(value, "a string or an array of strings", err);
	for (struct json_iterator it = json_items(value); !status && json_next(&it);)
		status = add_stop(request, it.value, err);
	if (status)
		return status;
	request->settings.stops.items = items = tern_alloc(request->settings.stops.n_items, sizeof *items);
	if (!items || request->stops.failed)
		return tern_fail_memory(err, request->stops.n_bytes);
	at = request->stops.bytes;
	for (size_t i = 0; i < request->settings.stops.n_items; i++, at += strlen(at) + 1)
		items[i] = at;
	return TERN_OK;
}

static enum tern_status read_setting(struct request *request, const struct option *option, void *field,
                                     struct json_value value, struct tern_error *err)
{
	char what[EXPECTED_SIZE];

	if (option->kind == OPTION_LIST)
		return read_stops(request, value, err);
	if (option->kind == OPTION_CHOICE)
		return read_choice(option, field, value, err);
	if (option->kind != OPTION_FLAG)
		return read_number(option, field, value, err);
	if (json_type(value) != JSON_BOOL)
		return json_fail_type(value, expected(what, option), err);
	return json_to_bool(value, field, err);
}

/* ---- keys ---- */

/* The keys that are no settings, and where their values go. */
enum {
	N_OWN_KEYS = 4
};
static const char *const own_keys[N_OWN_KEYS] = {"id", "prompt", "messages", "system"};

static void offer(struct suggestion *suggestion, const struct option *options)
{
	char name[64];

	for (; options->name; options++) {
		snprintf(name, sizeof name, "%s", options->name);
		for (char *c = name; *c; c++)
			*c = *c == '-' ? '_' : *c;
		suggest_offer(suggestion, name, strlen(name));
	}
}

static enum tern_status unknown_key(const struct json_iterator *it, struct tern_error *err)
{
	struct json_string key = json_string(it->key);
	struct suggestion suggestion;

	suggest_start(&suggestion, key.bytes, key.length);
	for (size_t i = 0; i < N_OWN_KEYS; i++)
		suggest_offer(&suggestion, own_keys[i], strlen(own_keys[i]));
	offer(&suggestion, generation_options);
	offer(&suggestion, token_probs_options);
	if (suggestion.best[0])
		return json_fail(it->value, err, "unknown key; did you mean '%s'?", suggestion.best);
	return json_fail(it->value, err, "unknown key");
}

static enum tern_status read_own(struct request *request, size_t i, struct json_value value, struct tern_error *err)
{
	struct json_value *const to[N_OWN_KEYS] = {NULL, &request->text, &request->conversation, &request->system};
	struct json_string text;

	if (i == 0)
		return TERN_OK; /* was read before everything else */
	*to[i] = value;
	if (to[i] != &request->conversation)
		return json_to_string(value, &text, err);
	return json_type(value) == JSON_ARRAY ? TERN_OK : json_fail_type(value, "an array of messages", err);
}

static enum tern_status read_member(struct request *request, const struct json_iterator *it, struct tern_error *err)
{
	struct json_string key = json_string(it->key);
	const struct option *option;
	unsigned char *field;
	uint64_t bit, *seen;

	if (json_type(it->value) == JSON_NULL)
		return TERN_OK;
	for (size_t i = 0; i < N_OWN_KEYS; i++)
		if (strlen(own_keys[i]) == key.length && memcmp(own_keys[i], key.bytes, key.length) == 0)
			return read_own(request, i, it->value, err);
	if ((option = option_find(generation_options, key.bytes, key.length))) {
		field = (unsigned char *)&request->settings;
		bit = (uint64_t)1 << (option - generation_options);
		seen = &request->seen[0];
	} else if ((option = option_find(token_probs_options, key.bytes, key.length))) {
		field = (unsigned char *)&request->probs;
		bit = (uint64_t)1 << (option - token_probs_options);
		seen = &request->seen[1];
	} else {
		return unknown_key(it, err);
	}
	if (*seen & bit)
		return json_fail(it->value, err, "was given already under another name");
	*seen |= bit;
	if (option->kind == OPTION_TEXT || strcmp(option->name, "ctx") == 0 || strcmp(option->name, "state-cache") == 0)
		return json_fail(it->value, err, "is the same for all requests: --%s on the command line",
		                 option->name);
	return read_setting(request, option, field + option->offset, it->value, err);
}

/* ---- messages ---- */

static struct tern_message message(const char *role, struct json_value content)
{
	struct json_string text = json_string(content);

	/* Only an empty text needs the NUL that strings of JSON lack. */
	return (struct tern_message){.role = role, .content = text.length ? text.bytes : "", .n_bytes = text.length};
}

static enum tern_status read_message(struct request *request, struct json_value value, struct tern_error *err)
{
	static const char *const roles[] = {"system", "user", "assistant"};
	struct json_value role = json_find(value, "role"), content = json_find(value, "content");
	struct json_string text;
	enum tern_status status;

	if (json_type(value) != JSON_OBJECT)
		return json_fail_type(value, "an object with role and content", err);
	for (struct json_iterator it = json_items(value); json_next(&it);)
		if (!json_string_is(it.key, "role") && !json_string_is(it.key, "content"))
			return json_fail(it.value, err, "unknown key; a message has role and content");
	if (!json_exists(role) || !json_exists(content))
		return json_fail_missing(value, json_exists(role) ? "content" : "role", "a string", err);
	if ((status = json_to_string(role, &text, err)) || (status = json_to_string(content, &text, err)))
		return status;
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (json_string_is(role, roles[i])) {
			request->messages[request->n_messages++] = message(roles[i], content);
			return TERN_OK;
		}
	return json_fail_type(role, "system, user or assistant", err);
}

/* The system text, the request's or the command line's, then the prompt or the conversation. */
static enum tern_status collect_messages(struct request *request, struct tern_error *err)
{
	const char *preset = request->settings.system;
	size_t n = json_exists(request->conversation) ? json_count(request->conversation) : 1;
	enum tern_status status = TERN_OK;

	if (n == 0)
		return json_fail(request->conversation, err, "no messages");
	if (!(request->messages = tern_alloc(n + 1, sizeof *request->messages)))
		return tern_fail_memory(err, (n + 1) * sizeof *request->messages);
	request->n_messages = 1; /* room for the system text */
	if (json_exists(request->text))
		request->messages[request->n_messages++] = message("user", request->text);
	for (struct json_iterator it = json_items(request->conversation); !status && json_next(&it);)
		status = read_message(request, it.value, err);
	if (status)
		return status;
	bool begins_with_system = strcmp(request->messages[1].role, "system") == 0;
	if (begins_with_system && json_exists(request->system))
		return json_fail(request->system, err, "there is a system text twice: here and in messages");
	if (json_exists(request->system))
		request->messages[0] = message("system", request->system);
	else if (preset && !begins_with_system)
		request->messages[0] = (struct tern_message){.role = "system", .content = preset};
	else
		memmove(request->messages, request->messages + 1, --request->n_messages * sizeof *request->messages);
	return TERN_OK;
}

/* ---- the whole ---- */

static enum tern_status read_id(struct request *request, struct json_value root, struct tern_error *err)
{
	struct json_value id = json_find(root, "id");

	if (json_exists(id) && (json_type(id) == JSON_ARRAY || json_type(id) == JSON_OBJECT))
		return json_fail_type(id, "a string, a number, true, false or null", err);
	request->id = id;
	return TERN_OK;
}

static enum tern_status read_members(struct request *request, struct json_value root, struct tern_error *err)
{
	enum tern_status status;

	if (json_type(root) != JSON_OBJECT)
		return json_fail_type(root, "an object with prompt or messages", err);
	if ((status = read_id(request, root, err)))
		return status;
	for (struct json_iterator it = json_items(root); json_next(&it);)
		if ((status = read_member(request, &it, err)))
			return status;
	if (!json_exists(request->text) && !json_exists(request->conversation))
		return json_fail_missing(root, "prompt", "a string, or messages", err);
	if (json_exists(request->text) && json_exists(request->conversation))
		return json_fail(request->conversation, err, "there is a prompt already");
	return TERN_OK;
}

/* Decides on the chat format and makes messages of the request, if it is used. */
static enum tern_status compose(struct request *request, const struct opened *opened, struct tern_error *err)
{
	struct json_value chat_only = json_exists(request->conversation) ? request->conversation : request->system;
	enum tern_status status = prompt_choose_format(opened, request->settings.raw, &request->is_chat, err);

	if (status || request->is_chat)
		return status ? status : collect_messages(request, err);
	if (json_exists(chat_only))
		return json_fail(chat_only, err, "%s",
		                 request->settings.raw ? "is part of the chat format, which raw leaves out"
		                                       : "the model has no chat format; give a prompt alone");
	request->settings.system = request->settings.chat_format = NULL;
	return TERN_OK;
}

static enum tern_status tokenize(struct request *request, const struct opened *opened, struct tern_error *err)
{
	struct json_string text;

	if (request->is_chat) {
		enum tern_status status = generation_add_stops(&request->settings, opened->model, err);
		return status ? status
		              : prompt_from_messages(opened->model, request->messages, request->n_messages,
		                                     generation_chat_flags(&request->settings), &request->prompt, err);
	}
	text = json_string(request->text);
	return prompt_from_text(opened->model, text.bytes, text.length, &request->prompt, err);
}

/* What applies where the request says nothing. */
static enum tern_status take_defaults(struct request *request, const struct generation_options *settings,
                                      const struct token_probs_options *probs, struct tern_error *err)
{
	size_t n = settings->stops.n_items;
	const char **stops = tern_alloc(n, sizeof *stops);

	*request = (struct request){.settings = *settings, .probs = *probs};
	request->settings.stops = (struct option_list){stops, 0};
	if (!stops)
		return tern_fail_memory(err, n * sizeof *stops);
	for (; request->settings.stops.n_items < n; request->settings.stops.n_items++)
		stops[request->settings.stops.n_items] = settings->stops.items[request->settings.stops.n_items];
	return TERN_OK;
}

/* Values that are wrong are the writer's fault and the line is none the worse for it. */
static enum tern_status as_usage(enum tern_status status, struct tern_error *err)
{
	if (status == TERN_ERR_FILE)
		status = err->status = TERN_ERR_USAGE;
	return status;
}

enum tern_status request_read(struct request *request, const struct text *line, size_t line_number,
                              const struct opened *opened, const struct generation_options *settings,
                              const struct token_probs_options *probs, struct tern_error *err)
{
	enum tern_status status;

	if ((status = take_defaults(request, settings, probs, err)) ||
	    (status = json_parse_line(&request->json, NULL, line_number, line->bytes, line->n_bytes,
	                              JSON_REFUSE_DUPLICATES, err)))
		return status;
	if ((status = as_usage(read_members(request, json_root(&request->json), err), err)) ||
	    (status = compose(request, opened, err)))
		return as_usage(status, err);
	if (json_exists(request->text) && json_string(request->text).length == 0)
		return tern_fail(err, TERN_ERR_USAGE, "%s: the prompt is empty", request->json.source);
	if ((status = generation_find_fault(&request->settings, err)))
		return status;
	return tokenize(request, opened, err);
}

void request_write_id(const struct request *request, struct json_writer *json)
{
	if (!json_exists(request->id))
		return;
	json_write_key(json, "id");
	if (json_type(request->id) == JSON_STRING) {
		struct json_string text = json_string(request->id);
		json_write_bytes(json, text.bytes, text.length);
	} else {
		const char *text = json_text(request->id);
		json_write_scalar(json, text, strspn(text, "+-.0123456789abcdefghijklmnopqrstuvwxyzE"));
	}
}

void request_free(struct request *request)
{
	json_free(&request->json);
	prompt_free(&request->prompt);
	text_free(&request->stops);
	tern_free((void *)request->settings.stops.items);
	tern_free(request->messages);
	memset(request, 0, sizeof *request);
}
