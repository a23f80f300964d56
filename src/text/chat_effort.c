#include "text/chat_effort.h"

#include <stdbool.h>
#include <string.h>

static const char *const names[N_CHAT_EFFORTS] = {"low", "medium", "xhigh"};

static bool begins_with(const char *at, const char *end, const char *part)
{
	return (size_t)(end - at) >= strlen(part) && memcmp(at, part, strlen(part)) == 0;
}

/* The effort whose name is the word at `at`; N_CHAT_EFFORTS if none. */
static enum chat_effort find_name(const char *at, const char *end)
{
	int i = 0;

	while (i < N_CHAT_EFFORTS && !begins_with(at, end, names[i]))
		i++;
	return (enum chat_effort)i;
}

/* The quote that ends the literal whose text begins at `at`; NULL if it does not end. */
static const char *find_quote(const char *at, const char *end, char quote)
{
	while (at < end && *at != quote)
		at += *at == '\\' ? 2 : 1;
	return at < end ? at : NULL;
}

static const char *skip_spaces(const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	return at;
}

/* The effort in "reasoning_effort|default('xhigh')"; N_CHAT_EFFORTS if this is something else. */
static enum chat_effort read_preset(const char *at, const char *end)
{
	static const char variable[] = "reasoning_effort", filter[] = "default(";

	if (!begins_with(at, end, variable))
		return N_CHAT_EFFORTS;
	at = skip_spaces(at + sizeof variable - 1, end);
	if (at == end || *at != '|')
		return N_CHAT_EFFORTS;
	at = skip_spaces(at + 1, end);
	if (!begins_with(at, end, filter))
		return N_CHAT_EFFORTS;
	at = skip_spaces(at + sizeof filter - 1, end);
	return at < end && (*at == '\'' || *at == '"') ? find_name(at + 1, end) : N_CHAT_EFFORTS;
}

struct tern_chat_efforts tern_chat_efforts_find(const char *source, size_t n_bytes)
{
	static const char head[] = "Reasoning effort is set to ";
	struct tern_chat_efforts found = {.preset = CHAT_EFFORT_XHIGH};
	const char *end = source + n_bytes, *quote;

	for (const char *at = source; at < end; at++) {
		enum chat_effort preset = read_preset(at, end);
		if (preset != N_CHAT_EFFORTS)
			found.preset = preset;
		if ((*at != '\'' && *at != '"') || !begins_with(at + 1, end, head))
			continue;
		enum chat_effort effort = find_name(at + sizeof head, end);
		if (effort != N_CHAT_EFFORTS && (quote = find_quote(at + 1, end, *at)))
			found.sentences[effort] = (struct tern_chat_sentence){at + 1, (size_t)(quote - at - 1)};
	}
	return found;
}

struct tern_chat_efforts tern_chat_efforts_of_qwen38(void)
{
	static const char source[] =
	        "'Reasoning effort is set to xhigh. Please think carefully through the task, validate key assumptions, "
	        "consider plausible alternatives, and prioritize correctness, consistency, and clarity in the final "
	        "answer.'"
	        "'Reasoning effort is set to low. Keep your thinking brief and focused, moving directly to the "
	        "conclusion without unnecessary elaboration.'";

	return tern_chat_efforts_find(source, sizeof source - 1);
}
