/* The list that encoding appends to. */
#include "text/ids.h"

#include "base/memory.h"

enum tern_status tern_ids_push(struct tern_ids *out, int32_t id, struct tern_error *err)
{
	if (!tern_grow((void **)&out->ids, &out->capacity, out->n_ids + 1, sizeof *out->ids))
		return tern_fail_memory(err, (out->n_ids + 1) * sizeof *out->ids);
	out->ids[out->n_ids++] = id;
	return TERN_OK;
}
