#include "console/program.h"
#include "console/text.h"

#include <string.h>

/* Whether the name holds the word. */
static bool holds(const char *name, size_t length, const char *word)
{
	size_t n_word = strlen(word);

	for (size_t i = 0; i + n_word <= length; i++)
		if (memcmp(name + i, word, n_word) == 0)
			return true;
	return false;
}

static bool is(const char *name, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(name, word, length) == 0;
}

static enum value_kind kind_of(const char *name, size_t length)
{
	if (is(name, length, "FILE|NAME") || (length >= 5 && memcmp(name, "MODEL", 5) == 0))
		return VALUE_MODEL;
	if (holds(name, length, "FILE") || holds(name, length, "DIRECTORY") || holds(name, length, ".gguf"))
		return VALUE_FILE;
	if (is(name, length, "FORMAT"))
		return VALUE_FORMAT;
	if (is(name, length, "COMMAND"))
		return VALUE_COMMAND;
	return holds(name, length, "|") ? VALUE_WORDS : VALUE_ANYTHING;
}

enum value_kind value_of_option(const struct option *option)
{
	return option->argument ? kind_of(option->argument, strlen(option->argument)) : VALUE_ANYTHING;
}

enum value_kind value_of_operand(const struct command *command, const char **name, size_t *length)
{
	const char *at = command->usage;

	*name = "";
	*length = 0;
	if (!at)
		return VALUE_ANYTHING;
	at += strcspn(at, " "); /* the program */
	at += strspn(at, " ");
	if (command->name)
		at += strcspn(at, " ");
	for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " \n");
		if (*at != '-' && !holds(at, n, "OPTION")) {
			bool is_bracketed = *at == '[';
			*name = at + is_bracketed;
			*length = strcspn(*name, is_bracketed ? " ]" : " \n");
			return kind_of(*name, *length);
		}
		at += n;
	}
	return VALUE_ANYTHING;
}

void value_words(struct text *words, const struct program *program, enum value_kind kind, const char *name,
                 size_t length)
{
	if (kind == VALUE_WORDS)
		for (size_t i = 0; i < length; i++)
			text_append(words, name[i] == '|' ? " " : name + i, 1);
	if (kind == VALUE_WORDS)
		text_append(words, " ", 1);
	for (size_t i = 0; kind == VALUE_FORMAT && program->chat_format && program->chat_format(i); i++)
		text_printf(words, "%s ", program->chat_format(i));
	for (size_t i = 0; kind == VALUE_COMMAND && program->commands[i]; i++)
		text_printf(words, "%s ", program->commands[i]->name);
}
