/* Binding the embedding and the output head: dense or ternary, one tensor or two. */
#ifndef TERN_MODEL_BIND_VOCAB_H
#define TERN_MODEL_BIND_VOCAB_H

#include "model/bind.h"

enum tern_status tern_bind_embedding(struct tern_binder *b);

/* After the embedding, which it may share. */
enum tern_status tern_bind_head(struct tern_binder *b);

#endif
