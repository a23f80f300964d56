#include "model/hadamard.h"

#include "base/memory.h"
#include "model/names.h"
#include "model/repack.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "prism.hadamard."

enum {
	LISTED = 1,      /* a matrix that is multiplied */
	LISTED_ROWS = 2, /* one whose rows are looked up */
	MIN_BLOCK = 16,
	MAX_BLOCK = 1 << 16,
};

static enum tern_status fail(const struct gguf *gguf, const char *suffix, const char *what, struct tern_error *err)
{
	return tern_fail(err, TERN_ERR_FILE, "%s: key '" PREFIX "%s': %s", gguf->path, suffix, what);
}

static enum tern_status fail_name(const struct gguf *gguf, const char *suffix, struct gguf_string name,
                                  const char *what, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	return tern_fail(err, TERN_ERR_FILE, "%s: key '" PREFIX "%s': tensor '%s' %s", gguf->path, suffix,
	                 tern_quote(quoted, name.bytes, name.length), what);
}

/* ---- keys ---- */

/* Whether the file has any of the keys. One that is not known may change what the others mean. */
static enum tern_status find_keys(const struct gguf *gguf, bool *found, struct tern_error *err)
{
	static const char *const known[] = {
	        "version",     "transform",    "axis",          "block_size",  "sign_mode",           "sign_widths",
	        "sign_values", "weight_names", "gdn_v_grouped", "tied_output", "inverse_weight_names"};
	const size_t n_prefix = sizeof PREFIX - 1;
	char quoted[TERN_QUOTE_SIZE];

	*found = false;
	for (size_t i = 0; i < gguf->n_pairs; i++) {
		struct gguf_string key = gguf->pairs[i].key;
		bool is_known = false;
		if (key.length < n_prefix || memcmp(key.bytes, PREFIX, n_prefix) != 0)
			continue;
		for (size_t k = 0; k < sizeof known / sizeof *known; k++)
			is_known |= tern_gguf_string_is(
			        (struct gguf_string){key.bytes + n_prefix, key.length - n_prefix}, known[k]);
		if (!is_known)
			return tern_gguf_fail_key(gguf, tern_quote(quoted, key.bytes, key.length), err, "not known");
		*found = true;
	}
	return TERN_OK;
}

static enum tern_status need_text(const struct gguf *gguf, const char *suffix, const char *expected,
                                  struct tern_error *err)
{
	char key[64], what[96];
	struct gguf_string text = {"", 0};
	enum tern_status status;

	snprintf(key, sizeof key, PREFIX "%s", suffix);
	if ((status = tern_gguf_get_string(gguf, key, &text, NULL, err)))
		return status;
	snprintf(what, sizeof what, "expected %s", expected);
	return tern_gguf_string_is(text, expected) ? TERN_OK : fail(gguf, suffix, what, err);
}

static enum tern_status load_version(const struct gguf *gguf, struct tern_error *err)
{
	uint32_t version = 0;
	bool is_tied = false;
	enum tern_status status;

	if ((status = tern_gguf_get_u32(gguf, PREFIX "version", &version, NULL, err)) ||
	    (status = tern_gguf_get_bool(gguf, PREFIX "tied_output", &is_tied, NULL, err)))
		return status;
	if (version != 1 && version != 2)
		return fail(gguf, "version", "expected 1 or 2", err);
	if (is_tied != (version == 2))
		return fail(gguf, "tied_output", "expected true in version 2, and false in version 1", err);
	if (is_tied == (tern_gguf_find_tensor(gguf, "output.weight") != NULL))
		return fail(gguf, "tied_output", "contradicts the presence of tensor 'output.weight'", err);
	return TERN_OK;
}

static enum tern_status load_block(struct tern_hadamard *h, const struct gguf *gguf, struct tern_error *err)
{
	uint32_t block = 0;
	enum tern_status status = tern_gguf_get_u32(gguf, PREFIX "block_size", &block, NULL, err);

	if (status)
		return status;
	if (block < MIN_BLOCK || block > MAX_BLOCK || (block & (block - 1)))
		return fail(gguf, "block_size", "expected a power of two from 16 to 65536", err);
	h->block = block;
	return TERN_OK;
}

/* ---- signs ---- */

static enum tern_status load_widths(struct tern_hadamard *h, const struct gguf *gguf, struct tern_error *err)
{
	const struct gguf_pair *pair = tern_gguf_find(gguf, PREFIX "sign_widths");
	int64_t width;

	if (!pair || pair->type != GGUF_ARRAY || pair->n_items < 1 || pair->n_items > TERN_MAX_SIGN_WIDTHS)
		return fail(gguf, "sign_widths", "expected 1 to 16 widths", err);
	for (uint64_t i = 0; i < pair->n_items; i++) {
		if (!tern_gguf_array_integer(pair, i, &width) || width < 1 || width > MAX_BLOCK ||
		    (size_t)width % h->block)
			return fail(gguf, "sign_widths", "expected multiples of block_size, at most 65536", err);
		for (size_t k = 0; k < h->n_width; k++)
			if (h->widths[k] == (size_t)width)
				return fail(gguf, "sign_widths", "the same width comes twice", err);
		h->widths[h->n_width++] = (size_t)width;
		h->n_sign += (size_t)width;
	}
	return TERN_OK;
}

static enum tern_status load_signs(struct tern_hadamard *h, const struct gguf *gguf, struct tern_error *err)
{
	const struct gguf_pair *values = tern_gguf_find(gguf, PREFIX "sign_values");
	struct gguf_string mode = {"", 0};
	int64_t sign;
	enum tern_status status = tern_gguf_get_string(gguf, PREFIX "sign_mode", &mode, NULL, err);

	if (status)
		return status;
	if (tern_gguf_string_is(mode, "identity"))
		return values || tern_gguf_find(gguf, PREFIX "sign_widths")
		               ? fail(gguf, "sign_mode", "identity, but the file has signs", err)
		               : TERN_OK;
	if (!tern_gguf_string_is(mode, "explicit"))
		return fail(gguf, "sign_mode", "expected identity or explicit", err);
	if ((status = load_widths(h, gguf, err)))
		return status;
	if (!values || values->type != GGUF_ARRAY || values->n_items != h->n_sign)
		return fail(gguf, "sign_values", "expected as many as sign_widths add up to", err);
	if (!(h->signs = tern_alloc(h->n_sign, sizeof *h->signs)))
		return tern_fail_memory(err, h->n_sign * sizeof *h->signs);
	for (size_t i = 0; i < h->n_sign; i++) {
		if (!tern_gguf_array_integer(values, i, &sign) || (sign != 1 && sign != -1))
			return fail(gguf, "sign_values", "expected integers 1 and -1", err);
		h->signs[i] = (float)sign;
	}
	return TERN_OK;
}

const float *tern_hadamard_signs(const struct tern_hadamard *h, size_t n_col)
{
	const float *signs = h->signs;

	for (size_t i = 0; i < h->n_width && h->widths[i] != n_col; i++)
		signs += h->widths[i];
	return signs;
}

/* ---- names ---- */

/* Matrices in front of which a transform may stand. */
static bool is_projection(struct gguf_string name)
{
	char ending[32];

	if (tern_gguf_string_is(name, "output.weight"))
		return true;
	for (size_t i = 0; i < TERN_N_LAYER_MATRICES; i++) {
		snprintf(ending, sizeof ending, ".%s.weight", tern_matrix_names[i]);
		if (name.length > 4 && !memcmp(name.bytes, "blk.", 4) && tern_gguf_string_ends_in(name, ending))
			return true;
	}
	return false;
}

static bool has_signs(const struct tern_hadamard *h, uint64_t n_col)
{
	for (size_t i = 0; i < h->n_width; i++)
		if (h->widths[i] == n_col)
			return true;
	return !h->signs;
}

static enum tern_status list_tensor(struct tern_hadamard *h, const struct gguf *gguf, const char *suffix,
                                    struct gguf_string name, uint8_t flag, struct tern_error *err)
{
	char text[GGUF_MAX_NAME_LENGTH + 1];
	bool is_rows = flag == LISTED_ROWS, is_tied = tern_gguf_find_tensor(gguf, "output.weight") == NULL;

	if (name.length > GGUF_MAX_NAME_LENGTH)
		return fail_name(gguf, suffix, name, "does not exist", err);
	memcpy(text, name.bytes, name.length);
	text[name.length] = '\0';
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(gguf, text);
	if (!tensor)
		return fail_name(gguf, suffix, name, "does not exist", err);
	if (is_rows ? !tern_gguf_string_is(name, "token_embd.weight") : !is_projection(name))
		return fail_name(gguf, suffix, name, "does not belong there", err);
	if (tensor->n_dims != 2 || tensor->dims[0] % h->block || !has_signs(h, tensor->dims[0]))
		return fail_name(gguf, suffix, name, "has no signs of its width, or no whole blocks", err);
	uint8_t *listed = &h->listed[tensor - gguf->tensors];
	if (*listed)
		return fail_name(gguf, suffix, name, "is listed twice", err);
	*listed = tern_is_mtp_tensor(gguf, name) ? 0 : flag;
	if (!is_rows || !is_tied)
		return TERN_OK;
	/* An embedding that is the head too is listed only for its rows, which are looked up, but multiplied as well.
	 */
	if (!tern_is_own_ternary(tensor->type) && !tern_is_foreign_ternary(tensor->type))
		return fail_name(gguf, suffix, name, "is the head too, but not ternary", err);
	*listed |= LISTED;
	return TERN_OK;
}

static enum tern_status load_names(struct tern_hadamard *h, const struct gguf *gguf, const char *suffix, uint8_t flag,
                                   struct tern_error *err)
{
	char key[64];
	const struct gguf_pair *names;
	enum tern_status status;

	snprintf(key, sizeof key, PREFIX "%s", suffix);
	if ((status = tern_gguf_get_array(gguf, key, GGUF_STRING, &names, err)))
		return status;
	if (!names || names->n_items == 0)
		return fail(gguf, suffix, "missing", err);
	const uint8_t *cursor = names->value;
	for (uint64_t i = 0; i < names->n_items && !status; i++)
		status = list_tensor(h, gguf, suffix, tern_gguf_next_string(&cursor), flag, err);
	return status;
}

/* The order of the columns of delta nets' last projections has to be said where it makes a difference. */
static enum tern_status load_order(struct tern_hadamard *h, const struct gguf *gguf, struct tern_error *err)
{
	bool found = false;
	enum tern_status status = tern_gguf_get_bool(gguf, PREFIX "gdn_v_grouped", &h->groups_heads, &found, err);

	for (size_t i = 0; i < gguf->n_tensors && !found && !status; i++)
		if (h->listed[i] && tern_gguf_string_ends_in(gguf->tensors[i].name, ".ssm_out.weight"))
			status = fail(gguf, "gdn_v_grouped", "missing", err);
	return status;
}

/* ---- the whole ---- */

enum tern_status tern_hadamard_load(struct tern_hadamard *h, const struct gguf *gguf, struct tern_error *err)
{
	bool found;
	enum tern_status status = find_keys(gguf, &found, err);

	if (status || !found)
		return status;
	if (!(h->listed = tern_alloc(gguf->n_tensors, sizeof *h->listed)))
		return tern_fail_memory(err, gguf->n_tensors);
	if ((status = load_version(gguf, err)) ||
	    (status = need_text(gguf, "transform", "normalized-sylvester-walsh-hadamard", err)) ||
	    (status = need_text(gguf, "axis", "input-last-dimension", err)) || (status = load_block(h, gguf, err)) ||
	    (status = load_signs(h, gguf, err)) || (status = load_names(h, gguf, "weight_names", LISTED, err)) ||
	    (status = load_names(h, gguf, "inverse_weight_names", LISTED_ROWS, err)))
		return status;
	return load_order(h, gguf, err);
}

void tern_hadamard_clear(struct tern_hadamard *h)
{
	tern_free(h->listed);
	*h = (struct tern_hadamard){0};
}

static bool take(struct tern_hadamard *h, const struct gguf *gguf, const struct gguf_tensor *tensor, uint8_t flag)
{
	uint8_t *listed = h->block ? &h->listed[tensor - gguf->tensors] : NULL;
	bool is_listed = listed && *listed & flag;

	if (is_listed)
		*listed = (uint8_t)(*listed & ~flag);
	return is_listed;
}

bool tern_hadamard_take(struct tern_hadamard *h, const struct gguf *gguf, const struct gguf_tensor *tensor)
{
	return take(h, gguf, tensor, LISTED);
}

bool tern_hadamard_take_rows(struct tern_hadamard *h, const struct gguf *gguf, const struct gguf_tensor *tensor)
{
	return take(h, gguf, tensor, LISTED_ROWS);
}

enum tern_status tern_hadamard_check_bound(const struct tern_hadamard *h, const struct gguf *gguf,
                                           struct tern_error *err)
{
	for (size_t i = 0; i < gguf->n_tensors && h->block; i++)
		if (h->listed[i])
			return fail_name(gguf, "weight_names", gguf->tensors[i].name,
			                 "is rotated, but no ternary matrix of this architecture", err);
	return TERN_OK;
}
