/* What programs see beyond tern.h (api/inspect.h) agrees with tern.h and with the file: facts of files that tern runs
 * and of one that it refuses, the cost of a token, the head, the meters; and models of random weights can be given up.
 */
#include "api/inspect.h"
#include "base/file.h"
#include "scratch.h"
#include "test.h"
#include "tiny_model.h"

#include <string.h>

static struct tern_error err;

static struct tern_model *write_and_open(const char *name, const struct tiny_change *changes)
{
	const char *path = scratch_path(name);
	struct tern_model *model = NULL;
	bool good = tiny_model_write(path, changes, &err) && !tern_model_open(&model, path, NULL, &err);

	CHECK(good, "%s: %s", name, err.message);
	return model;
}

static void check_facts(const struct tern_model *model)
{
	struct tern_file_facts facts;
	struct tern_model_info info;

	tern_model_get_info(model, &info);
	tern_file_facts_of(&facts, tern_model_gguf(model));
	CHECK(facts.refused.status == TERN_OK, "%s", facts.refused.message);
	CHECK(facts.n_layer == 1 && facts.n_embd == TINY_EMBD && facts.n_ff == TINY_FF, "sizes");
	CHECK(facts.n_head == TINY_HEADS && facts.n_head_kv == TINY_HEADS_KV && facts.head_dim == TINY_HEAD_DIM,
	      "heads");
	CHECK((int)facts.n_ctx_train == info.n_ctx_train, "context");
	CHECK(facts.n_params == info.n_params, "%llu parameters, expected %llu", (unsigned long long)facts.n_params,
	      (unsigned long long)info.n_params);
	CHECK(facts.n_bytes == info.n_weight_bytes, "bytes");
	CHECK(facts.n_linear_norms == 7, "%zu norms in front of projections", facts.n_linear_norms);
}

static void check_repacking(void)
{
	struct tern_model *model = write_and_open("foreign.gguf", tiny_foreign());
	struct tern_file_facts facts;

	if (!model)
		return;
	tern_file_facts_of(&facts, tern_model_gguf(model));
	CHECK(facts.n_to_t2r16 == 7 && facts.n_to_q8p == 0, "%zu and %zu repacked", facts.n_to_t2r16, facts.n_to_q8p);
	CHECK(facts.n_repacked_bytes > 0, "repacked bytes");
	tern_model_close(model);
}

/* A file that tern does not run is still described. */
static void check_refused(void)
{
	static const struct tiny_change changes[] = {{"general.architecture", TINY_STRING, 0, "mamba"}, {.name = NULL}};
	const char *path = scratch_path("refused.gguf");
	struct tern_file file = {0};
	struct tern_file_facts facts;
	struct gguf gguf = {0};
	bool good = tiny_model_write(path, changes, &err) && !tern_file_open(&file, path, true, &err) &&
	            !tern_gguf_parse(&gguf, path, file.data, file.size, &err);

	CHECK(good, "%s", err.message);
	if (good) {
		tern_file_facts_of(&facts, &gguf);
		CHECK(facts.refused.status == TERN_ERR_FILE && strstr(facts.refused.message, "mamba"), "'%s'",
		      facts.refused.message);
		CHECK(facts.n_layer == 0 && facts.n_repacked_bytes == 0, "sizes of a model that is not run");
		CHECK(facts.n_params > 0 && facts.n_ternary_params > 0 && facts.n_types > 1, "tensors");
	}
	tern_gguf_free(&gguf);
	tern_file_close(&file);
}

/* All tensors of a layer are read once per token, but for the one scale of each matrix. */
static void check_cost(const struct tern_model *model)
{
	const struct gguf *gguf = tern_model_gguf(model);
	struct tern_cost cost;
	uint64_t n = 0;

	for (size_t i = 0; i < gguf->n_tensors; i++)
		if (!memcmp(gguf->tensors[i].name.bytes, "blk.", 4) &&
		    !tern_gguf_string_ends_in(gguf->tensors[i].name, ".scale"))
			n += gguf->tensors[i].n_bytes;
	tern_cost_of(&cost, model, TERN_KV_F16);
	CHECK(cost.layer_bytes == n, "%llu bytes of layers, expected %llu", (unsigned long long)cost.layer_bytes,
	      (unsigned long long)n);
	CHECK(cost.layer_macs == 2304, "%llu multiply-adds", (unsigned long long)cost.layer_macs);
	CHECK(cost.head_macs == (uint64_t)TINY_VOCAB * TINY_EMBD, "head");
	CHECK(cost.head_low_bytes < cost.head_bytes && cost.kv_bytes > 0, "head, cache");
	CHECK(tern_model_scale_group(model) == 0, "scales");
}

static void check_session(const struct tern_model *model)
{
	struct tern_session_options options = {.n_ctx = 4, .n_threads = 2};
	struct tern_session *session;
	struct tern_head_reads reads;
	struct tern_meter meter;
	int32_t id = 5;

	if (tern_session_new(&session, model, &options, &err) || tern_session_feed(session, &id, 1, NULL, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	tern_compute_top_logits(session, 5);
	reads = tern_session_head_reads(session);
	CHECK(reads.n_panels == (TINY_VOCAB + 15) / 16, "%llu panels", (unsigned long long)reads.n_panels);
	CHECK(reads.n_whole_panels > 0 && reads.n_whole_panels <= reads.n_panels, "whole panels");
	tern_meter_start(&meter, session);
	CHECK(meter.instruction && *meter.instruction, "instruction");
	CHECK(tern_meter_read(&meter, 1000) > 0 && tern_meter_multiply(&meter, 1000) > 0, "rates");
	tern_session_free(session);
}

static bool refuse(void *user, uint64_t n_done, uint64_t n_total)
{
	(void)n_done;
	(void)n_total;
	++*(int *)user;
	return false;
}

static void check_random(void)
{
	int n_calls = 0;
	struct tern_model_options options = {.n_threads = 1, .on_progress = refuse, .user = &n_calls};
	struct tern_model *model;

	CHECK(tern_model_make_random(&model, "5b", NULL, &err) == TERN_ERR_USAGE && !model, "no such shape");
	CHECK(strstr(err.message, "'5b'"), "%s", err.message);
	CHECK(tern_model_make_random(&model, "3b:128", NULL, &err) == TERN_ERR_USAGE && !model, "no such groups");
	CHECK(tern_model_make_random(&model, "0.7b", &options, &err) == TERN_ERR_FAILED && !model, "%s", err.message);
	CHECK(n_calls == 1, "called %d times after it refused", n_calls);
}

int main(void)
{
	struct tern_model *model;

	scratch_begin();
	if ((model = write_and_open("tiny.gguf", NULL))) {
		check_facts(model);
		check_cost(model);
		check_session(model);
	}
	tern_model_close(model);
	check_repacking();
	check_refused();
	check_random();
	scratch_end();
	return test_summary();
}
