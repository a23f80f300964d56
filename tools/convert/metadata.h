/* The metadata of the output that describes the network. Names of keys are llama.cpp's, those of tern itself begin with
 * "tern.". */
#ifndef CONVERT_METADATA_H
#define CONVERT_METADATA_H

#include "convert/config/config.h"
#include "convert/mapping/mapping.h"
#include "model/gguf_write.h"

/* mapping: NULL if only the tokenizer is converted. */
void metadata_write(struct gguf_writer *writer, const struct directory *dir, const struct config *config,
                    const struct mapping *mapping);

#endif
