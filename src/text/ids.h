/* A growing list of token ids. */
#ifndef TERN_TEXT_IDS_H
#define TERN_TEXT_IDS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* *ids is allocated with tern_realloc(). Zero-initialise before first use. */
struct tern_ids {
	int32_t *ids;
	size_t n_ids, capacity;
};

/* Appends one id. */
enum tern_status tern_ids_push(struct tern_ids *out, int32_t id, struct tern_error *err);

#endif
