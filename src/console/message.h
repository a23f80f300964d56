/* When typed lines are a whole message: a backslash at the end continues it, three double quotes enclose it. */
#ifndef TERN_CONSOLE_MESSAGE_H
#define TERN_CONSOLE_MESSAGE_H

#include <stddef.h>

enum message_state {
	MESSAGE_WHOLE,
	MESSAGE_BLOCK,     /* whole, between """ and """ */
	MESSAGE_CONTINUES, /* the last byte is a backslash that stands for a newline */
	MESSAGE_OPEN,      /* begins with """ and lacks the end */
};

/* What n_bytes of text are when Enter is pressed after them. Two backslashes at the end are two backslashes. */
enum message_state message_state(const char *bytes, size_t n_bytes);

/* The part of a MESSAGE_BLOCK between the quotes, without the line breaks next to them. */
const char *message_block_content(const char *bytes, size_t n_bytes, size_t *n_content);

#endif
