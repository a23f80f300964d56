/* What models and sequences take of memory: what cannot fit is refused before anything is allocated, unless the caller
 * overcommits, and the figures that programs show agree with what is allocated. */
#include "api/inspect.h"
#include "api/session.h"
#include "base/machine.h"
#include "model/repack.h"
#include "scratch.h"
#include "test.h"
#include "tiny_model.h"

#include <string.h>
#include <unistd.h>

static struct tern_error err;

static void check_refusal(enum tern_status status, const char *what)
{
	CHECK(status == TERN_ERR_FAILED && strstr(err.message, what) &&
	              strstr(err.message, " MiB are available; the option overcommit "),
	      "%s: status %d, '%s'", what, status, err.message);
}

static void check_machine(void)
{
	check_refusal(tern_check_memory("a whale", (uint64_t)1 << 60, false, &err), "a whale needs 1099511627776 MiB");
	CHECK(!tern_check_memory("a whale", (uint64_t)1 << 60, true, &err), "overcommitted");
	CHECK(!tern_check_memory("a fly", 1, false, &err), "%s", err.message);
}

static void note_bytes(void *user, uint64_t n_bytes) { *(uint64_t *)user += n_bytes; }

/* A header that promises 256 TiB of weights to bring into tern's layout. */
static void check_header(void)
{
	struct gguf_tensor tensor = {.name = {"blk.0.attn_q.weight", 19},
	                             .type = GGUF_TENSOR_TQ2_0,
	                             .n_dims = 2,
	                             .dims = {1 << 24, (uint64_t)1 << 26, 1, 1},
	                             .n_bytes = (uint64_t)66 << 42};
	struct gguf gguf = {.path = "lies.gguf", .tensors = &tensor, .n_tensors = 1};
	uint64_t n_told = 0;
	struct tern_model_options options = {.on_repack = note_bytes, .user = &n_told, .n_threads = 1};
	struct tern_repacker repacker;

	check_refusal(tern_repacker_init(&repacker, &gguf, &options, NULL, &err), "lies.gguf: ");
	CHECK(n_told == 0, "told of what is refused");
	tern_repacker_clear(&repacker);
	options.overcommit = true;
	CHECK(!tern_repacker_init(&repacker, &gguf, &options, NULL, &err), "%s", err.message);
	CHECK(n_told == (uint64_t)1 << 48, "%llu bytes", (unsigned long long)n_told);
	tern_repacker_clear(&repacker);
}

/* A file of 8 TiB, nearly all of it a hole, that is to be read into memory. */
static void check_reading(void)
{
	const char *path = scratch_path("long.gguf");
	struct tern_model_options options = {.no_mmap = true, .n_threads = 1};
	struct tern_model *model;

	if (!tiny_model_write(path, NULL, &err))
		CHECK(false, "%s", err.message);
	else if (truncate(path, (off_t)1 << 43) == 0) /* not every file system has such files */
		check_refusal(tern_model_open(&model, path, &options, &err), "long.gguf: reading it needs 8388608 MiB");
}

/* Weights in a mapped file count until they are read; those that were repacked are in use already. */
static void check_mapped(void)
{
	const char *plain = scratch_path("plain.gguf"), *foreign = scratch_path("foreign.gguf");
	struct tern_session_options options = {.n_ctx = 8, .n_threads = 1};
	struct tern_session *session;
	struct tern_model *model;
	uint64_t n_told = 0;
	struct tern_model_options opening = {.on_repack = note_bytes, .user = &n_told, .n_threads = 1};
	struct tern_file_facts facts;

	if (!tiny_model_write(plain, NULL, &err) || !tiny_model_write(foreign, tiny_foreign(), &err) ||
	    tern_model_open(&model, plain, &opening, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	tern_file_facts_of(&facts, tern_model_gguf(model));
	CHECK(facts.n_weight_bytes == facts.n_bytes && n_told == 0, "a file that is used as it is");
	CHECK(model->transformer.n_mapped_bytes == facts.n_bytes, "mapped");
	model->transformer.n_mapped_bytes = (uint64_t)1 << 60;
	check_refusal(tern_session_new(&session, model, &options, &err), "a context of 8 tokens");
	model->transformer.overcommits = true;
	CHECK(!tern_session_new(&session, model, &options, &err), "%s", err.message);
	tern_session_free(session);
	tern_model_close(model);

	opening.lock = true; /* as far as the system lets it */
	if (!tern_model_open(&model, plain, &opening, &err)) {
		CHECK(model->transformer.n_mapped_bytes == 0, "locked weights count as memory not yet used");
		tern_model_close(model);
	}
	opening.lock = false;

	if (tern_model_open(&model, foreign, &opening, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	tern_file_facts_of(&facts, tern_model_gguf(model));
	CHECK(n_told == facts.n_repacked_bytes && n_told > 0, "told of %llu bytes", (unsigned long long)n_told);
	CHECK(model->transformer.n_mapped_bytes == facts.n_weight_bytes - facts.n_repacked_bytes, "mapped");
	tern_model_close(model);
}

static void check_session(void)
{
	struct tern_session_options options = {.n_ctx = 300, .n_threads = 1, .kv = TERN_KV_Q8};
	struct tern_file_facts facts;
	struct tern_memory memory;
	struct tern_session *session;
	struct tern_model *model;

	if (tern_model_open(&model, scratch_path("plain.gguf"), NULL, &err) ||
	    tern_session_new(&session, model, &options, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	tern_file_facts_of(&facts, tern_model_gguf(model));
	tern_memory_of(&memory, session);
	CHECK(memory.weight_bytes == facts.n_bytes && memory.state_bytes == facts.n_state_bytes, "weights, state");
	CHECK(memory.token_bytes == facts.n_kv_bytes[TERN_KV_Q8], "a token");
	CHECK(memory.token_bytes < facts.n_kv_bytes[TERN_KV_F16], "q8 is no smaller");
	CHECK(memory.context_bytes >= 300 * memory.token_bytes, "the context");
	tern_session_free(session);
	tern_model_close(model);
}

int main(void)
{
	scratch_begin();
	check_machine();
	check_header();
	check_reading();
	check_mapped();
	check_session();
	scratch_end();
	return test_summary();
}
