/* Every allocation of opening a model, making a session and generating fails once: the answer is an error, nothing
 * crashes, and nothing leaks (the address sanitizer sees to that). */
#include "hybrid_model.h"
#include "inject.h"
#include "scratch.h"
#include "where.h"

#include <tern.h>

static char path[512];

static enum tern_status generate_once(struct tern_error *err)
{
	struct tern_session_options session_options = {.n_ctx = 32, .n_threads = 2};
	struct tern_message message = {.role = "user", .content = "the theatre"};
	const char *const stops[] = {"never"};
	struct tern_generate_options options = {.n_predict = 3, .stops = stops, .n_stops = 1, .ignore_end = true};
	struct tern_model *model = NULL;
	struct tern_session *session = NULL;
	struct tern_sampler *sampler = NULL;
	int32_t *ids = NULL;
	char *text = NULL;
	size_t n_ids, n_bytes;
	enum tern_status status;

	if (!(status = tern_model_open(&model, path, NULL, err)) &&
	    !(status = tern_session_new(&session, model, &session_options, err)) &&
	    !(status = tern_sampler_new(&sampler, model, NULL, err)) &&
	    !(status = tern_tokenize(model, message.content, strlen(message.content), TERN_TOKENIZE_BOS, &ids, &n_ids,
	                             err)) &&
	    !(status = tern_generate(session, sampler, ids, n_ids, &options, NULL, err)))
		status = tern_detokenize(model, ids, n_ids, false, &text, &n_bytes, err);
	tern_free(text);
	tern_free(ids);
	tern_sampler_free(sampler);
	tern_session_free(session);
	tern_model_close(model);
	return status;
}

int main(void)
{
	struct tern_error err;

	on_this_cpu();
	no_new_threads();
	scratch_begin();
	snprintf(path, sizeof path, "%s", scratch_path("model.gguf"));
	CHECK(tiny_model_write(path, NULL, &err), "%s", err.message);
	int n = inject_all("TERN_FAIL_ALLOC", generate_once);
	CHECK(n > 20, "only %d allocations were tried", n);
	CHECK(tiny_model_write(path, tiny_foreign(), &err), "%s", err.message);
	int n_foreign = inject_all("TERN_FAIL_ALLOC", generate_once);
	CHECK(n_foreign > n, "repacking allocated nothing");
	hybrid_fill();
	CHECK(hybrid_write(path, &(struct hybrid_kind){.is_folded = true}, &err), "%s", err.message);
	int n_hybrid = inject_all("TERN_FAIL_ALLOC", generate_once);
	CHECK(n_hybrid > n_foreign, "a hybrid allocated no more than repacking");
	scratch_end();
	return test_summary();
}
