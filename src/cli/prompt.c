#include "cli/prompt.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/sizes.h"

#include <string.h>

enum tern_status prompt_choose_format(const struct opened *opened, bool raw, bool *is_chat, struct tern_error *err)
{
	const char *format = opened->info.chat_format;

	*is_chat = format && *format && !raw;
	if (format && !*format && !raw)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: tern does not know its chat format; --template chooses one, --raw continues the "
		                 "text as it is",
		                 opened->path);
	return TERN_OK;
}

enum tern_status prompt_from_messages(const struct tern_model *model, const struct tern_message *messages,
                                      size_t n_messages, unsigned flags, struct prompt_ids *prompt,
                                      struct tern_error *err)
{
	enum tern_status status =
	        tern_chat_tokenize(model, messages, n_messages, flags, &prompt->block, &prompt->n_ids, err);

	prompt->ids = prompt->block;
	return status;
}

const char *prompt_thoughts(const struct tern_model *model, const int32_t *ids, size_t n_ids)
{
	enum {
		TAIL_TOKENS = 8 /* enough of a prompt's end to hold <think> */
	};
	static const char thoughts[] = "<think>\n";
	size_t n_tail = tern_smaller(n_ids, TAIL_TOKENS), n_bytes, n = sizeof thoughts - 1;
	bool is_there;
	char *tail;

	if (tern_detokenize(model, ids + n_ids - n_tail, n_tail, true, &tail, &n_bytes, NULL) != TERN_OK)
		return "";
	is_there = n_bytes >= n && memcmp(tail + n_bytes - n, thoughts, n) == 0;
	tern_free(tail);
	return is_there ? thoughts : "";
}

enum tern_status prompt_from_text(const struct tern_model *model, const char *text, size_t n_bytes,
                                  struct prompt_ids *prompt, struct tern_error *err)
{
	enum tern_status status = tern_tokenize(model, text, n_bytes, TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL,
	                                        &prompt->block, &prompt->n_ids, err);

	prompt->ids = prompt->block;
	/* Many formats are documented with BOS spelled out; users who copy that do not want it twice. */
	if (!status && prompt->n_ids >= 2 && prompt->ids[0] == prompt->ids[1] && prompt->ids[0] == tern_bos(model)) {
		prompt->ids++;
		prompt->n_ids--;
	}
	return status;
}

static enum tern_status check_fit(const char *at_least, size_t n_ids, size_t n_ctx, const struct tern_model_info *info,
                                  struct tern_error *err)
{
	size_t n_model = (size_t)info->n_ctx_train;

	if (n_ids <= n_ctx)
		return TERN_OK;
	if (n_ids <= n_model)
		return tern_fail(err, TERN_ERR_CONTEXT,
		                 "prompt is %s%zu tokens, context is %zu (model allows %zu): use -c %zu", at_least,
		                 n_ids, n_ctx, n_model, n_model);
	return tern_fail(err, TERN_ERR_CONTEXT, "prompt is %s%zu tokens, context is %zu (model allows %zu)", at_least,
	                 n_ids, n_ctx, n_model);
}

enum tern_status prompt_check_fit(const struct prompt_ids *prompt, size_t n_ctx, const struct tern_model_info *info,
                                  struct tern_error *err)
{
	return check_fit("", prompt->n_ids, n_ctx, info, err);
}

enum tern_status prompt_check_bytes(size_t n_bytes, size_t n_ctx, const struct opened *opened, struct tern_error *err)
{
	return check_fit("at least ", tern_least_tokens(opened->model, n_bytes), n_ctx, &opened->info, err);
}

void prompt_free(struct prompt_ids *prompt)
{
	tern_free(prompt->block);
	memset(prompt, 0, sizeof *prompt);
}
