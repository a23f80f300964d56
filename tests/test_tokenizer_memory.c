/* Making a tokenizer, encoding and rendering a chat, with each allocation failing once: the result is an error, without
 * a crash or a leak (which the address sanitizer would find). */
#include "inject.h"
#include "vocab_build.h"

#include "text/chat.h"

static struct vocab_build build;

static void fill(enum tern_vocab_kind kind, bool by_score)
{
	vocab_begin(&build, kind, "qwen2");
	vocab_add_bytes(&build);
	vocab_add(&build, "<|im_end|>", TERN_TOKEN_CONTROL, 0);
	vocab_add(&build, "a", TERN_TOKEN_NORMAL, 0);
	vocab_add(&build, "aa", TERN_TOKEN_NORMAL, -1);
	if (!by_score)
		vocab_merge(&build, "a a");
	build.vocab.add_space_prefix = true;
}

static enum tern_status use(struct tern_error *err)
{
	static char text[2000];
	struct tern_message messages[] = {{.role = "user", .content = "e\xcc\x81 aaa"},
	                                  {.role = "assistant", .content = text}};
	struct tern_tokenizer *tokenizer = NULL;
	struct tern_ids ids = {0};
	enum tern_status status = tern_tokenizer_new(&tokenizer, &build.vocab, "test", err);

	memset(text, 'a', sizeof text - 1);
	CHECK(!status == !!tokenizer, "a tokenizer or an error");
	if (!status)
		status = tern_tokenizer_encode(tokenizer, "e\xcc\x81 <|im_end|> aaa", 19, TERN_TOKENIZE_SPECIAL, &ids,
		                               err);
	if (!status)
		status =
		        tern_chat_encode(tokenizer, TERN_CHAT_CHATML, NULL, messages, 2, TERN_CHAT_GENERATE, &ids, err);
	tern_free(ids.ids);
	tern_tokenizer_free(tokenizer);
	return status;
}

int main(void)
{
	for (int kind = 0; kind < 3; kind++) {
		fill(kind == 0 ? TERN_VOCAB_BPE : TERN_VOCAB_SPM, kind == 2);
		int n = inject_all("TERN_FAIL_ALLOC", use);
		CHECK(n > 20, "only %d allocations were tried", n);
	}
	return test_summary();
}
