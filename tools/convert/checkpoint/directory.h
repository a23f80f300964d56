/* The checkpoint directory: opening the files in it, and only those in it.
 *
 * File names come from the caller's constants or from an index file that a stranger wrote, so a name has to be a plain
 * one: no slash, not "." or "..". Symbolic links need a rule, because the Hugging Face cache consists of them
 * (snapshots/REVISION/model.safetensors -> ../../blobs/HASH) while a downloaded archive may hold one that leads to
 * somebody's private files. A link is followed if what it finally names lies inside the directory or, for a directory
 * of the form X/snapshots/REVISION, inside X/blobs; any other is refused without being opened. */
#ifndef CONVERT_CHECKPOINT_DIRECTORY_H
#define CONVERT_CHECKPOINT_DIRECTORY_H

#include "base/error.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct directory {
	char *path;  /* as given, without trailing slashes: for messages */
	char *real;  /* absolute, links resolved */
	char *blobs; /* X/blobs of a cache, or NULL */
	int fd;
};

/* Opens a directory. Anything else is refused: a file with advice. */
enum tern_status directory_open(struct directory *dir, const char *path, struct tern_error *err);
/* Opens a directory inside another by its plain name. Links in it may lead where those of `parent` may; `parent` has to
 * stay open as long. On error there is nothing to close. */
enum tern_status directory_open_inside(struct directory *dir, const struct directory *parent, const char *name,
                                       struct tern_error *err);
/* Only for a struct that directory_open() or directory_open_inside() was called with. */
void directory_close(struct directory *dir);

/* PATH/NAME for messages; the caller frees with tern_free(). NULL when memory runs out. */
char *directory_join(const struct directory *dir, const char *name);

/* Opens a regular file for reading. An absent one is TERN_OK with *fd = -1. `name` need not end after n_bytes. */
enum tern_status directory_open_file(const struct directory *dir, const char *name, size_t n_bytes, int *fd,
                                     struct tern_error *err);

/* Reads a file of at most `limit` bytes; a NUL follows the last. *bytes is NULL if there is no such file.
 * The caller frees *bytes with tern_free(). */
enum tern_status directory_read_file(const struct directory *dir, const char *name, size_t limit, uint8_t **bytes,
                                     size_t *n_bytes, struct tern_error *err);

/* A JSON file with an object in it; *json is empty (words == NULL) if there is none. json->source is allocated with the
 * tree and shows the path. Free with directory_free_json(), harmless after an error. */
enum tern_status directory_read_json(const struct directory *dir, const char *name, unsigned flags, struct json *json,
                                     struct tern_error *err);
void directory_free_json(struct json *json);

/* True if a file (of any kind) with this name is there. */
bool directory_has(const struct directory *dir, const char *name);

#endif
