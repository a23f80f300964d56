/* A GGUF file, or the parts of one that was split, as one model. */
#ifndef CONVERT_GGUF_INPUT_H
#define CONVERT_GGUF_INPUT_H

#include "base/file.h"
#include "model/gguf_parse.h"

struct gguf_input {
	struct tern_file *files; /* mapped */
	struct gguf *parts;
	char **paths;
	size_t n_parts;
	struct gguf whole; /* the metadata of the first part, the tensors of all */
};

/* Opens path and, if its metadata says that it is a part of a split model (split.count), the other parts, which lie
 * beside it and are called NAME-00001-of-00003.gguf and so on; any of them may be named. TERN_ERR_FILE if a part is
 * missing or does not belong to the others. Close in either case. */
enum tern_status gguf_input_open(struct gguf_input *input, const char *path, struct tern_error *err);
void gguf_input_close(struct gguf_input *input);

/* True if a metadata key describes nothing but the split. */
bool gguf_is_split_key(struct gguf_string key);

#endif
