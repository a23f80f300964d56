/* Gated delta nets, as config.json of a Qwen 3.5 model describes them. */
#ifndef CONVERT_CONFIG_DELTA_H
#define CONVERT_CONFIG_DELTA_H

#include "base/error.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	DELTA_TAPS = 4,    /* of the convolution */
	DELTA_SECTIONS = 4 /* of rotating pairs; the last is always 0 */
};

struct delta {
	uint64_t n_head_key, n_head; /* key and value heads */
	uint64_t head_dim;
	uint64_t period; /* the last layer of each is attention; 0: all are */
	bool has_sections;
	int32_t sections[DELTA_SECTIONS]; /* pairs that turn by time, height and width of an image */
};

/* Reads the members of `root`, the text model's part of config.json; n_rot values of a head rotate. *delta is
 * zero-initialized. */
enum tern_status delta_read(struct delta *delta, struct json_value root, uint64_t n_layer, uint64_t n_rot,
                            struct tern_error *err);

/* Whether a layer is a delta net. */
static inline bool delta_is_layer(const struct delta *delta, uint64_t layer)
{
	return delta->period && layer % delta->period != delta->period - 1;
}

#endif
