#include "cli/chat/transcript.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/space.h"
#include "console/signals.h"
#include "console/text.h"
#include "json/parse.h"
#include "json/value.h"
#include "json/write.h"

#include <string.h>
#include <sys/stat.h>

/* ---- reading ---- */

/* A role by its name, or NULL. */
static const char *find_role(struct json_value name)
{
	const char *const roles[] = {conversation_system, conversation_user, conversation_assistant};

	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (json_string_is(name, roles[i]))
			return roles[i];
	return NULL;
}

/* A message that was read goes where it belongs, if it may come now. */
static enum tern_status take_message(struct conversation *c, struct json_value message, struct tern_error *err)
{
	struct json_value name = json_find(message, "role");
	struct json_string content = {NULL, 0};
	const char *role,
	        *expected = conversation_last(c, conversation_user) ? conversation_assistant : conversation_user;
	enum tern_status status;
	bool found = false, kept;

	if (json_type(message) != JSON_OBJECT)
		return json_fail_type(message, "an object with role and content", err);
	if (!json_exists(name))
		return json_fail_missing(message, "role", "\"system\", \"user\" or \"assistant\"", err);
	if (!(role = find_role(name)))
		return json_fail(name, err, "expected \"system\", \"user\" or \"assistant\"");
	if ((status = json_get_string(message, "content", &content, &found, err)))
		return status;
	if (!found)
		return json_fail_missing(message, "content", "the text of the message", err);
	if (role == conversation_system && (c->system || c->n_messages > 0))
		return json_fail(name, err, "a system message may only come first");
	if (role != conversation_system && role != expected)
		return json_fail(name, err, "the %s's turn was expected, since user and assistant take turns",
		                 expected);
	kept = role == conversation_system ? conversation_set_system(c, content.bytes, content.length)
	                                   : conversation_add(c, role, content.bytes, content.length);
	return kept ? TERN_OK : tern_fail_memory(err, content.length);
}

static enum tern_status read_lines(struct conversation *c, const char *path, const char *bytes, size_t n_bytes,
                                   struct tern_error *err)
{
	enum tern_status status = TERN_OK;
	size_t number = 0, length;
	struct json json;

	for (const char *line = bytes, *end = bytes + n_bytes; line < end && !status; line += length + 1) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		length = newline ? (size_t)(newline - line) : (size_t)(end - line);
		number++;
		if (tern_is_blank(line, length))
			continue;
		status = json_parse_line(&json, path, number, line, length, JSON_REFUSE_DUPLICATES, err);
		if (!status) {
			status = take_message(c, json_root(&json), err);
			json_free(&json);
		}
	}
	if (!status && c->n_messages == 0 && !c->system)
		status = tern_fail(err, TERN_ERR_FILE, "%s: no messages in it", path);
	return status;
}

enum tern_status transcript_read(struct conversation *conversation, const char *path, struct tern_error *err)
{
	struct conversation read = {0};
	uint8_t *bytes;
	size_t n_bytes;
	enum tern_status status = tern_read_file(path, JSON_MAX_BYTES, &bytes, &n_bytes, err);

	if (status)
		return status;
	status = read_lines(&read, path, (const char *)bytes, n_bytes, err);
	tern_free(bytes);
	if (status) {
		conversation_free(&read);
		return status;
	}
	conversation_free(conversation);
	*conversation = read;
	return TERN_OK;
}

bool transcript_would_destroy(const char *path)
{
	struct conversation read = {0};
	struct tern_error err;
	struct stat file;
	bool is_other;

	if (stat(path, &file) != 0 || (S_ISREG(file.st_mode) && file.st_size == 0))
		return false;
	is_other = transcript_read(&read, path, &err) != TERN_OK;
	conversation_free(&read);
	return is_other;
}

/* ---- writing ---- */

/* Appends one message to the text of a file. */
typedef void (*put_message)(struct text *text, const struct tern_message *message);

static void put_json(struct text *text, const struct tern_message *message)
{
	struct json_writer json = {.to = text};

	json_write_begin_object(&json);
	json_put_string(&json, "role", message->role);
	json_put_bytes(&json, "content", message->content, message->n_bytes);
	json_write_end_object(&json);
	text_append(text, "\n", 1);
}

static void put_plain(struct text *text, const struct tern_message *message)
{
	text_printf(text, "%s%s:\n", text->n_bytes ? "\n" : "", message->role);
	text_append(text, message->content, message->n_bytes);
	text_append(text, "\n", 1);
}

static enum tern_status open_file(struct tern_outfile *out, const char *path, bool overwrite, struct tern_error *err)
{
	enum tern_status status;

	signals_hold();
	if (!(status = tern_outfile_open(out, path, overwrite, err)))
		signals_clean_on_death(out->temp_path);
	signals_release();
	return status;
}

enum tern_status transcript_try_write(const char *path, struct tern_error *err)
{
	struct tern_outfile out;
	enum tern_status status = open_file(&out, path, true, err);

	if (!status)
		tern_outfile_abort(&out);
	signals_clean_on_death(NULL);
	return status;
}

static enum tern_status write_file(const struct text *text, const char *path, bool overwrite, struct tern_error *err)
{
	struct tern_outfile out;
	enum tern_status status = open_file(&out, path, overwrite, err);

	if (status)
		return status;
	if ((status = tern_outfile_write(&out, text->bytes, text->n_bytes, err)))
		tern_outfile_abort(&out);
	else
		status = tern_outfile_commit(&out, err);
	signals_clean_on_death(NULL);
	return status;
}

static enum tern_status write_with(put_message put, const struct conversation *c, const char *path, bool overwrite,
                                   struct tern_error *err)
{
	struct tern_message system = {conversation_system, c->system, c->n_system_bytes};
	struct text text = {0};
	enum tern_status status;

	text_append(&text, "", 0);
	if (c->system)
		put(&text, &system);
	for (size_t i = 0; i < c->n_messages; i++)
		put(&text, &c->messages[i]);
	status = text.failed ? tern_fail_memory(err, text.n_bytes) : write_file(&text, path, overwrite, err);
	text_free(&text);
	return status;
}

enum tern_status transcript_write(const struct conversation *c, const char *path, bool overwrite,
                                  struct tern_error *err)
{
	return write_with(put_json, c, path, overwrite, err);
}

enum tern_status transcript_export(const struct conversation *c, const char *path, bool overwrite,
                                   struct tern_error *err)
{
	return write_with(put_plain, c, path, overwrite, err);
}
