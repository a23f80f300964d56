/* A conversation's parts, without a terminal: what leaves a full context, thoughts taken apart however they are cut,
 * and conversations written and read again. */
#include "cli/chat/conversation.h"
#include "cli/chat/transcript.h"
#include "cli/think_tags.h"
#include "console/text.h"
#include "scratch.h"
#include "test.h"

#include <string.h>
#include <tern.h>

static struct tern_error err;

/* ---- thoughts ---- */

static void put(void *user, const char *bytes, size_t n_bytes, bool is_thought)
{
	struct text *texts = user;
	text_append(&texts[is_thought], bytes, n_bytes);
}

/* Shows an answer in pieces of n bytes: thoughts and text have to be these. */
static void check_thoughts(const char *answer, size_t n, const char *thought, const char *text)
{
	struct text texts[2] = {{0}, {0}};
	struct think_tags thoughts = {.put = put, .user = texts};
	size_t length = strlen(answer);

	text_append(&texts[0], "", 0);
	text_append(&texts[1], "", 0);
	for (size_t shown = 0; shown < length; shown += n)
		think_tags_split(&thoughts, answer, shown + n < length ? shown + n : length, false);
	think_tags_split(&thoughts, answer, length, true);
	CHECK(!strcmp(texts[1].bytes, thought), "'%s' in pieces of %zu: thought '%s'", answer, n, texts[1].bytes);
	CHECK(!strcmp(texts[0].bytes, text), "'%s' in pieces of %zu: text '%s'", answer, n, texts[0].bytes);
	text_free(&texts[0]);
	text_free(&texts[1]);
}

static void check_all_thoughts(void)
{
	static const struct {
		const char *answer, *thought, *text;
	} cases[] = {
	        {"plain", "", "plain"},
	        {"", "", ""},
	        {"<think>\n\nwell,\n\n1 < 2 </b>\n</think>\n\nanswer\n", "well,\n\n1 < 2 </b>", "answer\n"},
	        {"<think>\n\n</think>\n\nanswer", "", "answer"},
	        {" \n<think>a</think>b<think>c</think>", "a", "b<think>c</think>"},
	        {"<thin", "", "<thin"},
	        {"<thinking> no", "", "<thinking> no"},
	        {"<think>cut </thi", "cut </thi", ""},
	        {"<think>cut\n\n", "cut", ""},
	        {"a <think>b</think>", "", "a <think>b</think>"},
	        {"<think>\xc3\xa9</think>\n\xc3\xa9", "\xc3\xa9", "\xc3\xa9"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t n = 1; n < 9; n++)
			check_thoughts(cases[i].answer, n, cases[i].thought, cases[i].text);
}

/* ---- the context ---- */

static size_t count_tokens(const struct conversation *talk, const struct tern_model *model)
{
	struct conversation_ids ids;

	CHECK(conversation_tokenize(talk, model, TERN_CHAT_GENERATE, &ids, &err) == TERN_OK, "%s", err.message);
	tern_free(ids.ids);
	return ids.n_ids;
}

static void add(struct conversation *talk, const char *role, const char *text)
{
	CHECK(conversation_add(talk, role, text, strlen(text)), "out of memory");
}

/* Goes on asking; whatever the context's size, the ids fit, begin with the system text and end with the question, and
 * what left comes in whole exchanges. */
static void check_fitting(const struct tern_model *model, size_t n_ctx, size_t n_room)
{
	struct conversation talk = {0};
	size_t n_events = 0;

	CHECK(conversation_set_system(&talk, "Be kind.", 8), "out of memory");
	for (int i = 0; i < 60; i++) {
		struct conversation_ids ids;
		size_t n_before = talk.n_outside;
		add(&talk, conversation_user, i % 7 ? "What is the opposite of hot?" : "Tell me a story about a fox.");
		enum tern_status status = conversation_fit(&talk, model, TERN_CHAT_GENERATE, n_ctx, n_room, &ids, &err);
		CHECK(status == TERN_OK, "%s", err.message);
		CHECK(ids.n_ids < n_ctx, "%zu tokens in %zu", ids.n_ids, n_ctx);
		CHECK(ids.n_ids + n_room <= n_ctx || talk.n_outside + 1 == talk.n_messages, "no room is left");
		CHECK(talk.n_outside % 2 == 0, "half an exchange left");
		CHECK(ids.n_left_messages == talk.n_outside - n_before, "%zu left", ids.n_left_messages);
		CHECK(!ids.n_left_messages == !ids.n_left_tokens, "%zu tokens left", ids.n_left_tokens);
		n_events += ids.n_left_messages > 0;
		tern_free(ids.ids);
		add(&talk, conversation_assistant, "The opposite of hot is cold.");
	}
	CHECK(n_events > 0, "nothing left a context of %zu", n_ctx);
	CHECK(n_ctx < 600 || n_events < 30, "something left %zu times: too little at a time", n_events);
	CHECK(talk.n_messages == 120, "what left is still there to be saved");
	conversation_cut(&talk, talk.n_outside);
	CHECK(talk.n_outside == 0, "what left comes back when nothing else is there");
	conversation_free(&talk);
}

static void check_too_long(const struct tern_model *model)
{
	struct conversation talk = {0};
	struct conversation_ids ids;
	size_t n_tokens, n_outside;

	for (int i = 0; i < 5; i++) {
		add(&talk, conversation_user, "What is 2 + 2?");
		add(&talk, conversation_assistant, "2 plus 2 is 4.");
	}
	add(&talk, conversation_user, "one two three four five six seven eight nine ten eleven twelve");
	n_tokens = count_tokens(&talk, model);
	conversation_fit(&talk, model, TERN_CHAT_GENERATE, n_tokens - 1, 0, &ids, &err);
	tern_free(ids.ids);
	n_outside = talk.n_outside;
	CHECK(n_outside > 0, "nothing left");
	CHECK(conversation_fit(&talk, model, TERN_CHAT_GENERATE, 16, 4, &ids, &err) == TERN_ERR_CONTEXT,
	      "a message that cannot fit was accepted");
	CHECK(ids.n_ids > 16 && !ids.ids && talk.n_outside == n_outside, "a refusal changed something");
	conversation_free(&talk);
}

/* ---- files ---- */

static void check_files(void)
{
	static const char content[] =
	        "quotes \" and \\, lines\n\r\n, tabs\t, NUL \0, \x1b[31m, \xe4\xb8\xad \xf0\x9f\x98\x80";
	struct conversation talk = {0}, read = {0};
	const char *path = scratch_path("talk.jsonl");

	CHECK(conversation_set_system(&talk, "", 0) && !talk.system, "an empty system text is none");
	CHECK(conversation_set_system(&talk, content, sizeof content - 1), "out of memory");
	CHECK(conversation_add(&talk, conversation_user, content, sizeof content - 1), "out of memory");
	add(&talk, conversation_assistant, "");
	add(&talk, conversation_user, "again");
	talk.n_outside = 2;
	CHECK(transcript_write(&talk, path, false, &err) == TERN_OK, "%s", err.message);
	CHECK(transcript_write(&talk, path, false, &err) == TERN_ERR_USAGE, "a file was overwritten");
	CHECK(!transcript_would_destroy(path), "a conversation is taken for something else");
	add(&read, conversation_user, "before");
	CHECK(transcript_read(&read, path, &err) == TERN_OK, "%s", err.message);
	CHECK(read.n_messages == 3 && read.n_outside == 0, "%zu messages", read.n_messages);
	CHECK(read.n_system_bytes == sizeof content - 1 && !memcmp(read.system, content, sizeof content),
	      "the system text");
	CHECK(read.messages[0].n_bytes == sizeof content - 1 &&
	              !memcmp(read.messages[0].content, content, sizeof content),
	      "the message");
	CHECK(read.messages[1].n_bytes == 0 && read.messages[1].role == conversation_assistant, "the empty answer");
	scratch_write(path, "{\"role\": \"user\"", 15);
	CHECK(transcript_would_destroy(path), "what is no conversation is taken for one");
	CHECK(transcript_read(&read, path, &err) == TERN_ERR_FILE && read.n_messages == 3, "a broken file was taken");
	conversation_free(&talk);
	conversation_free(&read);
}

int main(void)
{
	const struct tern_model_options options = {.chat_format = "chatml"};
	const char *path = getenv("MODEL");
	struct tern_model *model;

	if (!path || tern_model_open(&model, path, &options, &err) != TERN_OK) {
		fprintf(stderr, "MODEL: %s\n", path ? err.message : "not set");
		return 1;
	}
	scratch_begin();
	check_all_thoughts();
	check_fitting(model, 200, 40);
	check_fitting(model, 128, 32);
	check_fitting(model, 600, 150);
	check_too_long(model);
	check_files();
	scratch_end();
	tern_model_close(model);
	return test_summary();
}
