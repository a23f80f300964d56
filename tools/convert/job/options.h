/* What the user asks for. */
#ifndef CONVERT_JOB_OPTIONS_H
#define CONVERT_JOB_OPTIONS_H

#include "convert/job/listener.h"

#include <stdbool.h>
#include <tern.h>

/* The type that a GGUF file's ternary matrices get. */
enum target {
	TARGET_T2R16, /* for tern */
	TARGET_TQ2_0, /* for llama.cpp */
	TARGET_I2_S,  /* for bitnet.cpp */
	TARGET_SAME,  /* every tensor keeps its type: merging */
};

struct convert_options {
	const char *input;              /* checkpoint directory, or a GGUF file or any part of a split one */
	const char *output;             /* may be NULL with dry_run */
	bool force;                     /* replace an existing output */
	bool dry_run;                   /* everything but writing */
	bool keep_embedding, keep_head; /* in the input's precision instead of int8 */
	int n_threads;                  /* 0: as tern_choose_threads() does */
	struct listener listener;

	bool vocab_only; /* checkpoints: the tokenizer alone; no weights are needed */
	bool masters;    /* checkpoints: floats that are not ternary are master weights, whatever config.json says */

	enum target target; /* GGUF files */
	enum tern_i2s_layout i2s_layout;
};

#endif
