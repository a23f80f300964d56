/* Attention over a window, as config.json describes it: which layers see only the last tokens. */
#ifndef CONVERT_CONFIG_WINDOWS_H
#define CONVERT_CONFIG_WINDOWS_H

#include "base/error.h"
#include "json/json.h"

#include <stdint.h>

enum {
	WINDOWS_MAX_LAYERS = 1024
};

struct windows {
	uint64_t size;   /* tokens that such a layer sees, its own included; 0: every layer sees all */
	uint64_t period; /* the last layer of each period sees all, the others a window; 0: no such rule, see has_window
	                  */
	uint8_t has_window[WINDOWS_MAX_LAYERS]; /* 1 for layers with a window */
};

/* Reads sliding_window and layer_types or sliding_window_pattern from `root`, all of config.json. For families without
 * windows everything but full attention is refused; a window that is at least the context, n_ctx, is full attention.
 * default_period: the family's pattern where config.json gives none; 0: no layer of the family has a window.
 * *windows is zero-initialized. */
enum tern_status windows_read(struct windows *windows, struct json_value root, uint64_t default_period,
                              uint64_t n_layer, uint64_t n_ctx, struct tern_error *err);

#endif
