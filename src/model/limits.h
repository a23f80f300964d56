/* The largest models that tern runs. The converter checks config.json by the same numbers, so that a message names the
 * key there. */
#ifndef TERN_MODEL_LIMITS_H
#define TERN_MODEL_LIMITS_H

enum {
	TERN_MAX_LAYERS = 1024,
	TERN_MAX_HEAD_DIM = 512,
	TERN_MAX_WIDTH = 1 << 16, /* of the stream, of all heads, of the feed-forward part */
	TERN_MAX_EXPERTS = 1024,
	TERN_MAX_VOCAB = 1 << 22,
	TERN_MAX_CONTEXT = 1 << 24,
};

#endif
