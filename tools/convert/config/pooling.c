#include "convert/config/pooling.h"

#include "json/value.h"

/* A mode and its names: the flag in older files, the value of pooling_mode in newer ones. */
static const struct {
	const char *flag, *value;
	enum pooling pooling; /* POOLING_UNKNOWN: not known to GGUF */
} modes[] = {
        {"pooling_mode_cls_token", "cls", POOLING_CLS},
        {"pooling_mode_mean_tokens", "mean", POOLING_MEAN},
        {"pooling_mode_lasttoken", "lasttoken", POOLING_LAST},
        {"pooling_mode_max_tokens", "max", POOLING_UNKNOWN},
        {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", POOLING_UNKNOWN},
        {"pooling_mode_weightedmean_tokens", "weightedmean", POOLING_UNKNOWN},
};

static enum tern_status read_modes(enum pooling *pooling, struct json_value root, struct tern_error *err)
{
	struct json_value value = json_find(root, "pooling_mode");
	int n_modes = 0;
	enum tern_status status;

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		bool wants = json_exists(value) && json_string_is(value, modes[i].value);
		if ((status = json_get_bool(root, modes[i].flag, &wants, NULL, err)))
			return status;
		if (!wants)
			continue;
		n_modes++;
		*pooling = modes[i].pooling;
	}
	if (n_modes == 1 && *pooling != POOLING_UNKNOWN)
		return TERN_OK;
	return json_fail(root, err, "expected one of cls, mean and lasttoken as pooling mode");
}

enum tern_status pooling_read(enum pooling *pooling, const struct directory *dir, struct tern_error *err)
{
	struct directory sub;
	struct json json;
	enum tern_status status;

	*pooling = POOLING_UNKNOWN;
	if (!directory_has(dir, "1_Pooling"))
		return TERN_OK;
	if ((status = directory_open_inside(&sub, dir, "1_Pooling", err)))
		return status;
	status = directory_read_json(&sub, "config.json", 0, &json, err);
	if (!status && json.words)
		status = read_modes(pooling, json_root(&json), err);
	directory_free_json(&json);
	directory_close(&sub);
	return status;
}
