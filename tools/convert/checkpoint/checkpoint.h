/* The weights of a checkpoint directory: one model.safetensors, or the shards that model.safetensors.index.json names.
 * Knows names, types and shapes of all tensors; reads their data in pieces, so that no tensor has to fit in memory
 * twice. */
#ifndef CONVERT_CHECKPOINT_CHECKPOINT_H
#define CONVERT_CHECKPOINT_CHECKPOINT_H

#include "convert/checkpoint/directory.h"
#include "convert/checkpoint/name_set.h"
#include "convert/checkpoint/safetensors.h"

enum {
	CHECKPOINT_MAX_SHARDS = 1024
};

struct shard {
	char *path; /* for messages */
	int fd;
	uint64_t size; /* when opened; a different size later is an error */
	char *names;   /* of its tensors */
};

struct checkpoint {
	const struct directory *dir; /* the caller's */
	struct shard *shards;
	size_t n_shards, shard_capacity;
	struct tensor *tensors; /* shard by shard */
	size_t n_tensors, tensor_capacity;
	struct name_set index; /* number in it = position in tensors */
};

/* Opens the shards and reads their headers. Whatever is missing, double or damaged is an error that names the file and
 * the tensor. On error there is nothing to close. */
enum tern_status checkpoint_open(struct checkpoint *ckpt, const struct directory *dir, struct tern_error *err);
void checkpoint_close(struct checkpoint *ckpt);

/* NULL if there is no tensor of that name. */
struct tensor *checkpoint_find(const struct checkpoint *ckpt, const char *name);

/* The file a tensor is in, for messages. */
const char *checkpoint_path_of(const struct checkpoint *ckpt, const struct tensor *tensor);

/* "SHARD: tensor 'NAME': WHAT", status TERN_ERR_FILE. */
enum tern_status checkpoint_fail(const struct checkpoint *ckpt, const struct tensor *tensor, struct tern_error *err,
                                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reads n bytes of the tensor's data from `offset` (in bytes; the range must be inside) into dst. */
enum tern_status checkpoint_read(const struct checkpoint *ckpt, const struct tensor *tensor, uint64_t offset, size_t n,
                                 void *dst, struct tern_error *err);

/* Fails if the size of a shard has changed since it was opened. */
enum tern_status checkpoint_check_unchanged(const struct checkpoint *ckpt, struct tern_error *err);

#endif
