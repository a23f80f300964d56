/* How an embedding model turns the vectors of a text's tokens into one: sentence-transformers' 1_Pooling/config.json.
 */
#ifndef CONVERT_CONFIG_POOLING_H
#define CONVERT_CONFIG_POOLING_H

#include "convert/checkpoint/directory.h"

/* The values of GGUF's pooling_type. */
enum pooling {
	POOLING_UNKNOWN = -1, /* not an embedding model, or not said; the key is then left out */
	POOLING_MEAN = 1,
	POOLING_CLS = 2,
	POOLING_LAST = 3,
};

/* Reads the file; one that asks for another kind, or for several, is refused. */
enum tern_status pooling_read(enum pooling *pooling, const struct directory *dir, struct tern_error *err);

#endif
