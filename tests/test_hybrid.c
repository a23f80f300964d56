/* Architecture qwen35: tern agrees with a reference in double precision, and with none of those that make one of the
 * known mistakes; gives the same bits with every kernel set, in batches of any size, with any number of threads, after
 * going back, and beside other sequences; and refuses files that say something else than it computes. */
#include "base/sizes.h"
#include "hybrid_model.h"
#include "hybrid_reference.h"
#include "kernels/kernels.h"
#include "scratch.h"
#include "test.h"

#include <math.h>
#include <string.h>
#include <tern.h>

enum {
	N_IDS = 40,
};

static struct tern_error err;
static int32_t ids[N_IDS];

static struct tern_model *open_kind(const struct hybrid_kind *kind)
{
	struct tern_model *model = NULL;

	if (!hybrid_write(scratch_path("model.gguf"), kind, &err) ||
	    tern_model_open(&model, scratch_path("model.gguf"), NULL, &err)) {
		printf("%s\n", err.message);
		exit(1);
	}
	return model;
}

/* Logits of all ids [N_IDS, VOCAB], fed n_piece at a time; the caller frees them. */
static float *run(const struct tern_model *model, int n_threads, int n_batch, size_t n_piece)
{
	struct tern_session_options options = {.n_ctx = N_IDS, .n_threads = n_threads, .n_batch = n_batch};
	struct tern_session *session;
	float *logits = malloc(N_IDS * VOCAB * sizeof *logits);

	if (!logits || tern_session_new(&session, model, &options, &err)) {
		printf("%s\n", err.message);
		exit(1);
	}
	for (size_t at = 0; at < N_IDS; at += n_piece) {
		size_t n = tern_smaller(N_IDS - at, n_piece);
		CHECK(tern_session_feed(session, ids + at, n, logits + at * VOCAB, &err) == TERN_OK, "%s", err.message);
	}
	tern_session_free(session);
	return logits;
}

/* ---- against the reference ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median over the positions of the error relative to the logits. */
static double error_of(const float *logits, const double *expected)
{
	double errors[N_IDS];

	for (size_t i = 0; i < N_IDS; i++) {
		double difference = 0.0, size = 0.0;
		for (size_t k = i * VOCAB; k < (i + 1) * VOCAB; k++) {
			difference += ((double)logits[k] - expected[k]) * ((double)logits[k] - expected[k]);
			size += expected[k] * expected[k];
		}
		errors[i] = sqrt(difference / size);
	}
	qsort(errors, N_IDS, sizeof *errors, compare);
	return errors[N_IDS / 2];
}

static void check_reference(const char *name, const struct hybrid_kind *kind)
{
	static double expected[N_IDS * VOCAB];
	struct tern_model *model = open_kind(kind);
	float *logits = run(model, 1, 64, N_IDS);

	reference_run(expected, ids, N_IDS, kind, NO_MISTAKE);
	double right = error_of(logits, expected);
	printf("%s: %.4f off in the median\n", name, right);
	CHECK(right < 0.05, "%s: %.4f off", name, right);
	for (int m = NO_MISTAKE + 1; m < (kind->is_folded ? N_MISTAKES : FIRST_OF_TRANSFORMS); m++) {
		reference_run(expected, ids, N_IDS, kind, (enum mistake)m);
		double wrong = error_of(logits, expected);
		/* The norm of a head's output takes the query's scale back, but for its epsilon. */
		double least = m == NO_QUERY_SCALE ? 1.5 : 3.0;
		CHECK(!(wrong < least * right), "%s: mistake %d makes too little difference: %.4f, without %.4f", name,
		      m, wrong, right);
	}
	free(logits);
	tern_model_close(model);
}

/* ---- the same bits ---- */

static void check_bits(const char *what, const float *logits, const float *expected)
{
	CHECK(!memcmp(logits, expected, N_IDS * VOCAB * sizeof *logits), "%s: other bits", what);
}

static void check_splits(const struct tern_model *model, const float *expected)
{
	static const struct {
		int n_threads, n_batch;
		size_t n_piece;
	} splits[] = {{2, 64, N_IDS}, {1, 64, 1}, {3, 2, N_IDS}, {2, 5, 7}, {1, 3, N_IDS}};
	const struct tern_kernels *const *built = tern_kernels_built();
	char what[64];

	for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
		float *logits = run(model, splits[i].n_threads, splits[i].n_batch, splits[i].n_piece);
		snprintf(what, sizeof what, "%d threads, batches of %d", splits[i].n_threads, splits[i].n_batch);
		check_bits(what, logits, expected);
		free(logits);
	}
	for (size_t i = 0; built[i]; i++) {
		if (!tern_kernels_usable(built[i]))
			continue;
		setenv("TERN_ISA", built[i]->name, 1);
		float *logits = run(model, 2, 16, N_IDS);
		check_bits(built[i]->name, logits, expected);
		free(logits);
	}
	unsetenv("TERN_ISA");
}

/* Tokens of other sequences in the same batches. */
static void check_sequences(const struct tern_model *model, const float *expected)
{
	static float logits[3][VOCAB];
	struct tern_engine_options options = {.n_threads = 2, .n_batch = 8};
	struct tern_engine *engine;
	struct tern_sequence *sequences[3];

	CHECK(tern_engine_new(&engine, model, &options, &err) == TERN_OK, "%s", err.message);
	for (size_t i = 0; i < 3; i++)
		CHECK(tern_sequence_new(&sequences[i], model, NULL, &err) == TERN_OK, "%s", err.message);
	for (size_t at = 0; at < N_IDS; at += 4) {
		/* The second is the first from its second token on; the third has a token for two of theirs. */
		struct tern_feed feeds[] = {
		        {sequences[0], ids + at, 4}, {sequences[1], ids + at + 1, 3}, {sequences[2], ids + at / 2, 2}};
		CHECK(tern_engine_feed(engine, feeds, 3, logits[0], &err) == TERN_OK, "%s", err.message);
		CHECK(!memcmp(logits[0], expected + (at + 3) * VOCAB, sizeof logits[0]), "beside others: token %zu",
		      at + 3);
		CHECK(!memcmp(logits[2], expected + (at / 2 + 1) * VOCAB, sizeof logits[2]),
		      "third of three: token %zu", at / 2 + 1);
	}
	for (size_t i = 0; i < 3; i++)
		tern_sequence_free(sequences[i]);
	tern_engine_free(engine);
}

/* Both the state and the convolution's tokens go back: to nothing, or to the end of a turn. */
static void check_going_back(const struct tern_model *model, const float *expected)
{
	struct tern_session_options options = {.n_ctx = 3 * N_IDS, .n_threads = 2, .n_batch = 16};
	struct tern_session *session;
	const int32_t end = TINY_VOCAB - 1;

	for (int with_cache = 0; with_cache <= 1; with_cache++) {
		options.state_cache = with_cache ? 0 : -1;
		CHECK(tern_session_new(&session, model, &options, &err) == TERN_OK, "%s", err.message);
		tern_session_feed(session, ids, N_IDS, NULL, &err);
		tern_session_feed(session, ids + 5, 20, NULL, &err);
		CHECK(tern_session_rewind(session, 0) == 0, "not at the beginning");
		tern_session_feed(session, ids, N_IDS - 1, NULL, &err);
		tern_session_feed(session, ids + N_IDS - 1, 1, NULL, &err);
		CHECK(!memcmp(tern_session_logits(session), expected + (N_IDS - 1) * VOCAB, VOCAB * sizeof *expected),
		      "going back to the beginning changed the answer");
		tern_session_feed(session, &end, 1, NULL, &err); /* a turn ends */
		tern_session_feed(session, ids, 9, NULL, &err);
		float wanted[VOCAB];
		memcpy(wanted, tern_session_logits(session), sizeof wanted);
		tern_session_feed(session, ids + 9, 9, NULL, &err);
		int n_kept = tern_session_rewind(session, N_IDS + 5);
		CHECK(n_kept == (with_cache ? N_IDS + 1 : 0), "%d tokens kept", n_kept);
		if (n_kept == 0) {
			tern_session_feed(session, ids, N_IDS, NULL, &err);
			tern_session_feed(session, &end, 1, NULL, &err);
		}
		tern_session_feed(session, ids, 9, NULL, &err);
		CHECK(!memcmp(tern_session_logits(session), wanted, sizeof wanted), "going back changed the answer");
		tern_session_free(session);
	}
}

struct patience {
	int n_asked, limit;
};

static bool is_patient(void *user)
{
	struct patience *patience = user;
	return patience->n_asked++ < patience->limit;
}

/* Stopped anywhere in a prompt, even between the layers of a batch. */
static void check_stopping(const struct tern_model *model, const float *expected)
{
	struct tern_session_options options = {.n_ctx = 3 * N_IDS, .n_threads = 2, .n_batch = 8};
	struct tern_session *session;
	struct tern_sampler *sampler;

	CHECK(tern_session_new(&session, model, &options, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_sampler_new(&sampler, model, NULL, &err) == TERN_OK, "%s", err.message);
	for (int limit = 0; limit < 80; limit += 7) {
		struct patience patience = {0, limit};
		struct tern_generate_options settings = {
		        .ignore_end = true, .keep_going = is_patient, .user = &patience};
		struct tern_generate_result result;
		tern_session_rewind(session, 0);
		CHECK(tern_generate(session, sampler, ids, N_IDS, &settings, &result, &err) == TERN_OK, "%s",
		      err.message);
		int n_kept = tern_session_rewind_to(session, ids, N_IDS);
		CHECK(tern_session_feed(session, ids + n_kept, (size_t)(N_IDS - n_kept), NULL, &err) == TERN_OK, "%s",
		      err.message);
		CHECK(!memcmp(tern_session_logits(session), expected + (N_IDS - 1) * VOCAB, VOCAB * sizeof *expected),
		      "stopped at question %d: other logits", limit);
	}
	tern_sampler_free(sampler);
	tern_session_free(session);
}

static void check_same_bits(void)
{
	static const struct hybrid_kind folded = {.is_folded = true}, with_mtp = {.is_folded = true, .has_mtp = true},
	                                tied = {.is_folded = true, .is_tied = true};
	struct tern_model *model = open_kind(&folded);
	float *expected = run(model, 1, 64, N_IDS), *logits;

	check_splits(model, expected);
	check_sequences(model, expected);
	check_going_back(model, expected);
	check_stopping(model, expected);
	tern_model_close(model);
	model = open_kind(&with_mtp);
	logits = run(model, 1, 64, N_IDS);
	check_bits("with layers that predict more tokens", logits, expected);
	tern_model_close(model);
	free(logits);
	model = open_kind(&tied);
	logits = run(model, 1, 64, N_IDS);
	check_splits(model, logits);
	tern_model_close(model);
	free(logits);
	free(expected);
}

/* ---- files that are refused ---- */

struct changed {
	bool is_tied;
	struct tiny_change change;
	const char *message; /* part of what opening it says; NULL: it opens */
};

static const struct changed plain_cases[] = {
        {.change = {TINY_NOTHING, TINY_SKIP, 0, NULL}},
        {.change = {"qwen35.ssm.conv_kernel", TINY_SKIP, 0, NULL}, .message = "ssm.conv_kernel"},
        {.change = {"qwen35.ssm.conv_kernel", TINY_NUMBER, 3, NULL}, .message = "ssm.conv_kernel"},
        {.change = {"qwen35.ssm.state_size", TINY_NUMBER, 24, NULL}, .message = "ssm.state_size"},
        {.change = {"qwen35.ssm.state_size", TINY_NUMBER, 32, NULL}, .message = "ssm.inner_size"},
        {.change = {"qwen35.ssm.state_size", TINY_NUMBER, 65536, NULL}, .message = "ssm.state_size"},
        {.change = {"qwen35.ssm.group_count", TINY_NUMBER, 4, NULL}, .message = "ssm.group_count"},
        {.change = {"qwen35.ssm.group_count", TINY_NUMBER, 0, NULL}, .message = "ssm.group_count"},
        {.change = {"qwen35.ssm.group_count", TINY_NUMBER, 3, NULL}, .message = "attn_qkv"},
        {.change = {"qwen35.ssm.time_step_rank", TINY_NUMBER, 0, NULL}, .message = "ssm.time_step_rank"},
        {.change = {"qwen35.ssm.time_step_rank", TINY_NUMBER, 4294967295.0, NULL}, .message = "ssm.time_step_rank"},
        {.change = {"qwen35.ssm.inner_size", TINY_NUMBER, 64, NULL}, .message = "ssm.inner_size"},
        {.change = {"qwen35.full_attention_interval", TINY_NUMBER, 0, NULL}, .message = "full_attention_interval"},
        {.change = {"qwen35.full_attention_interval", TINY_NUMBER, 5, NULL}, .message = "full_attention_interval"},
        {.change = {"qwen35.full_attention_interval", TINY_NUMBER, 2, NULL}, .message = "blk.1."},
        {.change = {"qwen35.full_attention_interval", TINY_SKIP, 0, NULL}},
        {.change = {"qwen35.rope.dimension_sections", TINY_STRING, 0, "2, 1, 1"}, .message = "dimension_sections"},
        {.change = {"qwen35.rope.dimension_count", TINY_NUMBER, 16, NULL}, .message = "dimension_sections"},
        {.change = {TINY_EXTRA, TINY_NUMBER, 1, "qwen35.nextn_predict_layers"}, .message = "full_attention_interval"},
        {.change = {TINY_EXTRA, TINY_NUMBER, 4, "qwen35.nextn_predict_layers"}, .message = "nextn_predict_layers"},
        {.change = {HYBRID_TERNARY_GATE, TINY_SKIP, 0, NULL}, .message = "ssm_alpha.weight': type F32"},
};

#define H "prism.hadamard."
static const struct changed folded_cases[] = {
        {.change = {TINY_NOTHING, TINY_SKIP, 0, NULL}},
        {.is_tied = true, .change = {TINY_NOTHING, TINY_SKIP, 0, NULL}},
        {.change = {TINY_EXTRA, TINY_NUMBER, 1, H "rotation"}, .message = H "rotation"},
        {.change = {H "version", TINY_SKIP, 0, NULL}, .message = H "version"},
        {.change = {H "version", TINY_NUMBER, 3, NULL}, .message = H "version"},
        {.change = {H "version", TINY_NUMBER, 2, NULL}, .message = H "tied_output"},
        {.is_tied = true, .change = {H "version", TINY_NUMBER, 1, NULL}, .message = H "tied_output"},
        {.is_tied = true, .change = {H "tied_output", TINY_SKIP, 0, NULL}, .message = H "tied_output"},
        {.change = {H "transform", TINY_SKIP, 0, NULL}, .message = H "transform"},
        {.change = {H "transform", TINY_STRING, 0, "normalized-walsh-hadamard"}, .message = H "transform"},
        {.change = {H "axis", TINY_STRING, 0, "output-dimension"}, .message = H "axis"},
        {.change = {H "block_size", TINY_SKIP, 0, NULL}, .message = H "block_size"},
        {.change = {H "block_size", TINY_NUMBER, 0, NULL}, .message = H "block_size"},
        {.change = {H "block_size", TINY_NUMBER, 48, NULL}, .message = H "block_size"},
        {.change = {H "block_size", TINY_NUMBER, 64, NULL}, .message = H "sign_widths"}, /* 96 is no multiple */
        {.change = {H "sign_mode", TINY_SKIP, 0, NULL}, .message = H "sign_mode"},
        {.change = {H "sign_mode", TINY_STRING, 0, "random"}, .message = H "sign_mode"},
        {.change = {H "sign_mode", TINY_STRING, 0, "identity"}, .message = H "sign_mode"},
        {.change = {H "sign_widths", TINY_SKIP, 0, NULL}, .message = H "sign_widths"},
        {.change = {H "sign_values", TINY_SKIP, 0, NULL}, .message = H "sign_values"},
        {.change = {HYBRID_SIGN, TINY_VALUE, 0, NULL}, .message = H "sign_values"},
        {.change = {HYBRID_SIGN, TINY_VALUE, 2, NULL}, .message = H "sign_values"},
        {.change = {H "inverse_weight_names", TINY_SKIP, 0, NULL}, .message = H "inverse_weight_names"},
        {.change = {H "inverse_weight_names", TINY_STRING, 0, "token_embd.weight"},
         .message = H "inverse_weight_names"},
        {.change = {H "gdn_v_grouped", TINY_SKIP, 0, NULL}, .message = H "gdn_v_grouped"},
        {.change = {HYBRID_OTHER_NAME, TINY_SKIP, 0, "blk.9.attn_q.weight"}, .message = "does not exist"},
        {.change = {HYBRID_OTHER_NAME, TINY_SKIP, 0, "blk.0.attn_norm.weight"}, .message = "attn_norm"},
        {.change = {HYBRID_OTHER_NAME, TINY_SKIP, 0, "blk.0.attn_qkv.weight"}, .message = "twice"},
        {.change = {HYBRID_OTHER_NAME, TINY_SKIP, 0, "blk.0.ssm_beta.weight"}, .message = "ssm_beta"},
        {.change = {HYBRID_OTHER_NAME, TINY_SKIP, 0, "token_embd.weight"}, .message = "token_embd"},
        {.change = {HYBRID_NAME_LESS, TINY_SKIP, 0, NULL}}, /* the head may be in the ordinary basis */
        {.is_tied = true, .change = {HYBRID_OTHER_NAME, TINY_SKIP, 0, "token_embd.weight"}, .message = "token_embd"},
        {.is_tied = true, .change = {HYBRID_OTHER_NAME, TINY_SKIP, 0, "output.weight"}, .message = "does not exist"},
        {.change = {HYBRID_FLOAT_EMBEDDING, TINY_SKIP, 0, NULL}},
        {.is_tied = true,
         .change = {HYBRID_FLOAT_EMBEDDING, TINY_SKIP, 0, NULL},
         .message = "is the head too, but not ternary"},
};
#undef H

static void check_refusals(const struct changed *cases, size_t n_cases, bool is_folded)
{
	for (size_t i = 0; i < n_cases; i++) {
		const struct tiny_change changes[] = {cases[i].change, {0}};
		struct hybrid_kind kind = {.is_folded = is_folded, .is_tied = cases[i].is_tied, .changes = changes};
		const char *message = cases[i].message;
		struct tern_model *model = NULL;
		CHECK(hybrid_write(scratch_path("refused.gguf"), &kind, &err), "%s", err.message);
		enum tern_status status = tern_model_open(&model, scratch_path("refused.gguf"), NULL, &err);
		if (message)
			CHECK(status == TERN_ERR_FILE && strstr(err.message, message), "folded %d, case %zu (%s): %s",
			      is_folded, i, message, status ? err.message : "opened");
		else
			CHECK(status == TERN_OK, "folded %d, case %zu: %s", is_folded, i, err.message);
		tern_model_close(model);
	}
}

int main(void)
{
	static const struct hybrid_kind plain = {0}, folded = {.is_folded = true}, tied = {.is_tied = true},
	                                folded_tied = {.is_folded = true, .is_tied = true};

	scratch_begin();
	hybrid_fill();
	for (size_t i = 0; i < N_IDS; i++)
		ids[i] = (int32_t)(test_random() % VOCAB);
	check_reference("plain", &plain);
	check_reference("folded", &folded);
	check_reference("tied", &tied);
	check_reference("folded and tied", &folded_tied);
	check_same_bits();
	check_refusals(plain_cases, sizeof plain_cases / sizeof *plain_cases, false);
	check_refusals(folded_cases, sizeof folded_cases / sizeof *folded_cases, true);
	scratch_end();
	return test_summary();
}
