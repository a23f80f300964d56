/* What tokenizer.json does to a text before tokens are merged. Only what tern's tokenizers do as well is accepted;
 * anything else would silently give other ids. */
#include "convert/tokenizer/pre_tokenizer.h"

#include "text/pretokenize.h"
#include "json/value.h"

#include <string.h>

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */

static bool type_is(struct json_value object, const char *type)
{
	return json_string_is(json_find(object, "type"), type);
}

/* "key 'normalizer': Lowercase is not supported". */
static enum tern_status fail_type(struct json_value object, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	struct json_value type = json_find(object, "type");
	struct json_string name = {"?", 1};

	if (json_exists(type) && json_type(type) == JSON_STRING)
		name = json_string(type);
	return json_fail(object, err, "%s with these settings is not supported",
	                 tern_quote(quoted, name.bytes, name.length));
}

static bool is_some(struct json_value value) { return json_exists(value) && json_type(value) != JSON_NULL; }

/* The parts of a Sequence, or the object itself as the only one: at most `max` of them. -1 if there are more. */
static int list_parts(struct json_value object, const char *list_key, struct json_value *parts, int max)
{
	int n = 0;

	if (!is_some(object))
		return 0;
	if (!type_is(object, "Sequence")) {
		parts[0] = object;
		return 1;
	}
	for (struct json_iterator it = json_items(json_find(object, list_key)); json_next(&it);) {
		if (n == max)
			return -1;
		parts[n++] = it.value;
	}
	return n;
}

/* True for a member that is absent, null, or this boolean. */
static bool flag_is(struct json_value object, const char *key, bool absent, bool wanted)
{
	bool value = absent;
	struct json_value member = json_find(object, key);

	if (is_some(member) && json_to_bool(member, &value, NULL))
		return false;
	return value == wanted;
}

/* {"type": "Replace", "pattern": {"String": " "}, "content": "▁"} */
static bool replaces_space(struct json_value part)
{
	return type_is(part, "Replace") && json_string_is(json_find(json_find(part, "pattern"), "String"), " ") &&
	       json_string_is(json_find(part, "content"), space_mark);
}

/* ---- SentencePiece-like: byte fallback ---- */

/* {"type": "Metaspace", ...}: a space mark for spaces and, unless the scheme is "never", one before the text if it does
 * not begin with one. */
static enum tern_status read_metaspace(struct vocab *vocab, struct json_value part, struct tern_error *err)
{
	struct json_value scheme = json_find(part, "prepend_scheme");
	bool has_prefix = true;
	enum tern_status status = json_get_bool(part, "add_prefix_space", &has_prefix, NULL, err);

	if (status)
		return status;
	if (!flag_is(part, "split", true, false) || !json_string_is(json_find(part, "replacement"), space_mark))
		return fail_type(part, err);
	if (is_some(scheme)) {
		has_prefix = !json_string_is(scheme, "never");
		if (json_string_is(scheme, "first"))
			listener_warn(
			        vocab->listener,
			        "%s: prepend_scheme \"first\" is read as \"always\": tokens after special tokens may "
			        "differ",
			        vocab->source);
		else if (has_prefix && !json_string_is(scheme, "always"))
			return json_fail_type(scheme, "\"always\", \"first\" or \"never\"", err);
	}
	/* After a Prepend every text begins with a mark. */
	vocab->prefix_if_missing = has_prefix && !vocab->add_space_prefix;
	vocab->add_space_prefix = vocab->add_space_prefix || has_prefix;
	return TERN_OK;
}

/* Gemma splits text at spaces, but only after its normalizer has replaced them all, so this does nothing. */
static bool cuts_at_spaces(struct json_value part)
{
	return type_is(part, "Split") && json_string_is(json_find(json_find(part, "pattern"), "String"), " ") &&
	       json_string_is(json_find(part, "behavior"), "MergedWithPrevious");
}

static enum tern_status read_spm(struct vocab *vocab, struct json_value normalizer, struct json_value pre_tokenizer,
                                 struct tern_error *err)
{
	struct json_value parts[4];
	int n = list_parts(normalizer, "normalizers", parts, 4);
	bool marks_spaces = false;
	enum tern_status status;

	vocab->kind = TERN_VOCAB_SPM;
	if (n < 0)
		return fail_type(normalizer, err);
	for (int i = 0; i < n; i++) {
		if (replaces_space(parts[i]))
			marks_spaces = true;
		else if (type_is(parts[i], "Prepend") && json_string_is(json_find(parts[i], "prepend"), space_mark))
			vocab->add_space_prefix = true;
		else
			return fail_type(parts[i], err);
	}
	if ((n = list_parts(pre_tokenizer, "pretokenizers", parts, 4)) < 0)
		return fail_type(pre_tokenizer, err);
	for (int i = 0; i < n; i++) {
		if (type_is(parts[i], "Metaspace") && !marks_spaces) {
			if ((status = read_metaspace(vocab, parts[i], err)))
				return status;
			marks_spaces = true;
		} else if (!cuts_at_spaces(parts[i]) || !marks_spaces) {
			return fail_type(parts[i], err);
		}
	}
	if (!marks_spaces)
		return tern_fail(
		        err, TERN_ERR_FILE,
		        "%s: key 'normalizer': nothing turns spaces into U+2581; only tokenizers like those of "
		        "Llama 2 and Gemma are supported with byte_fallback",
		        vocab->source);
	return TERN_OK;
}

/* ---- byte-level ---- */

/* Qwen 3.5's tokenizer composes characters first. GGUF readers do not, tern among them: their `qwen35` means that. */
static const char *qwen35_without_nfc(const struct vocab *vocab, struct json_string pattern, bool ignore_merges)
{
	const char *pre = tern_pretokenizer_for_regex(pattern.bytes, pattern.length, ignore_merges, false);

	if (!pre || strcmp(pre, "qwen35") != 0)
		return NULL;
	listener_warn(vocab->listener,
	              "%s: text is not brought into normal form C, as in llama.cpp: tokens of text with decomposed "
	              "characters differ",
	              vocab->source);
	return pre;
}

static enum tern_status read_split(struct vocab *vocab, struct json_value split, bool ignore_merges, bool nfc,
                                   struct tern_error *err)
{
	struct json_value regex = json_find(json_find(split, "pattern"), "Regex");

	if (!type_is(split, "Split") || !json_string_is(json_find(split, "behavior"), "Isolated") ||
	    !flag_is(split, "invert", false, false) || !json_exists(regex) || json_type(regex) != JSON_STRING)
		return fail_type(split, err);
	struct json_string pattern = json_string(regex);
	vocab->pre = tern_pretokenizer_for_regex(pattern.bytes, pattern.length, ignore_merges, nfc);
	if (!vocab->pre && nfc)
		vocab->pre = qwen35_without_nfc(vocab, pattern, ignore_merges);
	if (!vocab->pre)
		return json_fail(regex, err, "this way of cutting text into words is not supported%s",
		                 nfc || ignore_merges ? " (with this normalizer and ignore_merges)" : "");
	return TERN_OK;
}

static enum tern_status read_byte_level(struct vocab *vocab, struct json_value root, struct json_value normalizer,
                                        struct json_value pre_tokenizer, struct tern_error *err)
{
	bool ignore_merges = false;
	struct json_value parts[4];
	int n = list_parts(normalizer, "normalizers", parts, 4);
	enum tern_status status = json_get_bool(json_find(root, "model"), "ignore_merges", &ignore_merges, NULL, err);

	vocab->kind = TERN_VOCAB_BPE;
	if (status)
		return status;
	bool nfc = n == 1 && type_is(parts[0], "NFC");
	if (n != 0 && !nfc)
		return fail_type(n == 1 ? parts[0] : normalizer, err);
	n = list_parts(pre_tokenizer, "pretokenizers", parts, 4);
	if (n < 1 || n > 2 || !type_is(parts[n - 1], "ByteLevel") ||
	    !flag_is(parts[n - 1], "add_prefix_space", true, false))
		return is_some(pre_tokenizer) ? fail_type(n == 1 ? parts[0] : pre_tokenizer, err)
		                              : json_fail_missing(root, "pre_tokenizer",
		                                                  "ByteLevel, or a model with byte_fallback", err);
	if (!flag_is(parts[n - 1], "use_regex", true, n == 1))
		return fail_type(parts[n - 1], err);
	if (n == 2)
		return read_split(vocab, parts[0], ignore_merges, nfc, err);
	vocab->pre = tern_pretokenizer_for_byte_level(ignore_merges, nfc);
	return vocab->pre ? TERN_OK : fail_type(pre_tokenizer, err);
}

enum tern_status vocab_read_pre_tokenizer(struct vocab *vocab, struct json_value root, struct tern_error *err)
{
	struct json_value normalizer, pre_tokenizer;
	bool byte_fallback = false;
	enum tern_status status;

	if ((status = json_get_container(root, "normalizer", JSON_OBJECT, &normalizer, err)) ||
	    (status = json_get_container(root, "pre_tokenizer", JSON_OBJECT, &pre_tokenizer, err)) ||
	    (status = json_get_bool(json_find(root, "model"), "byte_fallback", &byte_fallback, NULL, err)))
		return status;
	return byte_fallback ? read_spm(vocab, normalizer, pre_tokenizer, err)
	                     : read_byte_level(vocab, root, normalizer, pre_tokenizer, err);
}
