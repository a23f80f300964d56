/* Reasoning effort: templates of Qwen3.8's kind put a fixed sentence at the head of the system text for it. */
#ifndef TERN_TEXT_CHAT_EFFORT_H
#define TERN_TEXT_CHAT_EFFORT_H

#include <stddef.h>

enum chat_effort {
	CHAT_EFFORT_LOW,
	CHAT_EFFORT_MEDIUM,
	CHAT_EFFORT_XHIGH,
	N_CHAT_EFFORTS
};

struct tern_chat_efforts {
	/* As Jinja's source spells them between the quotes; n_bytes 0: this effort has none. */
	struct tern_chat_sentence {
		const char *bytes;
		size_t n_bytes;
	} sentences[N_CHAT_EFFORTS];
	enum chat_effort preset; /* what the template takes unless it is told */
};

/* The sentences in a template's source, which they point into. */
struct tern_chat_efforts tern_chat_efforts_find(const char *source, size_t n_bytes);

/* Those of Qwen3.8's own template, for a format that was chosen by its name. */
struct tern_chat_efforts tern_chat_efforts_of_qwen38(void);

#endif
