/* The smallest useful program: asks the model on the command line a question. Run by the tests as a user would build
 * it: cc example.c -ltern -lm -lpthread. */
#include <stdio.h>
#include <stdlib.h>
#include <tern.h>

static bool print(void *user, const char *text, size_t n_bytes)
{
	(void)user;
	return fwrite(text, 1, n_bytes, stdout) == n_bytes && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : getenv("MODEL");
	struct tern_message question = {.role = "user",
	                                .content = argc > 2 ? argv[2] : "What is the capital of France?"};
	struct tern_generate_options options = {.n_predict = 100, .on_text = print};
	struct tern_sampler_options greedy = {.temperature = 0.0f, .top_p = 1.0f, .repeat_penalty = 1.0f};
	struct tern_model *model = NULL;
	struct tern_session *session = NULL;
	struct tern_sampler *sampler = NULL;
	struct tern_error err = {.status = TERN_OK};
	int32_t *ids = NULL;
	size_t n_ids;

	if (!path || tern_model_open(&model, path, NULL, &err) || tern_session_new(&session, model, NULL, &err) ||
	    tern_sampler_new(&sampler, model, &greedy, &err) ||
	    tern_chat_tokenize(model, &question, 1, TERN_CHAT_GENERATE, &ids, &n_ids, &err) ||
	    tern_generate(session, sampler, ids, n_ids, &options, NULL, &err))
		fprintf(stderr, "example: %s\n", path ? err.message : "usage: example MODEL.gguf [QUESTION]");
	else
		putchar('\n');
	tern_free(ids);
	tern_sampler_free(sampler);
	tern_session_free(session);
	tern_model_close(model);
	return path ? (int)err.status : TERN_ERR_USAGE;
}
