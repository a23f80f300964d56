/* Embeddings: the vector is the one that the head multiplies, of the tokens asked for, and has length 1. */
#include "base/file.h"
#include "model/gguf_parse.h"
#include "scratch.h"
#include "test.h"
#include "tiny_model.h"

#include <math.h>
#include <string.h>
#include <tern.h>

enum {
	N_TOKENS = 9
};

static const int32_t ids[N_TOKENS] = {3, 1, 4, 1, 5, 9, 2, 6, 250};
static struct tern_error err;

static struct tern_session *open_session(const struct tern_model *model, int n_batch)
{
	struct tern_session_options options = {.n_ctx = N_TOKENS, .n_threads = 1, .n_batch = n_batch};
	struct tern_session *session;

	if (tern_session_new(&session, model, &options, &err) != TERN_OK) {
		CHECK(false, "%s", err.message);
		return NULL;
	}
	return session;
}

static bool embed(const struct tern_model *model, int n_batch, const int32_t *tokens, size_t n,
                  enum tern_pooling pooling, float *out)
{
	struct tern_session *session = open_session(model, n_batch);
	bool ok = session && tern_session_embed(session, tokens, n, pooling, out, &err) == TERN_OK;

	CHECK(ok, "%s", err.message);
	tern_session_free(session);
	return ok;
}

/* With a head of floats, logits are its rows times the vector before it is scaled: all by the same factor. */
static void check_direction(const struct tern_model *model, const float *rows)
{
	struct tern_session *session = open_session(model, N_TOKENS);
	float vector[TINY_EMBD];
	double factor = 0.0, length = 0.0;
	const float *logits;

	if (!session || !embed(model, N_TOKENS, ids, N_TOKENS, TERN_POOLING_LAST, vector))
		return;
	CHECK(tern_session_feed(session, ids, N_TOKENS, NULL, &err) == TERN_OK, "%s", err.message);
	logits = tern_session_logits(session);
	for (size_t r = 0; r < TINY_VOCAB; r++) {
		double dot = 0.0;
		for (size_t i = 0; i < TINY_EMBD; i++)
			dot += (double)rows[r * TINY_EMBD + i] * (double)vector[i];
		factor = factor == 0.0 && fabs(dot) > 1e-3 ? (double)logits[r] / dot : factor;
		CHECK(fabs((double)logits[r] - dot * factor) <= 1e-4 * fabs(factor), "row %zu: %g, %g * %g", r,
		      (double)logits[r], dot, factor);
	}
	for (size_t i = 0; i < TINY_EMBD; i++)
		length += (double)vector[i] * (double)vector[i];
	CHECK(fabs(length - 1.0) < 1e-5, "length %g", length);
	CHECK(factor > 0.0, "turned round by %g", factor);
	tern_session_free(session);
}

static void check_poolings(const struct tern_model *model)
{
	float last[TINY_EMBD], mean[TINY_EMBD], first[TINY_EMBD], other[TINY_EMBD], model_own[TINY_EMBD];

	embed(model, N_TOKENS, ids, N_TOKENS, TERN_POOLING_LAST, last);
	embed(model, N_TOKENS, ids, N_TOKENS, TERN_POOLING_MODEL, model_own);
	CHECK(!memcmp(last, model_own, sizeof last), "a file that says nothing takes the last token");
	embed(model, N_TOKENS, ids, N_TOKENS, TERN_POOLING_MEAN, mean);
	embed(model, N_TOKENS, ids, N_TOKENS, TERN_POOLING_FIRST, first);
	CHECK(memcmp(last, mean, sizeof last) && memcmp(last, first, sizeof last) && memcmp(mean, first, sizeof last),
	      "poolings are one");
	embed(model, 4, ids, N_TOKENS, TERN_POOLING_MEAN, other);
	CHECK(!memcmp(mean, other, sizeof mean), "mean: the batch shows");
	embed(model, 4, ids, N_TOKENS, TERN_POOLING_LAST, other);
	CHECK(!memcmp(last, other, sizeof last), "last: the batch shows");
	embed(model, 4, ids, 1, TERN_POOLING_LAST, other);
	CHECK(!memcmp(first, other, sizeof first), "the first token sees no other");
	embed(model, 1, ids, 1, TERN_POOLING_MEAN, other);
	CHECK(!memcmp(first, other, sizeof first), "the mean of one");
}

static void check_errors(const struct tern_model *model)
{
	struct tern_session *session = open_session(model, 4);
	int32_t many[N_TOKENS + 1] = {0}, bad = TINY_VOCAB;
	float vector[TINY_EMBD];

	if (!session)
		return;
	CHECK(tern_session_embed(session, ids, 0, TERN_POOLING_LAST, vector, &err) == TERN_ERR_USAGE, "no tokens");
	CHECK(tern_session_embed(session, many, N_TOKENS + 1, TERN_POOLING_LAST, vector, &err) == TERN_ERR_CONTEXT,
	      "too many");
	CHECK(tern_session_feed(session, ids, 2, NULL, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_session_embed(session, &bad, 1, TERN_POOLING_LAST, vector, &err) == TERN_ERR_USAGE, "no such token");
	CHECK(tern_session_embed(session, ids, 1, (enum tern_pooling)9, vector, &err) == TERN_ERR_USAGE,
	      "no such pooling");
	CHECK(tern_session_n_past(session) == 2, "a refused call changed the context");
	tern_session_free(session);
}

static void check_file_says(double pooling_type, enum tern_pooling expected)
{
	const struct tiny_change changes[] = {{TINY_EXTRA, TINY_NUMBER, pooling_type, "llama.pooling_type"},
	                                      {.name = NULL}};
	const char *path = scratch_path("pooling.gguf");
	float own[TINY_EMBD], named[TINY_EMBD];
	struct tern_model *model;

	if (!tiny_model_write(path, changes, &err) || tern_model_open(&model, path, NULL, &err)) {
		CHECK(false, "%s", err.message);
		return;
	}
	embed(model, N_TOKENS, ids, N_TOKENS, TERN_POOLING_MODEL, own);
	embed(model, N_TOKENS, ids, N_TOKENS, expected, named);
	CHECK(!memcmp(own, named, sizeof own), "pooling_type %g", pooling_type);
	tern_model_close(model);
}

static bool read_head(const char *path, float rows[TINY_VOCAB * TINY_EMBD])
{
	struct tern_file file;
	struct gguf gguf = {0};
	const struct gguf_tensor *tensor = NULL;

	if (tern_file_open(&file, path, true, &err) == TERN_OK &&
	    tern_gguf_parse(&gguf, path, file.data, file.size, &err) == TERN_OK)
		tensor = tern_gguf_find_tensor(&gguf, "output.weight");
	if (!tensor && gguf.n_tensors)
		tensor = tern_gguf_find_tensor(&gguf, "token_embd.weight");
	CHECK(tensor && tensor->type == GGUF_TENSOR_F32, "the head is not of floats");
	if (tensor && tensor->type == GGUF_TENSOR_F32)
		memcpy(rows, tensor->data, TINY_VOCAB * TINY_EMBD * sizeof *rows);
	bool ok = tensor && tensor->type == GGUF_TENSOR_F32;
	tern_gguf_free(&gguf);
	tern_file_close(&file);
	return ok;
}

int main(void)
{
	static float rows[TINY_VOCAB * TINY_EMBD];
	struct tern_model *model;
	const char *path;

	scratch_begin();
	path = scratch_path("tiny.gguf");
	if (!tiny_model_write(path, NULL, &err) || tern_model_open(&model, path, NULL, &err)) {
		CHECK(false, "%s", err.message);
		return test_summary();
	}
	if (read_head(path, rows))
		check_direction(model, rows);
	check_poolings(model);
	check_errors(model);
	check_file_says(1, TERN_POOLING_LAST); /* "mean", in a file with norms in front of projections */
	check_file_says(2, TERN_POOLING_FIRST);
	check_file_says(3, TERN_POOLING_LAST);
	tern_model_close(model);
	scratch_end();
	return test_summary();
}
