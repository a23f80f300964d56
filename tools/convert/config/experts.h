/* Mixtures of experts, as config.json describes them. */
#ifndef CONVERT_CONFIG_EXPERTS_H
#define CONVERT_CONFIG_EXPERTS_H

#include "base/error.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

struct experts {
	uint64_t n, n_used; /* of a layer; of these, by a token. n 0: the feed-forward part is no mixture */
	uint64_t n_ff;      /* width of an expert */
	bool normalizes;    /* the weights of those used are divided by their sum */
};

/* Reads the members of `root`, all of config.json. *experts is zero-initialized. */
enum tern_status experts_read(struct experts *experts, struct json_value root, struct tern_error *err);

#endif
