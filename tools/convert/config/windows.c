#include "convert/config/windows.h"

#include "json/value.h"

/* For families whose layers all see everything. */
static enum tern_status refuse_windows(struct json_value root, uint64_t n_ctx, struct tern_error *err)
{
	uint64_t window = UINT64_MAX;
	bool uses_window = true;
	struct json_value layer_types;
	enum tern_status status;

	if ((status = json_get_bool(root, "use_sliding_window", &uses_window, NULL, err)) ||
	    (status = json_get_container(root, "layer_types", JSON_ARRAY, &layer_types, err)))
		return status;
	for (struct json_iterator it = json_items(layer_types); json_next(&it);)
		if (!json_string_is(it.value, "full_attention"))
			return json_fail_type(it.value, "\"full_attention\" in every layer", err);
	if (!uses_window)
		return TERN_OK;
	if ((status = json_get_u64(root, "sliding_window", &window, NULL, err)))
		return status;
	if (window < n_ctx)
		return json_fail(json_find(root, "sliding_window"), err,
		                 "a window of %llu tokens in a context of %llu is not supported",
		                 (unsigned long long)window, (unsigned long long)n_ctx);
	return TERN_OK;
}

static enum tern_status read_layer_types(struct windows *windows, struct json_value layer_types, uint64_t n_layer,
                                         struct tern_error *err)
{
	uint64_t n = 0;

	for (struct json_iterator it = json_items(layer_types); json_next(&it); n++) {
		bool is_sliding = json_string_is(it.value, "sliding_attention");
		if (!is_sliding && !json_string_is(it.value, "full_attention"))
			return json_fail_type(it.value, "\"full_attention\" or \"sliding_attention\"", err);
		if (n < n_layer)
			windows->has_window[n] = is_sliding;
	}
	if (n != n_layer)
		return json_fail(layer_types, err, "%llu layers; num_hidden_layers is %llu", (unsigned long long)n,
		                 (unsigned long long)n_layer);
	return TERN_OK;
}

/* The shortest period that gives the flags, or 0. */
static uint64_t find_period(const struct windows *windows, uint64_t n_layer)
{
	for (uint64_t period = 1; period <= n_layer + 1; period++) {
		bool fits = true;
		for (uint64_t i = 0; i < n_layer; i++)
			fits = fits && windows->has_window[i] == (i % period != period - 1);
		if (fits)
			return period;
	}
	return 0;
}

enum tern_status windows_read(struct windows *windows, struct json_value root, uint64_t default_period,
                              uint64_t n_layer, uint64_t n_ctx, struct tern_error *err)
{
	struct json_value layer_types;
	bool has_size;
	enum tern_status status;

	if (!default_period)
		return refuse_windows(root, n_ctx, err);
	windows->period = default_period;
	if ((status = json_get_u64(root, "sliding_window", &windows->size, &has_size, err)) ||
	    (status = json_get_container(root, "layer_types", JSON_ARRAY, &layer_types, err)) ||
	    (status = json_get_size(root, "sliding_window_pattern", false, 1, WINDOWS_MAX_LAYERS, &windows->period,
	                            err)))
		return status;
	if (!has_size)
		return json_fail_missing(root, "sliding_window", "a number of tokens", err);
	if (json_exists(layer_types)) {
		if ((status = read_layer_types(windows, layer_types, n_layer, err)))
			return status;
		windows->period = find_period(windows, n_layer);
	} else {
		for (uint64_t i = 0; i < n_layer; i++)
			windows->has_window[i] = i % windows->period != windows->period - 1;
	}
	if (windows->size < 1 || windows->size > UINT32_MAX)
		return json_fail(json_find(root, "sliding_window"), err, "expected a number of tokens, at least 1");
	return TERN_OK;
}
