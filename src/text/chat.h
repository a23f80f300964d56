/* Chat formats: a conversation becomes the ids that a model was trained to answer. */
#ifndef TERN_TEXT_CHAT_H
#define TERN_TEXT_CHAT_H

#include "text/chat_effort.h"
#include "text/chat_formats.h"
#include "text/tokenizer.h"

/* Appends the ids of a conversation, with BOS if the format has one or, in plain ChatML, if the vocabulary begins every
 * text with it. They are the ids of the text that the template renders, except that contents never produce control
 * tokens. flags: those of tern_chat_tokenize(). The ids of the first messages begin the ids of more messages, with two
 * exceptions: thoughts that Qwen3, Qwen3.6 and R1 drop, and tokens that span the border between a message's markup and
 * the next text. efforts: the template's, for formats that have them; NULL: the format's own. TERN_ERR_USAGE for
 * TERN_CHAT_NONE, an unknown role, a system message or a reasoning effort where the format has none. Thread-safe. */
enum tern_status tern_chat_encode(const struct tern_tokenizer *tokenizer, enum tern_chat_format format,
                                  const struct tern_chat_efforts *efforts, const struct tern_message *messages,
                                  size_t n_messages, unsigned flags, struct tern_ids *out, struct tern_error *err);

#endif
