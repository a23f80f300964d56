#include "cli/chat/facts.h"
#include "api/inspect.h"
#include "base/machine.h"
#include "base/memory.h"
#include "console/format.h"

void chat_probs(struct chat *chat, const char *argument)
{
	(void)argument;
	if (chat->probs.n_tokens > 0)
		token_probs_print(&chat->probs);
	else
		chat_fail(chat, TERN_ERR_USAGE,
		          "nothing is known of the last answer's tokens; /set show_probs on, then ask or /regen");
}

void chat_show(struct chat *chat, const char *argument)
{
	const struct tern_model_info *info = &chat->loader.opened.info;
	const struct chat_values *values = &chat->values;
	char count[FORMAT_SIZE], bytes[FORMAT_SIZE];
	struct text text = {0};
	int n_threads;

	(void)argument;
	if (chat_need_model(chat))
		return;
	n_threads = tern_session_n_threads(chat->loader.session);
	text_printf(&text, "model        %s\nfile         %s\n", *info->name ? info->name : "(no name)",
	            chat->loader.opened.path);
	text_printf(&text, "parameters   %s, %s\n", format_count(count, info->n_params),
	            format_bytes(bytes, info->n_weight_bytes));
	text_printf(&text,
	            "shape        %s, %d layers, width %d, feed-forward %d\nheads        %d, sharing %d of keys and "
	            "values\n",
	            info->arch, info->n_layer, info->n_embd, info->n_ff, info->n_head, info->n_head_kv);
	text_printf(&text, "vocabulary   %d tokens\n", info->n_vocab);
	text_printf(&text, "context      %d tokens (the model allows %d)\n", tern_session_n_ctx(chat->loader.session),
	            info->n_ctx_train);
	text_printf(&text, "chat format  %s%s\n", info->chat_format,
	            values->generation.chat_format ? " (chosen with --template)" : "");
	text_printf(&text, "system text  %s\n",
	            !chat->takes_system ? "the model knows none"
	            : chat->talk.system ? chat->talk.system
	                                : "none");
	text_printf(&text, "computing    %d thread%s, kernels %s\n", n_threads, n_threads == 1 ? "" : "s",
	            tern_isa_name(NULL));
	chat_say(&text);
}

static double rate(long n, double seconds) { return seconds > 0 ? (double)n / seconds : 0; }

static void put_speed(struct text *text, const char *label, const struct chat_speed *speed)
{
	text_printf(text, "%s\n  read       %ld tokens", label, speed->n_prompt);
	if (speed->n_prompt > 0)
		text_printf(text, ", %.1f t/s", rate(speed->n_prompt, speed->prompt_seconds));
	text_printf(text, "; %ld more were in the context\n  generated  %ld tokens", speed->n_kept, speed->n_generated);
	if (speed->n_generated > 0)
		text_printf(text, ", %.1f t/s", rate(speed->n_generated, speed->generate_seconds));
	if (speed->n_guessed > 0)
		text_printf(text, "; %ld of %ld guesses were right", speed->n_accepted, speed->n_guessed);
	text_append(text, "\n", 1);
}

/* The tokens of what has been said, 0 of nothing. Says so and returns false if that cannot be told. */
static bool count_tokens(struct chat *chat, size_t *n_tokens)
{
	struct conversation_ids ids = {0};
	struct tern_error err;

	if ((chat->talk.n_messages > 0 || chat->talk.system) &&
	    conversation_tokenize(&chat->talk, chat->loader.opened.model, 0, &ids, &err)) {
		chat_failed(chat, &err);
		return false;
	}
	*n_tokens = ids.n_ids;
	tern_free(ids.ids);
	return true;
}

void chat_stats(struct chat *chat, const char *argument)
{
	size_t n_tokens;
	uint64_t n_resident = tern_resident_memory();
	char bytes[FORMAT_SIZE];
	struct text text = {0};

	(void)argument;
	if (chat->total.n_prompt > 0) {
		put_speed(&text, "last answer", &chat->last);
		put_speed(&text, "all answers", &chat->total);
	} else {
		text_printf(&text, "no answer yet\n");
	}
	if (chat->is_loaded && count_tokens(chat, &n_tokens))
		text_printf(&text, "context      %zu of %d tokens\n", n_tokens,
		            tern_session_n_ctx(chat->loader.session));
	if (n_resident > 0)
		text_printf(&text, "memory       %s, the used part of the model included\n",
		            format_bytes(bytes, n_resident));
	chat_say(&text);
}

static void put_memory(struct text *text, const struct chat *chat)
{
	char weights[FORMAT_SIZE], state[FORMAT_SIZE], token[FORMAT_SIZE], all[FORMAT_SIZE];
	struct tern_memory memory;

	tern_memory_of(&memory, chat->loader.session);
	text_printf(text, "memory: %s of weights, ", format_bytes(weights, memory.weight_bytes));
	if (memory.state_bytes)
		text_printf(text, "%s of state, ", format_bytes(state, memory.state_bytes));
	text_printf(text, "%s a token, %s for all of the context\n", format_bytes(token, memory.token_bytes),
	            format_bytes(all, memory.context_bytes));
}

void chat_context(struct chat *chat, const char *argument)
{
	const struct conversation *talk = &chat->talk;
	struct text text = {0};
	size_t n_tokens, n_ctx, n_inside = talk->n_messages - talk->n_outside;

	(void)argument;
	if (chat_need_model(chat))
		return;
	n_ctx = (size_t)tern_session_n_ctx(chat->loader.session);
	if (talk->n_messages == 0 && !talk->system) {
		text_printf(&text, "0 of %zu tokens, nothing has been said yet\n", n_ctx);
		put_memory(&text, chat);
		chat_say(&text);
		return;
	}
	if (!count_tokens(chat, &n_tokens))
		return;
	text_printf(&text, "%zu of %zu tokens (%.0f %%): ", n_tokens, n_ctx, 100 * (double)n_tokens / (double)n_ctx);
	text_printf(&text, "%s%zu message%s", talk->system && !talk->omits_system ? "the system text and " : "",
	            n_inside, n_inside == 1 ? "" : "s");
	if (talk->n_outside > 0)
		text_printf(&text, "; %zu older ones have left", talk->n_outside);
	text_append(&text, "\n", 1);
	put_memory(&text, chat);
	chat_say(&text);
}
