/* A growing list of token ids. */
#ifndef TERN_TEXT_IDS_H
#define TERN_TEXT_IDS_H

#include "base/error.h"
#include "base/memory.h"

/* Zero-initialized is empty. The caller frees `ids` with tern_free(). */
struct tern_ids {
	int32_t *ids;
	size_t n_ids, capacity;
};

static inline enum tern_status tern_ids_push(struct tern_ids *out, int32_t id, struct tern_error *err)
{
	if (!TERN_GROW(out->ids, out->capacity, out->n_ids + 1))
		return tern_fail_memory(err, (out->n_ids + 1) * sizeof *out->ids);
	out->ids[out->n_ids++] = id;
	return TERN_OK;
}

#endif
