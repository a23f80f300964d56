/* The file: a header, then values, first and second moments, each [n_floats] as F32. Its hash covers all but itself. */
#include "tune/state.h"

#include "base/memory.h"
#include "tune/hash.h"
#include "tune/outdir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct header {
	char magic[8];
	uint64_t hash, step, n_floats;
	struct state_setting settings[STATE_N_SETTINGS];
};

static const char magic[8] = {'t', 'e', 'r', 'n', 't', 'u', 'n', '2'};

static uint64_t hash_of(struct header header, const void *values, const void *first, const void *second)
{
	size_t n_bytes = (size_t)header.n_floats * sizeof(float);
	uint64_t hash;

	header.hash = 0;
	hash = hash_bytes(0, &header, sizeof header);
	hash = hash_bytes(hash, values, n_bytes);
	hash = hash_bytes(hash, first, n_bytes);
	return hash_bytes(hash, second, n_bytes);
}

enum tern_status state_write(const char *directory, const struct state *state, const struct network *network,
                             const struct adamw *adamw, const struct listener *listener, struct tern_error *err)
{
	size_t n_bytes = network->n_floats * sizeof(float);
	struct header header = {.step = state->step, .n_floats = network->n_floats};
	struct tern_outfile out;
	enum tern_status status = outdir_create(&out, directory, STATE_NAME, listener, err);

	if (status)
		return status;
	memcpy(header.magic, magic, sizeof magic);
	memcpy(header.settings, state->settings, sizeof header.settings);
	header.hash = hash_of(header, network->values, adamw->first, adamw->second);
	if (!(status = tern_outfile_check_space(&out, sizeof header + 3 * (uint64_t)n_bytes, err)) &&
	    !(status = tern_outfile_write(&out, &header, sizeof header, err)) &&
	    !(status = tern_outfile_write(&out, network->values, n_bytes, err)) &&
	    !(status = tern_outfile_write(&out, adamw->first, n_bytes, err)))
		status = tern_outfile_write(&out, adamw->second, n_bytes, err);
	return outdir_finish(&out, status, listener, err);
}

static enum tern_status compare(const char *path, const struct state *state, const struct header *header,
                                struct tern_error *err)
{
	for (size_t i = 0; i < STATE_N_SETTINGS; i++) {
		const struct state_setting *now = &state->settings[i], *then = &header->settings[i];
		if (memcmp(now->name, then->name, sizeof now->name) != 0)
			return tern_fail(err, TERN_ERR_FILE, "%s: was written by another version", path);
		if (now->value != then->value)
			return tern_fail(err, TERN_ERR_USAGE,
			                 "%s: the run was started with another %s: %g, now %g; resume with the same "
			                 "command or use another -o",
			                 path, now->name, then->value, now->value);
	}
	return TERN_OK;
}

/* Whether the file is what state_write() wrote, of whatever run. */
static enum tern_status check_whole(const char *path, const struct tern_file *file, struct header *header,
                                    struct tern_error *err)
{
	const size_t n_magic = sizeof magic - 1; /* without the version */

	if (file->size < sizeof magic || memcmp(file->data, magic, n_magic) != 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: is not the state of a training run", path);
	if (memcmp(file->data, magic, sizeof magic) != 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: was written by another version", path);
	if (file->size < sizeof *header)
		return tern_fail(err, TERN_ERR_FILE, "%s: is damaged: its header is cut off", path);
	memcpy(header, file->data, sizeof *header);
	const uint8_t *values = file->data + sizeof *header;
	size_t n = (file->size - sizeof *header) / (3 * sizeof(float)), n_bytes = n * sizeof(float);
	if (header->n_floats != n || file->size != sizeof *header + 3 * n_bytes)
		return tern_fail(err, TERN_ERR_FILE, "%s: is damaged: %zu bytes do not hold %llu parameters", path,
		                 file->size, (unsigned long long)header->n_floats);
	if (header->hash != hash_of(*header, values, values + n_bytes, values + 2 * n_bytes))
		return tern_fail(err, TERN_ERR_FILE, "%s: is damaged: its contents do not have the hash in its header",
		                 path);
	return TERN_OK;
}

enum tern_status state_read(const char *directory, struct state *state, struct network *network, struct adamw *adamw,
                            struct tern_error *err)
{
	size_t n_bytes = network->n_floats * sizeof(float);
	struct tern_file file;
	struct header header;
	struct stat st;
	char path[OUTDIR_PATH_SIZE];
	enum tern_status status = outdir_path(path, directory, STATE_NAME, err);

	if (status)
		return status;
	if (stat(path, &st) != 0 && errno == ENOENT)
		return TERN_OK;
	if ((status = tern_file_open(&file, path, true, err)))
		return status;
	if (!(status = check_whole(path, &file, &header, err)))
		status = compare(path, state, &header, err);
	if (!status && header.n_floats != network->n_floats)
		status = tern_fail(err, TERN_ERR_FILE, "%s: belongs to a model of another shape", path);
	if (!status) {
		const uint8_t *at = file.data + sizeof header;
		memcpy(network->values, at, n_bytes);
		memcpy(adamw->first, at + n_bytes, n_bytes);
		memcpy(adamw->second, at + 2 * n_bytes, n_bytes);
		state->step = adamw->n_steps = header.step;
	}
	tern_file_close(&file);
	return status;
}
